"""The stop rule: enough failures, and most of the recent input, stop the worker."""

from dataclasses import replace

import pytest

from stream.detector.errors import Code
from stream.detector.events import MINUTE_MS
from stream.engine.exits import Exit, Fatal
from stream.worker.failing import Failing, StopRule

RULE = StopRule(share_max=0.5, window_events=100, failures_min=10, judged_by="a policy")


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
    """Who wants everything put aside can have it, and it is not held against what follows."""
    failing = Failing("raw", replace(RULE, share_max=1.0))
    failing.note(1_000, {Code.NOT_JSON: 1_000})
    assert failing.kept() is None


def again(before: Failing, rule: StopRule = RULE) -> Failing:
    """Return what a restart makes of it, from what was saved."""
    after = Failing("raw", rule)
    after.begin(before.kept())
    return after


def test_a_restart_does_not_begin_to_count_anew() -> None:
    """A supervisor that starts it again and again would have every life put aside some more."""
    failing = Failing("raw", RULE)
    failing.note(9, {Code.NO_TIME: 9})
    with pytest.raises(Fatal, match="10 of the last 10 events"):
        again(failing).note(1, {Code.NO_TIME: 1})
    assert again(failing).kept() == failing.kept()


def test_what_is_put_right_is_not_stopped_by_what_failed_before() -> None:
    """Neither where a policy or a release is another one, nor where events are good again."""
    failing = Failing("raw", RULE)
    failing.note(9, {Code.NO_TIME: 9})
    again(failing, replace(RULE, judged_by="a corrected one")).note(2, {Code.NO_TIME: 1})
    mended = Failing("raw", replace(RULE, failures_min=9))
    mended.begin(failing.kept())
    mended.note(8, {Code.NO_TIME: 1})


def test_what_has_healed_is_not_saved() -> None:
    """Most partitions have nothing to say of it, and write nothing."""
    failing = Failing("raw", RULE)
    assert failing.kept() is None
    failing.note(5, {Code.NO_TIME: 3})
    assert failing.kept() is not None
    failing.note(1, {})
    assert failing.kept() is None


def test_a_minute_has_its_cap_whatever_the_share() -> None:
    """For whoever would rather be stopped than have a topic fill up; minutes are the log's own."""
    rule = replace(RULE, per_minute_max=3)
    failing = Failing("raw", rule)
    at = 29_500_000 * MINUTE_MS
    failing.note(1_000, {Code.NO_TIME: 3}, times=[at, at + 1, at + 2])
    failing.note(1_000, {Code.NO_TIME: 3}, times=[at + MINUTE_MS, at + 5, at + MINUTE_MS + 1])
    with pytest.raises(Fatal) as stopped:
        again(failing, rule).note(1_000, {Code.NO_TIME: 1}, "no time", [at + MINUTE_MS + 2])
    assert stopped.value.code is Exit.HUMAN
    assert "4 events of one minute of raw" in stopped.value.reason
    assert "set failing_per_minute_max=0" in stopped.value.reason
    again(failing, rule).note(1_000, {Code.NO_TIME: 1}, times=[at + 2 * MINUTE_MS])


def test_one_record_of_another_century_ends_no_minute_for_good() -> None:
    """Its sender's clock was wrong; all that follow would else be of its minute."""
    failing = Failing("raw", replace(RULE, per_minute_max=3))
    at = 29_500_000 * MINUTE_MS
    failing.note(1_000, {Code.FUTURE: 1}, times=[2 * at])
    for minute in range(10):
        failing.note(1_000, {Code.NO_TIME: 3}, times=[at + minute * MINUTE_MS] * 3)
