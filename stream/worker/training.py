"""Training: every partition's lessons in, one snapshot an event day out.

The trainer's state is large and changes with every lesson, so it is written
once a day, when a day is turned; in between, the lessons themselves are kept,
packed into rows, and taught again after a restart.

The guard cannot wait for the day's end: where an hour changes what it has found,
the same model goes out once more, and says so.
"""

from collections.abc import Iterator, Sequence
from math import nan

import msgspec
import structlog

from models.protocol import Hour, Tally
from models.snapshots import Snapshot
from models.trainer import WATCHED, TrainerState
from models.trainers import Trainers, Wanted
from stream.detector.calendar import local_time
from stream.detector.policy import Policy
from stream.engine.exits import Fatal
from stream.engine.flow import Batch, Fold, Output, Record, Row
from stream.wire import snapshots
from stream.wire.durations import format_duration
from stream.wire.lessons import LessonError, decode_lesson
from stream.wire.state import StateCodec
from stream.worker.guarding import Guarding
from stream.worker.metrics import Metrics
from stream.worker.training_days import Closed, TrainingDays

log = structlog.get_logger("slipaway.worker")

TRAINER_KEY = b"trainer"
GUARD_KEY = b"guard"
LESSONS_KEY = b"lessons/"
PACK_BYTES = 64 << 10  # a pack is written anew as it grows: larger means fewer rows, more bytes

TRAINER = StateCodec(TrainerState)
CLOSED = StateCodec(Closed)
_PACK = msgspec.msgpack.Encoder()
_UNPACK = msgspec.msgpack.Decoder(list[bytes])


class TrainFold(Fold):
    """The work on the one partition of the examples topic."""

    def __init__(
        self,
        source: str,
        *,
        policy: Policy,
        model: str,
        partitions: int,
        metrics: Metrics,
    ) -> None:
        """Read `source`, publish to `model`."""
        self._source = source
        self._policy = policy
        self._model = model
        self._partitions = partitions
        self._metrics = metrics
        self._packs: dict[bytes, list[bytes]] = {}  # what the trainer heard since its state
        self._pack_bytes = 0  # of the last one, which still grows
        self._saved: TrainerState | None = None
        self._saved_guard: bytes | None = None
        self._trainer: Trainers
        self._guarding: Guarding
        self._days: TrainingDays
        self._rows: dict[bytes, bytes | None] = {}
        self._outputs: list[Output] = []
        self._grown = False

    @property
    def pending(self) -> int:
        """Count what is unsaved."""
        return len(self._rows) + len(self._outputs) + self._grown + self._guarding.changed

    # ------------------------------------------------------------ restore

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take the trainer, the guard, or a pack of lessons, as last saved."""
        if key == TRAINER_KEY:
            self._saved = TRAINER.decode(value or b"")
        elif key == GUARD_KEY:
            self._saved_guard = value
        elif value is None:
            self._packs.pop(key, None)
        else:
            self._packs[key] = _UNPACK.decode(value)

    def begin(self, progress: bytes | None) -> None:
        """Take up the trainer, unless it was another horizon's, and what it heard since."""
        saved, policy = self._saved, self._policy
        wanted = Wanted(
            policy.dials_by_horizon,
            policy.horizon_ms,
            policy.fall_dial,
            local_time(policy.calendar),
            policy.promote,
            policy.forest,
        )
        self._trainer = Trainers(wanted, saved)
        self._saved = None
        self._packs = dict(sorted(self._packs.items()))
        for lessons in self._packs.values():
            for lesson in lessons:
                self._trainer.learn(decode_lesson(lesson)[1])
        self._pack_bytes = PACK_BYTES  # the next lesson opens a pack of its own
        closed = CLOSED.decode(progress) if progress else None
        self._days = TrainingDays(self._partitions, closed)
        self._guarding = Guarding(self._policy, self._partitions, self._metrics, self._saved_guard)
        for horizon_ms in self._trainer.each:
            for target in WATCHED:  # a rate needs to have seen it at nought
                self._metrics.drifts.labels(target, _label(horizon_ms))
        self._say(self._trainer.current())

    # ------------------------------------------------------------ the work

    def apply(self, records: Sequence[Record]) -> None:
        """Hear every lesson; turn a day as soon as it is complete."""
        for record in records:
            try:
                partition, lesson = decode_lesson(record.value)
            except LessonError as error:
                raise Fatal(f"{self._source}, offset {record.offset}: {error}") from error
            if isinstance(lesson, Hour):
                for hour_end in self._guarding.hear(partition, lesson):
                    self._answer(self._trainer.current(), hour_end)
                continue
            self._trainer.learn(lesson)
            self._keep(record)
            if isinstance(lesson, Tally):
                self._days.close(partition, lesson.day_end)
                self._turn()
        self._metrics.took(self._source, {"applied": len(records)})

    def tick(self, now_ms: int, caught_up: bool) -> None:  # noqa: FBT001 - see Fold
        """Do nothing: event days end by events."""

    def collect(self) -> Batch:
        """Hand over what is unsaved."""
        if self._grown:
            key, lessons = next(reversed(self._packs.items()))
            self._rows[key] = _PACK.encode(lessons)
            self._grown = False
        if self._guarding.changed:
            self._rows[GUARD_KEY] = self._guarding.save()
        rows: list[Row] = list(self._rows.items())
        outputs, self._outputs = self._outputs, []
        self._rows = {}
        return Batch(rows, outputs, CLOSED.encode(self._days.closed))

    # ------------------------------------------------------------ its parts

    def _keep(self, record: Record) -> None:
        """Keep a lesson's bytes until the trainer's state is written."""
        lesson = record.value or b""
        if self._pack_bytes >= PACK_BYTES:
            if self._grown:
                key, full = next(reversed(self._packs.items()))
                self._rows[key] = _PACK.encode(full)
            self._packs[LESSONS_KEY + b"%020d" % record.offset] = []
            self._pack_bytes = 0
        next(reversed(self._packs.values())).append(lesson)
        self._pack_bytes += len(lesson)
        self._grown = True

    def _answer(self, snapshot: Snapshot, effective_from: int) -> None:
        """Publish what answers from a moment (ms) on, with what the guard has found."""
        snapshot = self._guarding.stamp(snapshot, effective_from)
        key = snapshot.version.encode()
        self._outputs.append(Output(self._model, 0, key, snapshots.encode(snapshot)))

    def _turn(self) -> None:
        """Turn the days that are complete, and write the trainer's state in place of the packs."""
        days = self._days.due()
        for day_end in days:
            snapshot = self._trainer.turn(day_end)
            self._answer(snapshot, day_end)
            self._say(snapshot)
            self._warn(snapshot)
        if not days:
            return
        self._metrics.days_trained.inc(len(days))
        for key in self._packs:
            self._rows[key] = None
        self._packs.clear()
        self._pack_bytes = PACK_BYTES
        self._grown = False
        self._rows[TRAINER_KEY] = TRAINER.encode(self._trainer.state())

    def _say(self, snapshot: Snapshot) -> None:
        """Say how good what was learned is: also after a restart, before another day is over."""
        if snapshot.effective_from:
            self._metrics.trained_until.set(snapshot.effective_from / 1000)
        for horizon_ms, trainer in self._trainer.each.items():
            for name, loss in trainer.race.log_losses().items():
                self._metrics.matured_log_loss.labels(name, _label(horizon_ms)).set(loss)
            self._metrics.calibrated(trainer.calibration.error, _label(horizon_ms))
        for segment, dial in self._trainer.dials.items():
            self._metrics.dials(
                segment,
                asked=dial.target if dial.notice_days_per_false_alarm is None else None,
                expected=dial.rate,
                measured=dial.measured,
            )
        for horizon_ms, part in _by_horizon(snapshot):
            horizon = _label(horizon_ms)
            for fall, found in part.falls.items():
                level = nan if found.level is None else found.level
                self._metrics.decline_level.labels(fall, horizon).set(level)
                for of, share in (("fallen", found.came_true), ("others", found.controls_true)):
                    gauge = self._metrics.decline_true.labels(fall, of, horizon)
                    gauge.set(nan if share is None else share)

    def _warn(self, snapshot: Snapshot) -> None:
        """Say what was found to have changed on the day that was turned."""
        for horizon_ms, part in _by_horizon(snapshot):
            for target in part.drifted:
                self._metrics.drifts.labels(target, _label(horizon_ms)).inc()
                log.warning(
                    "customers behave otherwise than was learned: until labels have caught up,"
                    " risks are off",
                    target=target,
                    horizon=_label(horizon_ms),
                    model=snapshot.version,
                )


def _by_horizon(snapshot: Snapshot) -> Iterator[tuple[int, Snapshot]]:
    """Yield what was learned of each horizon (ms), of the policy's under 0."""
    yield 0, snapshot
    yield from snapshot.of_segments.items()


def _label(horizon_ms: int) -> str:
    """Name a horizon in metrics: empty for the policy's."""
    return format_duration(horizon_ms) if horizon_ms else ""
