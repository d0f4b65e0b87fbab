"""The simulation: the same on every machine, and true to its own word."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pytest

from stream.demo.simulate import (
    ENDING_NAME,
    STARTS_AT_MS,
    SYNC_NAME,
    WARNING_NAME,
    Fate,
    Simulation,
    simulate,
)
from stream.detector.events import DAY_MS, MINUTE_MS, UsageEvent

NOISE = {SYNC_NAME}


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    """Simulate once for all."""
    return simulate(customers=400, days=120, seed=7)


@pytest.fixture(scope="module")
def by_customer(simulation: Simulation) -> dict[str, list[UsageEvent]]:
    """Return the events of each customer."""
    grouped: dict[str, list[UsageEvent]] = {}
    for event in simulation:
        grouped.setdefault(event.customer_id, []).append(event)
    return grouped


def digest(simulation: Simulation) -> str:
    """Name a simulation by all it holds."""
    return hashlib.sha256(repr((simulation.events, simulation.truths)).encode()).hexdigest()


@pytest.mark.parametrize("hash_seed", ["0", "1", "random"])
def test_the_seed_alone_decides(hash_seed: str) -> None:
    """Another process, another hash seed: a demo that cannot be repeated cannot be believed."""
    code = (
        "import hashlib; from stream.demo.simulate import simulate; s = simulate(40, 80, 3);"
        "print(hashlib.sha256(repr((s.events, s.truths)).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    printed = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()

    assert digest(simulate(40, 80, 3)) == printed


def test_another_seed_is_another_product() -> None:
    """Otherwise the seed would be for show."""
    assert digest(simulate(40, 80, 3)) != digest(simulate(40, 80, 4))


def test_a_larger_simulation_holds_the_smaller_one() -> None:
    """A customer's life is its own: what holds for few can be looked up among many."""
    small, large = simulate(20, 80, 3), simulate(30, 80, 3)

    assert small.truths == large.truths[:20]


def test_too_short_a_span_is_refused() -> None:
    """Nobody could leave or decline in it, and the verdict would be of nothing."""
    with pytest.raises(ValueError, match="60 or more"):
        simulate(10, days=59)


def test_events_come_in_order_and_within_the_span(simulation: Simulation) -> None:
    """The feed sends them as they come."""
    times = [event.occurred_at for event in simulation]

    assert sorted(times) == times
    assert simulation.starts_at == STARTS_AT_MS <= times[0]
    assert times[-1] < simulation.ends_at


def test_message_ids_are_unique(simulation: Simulation) -> None:
    """A repeated id would be dropped as a duplicate, and the truth would be wrong."""
    ids = Counter(event.message_id for event in simulation)

    assert set(ids.values()) == {1}


def test_visits_are_where_the_truth_says(
    simulation: Simulation, by_customer: dict[str, list[UsageEvent]]
) -> None:
    """Merged by the policy's visit gap, the events give the visits of the truth."""
    for truth in simulation.truths:
        used = [e for e in by_customer[truth.customer_id] if e.name not in NOISE]
        times = [event.occurred_at for event in used]
        begins = times[:1] + [b for a, b in pairwise(times) if b - a >= 30 * MINUTE_MS]
        assert begins == list(truth.visits_at)


def test_a_leaver_is_silent_from_the_last_event_on(
    simulation: Simulation, by_customer: dict[str, list[UsageEvent]]
) -> None:
    """Silent, but for what the app sends by itself."""
    leavers = [truth for truth in simulation.truths if truth.fate is Fate.LEAVES]

    assert leavers
    for truth in leavers:
        events = by_customer[truth.customer_id]
        assert max(e.occurred_at for e in events if e.name not in NOISE) == truth.left_at


def test_some_apps_go_on_without_their_customer(
    simulation: Simulation, by_customer: dict[str, list[UsageEvent]]
) -> None:
    """Whoever counts any event as life would never miss these leavers."""
    haunted = [
        truth
        for truth in simulation.truths
        if truth.left_at is not None
        and by_customer[truth.customer_id][-1].occurred_at > truth.left_at
    ]

    assert haunted


def test_signals_are_where_the_truth_says(
    simulation: Simulation, by_customer: dict[str, list[UsageEvent]]
) -> None:
    """Warnings and endings, one each at most."""
    for truth in simulation.truths:
        events = by_customer[truth.customer_id]
        warned = [e.occurred_at for e in events if e.name == WARNING_NAME]
        ended = [e.occurred_at for e in events if e.name == ENDING_NAME]
        assert warned == ([] if truth.warned_at is None else [truth.warned_at])
        assert ended == ([] if truth.ended_at is None else [truth.ended_at])


def test_some_warn_and_stay(simulation: Simulation) -> None:
    """Not everyone who looks at the cancel page leaves."""
    fates = {truth.fate for truth in simulation.truths if truth.warned_at is not None}

    assert {Fate.LEAVES, Fate.STAYS} == fates


def test_nobody_comes_while_on_holiday(simulation: Simulation) -> None:
    """Their silence is long, and ends."""
    away = [truth for truth in simulation.truths if truth.away_from and truth.away_until]

    assert away
    for truth in away:
        assert truth.away_from is not None
        assert truth.away_until is not None
        assert not any(truth.away_from <= v < truth.away_until for v in truth.visits_at)


def test_decliners_come_about_a_third_as_often() -> None:
    """Over many of them: one alone may have a good month."""
    before = after = days_before = days_after = 0.0
    simulation = simulate(600, 120, 7)
    for truth in simulation.truths:
        if truth.declines_at is not None:
            before += sum(v < truth.declines_at for v in truth.visits_at)
            after += sum(v >= truth.declines_at for v in truth.visits_at)
            days_before += (truth.declines_at - simulation.starts_at) / DAY_MS
            days_after += (simulation.ends_at - truth.declines_at) / DAY_MS

    assert 0.25 < (after / days_after) / (before / days_before) < 0.45


def test_fading_leavers_do_less_before_they_go(
    simulation: Simulation, by_customer: dict[str, list[UsageEvent]]
) -> None:
    """Fewer events in a visit, and fewer kinds: the early signs."""
    before, faded = [], []
    for truth in simulation.truths:
        if truth.fades_at is None or truth.left_at is None:
            continue
        events = [e for e in by_customer[truth.customer_id] if e.name not in NOISE]
        halfway = (truth.fades_at + truth.left_at) // 2
        for begin in truth.visits_at:
            visit = [e for e in events if begin <= e.occurred_at < begin + 10 * 60 * MINUTE_MS]
            kinds = len({e.name for e in visit})
            if begin < truth.fades_at:
                before.append(kinds)
            elif begin > halfway:
                faded.append(kinds)

    assert sum(faded) / len(faded) < 0.8 * sum(before) / len(before)


def test_the_default_is_what_a_minute_can_show() -> None:
    """Two thousand customers, and no more events than two slow cores can follow."""
    simulation = simulate()

    assert len(simulation.truths) == 2_000
    assert 100_000 <= len(simulation.events) <= 200_000
    leavers = [t.left_at for t in simulation.truths if t.left_at is not None]
    assert sum(left_at >= STARTS_AT_MS + 45 * DAY_MS for left_at in leavers) > 150
    assert {t.rhythm for t in simulation.truths} == {"daily", "few a week", "weekly", "fortnightly"}
