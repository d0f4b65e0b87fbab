"""Delivery to a real HTTP server that misbehaves in every way an endpoint can."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from aiohttp import web
from said import NOON_MS, Record, alert, records
from standardwebhooks import Webhook

from stream.delivery import sending
from stream.delivery.courier import NO_ALERT, UNDELIVERABLE, WAITING_MAX
from stream.delivery.progress import Progress
from stream.delivery.schedule import DELAYS_SECONDS
from stream.detector.alerts import Kind

MINUTE_MS = 60_000
Rounds = Callable[..., Any]


def customers(receiver: Any) -> list[str]:
    """Return who was told of, in order."""
    return [orjson.loads(got["body"])["customer_id"] for got in receiver.got]


async def test_an_alert_arrives_whole_and_signed(receiver: Any, round_to: Rounds) -> None:
    """The id of the webhook is the alert's, in every repetition."""
    way = round_to(headers=(("X-Team", "success"),))
    await way.courier.read(records(alert(), alert(kind=Kind.LAPSED, alert_id="5b1f00aa-lapsed")))
    await way.run(1)
    first, second = receiver.got
    assert first["headers"]["webhook-id"] == "5b1f00aa-opened"
    assert second["headers"]["webhook-id"] == "5b1f00aa-lapsed"
    assert first["headers"]["webhook-timestamp"] == str(NOON_MS // 1000)
    assert first["headers"]["webhook-signature"].startswith("v1,")
    assert first["headers"]["Content-Type"] == "application/json"
    assert first["headers"]["X-Team"] == "success"
    body = orjson.loads(first["body"])
    assert (body["type"], body["risk"]) == ("slipaway.customer.slipping.opened.v1", 0.834)
    assert way.courier.counts == {"delivered": 2}
    assert way.positions() == {0: 2}


async def test_the_receivers_library_takes_the_signature(receiver: Any, round_to: Rounds) -> None:
    """Standard Webhooks' own, with either secret while two are in use."""
    old, new = b"o" * 32, b"n" * 32
    way = round_to(secrets=(new, old))
    way.now = round(datetime.now(UTC).timestamp() * 1000)  # noqa: TID251 - the library looks at it
    await way.courier.read(records(alert(customer_id="zoë 🌊")))
    await way.run(1)
    (got,) = receiver.got
    for secret in (old, new):
        read = Webhook(secret).verify(got["body"], dict(got["headers"]))
        assert read["customer_id"] == "zoë 🌊"
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(b"x" * 32).verify(got["body"], dict(got["headers"]))


async def test_an_hour_of_500_loses_nothing_and_keeps_the_order(
    receiver: Any, round_to: Rounds
) -> None:
    """Everything arrives as soon as it is back, each customer's in order, and nobody hammers."""
    alerts = [
        alert(customer_id=f"c{n % 20}", alert_id=f"{n}-opened", time=NOON_MS + n) for n in range(60)
    ]
    way = round_to()
    await way.courier.read(records(*alerts))
    receiver.status = 500
    await way.run(1)
    assert len(receiver.got) < 60
    assert way.positions() == {0: 0}
    tried = len(receiver.got)
    receiver.status = 200
    back_at = way.now
    await way.run(1)
    assert way.now - back_at <= 6 * MINUTE_MS
    assert way.courier.counts["delivered"] == 60
    assert way.aside == []
    told = [got["headers"]["webhook-id"] for got in receiver.got[tried:]]
    assert len(told) == len(set(told)) == 60
    for customer in range(20):
        own = [int(one.split("-")[0]) for one in told if int(one.split("-")[0]) % 20 == customer]
        assert own == sorted(own)
    assert way.positions() == {0: 60}


async def test_nobody_waits_any_longer_for_an_endpoint_that_is_back(
    receiver: Any, round_to: Rounds
) -> None:
    """By their own schedules, those that were tried twice would wait for hours."""
    way = round_to()
    await way.courier.read(records(*(alert(customer_id=who) for who in "abcd")))
    receiver.status = 500
    await way.run(2)
    assert max(own.failures for own in way.courier.lanes.take(10**15, 9)) > 2
    for lane in way.courier.lanes._lanes.values():
        lane[0].under_way = False
    receiver.status = 200
    await way.courier.read(records(*(alert(customer_id=who) for who in "abcde"))[4:])
    await way.run(0.1)
    assert way.courier.counts["delivered"] == 5


async def test_one_that_is_refused_holds_up_its_own_customer_only(
    receiver: Any, round_to: Rounds
) -> None:
    """A receiver with a bug for one customer still hears of the others."""

    async def answer(request: web.Request) -> web.Response:
        told = orjson.loads(await request.read())["customer_id"]
        return web.Response(status=422 if told == "bad" else 200)

    receiver.answer = answer
    way = round_to()
    await way.courier.read(
        records(*(alert(customer_id=who) for who in ("bad", "ann", "bad", "bob")))
    )
    await way.run(0.01)
    assert customers(receiver)[:3] == ["bad", "ann", "bob"]
    assert way.positions() == {0: 0}, "until it is settled, it is not committed"


async def test_after_a_restart_only_what_was_not_settled_is_sent(
    receiver: Any, round_to: Rounds
) -> None:
    """One that is refused for days does not have all that followed delivered again."""
    read = records(*(alert(customer_id=who) for who in ("ann", "bad", "bob", "cid")))
    second = round_to()
    second.courier.lanes.begin(0, Progress(3, (1,)))
    await second.courier.read(read[1:])
    await second.run(1)
    assert customers(receiver) == ["bad", "cid"]
    assert second.positions() == {0: 4}


async def test_after_the_last_try_it_is_put_aside_with_the_reason(
    receiver: Any, round_to: Rounds
) -> None:
    """Never dropped; and the next alert of the customer gets its turn."""
    receiver.status = 404
    way = round_to()
    (record,) = records(alert())
    await way.courier.read([record])
    await way.run(24 * 7)
    assert len(receiver.got) == len(DELAYS_SECONDS) + 1 == 10
    ((aside, failure),) = way.aside
    assert aside is record
    assert (failure.code, failure.attempts) == (UNDELIVERABLE, 10)
    assert failure.why == "endpoint crm: 10 attempts; the last: status 404"
    assert failure.first_failed_at == NOON_MS
    assert way.now - NOON_MS == sum(DELAYS_SECONDS) * 1100
    assert way.positions() == {0: 1}


async def test_410_disables_and_commits_nothing_more(receiver: Any, round_to: Rounds) -> None:
    """What was not delivered is there when somebody enables it again."""
    way = round_to()
    receiver.status = 410
    await way.courier.read(records(alert(), alert(customer_id="bob", time=NOON_MS + 1)))
    await asyncio.wait_for(way.courier.work(), 10)
    assert way.courier.gone == "status 410 at alert 5b1f00aa-opened"
    assert way.positions() == {0: 0}
    assert way.aside == []


async def test_one_that_never_answers_is_given_up_in_time(
    receiver: Any, round_to: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A try that hangs is a failure like any other."""

    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    receiver.answer = never
    monkeypatch.setattr(sending, "TIMEOUT_SECONDS", 0.3)
    async with sending.session(private=True, connections=1) as opened:
        request = round_to().courier.endpoint.template(alert(), "")
        answer = await sending.send(opened, receiver.url, request, {})
    assert (answer.status, str(answer)) == (0, "no answer in time")


async def test_one_that_closes_half_way_is_tried_again(receiver: Any, round_to: Rounds) -> None:
    """Without a status nobody knows what it did; the id tells it that it was told before."""

    async def cut(request: web.Request) -> web.StreamResponse:
        if len(receiver.got) > 1:
            return web.Response()
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 20")
        request.transport.close()
        return web.Response()

    receiver.answer = cut
    way = round_to()
    await way.courier.read(records(alert()))
    await way.run(1)
    assert [got["headers"]["webhook-id"] for got in receiver.got] == ["5b1f00aa-opened"] * 2
    assert way.courier.counts == {"retried": 1, "delivered": 1}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(receiver: Any, round_to: Rounds, status: int) -> None:
    """It leads to where no webhook may go, a private address; the URL is to be corrected."""
    receiver.status = status
    receiver.headers = {"Location": receiver.url.replace("/hook", "/secrets")}
    way = round_to()
    await way.courier.read(records(alert()))
    await way.run(0.001)
    assert [got["path"] for got in receiver.got] == ["/hook"]
    assert way.courier.counts == {"retried": 1}


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_waited_for_by_all(receiver: Any, round_to: Rounds, form: str) -> None:
    """A limit on the rate is the endpoint's, not one alert's."""
    until = datetime.fromtimestamp(NOON_MS / 1000, UTC) + timedelta(seconds=1200)
    asked = "1200" if form == "seconds" else f"{until:%a, %d %b %Y %H:%M:%S} GMT"
    receiver.status, receiver.headers = 429, {"Retry-After": asked}
    way = round_to()
    await way.courier.read(records(alert()))
    await way.run(0.1)
    await way.courier.read([records(alert(), alert(customer_id="bob"))[1]])
    await way.run(0.1)
    assert len(receiver.got) == 1
    receiver.status = 200
    await way.run(1)
    assert way.tried_at[1] == NOON_MS + 1_200_000
    assert sorted(customers(receiver)) == ["ann", "ann", "bob"]


async def test_a_private_address_is_not_connected_to(receiver: Any, round_to: Rounds) -> None:
    """By address or by name: what counts is where the socket would go."""
    request = round_to().courier.endpoint.template(alert(), "")
    async with sending.session(private=False, connections=1) as opened:
        for host in ("127.0.0.1", "localhost"):
            url = receiver.url.replace("127.0.0.1", host)
            answer = await sending.send(opened, url, request, {})
            assert answer.status == 0
            assert "no public address" in answer.reason
    assert receiver.got == []


async def test_a_public_name_with_a_private_address_is_not_connected_to(
    receiver: Any, round_to: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: whatever a name was before, the address of the socket is looked at."""
    port = int(receiver.url.rsplit(":", 1)[1].split("/")[0])

    async def resolve(_: Any, host: str, *__: Any, **___: Any) -> list[dict[str, Any]]:
        found = {"hostname": host, "port": port, "family": 2, "proto": 0, "flags": 0}
        return [{**found, "host": "127.0.0.1"}, {**found, "host": "127.0.0.2"}]

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", resolve)
    request = round_to().courier.endpoint.template(alert(), "")
    url = f"http://hooks.example:{port}/"
    async with sending.session(private=False, connections=1) as opened:
        answer = await sending.send(opened, url, request, {})
    assert "no public address" in answer.reason
    assert receiver.got == []
    async with sending.session(private=True, connections=1) as opened:
        assert (await sending.send(opened, url, request, {})).status == 200


async def test_what_is_no_alert_is_put_aside_at_once(round_to: Rounds) -> None:
    """A newer version's record, or a stranger's; an erased one is nothing at all."""
    way = round_to()
    strange, erased = records(alert(), alert())
    strange = type(strange)(b'{"kind":"new"}', 0)
    erased = type(erased)(None, 1)
    await way.courier.read([strange, erased])
    assert [failure.code for _, failure in way.aside] == [NO_ALERT]
    assert way.positions() == {0: 2}
    assert way.courier.counts == {"put_aside": 1, "passed_over": 1}


async def test_only_what_was_asked_for_is_sent(receiver: Any, round_to: Rounds) -> None:
    """Neither other kinds, nor what was decided while a log was worked off."""
    way = round_to(kinds=frozenset({Kind.LAPSED}))
    await way.courier.read(
        records(
            alert(),
            alert(kind=Kind.LAPSED, backfill=True),
            alert(customer_id="b", kind=Kind.LAPSED),
        )
    )
    await way.run(1)
    assert customers(receiver) == ["b"]
    assert way.positions() == {0: 3}


async def test_memory_is_bounded_while_an_endpoint_is_away(receiver: Any, round_to: Rounds) -> None:
    """A full house reads no more; Kafka keeps the rest."""
    receiver.status = 503
    way = round_to()
    await way.courier.read(records(*(alert(customer_id=str(n)) for n in range(WAITING_MAX))))
    assert way.courier.lanes.room == 0
    await way.run(10)
    assert len(receiver.got) < 200, "one attempt at a time, after ever longer pauses"
    assert way.courier.lanes.room == 0


async def test_what_goes_wrong_in_an_attempt_is_raised(round_to: Rounds) -> None:
    """A dead letter that cannot be written ends the process: nothing is dropped."""
    way = round_to()

    async def broken(*_: Any) -> None:
        raise OSError("the broker is away")

    way.courier._send = broken
    await way.courier.read(records(alert()))
    with pytest.raises(OSError, match="away"):
        await asyncio.wait_for(way.courier.work(), 10)


async def test_stopping_waits_for_what_is_under_way_and_not_for_ever(
    receiver: Any, round_to: Rounds
) -> None:
    """What is cut off is not committed, and comes again."""

    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    receiver.answer = never
    way = round_to()
    await way.courier.read(records(alert()))
    way.courier.start_due()
    await asyncio.wait_for(receiver.during.wait(), 10)
    await way.courier.finish(0.1)
    assert way.positions() == {0: 0}


async def test_who_was_erased_is_told_of_no_more(receiver: Any, round_to: Rounds) -> None:
    """A tombstone behind an alert that waits, as on the topic, takes it away."""
    way = round_to()
    found = records(alert(alert_id="1"), alert(customer_id="bob", alert_id="2"))
    await way.courier.read([*found, Record(None, 2, key=b"ann")])
    await way.run(1)
    assert customers(receiver) == ["bob"]
    assert way.courier.counts == {"delivered": 1, "passed_over": 1, "erased": 1}
    assert way.positions() == {0: 3}
