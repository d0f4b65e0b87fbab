"""The log of episodes: what can be read, where, and nobody by name unless that is asked for."""

from collections.abc import Sequence

import msgspec
import pytest
from faust.types import TP
from said import alert
from structlog.testing import capture_logs

from stream.engine.flow import Output, Told
from stream.wire.alerts import encode_alert
from stream.worker.episode_log import EpisodeLog, Names

USAGE = TP("usage", 3)


def told(*customers: str) -> Sequence[Told]:
    """Return alerts that were published, and the tombstone of somebody erased."""
    outputs = [
        Output(
            "alerts", None, who.encode(), encode_alert(alert(customer_id=who, account_id="acme"))
        )
        for who in customers
    ]
    tombstone = Output("alerts", None, b"gone", None)
    return [Told(one, 1, 70 + number) for number, one in enumerate([*outputs, tombstone])]


@pytest.mark.parametrize("names", ["hash", "plain", "none"])
def test_a_line_leads_to_its_alert_and_names_nobody_by_itself(names: Names) -> None:
    """Topic, partition and offset find it; ids are in the log only where they were asked for."""
    with capture_logs() as lines:
        EpisodeLog("shop", names).published(USAGE, told("ann@example.org", "bob"))
    assert [(one["topic"], one["partition"], one["offset"]) for one in lines] == [
        ("alerts", 1, 70),
        ("alerts", 1, 71),
    ]
    assert lines[0]["alert_id"] == alert().alert_id
    assert lines[0]["of"] == "usage:3"
    text = msgspec.json.encode(lines).decode()
    assert ("ann@example.org" in text) == (names == "plain")
    assert ("customer" in lines[0]) == (names != "none")
    assert ("acme" in text) == (names == "plain")


def test_a_pseudonym_is_one_customers_in_one_application() -> None:
    """So that lines of one customer are found, and two products' logs are not joined by it."""
    shop, other = EpisodeLog("shop", "hash"), EpisodeLog("other", "hash")
    assert shop.pseudonym("ann") == EpisodeLog("shop", "hash").pseudonym("ann")
    assert len({shop.pseudonym("ann"), shop.pseudonym("bob"), other.pseudonym("ann")}) == 3
    assert "ann" not in shop.pseudonym("ann")
