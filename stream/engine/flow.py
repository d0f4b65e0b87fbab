"""Flow: what the engine asks of the work it carries, and of those who watch.

A flow is one source topic and the work done on it.  The work on one partition,
for as long as this worker holds it, is a `Fold`: state that blocks of records
and ticks of the clock are folded into.  The engine calls it from one thread and
never twice at once, so a fold has no locks, no `async` and no Kafka.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from faust.types import TP

Row = tuple[bytes, bytes | None]


class Record(Protocol):
    """A record as it was read, by aiokafka."""

    @property
    def offset(self) -> int:
        """Its place in the partition; rises, but not always by one."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970: when it was made, or appended, as the topic has it."""

    @property
    def key(self) -> bytes | None:
        """The key's bytes."""

    @property
    def value(self) -> bytes | None:
        """The value's bytes; None is a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """The headers, in order; a name may occur more than once."""


class Output(NamedTuple):
    """A record to publish, in the transaction of what led to it."""

    topic: str
    partition: int | None  # None: by the key, as Kafka's own clients choose
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] | None = None  # a header's value may be null


class Told(NamedTuple):
    """An output, and where it stands, once it can be read."""

    output: Output
    partition: int
    offset: int


class Batch(NamedTuple):
    """Everything a fold has to save since it was last asked."""

    rows: list[Row]  # for the state topic; None as the value deletes the key
    outputs: list[Output]
    progress: bytes  # what the fold knows of the partition as a whole


class Fold(Protocol):
    """The work on one partition while this worker holds it."""

    @property
    def pending(self) -> int:
        """How many rows and outputs are unsaved; 0 when `collect` would be empty."""

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take one row of the state topic, in log order; None deletes the key."""

    def begin(self, progress: bytes | None) -> None:
        """Start work: all rows are loaded.

        `progress` is that of the last checkpoint, or None when there was none.
        """

    def apply(self, records: Sequence[Record]) -> None:
        """Fold a block, or a slice of one, in order; every record comes exactly once."""

    def tick(self, now_ms: int, caught_up: bool) -> int | None:  # noqa: FBT001 - a fact
        """Note the wall clock: milliseconds since 1970.

        `caught_up` says that every record of the log was applied, as far as a
        fetch of the last seconds can tell; in doubt it is False.  Returns the
        moment up to which time has passed here, where `repeat_time` may be
        asked for it; None where nothing changed, or nobody will ask.
        """

    def collect(self) -> Batch:
        """Return what is unsaved, and count it as saved from now on."""

    # Publishing before rows are saved: for a fold that can, in place of what stands here.

    def publish(self) -> list[Output] | None:
        """Return the outputs that are unsaved, and count them as saved; the rows are not.

        Only if records, and time as `tick` returned it, were all that went in
        since `collect`: they are given anew to whoever restores these rows.
        None, as by default, where it was not, and everything is to be collected.
        """
        return None

    def repeat(self, records: Sequence[Record]) -> None:  # noqa: ARG002 - for who can
        """Fold records as `apply` did before, to the same effect, whatever has changed since."""
        raise AssertionError("nothing was published ahead of its rows")

    def repeat_time(self, moment: int) -> None:  # noqa: ARG002 - for who can
        """Let time pass as `tick` did before when it returned `moment`."""
        raise AssertionError("nothing was published ahead of its rows")


class Flow(NamedTuple):
    """One source topic, the topic its state is kept in, and the work on it."""

    source: str
    state: str  # share it only between flows whose folds have no rows of their own
    make: Callable[[TP], Fold]
    prepare: Callable[[], object] | None = None  # called in a thread before the first `make`


class Observer(Protocol):
    """Whoever counts and reports; every call is quick and from the worker's main thread."""

    def assigned(self, kept: Sequence[TP], restored: Sequence[TP], seconds: float) -> None:
        """Note partitions that are worked on from now on; `restored` were read anew."""

    def revoked(self, partitions: Sequence[TP], seconds: float) -> None:
        """Note partitions that are no longer worked on; their last work is saved."""

    def restoring(self, tp: TP, records: int, remaining: int) -> None:
        """Note how many state records were read; `remaining` offsets are to go, at most."""

    def applied(self, tp: TP, records: int, seconds: float, first_ms: int) -> None:
        """Note what was folded in one go: a block, or a slice of one.

        `first_ms` is its first record's timestamp.
        """

    def dropped(self, tp: TP, records: int) -> None:
        """Note the rest of a block from before a seek: its records are read again."""

    def checkpointed(self, tp: TP, seconds: float, rows: int, outputs: int) -> None:
        """Note a transaction that was committed."""

    def published(self, tp: TP, told: Sequence[Told]) -> None:
        """Note outputs of a committed transaction, of those topics that are told of."""

    def lag(self, tp: TP, records: int, *, caught_up: bool) -> None:
        """Note the offsets between the last applied record and the log's end; once a second."""


class Silent:
    """An observer that has nothing to say: for tests, and to inherit from."""

    def assigned(self, kept: Sequence[TP], restored: Sequence[TP], seconds: float) -> None:
        """Say nothing."""

    def revoked(self, partitions: Sequence[TP], seconds: float) -> None:
        """Say nothing."""

    def restoring(self, tp: TP, records: int, remaining: int) -> None:
        """Say nothing."""

    def applied(self, tp: TP, records: int, seconds: float, first_ms: int) -> None:
        """Say nothing."""

    def dropped(self, tp: TP, records: int) -> None:
        """Say nothing."""

    def checkpointed(self, tp: TP, seconds: float, rows: int, outputs: int) -> None:
        """Say nothing."""

    def published(self, tp: TP, told: Sequence[Told]) -> None:
        """Say nothing."""

    def lag(self, tp: TP, records: int, *, caught_up: bool) -> None:
        """Say nothing."""
