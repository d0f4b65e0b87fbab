"""What a log says of how often people come, and of its events."""

from random import Random

import pytest

from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS, MINUTE_MS, UsageEvent
from stream.proposal.use import Use, is_hesitating, is_leaving, is_without_customer, use

Row = tuple[str, str, float]
"""Customer, event, day."""


def looked(rows: list[Row], *, whole_days: bool = False) -> Use:
    """Look at a log."""
    events = [
        UsageEvent(who, what, 20_000 * DAY_MS + int(at * DAY_MS), 0, "") for who, what, at in rows
    ]
    events.sort(key=lambda event: event.occurred_at)
    return use([EventBatch.of(events)] if events else [], whole_days=whole_days)


def regular(gap_days: float, *, customers: int = 20, until: float = 120) -> list[Row]:
    """Let customers come at chance gaps, with five events within ten minutes each time."""
    chance, rows = Random(1), []
    for number in range(customers):
        at = chance.random() * gap_days
        while at < until:
            rows += [(f"c{number}", "use", at + n * 2 * MINUTE_MS / DAY_MS) for n in range(5)]
            at += 0.1 + chance.expovariate(1 / gap_days)
    return rows


@pytest.mark.parametrize(("gap_days", "horizon"), [(1.5, 3), (4, 10), (12, 30)])
def test_the_horizon_leaves_few_returns_behind(gap_days: float, horizon: int) -> None:
    """Of chance gaps, 15 % are longer than 1.9 of their mean."""
    found = looked(regular(gap_days))
    assert found.horizon_days == horizon
    assert found.late_returns <= 0.15
    assert found.covered
    assert found.usual_gap_days == pytest.approx(gap_days * 0.69 + 0.1, rel=0.2)


def test_visits_end_where_fewest_gaps_are() -> None:
    """Two minutes within, hours between; and where only dates are known, overnight."""
    found = looked(regular(1.5))
    assert 10 * MINUTE_MS <= found.visit_gap_ms <= 120 * MINUTE_MS
    assert looked(regular(1.5), whole_days=True).visit_gap_ms == 12 * 60 * MINUTE_MS
    assert looked([("a", "use", 1.0)]).visit_gap_ms == 30 * MINUTE_MS


def test_a_log_that_is_too_short_says_so() -> None:
    """Nobody knows yet who comes back after a month."""
    found = looked(regular(20, until=40))
    assert not found.covered
    assert found.horizon_days <= 20
    assert not looked([("a", "use", 1.0)]).covered
    assert looked([]).events == 0


def test_what_ends_it_stands_out() -> None:
    """Nothing comes after a farewell, and something after most of everything else."""
    rows = regular(1.5, customers=60)
    last = {who: at for who, _, at in rows if at < 70}
    rows = [row for row in rows if row[2] < 70 or int(row[0][1:]) % 2]
    rows += [(who, "bye", at + 0.01) for who, at in last.items() if not int(who[1:]) % 2]
    found = looked(rows)
    kinds = {kind.name: kind for kind in found.kinds}
    assert kinds["bye"].gone == 1.0
    assert (kinds["bye"].events, kinds["bye"].customers) == (30, 30)
    assert kinds["use"].gone is not None
    assert kinds["use"].gone < 0.2
    assert found.gone == pytest.approx(kinds["use"].gone, abs=0.01)
    assert [kind.name for kind in found.kinds] == ["use", "bye"]


@pytest.mark.parametrize(
    ("name", "without", "leaving", "hesitating"),
    [
        ("background_sync", True, False, False),
        ("Email Opened", True, False, False),
        ("push_notification_received", True, False, False),
        ("message_sent", False, False, False),
        ("Subscription Cancelled", False, True, False),
        ("account_deleted", False, True, False),
        ("cancel_page_viewed", False, False, True),
        ("document_edited", False, False, False),
    ],
)
def test_names_tell_what_they_are(
    name: str, *, without: bool, leaving: bool, hesitating: bool
) -> None:
    """As somebody would who has to guess."""
    assert (is_without_customer(name), is_leaving(name), is_hesitating(name)) == (
        without,
        leaving,
        hesitating,
    )
