"""Lead: what a partition puts out is published before the rows behind it are saved.

A row costs more than an output, and the same rows change again and again.  So
outputs are published many times a second and rows are saved once in a while.
In between the source's own log is the record of the work: whoever restores the
partition folds the records anew from the saved position up to the published
one, and what they put out is dropped, for it is out already.

The same comes of it only if the same goes in.  Records do: the log holds them.
Time that passed between two of them is noted beside the position.  Where
anything else went in, the fold says so, and outputs wait for their rows.
"""

from collections import deque
from collections.abc import Sequence

from stream.engine.flow import Fold, Record
from stream.engine.position import Passed, Position


class Lead:
    """How far one partition's outputs are ahead of its saved rows."""

    __slots__ = ("_owed", "_passed", "saved")

    def __init__(self) -> None:
        """Begin with nothing saved."""
        self.saved: Position | None = None  # as it stands in the state topic, or is about to
        self._passed: list[Passed] = []  # since the rows were saved
        self._owed: deque[Passed] = deque()  # of a restored partition: still to be repeated

    def whole(self, saved: Position) -> Position:
        """Return the position to write with all rows; the lead is gone."""
        self.saved, self._passed = saved, []
        return saved

    def ahead(self, offset: int) -> Position:
        """Return the position to write with outputs up to `offset`; rows were saved before."""
        assert self.saved is not None
        self.saved = self.saved._replace(published=offset, passed=tuple(self._passed))
        return self.saved

    def note(self, offset: int, moment: int) -> None:
        """Note that time passed up to `moment` before the record at `offset` came."""
        if self._passed and self._passed[-1].offset == offset:
            self._passed.pop()  # the later moment says it all
        self._passed.append(Passed(offset, moment))

    # -- after a restore

    def restore(self, found: Position) -> None:
        """Take up the work where `found` says."""
        self.saved, self._passed, self._owed = found, list(found.passed), deque(found.passed)

    def owed(self, position: int) -> bool:
        """Return whether what was published is not all repeated yet."""
        return bool(self._owed) or (self.saved is not None and position < self.saved.published)

    def repeat(
        self, fold: Fold, position: int, records: Sequence[Record], end: int
    ) -> tuple[int, Sequence[Record]]:
        """Fold again what was published of the offsets from `position` to `end`.

        Returns where that ends, and the records behind it.
        """
        assert self.saved is not None
        while self.owed(position):
            if self._owed and self._owed[0].offset == position:
                fold.repeat_time(self._owed.popleft().moment)
                continue
            if position == end:
                return position, records
            stop = min(end, self._owed[0].offset if self._owed else self.saved.published)
            count = sum(record.offset < stop for record in records)
            if count:
                fold.repeat(records[:count])
            position, records = stop, records[count:]
        dropped = fold.publish()
        assert dropped is not None, "a fold that published ahead of its rows cannot any more"
        return position, records
