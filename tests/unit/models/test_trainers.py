"""Trainers: what each horizon learns of, and what all of them say as one."""

import random

import msgspec
import pytest

from models import inputs
from models.online import OnlineModel
from models.protocol import FORGOTTEN, Example, Sighting, Tally
from models.protocol import Share as Part
from models.shares import only, split, without
from models.snapshots import Snapshot, cold
from models.timeline import Timeline
from models.trainer import TrainerState
from models.trainers import Trainers, Wanted
from stream.wire import snapshots
from stream.wire.state import StateCodec

DAY = 86_400_000
WEEK, MONTHS = 7 * DAY, 60 * DAY
RATE = (0.05, None)
WANTED = Wanted(
    {0: {"": RATE}, WEEK: {"": RATE, "trial": (0.3, None)}, MONTHS: {"": RATE, "large": RATE}},
    30 * DAY,
    (0.01, None),
)
PLAIN = Wanted({0: {"": RATE}}, 30 * DAY)
CODEC = StateCodec(TrainerState)
WEEKS_OWN = (3, 2.0, {5: 0.5}, 7, 2, 0.25, 0.125, 11, 0.5, 1, {"less": {0: (2, 1)}})


def tally(day_end: int) -> Tally:
    """Return a day of three populations."""
    fewest = Part(*WEEKS_OWN[1:])
    many = Part(20.0, {5: 0.25, 9: 1.0}, 9, 1, 1.0, 0.5, 13, 0.0, 0, {"less": {-1: (1, 9)}})
    return Tally(
        *(day_end, 50, 40.0, {5: 1.0, 9: 2.0}, 30, 5, 40, 4.0, 3, 2.0, 1.0),
        falls={"less": {0: (4, 4), -1: (2, 20)}, "narrower": {1: (1, 1)}},
        segments={"trial": fewest, "large": many, "other": Part(1.0, {}, 0, 0, 0.0, 0.0)},
    )


def taught(trainers: Trainers, days: int = 8, begin: int = 1) -> Snapshot:
    """Teach two horizons the opposite: by which input a customer is lost, and how many are."""
    chance, last = random.Random(begin), cold(30.0, 2.5)
    for day in range(begin, begin + days):
        for number in range(60):
            for horizon_ms, sign in ((WEEK, 1.0), (MONTHS, -1.0)):
                values = [chance.gauss(0, 1) for _ in inputs.NAMES]
                values[inputs.SILENCE_SHARE] = 0.5
                gone = int(sign * values[0] + 0.3 * chance.gauss(0, 1) > 0)
                frozen = inputs.freeze(values, (0.0, 0.0, 0.0))
                at = day * DAY + number
                seen = (at, number, at - horizon_ms, frozen)
                trainers.learn(Example("lapse", *seen, (gone, gone), 0.1, horizon_ms))
        trainers.learn(tally((day + 1) * DAY))
        last = trainers.turn((day + 1) * DAY)
    return last


def test_each_horizon_learns_of_its_own_customers_only() -> None:
    """What loses a trial keeps a large customer; and who has the policy's taught nothing yet."""
    last = taught(Trainers(WANTED))
    week, months = last.of_segments[WEEK], last.of_segments[MONTHS]
    assert week.lapse is not None
    assert months.lapse is not None
    assert week.lapse.weights[0] > 0.5 > -0.5 > months.lapse.weights[0]
    assert (week.horizon_days, months.horizon_days, last.horizon_days) == (7.0, 60.0, 30.0)
    assert last.lapse is None
    assert last.segments.keys() == {"trial", "large"}
    assert week.segments.keys() == {"trial"}


def test_a_model_answers_for_each_horizon_under_one_version() -> None:
    """And for one that nothing was learned of by the prior alone, which opens nothing."""
    last = taught(Trainers(WANTED), days=1)
    timeline = Timeline(OnlineModel(last))
    for horizon_ms in (WEEK, MONTHS):
        part = timeline.at(last.effective_from, horizon_ms)
        assert (part.version, part.effective_from) == (last.version, last.effective_from)
        assert part.of(0) is not part
    unknown = timeline.at(last.effective_from, 14 * DAY)
    assert unknown is timeline.at(last.effective_from, 14 * DAY)
    assert unknown.version == last.version
    assert unknown.threshold("trial") == float("inf")
    assert unknown.teaches(1 << 31)


def test_a_snapshot_of_many_horizons_is_read_as_it_was_written() -> None:
    """One of none is written as it was before there were any."""
    last = taught(Trainers(WANTED), days=1)
    assert snapshots.decode(snapshots.encode(last), Snapshot) == last
    plain = Trainers(PLAIN).current()
    assert b"horizons" not in snapshots.encode(plain)
    assert snapshots.decode(snapshots.encode(plain), Snapshot) == plain
    assert "horizons" not in msgspec.to_builtins(Trainers(PLAIN).state(), str_keys=True)


def test_a_restart_changes_nothing_of_what_is_learned() -> None:
    """Of no horizon."""
    whole, first = Trainers(WANTED), Trainers(WANTED)
    taught(whole, 3)
    taught(first, 3)
    second = Trainers(WANTED, CODEC.decode(CODEC.encode(first.state())))
    assert taught(second, 3, begin=4) == taught(whole, 3, begin=4)


def test_a_policy_with_other_horizons_goes_on_with_those_that_stay() -> None:
    """A new one starts cold, one that is gone is dropped, and what it still teaches."""
    before = Trainers(WANTED)
    last = taught(before, 3)
    dials = {0: {"": RATE}, MONTHS: WANTED.dials[MONTHS], 14 * DAY: {"": RATE, "new": RATE}}
    after = Trainers(WANTED._replace(dials=dials), before.state())
    now = after.current()
    assert now.of_segments[MONTHS] == last.of_segments[MONTHS]
    assert now.of_segments[14 * DAY].lapse is None
    assert now.of_segments.keys() == {14 * DAY, MONTHS}
    taught(after, 1, begin=4)
    alone = Trainers(WANTED._replace(dials={0: {"": RATE}}), before.state())
    assert not alone.current().of_segments
    assert taught(alone, 1, begin=4).lapse is None


def test_a_state_of_the_release_before_is_of_the_policys_horizon() -> None:
    """It has no word of others."""
    before = Trainers(PLAIN)
    taught(before, 2)
    after = Trainers(WANTED, CODEC.decode(CODEC.encode(before.state())))
    assert after.own.current() == before.current()


def test_who_changes_its_horizon_is_a_summary_of_one_prior_only() -> None:
    """The latest word of a customer counts, and an erasure everywhere."""
    trainers = Trainers(WANTED)
    seen = Sighting(DAY, 7, 0, DAY // 2, 3)
    for at, horizon_ms in ((DAY, 0), (DAY + 1, WEEK), (DAY + 2, MONTHS)):
        trainers.learn(msgspec.structs.replace(seen, at=at, horizon_ms=horizon_ms))
    trainers.turn(2 * DAY)
    known = {key: len(trainer.state().sightings) for key, trainer in trainers.each.items()}
    assert known == {0: 0, WEEK: 0, MONTHS: 1}
    trainers.learn(msgspec.structs.replace(seen, at=2 * DAY + 3, repeats=FORGOTTEN))
    trainers.turn(3 * DAY)
    assert not any(trainer.state().sightings for trainer in trainers.each.values())


def test_a_tally_is_taken_apart_and_nothing_is_lost() -> None:
    """Parts are as they were told, the rest is what is left, visits are everybody's."""
    whole = tally(DAY)
    parts = split(whole, {WEEK: ["trial"], MONTHS: ["large", "nobody"]})
    assert {part.visits for part in parts.values()} == {50}
    assert parts[WEEK].customer_days == 2.0
    assert parts[WEEK].falls == {"less": {0: (2, 1)}}
    assert parts[WEEK].segments.keys() == {"trial"}
    assert parts[0].segments.keys() == {"other"}
    for name in ("customer_days", "crossed", "false_alarms", "judged", "withdrawn_days"):
        assert sum(getattr(part, name) for part in parts.values()) == getattr(whole, name)
    assert parts[0].crossings == {5: 0.25, 9: 1.0}
    assert parts[0].falls == {"less": {0: (2, 3), -1: (1, 11)}, "narrower": {1: (1, 1)}}
    assert whole == tally(DAY)
    assert split(whole, {}) == {0: whole}
    assert without(whole, ()) == whole
    assert only(whole, ()).customer_days == 0


def test_where_nobody_is_left_rounding_is_nobody() -> None:
    """A rate per no time at all would be told as a figure."""
    share = Part(0.1 + 0.2, {}, 0, 0, 0.0, 0.0)
    whole = Tally(DAY, 0, 0.3 + 1e-15, {}, 0, 0, segments={"trial": share})
    assert split(whole, {WEEK: ["trial"]})[0].customer_days == 0.0
    assert split(whole, {WEEK: []})[0].customer_days == pytest.approx(0.3)
