"""The stop rule: enough failures, and most of the recent input, stop the worker."""

import pytest

from stream.detector.errors import Code
from stream.engine.exits import Exit, Fatal
from stream.worker.failing import Failing, StopRule

RULE = StopRule(share_max=0.5, window_events=100, failures_min=10)


def test_few_failures_never_stop_it() -> None:
    """A quiet topic whose first events are bad is no reason to stop."""
    failing = Failing("raw", RULE)
    failing.note(9, {Code.NO_TIME: 9})


def test_half_may_fail_and_more_may_not() -> None:
    """The share is what the setting says, not nearly so."""
    failing = Failing("raw", RULE)
    failing.note(100, {Code.NO_TIME: 50})
    with pytest.raises(Fatal) as stopped:
        failing.note(1, {Code.NO_CUSTOMER: 1}, "customer is missing")
    assert stopped.value.code is Exit.HUMAN
    assert "51 of the last 101 events of raw" in stopped.value.reason
    assert "no_time 50, no_customer 1" in stopped.value.reason
    assert "customer is missing" in stopped.value.reason


def test_old_blocks_are_forgotten() -> None:
    """A bad night does not count against a good morning."""
    failing = Failing("raw", RULE)
    for _ in range(50):
        failing.note(50, {})
        failing.note(50, {Code.NO_TIME: 49})


def test_long_good_times_do_not_hide_a_break() -> None:
    """A million good events must not outweigh ten thousand that fail now."""
    failing = Failing("raw", RULE)
    failing.note(1_000_000, {})
    failing.note(100, {Code.NOT_JSON: 20})
    with pytest.raises(Fatal):
        failing.note(100, {Code.NOT_JSON: 100})


def test_a_share_of_one_never_stops() -> None:
    """Who wants everything put aside can have it."""
    failing = Failing("raw", StopRule(share_max=1.0, window_events=100, failures_min=10))
    failing.note(1_000, {Code.NOT_JSON: 1_000})
