"""The worklist: what is open, what is most at stake, how much a day holds."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import orjson
import pytest
from said import Record, alert, records
from typer.testing import CliRunner

from stream.cli import cli
from stream.contract.account_examples import account_examples
from stream.detector.alerts import Alert
from stream.detector.stages import Kind
from stream.engine import present
from stream.tap.worklist import open_episodes, worklists
from stream.wire.account_alerts import encode_account_alert
from stream.wire.alerts import decode_alert, encode_alert


async def work(found: list[Record]) -> list[str]:
    """Give who is on the list, of the records of a topic."""

    async def each():  # type: ignore[no-untyped-def] # noqa: ANN202 - a topic
        for record in found:
            yield record

    return sorted(one.customer_id for one in await open_episodes(each(), decode_alert))


async def test_the_latest_alert_of_a_customer_counts() -> None:
    """Who has come back, or gone, is no work; an erased customer is nobody."""
    found = records(
        alert(customer_id="ann"),
        alert(customer_id="bob"),
        alert(customer_id="cat", kind=Kind.RECOVERED),
        alert(customer_id="ann", kind=Kind.ESCALATED),
        alert(customer_id="bob", kind=Kind.LAPSED),
        alert(customer_id="dan"),
    )
    assert await work([*found, Record(None, key=b"dan")]) == ["ann"]


async def test_what_is_no_alert_is_an_error() -> None:
    """A list with somebody missing is worse than none."""
    with pytest.raises(ValueError, match="truncated"):
        await work([Record(b"{", key=b"ann")])


def names(lists: dict[str, list[Alert]]) -> dict[str, list[str]]:
    """Give who is on whose list."""
    return {owner: [one.customer_id for one in found] for owner, found in lists.items()}


def test_the_most_at_stake_comes_first() -> None:
    """Risk times value; of equals, the order of names; unknown value is the usual one."""
    alerts = [
        alert(customer_id="small", owner="dana", risk=0.9, value=10.0),
        alert(customer_id="large", owner="dana", risk=0.3, value=900.0),
        alert(customer_id="unknown", owner="dana", risk=0.5),
        alert(customer_id="usual", owner="eve", risk=0.5, value=100.0),
        alert(customer_id="b", owner="", risk=0.5),
        alert(customer_id="a", owner="", risk=0.5),
    ]
    assert names(worklists(alerts, {})) == {
        "": ["a", "b"],
        "dana": ["large", "unknown", "small"],
        "eve": ["usual"],
    }


def test_a_day_holds_so_many() -> None:
    """The rest waits for tomorrow, when it is ranked anew."""
    alerts = [alert(customer_id=f"c{n}", owner="dana", risk=n / 10) for n in range(9)]
    assert names(worklists(alerts, {"dana": 3, "eve": 1})) == {"dana": ["c8", "c7", "c6"]}


def test_nothing_open_is_no_list() -> None:
    """And no error."""
    assert worklists([], {"dana": 3}) == {}


def test_accounts_are_ranked_by_what_has_gone_quiet_times_value() -> None:
    """Within what the owner's day holds."""
    opened = account_examples()[Kind.OPENED]
    said = [
        msgspec.structs.replace(
            opened, account_id=name, quiet_share=share, value=value, owner="dana"
        )
        for name, share, value in (("a", 0.5, 100.0), ("b", 1.0, 10.0), ("c", 0.4, None))
    ]
    assert [one.account_id for one in worklists(said, {"dana": 2})["dana"]] == ["a", "c"]
    assert [one.account_id for one in worklists(said, {})["dana"]] == ["a", "c", "b"]


def test_the_command_lists_accounts_or_customers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each from the topic of their latest alerts."""
    topics = {
        "slipaway.accounts": [encode_account_alert(one) for one in account_examples().values()],
        "slipaway.customers": [encode_alert(alert(customer_id="ann", owner="dana"))],
    }

    async def latest(_: object, topic: str) -> AsyncIterator[Record]:
        for number, value in enumerate(topics[topic]):
            yield Record(value, key=b"%d" % number)

    monkeypatch.setattr(present, "present", latest)
    policy = tmp_path / "policy.toml"
    policy.write_text('[[owner]]\nname = "dana"\ndaily = 1\n')
    listed = {}
    for option in ("--accounts", "--json"):
        result = CliRunner().invoke(cli, ["worklist", "--policy", str(policy), option])
        assert result.exit_code == 0, result.stderr
        listed[option] = [orjson.loads(line) for line in result.stdout.splitlines()]
    assert [one["customer_id"] for one in listed["--json"]] == ["ann"]
    (account,) = listed["--accounts"]
    assert (account["kind"], account["owner"], account["quiet_share"]) == ("escalated", "dana", 1.0)
