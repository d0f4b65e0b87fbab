"""Dials of segments: a record, an account and a threshold each, over one model."""

import msgspec
import pytest

from models.dial import Dial
from models.dials import Dials
from models.online import OnlineModel
from models.protocol import Share, Tally
from models.trainer import Trainer, TrainerState

DAY = 86_400_000
MONTH = 30.4375
LOW, HIGH = 60, 200
"""Cells of the grid."""


def share(months: float, false_at: dict[int, float], *, false: int = 0) -> Share:
    """Return what some customers came to in so many months, as much of it false as was expected."""
    return Share(months * MONTH, false_at, 60, false, float(false), float(false))


def tally(day: int, rest: Share, **segments: Share) -> Tally:
    """Return a day of everybody, of whom some count for dials of their own."""
    crossings = dict(rest.crossings)
    for part in segments.values():
        for cell, change in part.crossings.items():
            crossings[cell] = crossings.get(cell, 0.0) + change
    each = [rest, *segments.values()]
    return Tally(
        day * DAY,
        0,
        sum(part.customer_days for part in each),
        crossings,
        sum(part.crossed for part in each),
        sum(part.false_alarms for part in each),
        chance_raised=sum(part.chance_raised for part in each),
        chance_settled=sum(part.chance_settled for part in each),
        segments=segments,
    )


def dials(**rates: float) -> Dials:
    """Return dials of a product with a horizon of 120 days, the policy's at 0.05."""
    return Dials.set_to(120.0, {"": (0.05, None)} | {name: (r, None) for name, r in rates.items()})


def test_each_finds_the_threshold_of_its_own_customers() -> None:
    """Silences of clumps rise high and are false; steady ones' do not: each pays for its own."""
    apart, alone = dials(clumps=0.05), Dial(0.05, 120.0)
    for day in range(1, 40):
        steady = share(100.0, {LOW: 20.0, HIGH: 1.0}, false=1)
        apart.turn([tally(day, steady, clumps=share(50.0, {LOW: 40.0, HIGH: 30.0}, false=1))])
        alone.turn([tally(day, steady)])
    assert apart.own.threshold == alone.threshold
    assert apart.own.measured == pytest.approx(alone.measured)
    clumps = apart.segments["clumps"]
    assert clumps.threshold is not None
    assert alone.threshold is not None
    assert clumps.threshold > alone.threshold


def test_who_has_no_record_begins_where_everybody_would_be_at_its_setting() -> None:
    """Of a setting twice as high, the threshold is that of a product so set, from the first day."""
    apart, lax = dials(few=0.3), Dial(0.3, 120.0)
    for day in range(1, 40):
        everybody = share(100.0, dict.fromkeys(range(0, 320, 4), 0.4))
        apart.turn([tally(day, everybody, few=share(0.001, {}))])
        lax.turn([tally(day, everybody)])
    few = apart.segments["few"]
    assert few.threshold is not None
    assert lax.threshold is not None
    assert apart.own.threshold is not None
    # What is lent is no more than twenty months, so it is read with the caution that those ask for.
    assert lax.threshold <= few.threshold < apart.own.threshold


def test_a_record_of_its_own_takes_the_place_of_what_is_lent() -> None:
    """With twenty months of its own nothing of the others is left in it."""
    alike, unlike = dials(some=0.05), dials(some=0.05)
    for day in range(1, 40):
        some = share(30.0, dict.fromkeys(range(0, 320, 4), 0.1))
        alike.turn([tally(day, share(100.0, {LOW: 9.0}), some=some)])
        unlike.turn([tally(day, share(100.0, {HIGH: 90.0}), some=some)])
    assert alike.segments["some"].threshold == unlike.segments["some"].threshold
    assert alike.own.threshold != unlike.own.threshold


def test_false_alarms_on_a_segment_are_its_own_affair() -> None:
    """They make its dial stricter, and nobody else's."""
    calm, noisy = dials(some=0.05), dials(some=0.05)
    record = dict.fromkeys(range(0, 320, 4), 0.4)
    for day in range(1, 40):
        rest = share(100.0, record, false=5)
        calm.turn([tally(day, rest, some=share(100.0, record, false=5))])
        noisy.turn([tally(day, rest, some=share(100.0, record, false=40))])
    was, now = calm.segments["some"].threshold, noisy.segments["some"].threshold
    assert was is not None
    assert now is not None
    assert now > was
    assert noisy.own.threshold == calm.own.threshold


def test_who_answers_anew_is_given_time_before_a_rate_opens_anything() -> None:
    """A sixth of the horizon; where a false alarm has a price, its price stays what it was."""
    held = Dials.set_to(12.0, {"": (0.05, None), "few": (0.1, None), "priced": (0.05, 2.0)})
    record = dict.fromkeys(range(0, 320, 4), 0.4)
    found = []
    for day in range(1, 9):
        parts = {"few": share(50.0, record), "priced": share(50.0, record)}
        held.turn([tally(day, share(100.0, record), **parts)], renewed=day == 5)
        found.append([dial.threshold is not None for dial in held.each.values()])
    opens, waits = [True, True, True], [False, False, True]
    assert found == [opens] * 4 + [waits] * 2 + [opens] * 2


def taught(trainer: Trainer, first: int, days: int) -> Trainer:
    """Teach a trainer some days of everybody and a segment called some."""
    record = dict.fromkeys(range(0, 320, 4), 0.4)
    for day in range(first, first + days):
        day_of_both = tally(day, share(100.0, record, false=5), some=share(50.0, record, false=20))
        trainer.learn(day_of_both)
        trainer.turn(day * DAY)
    return trainer


def trainer_of(rate: float | None) -> Trainer:
    """Return a trainer whose segment has this dial, or none."""
    segments = {} if rate is None else {"some": Dial(rate, 120.0)}
    return Trainer(Dial(0.05, 120.0), segments=segments)


def test_a_snapshot_says_each_threshold_and_a_model_answers_by_it() -> None:
    """A segment that it does not know yet is as everybody."""
    snapshot = taught(trainer_of(0.4), 1, 30).current()
    model = OnlineModel(snapshot)
    assert snapshot.segments["some"].false_alarms_set == 0.4
    assert model.threshold("") == snapshot.threshold
    assert model.threshold("some") == snapshot.segments["some"].threshold
    assert model.threshold("some") != model.threshold("")
    assert model.threshold("unheard of") == model.threshold("")


def test_dials_are_saved_and_taken_up_as_they_are_set_by_then() -> None:
    """What a segment owes stays its own; what it may is what the policy says now."""
    trainer = taught(trainer_of(0.2), 1, 30)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(trainer.state()), type=TrainerState)
    segments = {"some": Dial(0.1, 120.0)}
    resumed = Trainer.resume(state, Dial(0.05, 120.0), segments=segments)
    some = resumed.dials["some"]
    assert some.target == 0.1
    assert some.account.spent == trainer.dials["some"].account.spent > 0


def test_a_segment_that_has_no_dial_any_more_leaves_what_it_owes_to_the_policys() -> None:
    """Its alerts are open still: as if it had counted for it all along."""
    trainer = taught(trainer_of(0.05), 1, 30)
    together = taught(trainer_of(None), 1, 30)
    resumed = Trainer.resume(trainer.state(), Dial(0.05, 120.0))
    for before, after in ((resumed, together), (taught(resumed, 31, 3), taught(together, 31, 3))):
        one, other = before.dials[""], after.dials[""]
        assert one.account.spent == pytest.approx(other.account.spent)
        assert one.account.allowed == pytest.approx(other.account.allowed)
        assert one.months == pytest.approx(other.months)
        assert one.expected == pytest.approx(other.expected)
    assert resumed.dials.keys() == {""}


def test_a_state_from_before_segments_had_dials_is_taken_up() -> None:
    """A roll-out must not begin at nothing."""
    state = msgspec.to_builtins(taught(trainer_of(None), 1, 30).state(), str_keys=True)
    del state["segment_dials"]
    old = msgspec.convert(state, TrainerState, strict=False, str_keys=True)
    resumed = Trainer.resume(old, Dial(0.05, 120.0), segments={"some": Dial(0.2, 120.0)})
    assert resumed.dials[""].months > 0
    assert resumed.dials["some"].months == 0
    assert resumed.dials["some"].threshold == resumed.dials[""].threshold is not None
