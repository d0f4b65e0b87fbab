"""What a part is not taught, its model has not learned."""

import pytest

from models.baseline import unfitted
from stream.backtest.sweep import Sweep
from stream.demo.simulate import STARTS_AT_MS, simulate
from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy
from tests.bench.ablation import PARTS, Dial, Dials, TaughtReplay

POLICY = Policy(horizon_ms=10 * DAY_MS)


@pytest.mark.parametrize(
    ("part", "fitted", "learned"),
    [
        ("prior as it starts out", False, False),
        ("prior, refitted", True, False),
        ("all", True, True),
    ],
)
def test_a_part_has_learned_what_it_was_taught(part: str, *, fitted: bool, learned: bool) -> None:
    """The prior of customers, regressions of examples."""
    end = STARTS_AT_MS + 25 * DAY_MS
    events = [event for event in simulate(100, 60) if event.occurred_at < end]
    sweep = Sweep([{0: Dials(Dial(0.1, 10.0))}], POLICY)
    run = TaughtReplay(POLICY, sweep=sweep, hears=PARTS[part])
    run.take(EventBatch.of(events))
    run.run_until(end)
    last = run.snapshots[-1]
    assert (last.prior != unfitted(10.0)) == fitted
    assert (last.back is not None) == learned
