"""Trainers: one for each horizon, of the policy and of segments with one of their own.

What silence says of a customer depends on when it counts as gone, so weights, prior
and dials are learned by horizon; segments of the same one learn together.  To the
outside they are one: all of a day's lessons in, one snapshot out.  Visits are
counted of everybody, since the population's activity is everybody's.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import msgspec

from models.dial import Dial
from models.dials import Dials, Settings
from models.falls import Falls
from models.protocol import FORGOTTEN, Example, Lesson, Sighting, Tally
from models.shares import split
from models.snapshots import Snapshot, name
from models.trainer import Trainer, TrainerState
from models.zone import UTC, Zone

DAY_MS = 86_400_000


class Wanted(NamedTuple):
    """What a product wants learned of all horizons."""

    dials: Mapping[int, Settings]
    """By horizon (ms) that segments have of their own, the policy's under 0."""
    horizon_ms: int
    """The policy's."""
    decline: tuple[float, float | None] | None = None
    """False alarms per customer-month that falls may cost, and the level that is set instead (nats,
    or None); None: nobody looks for falls."""
    zone: Zone = UTC
    promote: bool = False
    """A challenger that has earned it answers in the champion's place."""
    with_forest: bool = False


class Trainers:
    """Learns from every partition's lessons, each horizon by itself."""

    def __init__(self, wanted: Wanted, saved: TrainerState | None = None) -> None:
        """Go on from a saved state, or start cold; a horizon that it does not know starts cold."""
        self._names = {h: [n for n in each if n] for h, each in wanted.dials.items() if h}
        states = {} if saved is None else {0: saved} | saved.of_segments
        self._trainers = {
            horizon_ms: _trainer(wanted, horizon_ms, states.get(horizon_ms))
            for horizon_ms in wanted.dials
        }
        self.own = self._trainers[0]
        """The policy's."""

    def learn(self, lesson: Lesson) -> None:
        """Keep a lesson for the event day it belongs to; of a horizon no longer in use: drop it."""
        if isinstance(lesson, Tally) and self._names:
            for horizon_ms, tally in split(lesson, self._names).items():
                self._trainers[horizon_ms].learn(tally)
        elif isinstance(lesson, Sighting):
            for horizon_ms, trainer in self._trainers.items():
                here = horizon_ms == lesson.horizon_ms or lesson.repeats == FORGOTTEN
                trainer.learn(lesson if here else _elsewhere(lesson))
        elif isinstance(lesson, Example):
            trainer_of = self._trainers.get(lesson.horizon_ms)
            if trainer_of is not None:
                trainer_of.learn(lesson)
        else:
            self.own.learn(lesson)

    def turn(self, day_end: int) -> Snapshot:
        """Learn everything of the days up to `day_end` (ms, a midnight); give what then answers."""
        snapshots = {h: trainer.turn(day_end) for h, trainer in self._trainers.items()}
        return _together(snapshots)

    def current(self) -> Snapshot:
        """Give what answers since the last day turned."""
        return _together({h: trainer.current() for h, trainer in self._trainers.items()})

    @property
    def of_segments(self) -> Iterator[tuple[int, Trainer]]:
        """Yield the trainers of segments' own horizons (ms)."""
        return ((horizon_ms, one) for horizon_ms, one in self._trainers.items() if horizon_ms)

    @property
    def each(self) -> Mapping[int, Trainer]:
        """Give all of them by horizon (ms), the policy's under 0."""
        return self._trainers

    @property
    def dials(self) -> dict[str, Dial]:
        """Give the dials by segment, the policy's under an empty name."""
        found = self.own.dials
        for _, trainer in self.of_segments:
            found |= {name: dial for name, dial in trainer.dials.items() if name}
        return found

    def state(self) -> TrainerState:
        """Give everything needed to go on later."""
        state = self.own.state()
        if self._names:
            state.horizons = {horizon_ms: one.state() for horizon_ms, one in self.of_segments}
        return state


def _trainer(wanted: Wanted, horizon_ms: int, saved: TrainerState | None) -> Trainer:
    """Make the trainer of one horizon; one that was saved goes on, if it was of the same."""
    days = (horizon_ms or wanted.horizon_ms) / DAY_MS
    dials = Dials.set_to(days, wanted.dials[horizon_ms])
    falls = None if wanted.decline is None else Falls(days, *wanted.decline)
    make: Callable[..., Trainer] = Trainer
    if saved is not None and saved.horizon_days == days:
        make = partial(Trainer.resume, saved)
    return make(
        dials.own,
        falls,
        zone=wanted.zone,
        segments=dials.segments,
        promote=wanted.promote,
        with_forest=wanted.with_forest,
    )


def _together(snapshots: dict[int, Snapshot]) -> Snapshot:
    """Make one snapshot of each horizon's: the policy's, with the others in it."""
    snapshot = snapshots.pop(0)
    if not snapshots:
        return snapshot
    segments = dict(snapshot.segments)
    for part in snapshots.values():
        segments |= part.segments
    return name(msgspec.structs.replace(snapshot, horizons=snapshots, segments=segments))


def _elsewhere(sighting: Sighting) -> Sighting:
    """Say that a customer is to be forgotten, for it is seen by another horizon now."""
    return msgspec.structs.replace(sighting, repeats=FORGOTTEN)
