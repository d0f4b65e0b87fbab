"""Alerts on accounts, delivered: to endpoints that ask for them, in order by account."""

from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest
from said import NOON_MS, Record, alert, records

from stream.contract.account_examples import account_examples
from stream.delivery.about import About
from stream.delivery.courier import NO_ALERT
from stream.delivery.endpoints import EndpointErrors, parse
from stream.delivery.templates.of_accounts import ACCOUNT_TEMPLATES, plain, slack
from stream.detector.accounts.alerts import AccountAlert
from stream.detector.alerts import Kind
from stream.wire.account_alerts import decode_account_alert, encode_account_alert

Rounds = Callable[..., Any]
OPENED = account_examples()[Kind.OPENED]


def told(*alerts: AccountAlert) -> list[Record]:
    """Return the records of alerts on accounts."""
    return [
        Record(encode_account_alert(one), number, key=one.account_id.encode())
        for number, one in enumerate(alerts)
    ]


async def test_an_alert_on_an_account_arrives_whole_and_signed(
    receiver: Any, round_to: Rounds
) -> None:
    """Under its own type, as it is published."""
    way = round_to(about=About.ACCOUNTS, template=plain)
    await way.courier.read(told(OPENED))
    await way.run(1)
    (got,) = receiver.got
    body = orjson.loads(got["body"])
    assert got["headers"]["webhook-id"] == OPENED.alert_id
    assert got["headers"]["webhook-signature"].startswith("v1,")
    assert body.pop("type") == "slipaway.account.slipping.opened.v1"
    assert body.pop("timestamp") == body["time"]
    assert decode_account_alert(orjson.dumps(body)) == OPENED


async def test_an_account_waits_for_its_own_alerts_only(receiver: Any, round_to: Rounds) -> None:
    """Its lane is the account's."""
    receiver.status = 500
    other = msgspec.structs.replace(OPENED, account_id="globex", alert_id="x")
    way = round_to(about=About.ACCOUNTS, template=plain)
    escalated = account_examples()[Kind.ESCALATED]
    assert escalated.account_id == OPENED.account_id
    await way.courier.read(told(OPENED, escalated, other))
    taken = way.courier.lanes.take(NOON_MS, 8)
    assert [waiting.alert.alert_id for waiting in taken] == [OPENED.alert_id, "x"]


async def test_what_is_about_others_is_put_aside(round_to: Rounds) -> None:
    """Neither sort is the other, whatever topic it was found in."""
    of_accounts, of_customers = round_to(about=About.ACCOUNTS, template=plain), round_to()
    await of_accounts.courier.read(records(alert()))
    await of_customers.courier.read(told(OPENED))
    for way in (of_accounts, of_customers):
        ((_, failure),) = way.aside
        assert failure.code == NO_ALERT


def test_slack_shows_an_account_and_nothing_that_rings() -> None:
    """Names come from outside."""
    loud = msgspec.structs.replace(OPENED, account_id="<!channel>", reason_1_text="<@U1> & co")
    text = orjson.loads(slack(loud, "").body)["text"]
    assert text.startswith("*account &lt;!channel&gt;* opened: champion, medium\n")
    assert "&lt;@U1&gt; &amp; co" in text
    assert text.endswith(
        "\n→ Call whoever signed, before the renewal does.\npaying · worth 900 · owner: dana"
    )
    nobodys = msgspec.structs.replace(OPENED, play="", segment="", value=None, owner="<!here>")
    last = orjson.loads(slack(nobodys, "").body)["text"].splitlines()[-1]
    assert last == "owner: &lt;!here&gt;"


ENDPOINT = """
[[endpoint]]
name = "accounts"
about = "accounts"
url = "https://crm.example/hook"
"""


def test_an_endpoint_says_whom_it_hears_of() -> None:
    """Customers, unless it says accounts."""
    (found,) = parse(ENDPOINT + 'template = "slack"', {})
    assert (found.about, found.template) == (About.ACCOUNTS, ACCOUNT_TEMPLATES["slack"])
    (usual,) = parse(ENDPOINT.replace('about = "accounts"', 'template = "slack"'), {})
    assert usual.about is About.CUSTOMERS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ENDPOINT + 'template = "braze"', "'braze': of accounts there is plain, slack"),
        (ENDPOINT, "plain is signed"),
        (
            ENDPOINT.replace('"accounts"\nurl', '"orgs"\nurl'),
            "'orgs': there is customers, accounts",
        ),
    ],
)
def test_what_cannot_be_is_refused(text: str, words: str) -> None:
    """Receivers that are about persons have no place for accounts."""
    with pytest.raises(EndpointErrors, match=words):
        parse(text, {})
