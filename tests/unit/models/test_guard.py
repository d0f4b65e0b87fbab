"""The guard: what it takes for an outage, and what it does not, on made-up hours."""

from collections.abc import Callable, Iterable
from random import Random

import msgspec
import pytest

from models.guard import ARMED_AFTER, LASTING, Guard, GuardState
from models.protocol import Guarded
from models.snapshots import cold

HOUR = 3_600_000
DAY = 24
WEEK = 7 * DAY
MONDAY = 19_663 * 24
"""2023-11-06 00:00 UTC, in hours."""
CUSTOMERS = 1_000

Use = Callable[[int], float]
"""What is expected of an hour, counted from the first, over what is usual."""


def rhythm(hour: int) -> float:
    """Give the weight of an hour: nights are still, and Saturdays."""
    weekday, of_day = hour // DAY % 7, hour % DAY
    return 0.0 if weekday == 5 else 0.05 if not 7 <= of_day < 20 else 2.0


def draw(chance: Random, mean: float) -> int:
    """Draw how many independent returns there are, where `mean` are expected."""
    count, at = 0, chance.expovariate(1.0)
    while at < mean:
        count, at = count + 1, at + chance.expovariate(1.0)
    return count


def changes(
    guard: Guard,
    hours: Iterable[int],
    use: Use = lambda _: 1.0,
    *,
    an_hour: float = 8.0,
    watched: Callable[[int], float] = lambda _: 1.0,
    seed: int = 1,
) -> list[tuple[int, bool]]:
    """Let hours pass; give after how many the guard changed its mind, and to what."""
    found = []
    for hour in hours:
        chance = Random(f"{seed}/{hour}")
        share = watched(hour)
        returns = draw(chance, an_hour * share * rhythm(hour) * use(hour))
        customer_ms = round(CUSTOMERS * share * HOUR)
        if guard.turn((MONDAY + hour + 1) * HOUR, returns, customer_ms):
            found.append((hour + 1, guard.suspended))
    return found


def outage(begin: int, length: int, left: float = 0.0) -> Use:
    """Leave only a share of use for some hours."""
    return lambda hour: left if begin <= hour < begin + length else 1.0


class Abroad:
    """A zone whose clock is put forward by an hour at some time, and which has a long holiday."""

    time_zone = "Abroad/City"

    def __init__(
        self, ahead: int = 5, change: int = 10**9, holiday: tuple[int, int] = (0, 0)
    ) -> None:
        """Be so many hours ahead of UTC; one more from hour `change` on."""
        self._ahead, self._change, self._holiday = ahead, change, holiday

    def offset_ms(self, at: int) -> int:
        """Give how far its clocks are ahead."""
        return (self._ahead + (at >= (MONDAY + self._change) * HOUR)) * HOUR

    def holidays_ms(self, since: int, until: int) -> int:
        """Give how much of the time was holidays."""
        begin, end = ((MONDAY + hour) * HOUR for hour in self._holiday)
        return max(0, min(end, until) - max(begin, since))


CHRISTMAS = (6 * WEEK + 2 * DAY, 7 * WEEK + 4 * DAY)


def test_a_holiday_that_is_known_is_no_outage() -> None:
    """Nobody comes for nine days; nothing is said, and what is usual stays what it was."""
    closed = outage(CHRISTMAS[0], CHRISTMAS[1] - CHRISTMAS[0], 0.02)
    unknowing, knowing, never = Guard(), Guard(zone=Abroad(0, holiday=CHRISTMAS)), Guard()
    assert changes(unknowing, range(10 * WEEK), closed) != []
    assert changes(knowing, range(10 * WEEK), closed) == []
    changes(never, range(10 * WEEK))
    shares = [(knowing._share(hour), never._share(hour)) for hour in range(WEEK)]
    assert all(abs(one - other) < 0.5 for one, other in shares)


def test_an_outage_right_after_a_holiday_is_noticed_and_begins_after_it() -> None:
    """What is missing on the holiday is not missed."""
    begin, end = CHRISTMAS
    guard = Guard(zone=Abroad(0, holiday=CHRISTMAS))
    broken = outage(begin, end - begin + 2 * DAY, 0.0)
    (noticed, _), (resumed, _) = changes(guard, range(10 * WEEK), broken)
    assert end < noticed < end + DAY
    assert end + 2 * DAY < resumed < end + 3 * DAY
    assert guard.state.guarded.lasted_ms <= (resumed - end) * HOUR


def test_what_is_suspended_into_a_holiday_is_counted_without_it() -> None:
    """The holiday is counted by who knows of it."""
    begin, end = CHRISTMAS
    guard = Guard(zone=Abroad(0, holiday=CHRISTMAS))
    broken = outage(begin - DAY, end - begin + 2 * DAY, 0.0)
    (_, down), (resumed, up) = changes(guard, range(10 * WEEK), broken)
    assert (down, up) == (True, False)
    assert guard.state.guarded.lasted_ms < (resumed - end + DAY + 12) * HOUR


@pytest.mark.parametrize("way", [1, -1])
def test_a_clock_that_is_put_forward_or_back_moves_no_profile(way: int) -> None:
    """Hours of the week are local ones, before and after."""
    change = 6 * WEEK
    before = 5 if way > 0 else 6

    class Back(Abroad):
        def offset_ms(self, at: int) -> int:
            return (before + way * (at >= (MONDAY + change) * HOUR)) * HOUR

    guard = Guard(zone=Back())
    changes(guard, range(change))
    profile = [guard._share(hour) for hour in range(WEEK)]
    hour = MONDAY + change
    guard.turn((hour + 1) * HOUR, 0, CUSTOMERS * HOUR)
    local = (hour + before + way - 4 * DAY) % WEEK
    assert guard.state.recent[-1].of_week == local
    assert [guard._share(hour) for hour in range(WEEK)] == profile


def test_a_policy_that_names_another_zone_turns_what_was_learned() -> None:
    """No hour of the day is taken for another, so nothing is suspended."""
    state = GuardState()
    changes(Guard(state=state), range(6 * WEEK), an_hour=40.0)
    moved = Guard(state=state, zone=Abroad(9))
    assert changes(moved, range(6 * WEEK, 9 * WEEK), an_hour=40.0) == []
    assert state.time_zone == "Abroad/City"
    forgetful = GuardState()
    changes(Guard(state=forgetful), range(6 * WEEK), an_hour=40.0)
    forgetful.time_zone = "Abroad/City"  # as if it had always been so: the profile stays put
    assert changes(Guard(state=forgetful, zone=Abroad(9)), range(6 * WEEK, 9 * WEEK), an_hour=40.0)


def test_a_state_of_before_zones_is_in_utc() -> None:
    """It goes on."""
    old = msgspec.to_builtins(GuardState())
    del old["time_zone"], old["offset_ms"]
    assert msgspec.convert(old, GuardState) == GuardState()


def test_nights_weekends_and_chance_are_no_outage() -> None:
    """Fourteen weeks with a rhythm, by day and by week."""
    assert changes(Guard(), range(14 * WEEK)) == []


@pytest.mark.parametrize(
    ("use", "why"),
    [
        (outage(6 * WEEK + 9, 1), "a deploy of an hour"),
        (outage(6 * WEEK + 9, 2 * DAY, 0.5), "one of two platforms is broken"),
        (lambda hour: 0.98 ** (hour / DAY), "use falls by an eighth a week"),
        (lambda hour: 1.2 ** (hour / WEEK), "use grows by a fifth a week"),
        (lambda hour: 8.0 if 0 <= hour - 6 * WEEK < DAY else 1.0, "a day of eightfold use"),
    ],
)
def test_what_is_less_than_a_collapse_of_everybodys_use_is_none(use: Use, why: str) -> None:
    """Short, half, slow, or of what was too much before."""
    assert changes(Guard(), range(12 * WEEK), use) == [], why


def test_customers_who_are_no_longer_watched_are_not_missed() -> None:
    """A course that ends takes its returns with it, and its students."""
    watched = outage(6 * WEEK + 9, 99 * WEEK, 0.1)
    assert changes(Guard(), range(8 * WEEK), watched=watched, an_hour=30.0) == []


@pytest.mark.parametrize(
    ("begin", "length"), [(2 * DAY + 10, 6), (2 * DAY + 10, 48), (4 * DAY, 72)]
)
def test_a_collapse_suspends_within_hours_of_use_and_recovery_resumes(
    begin: int, length: int
) -> None:
    """By day within four hours; over a weekend when people would have come."""
    begin += 6 * WEEK
    guard = Guard()
    (noticed, down), (resumed, still_down) = changes(guard, range(8 * WEEK), outage(begin, length))
    missed = [hour for hour in range(begin, noticed) if rhythm(hour) > 1]
    assert down
    assert 2 <= len(missed) <= 4
    found = guard.state.guarded
    assert not still_down
    assert found.suspended_since == 0
    assert 0 <= resumed - begin - length <= 15
    since = (MONDAY + resumed) * HOUR - found.lasted_ms
    assert abs(since // HOUR - MONDAY - begin) <= 2, "it is told when it began, not when seen"
    assert found.changed_at == (MONDAY + resumed) * HOUR
    assert found.suspended_before_ms == found.lasted_ms


def test_nothing_is_judged_before_the_week_is_known() -> None:
    """A product that is new has no rhythm yet."""
    assert changes(Guard(), range(ARMED_AFTER), outage(ARMED_AFTER - 2 * DAY, 9 * DAY)) == []


def test_a_small_product_is_judged_over_days_and_a_tiny_one_never() -> None:
    """Thirty returns have to be missing; who has fewer a week is not guarded."""
    quiet = outage(6 * WEEK, 3 * WEEK)
    ((noticed, _),) = changes(Guard(), range(8 * WEEK), quiet, an_hour=0.5)
    assert 2 * DAY < noticed - 6 * WEEK < 6 * DAY
    assert changes(Guard(), range(8 * WEEK), quiet, an_hour=0.1) == []


def test_returns_in_bunches_take_a_longer_look() -> None:
    """Where an hour brings all or nothing, thirty returns are few."""
    bunches: Use = lambda hour: 6.0 * (hour % 6 == 3)  # noqa: E731 - a use like the others
    steady, bunched = Guard(), Guard()
    changes(steady, range(6 * WEEK))
    changes(bunched, range(6 * WEEK), lambda hour: bunches(hour * 7919 % 997))
    assert steady._scatter() < 2 < bunched._scatter()


def test_what_lasts_becomes_usual_but_nothing_at_all_does_not() -> None:
    """Three quarters of the customers are gone for good: the others are watched again."""
    begin, left = 6 * WEEK + 10, 0.15
    guard = Guard()
    (noticed, _), (resumed, down) = changes(
        guard, range(12 * WEEK), outage(begin, 99 * WEEK, left), an_hour=20.0
    )
    assert not down
    assert 0 <= resumed - noticed - LASTING <= WEEK
    assert changes(Guard(), range(12 * WEEK), outage(begin, 99 * WEEK))[1:] == []


def test_an_outage_is_not_learned_to_be_usual() -> None:
    """After two days of nothing, what is expected is what it was."""
    straight, broken = Guard(), Guard()
    changes(straight, range(8 * WEEK))
    changes(broken, range(8 * WEEK), outage(7 * WEEK + 10, 2 * DAY))
    assert broken._level() == pytest.approx(straight._level(), rel=0.06)


def test_a_restart_at_any_hour_changes_nothing() -> None:
    """Its state is plain numbers, through bytes and back."""
    use, end = outage(5 * WEEK + 10, 30), 6 * WEEK
    whole = Guard()
    expected = changes(whole, range(end), use)
    assert len(expected) == 2
    guard, found = Guard(), []
    for begin in range(0, end, 37):
        packed = msgspec.msgpack.encode(guard.state)
        guard = Guard(state=msgspec.msgpack.decode(packed, type=GuardState))
        found += changes(guard, range(begin, min(begin + 37, end)), use)
    assert (found, guard.state) == (expected, whole.state)


def test_hours_that_nobody_told_of_are_not_judged() -> None:
    """Two hours before a gap and two after it are no four hours of silence."""
    guard, begin = Guard(), 6 * WEEK + 10
    assert changes(guard, range(begin + 2), outage(begin, 99)) == []
    assert changes(guard, range(begin + DAY, begin + DAY + 2), outage(begin, 99)) == []
    assert len(changes(guard, range(begin + DAY + 2, begin + DAY + 4), outage(begin, 99))) == 1


def test_the_state_does_not_grow() -> None:
    """Whatever lasts, a week of hours waits at most."""
    guard = Guard()
    changes(guard, range(6 * WEEK))
    changes(guard, range(6 * WEEK, 20 * WEEK), lambda _: 0.0)
    assert len(guard.state.recent) == WEEK


def test_a_snapshot_is_stamped_only_if_there_is_something_to_say() -> None:
    """The same model under the same name, until the guard has found something."""
    snapshot = msgspec.structs.replace(cold(30.0, 2.5), effective_from=DAY * HOUR)
    guard = Guard()
    assert guard.stamp(snapshot, DAY * HOUR) is snapshot
    guard.state.guarded = Guarded(suspended_since=5, changed_at=9 * HOUR)
    stamped = guard.stamp(snapshot, 9 * HOUR)
    assert (stamped.effective_from, stamped.guarded) == (9 * HOUR, guard.state.guarded)
    assert stamped.version != snapshot.version
