"""The stop rule: when most of the input fails, the events are not what is wrong.

A renamed field or a forgotten mapping makes every event a dead letter.  Putting
ten million of them aside, one by one, with no alert in the meantime, would hide
one mistake behind ten million symptoms; so the worker stops and says which.

What fails is saved with the position while it is most of it, and counted on after a restart: a
supervisor that starts a stopped worker again and again would else have every life
put aside another thousand.  It is forgotten where the policy or the release is
another one: they may be what has been put right.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from stream.detector.errors import Code
from stream.detector.events import MINUTE_MS
from stream.engine.exits import Fatal

_WHAT_TO_DO = (
    " Nothing since the last checkpoint was written. Operator action: correct the policy's"
    " [[mapping]], then start again; if it is the sender that is wrong, have it corrected, and set"
    " {setting} until what it has sent is put aside."
)

_STRAGGLING_MINUTES = 60
"""A record that is older by no more counts as of the present minute; brokers, too, let clocks be an
hour apart. By more: whoever was ahead was wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRule:
    """How much may fail."""

    share_max: float = 0.5
    window_events: int = 10_000
    failures_min: int = 1_000
    per_minute_max: int = 0
    """Dead letters of a minute of the log; 0: as many as there are."""
    judged_by: str = ""
    """The policy and the release by which events fail, or do not."""


class Kept(msgspec.Struct, array_like=True, frozen=True):
    """What a checkpoint holds of the recent input of a partition."""

    judged_by: str
    events: int
    failed: dict[str, int]
    """Failures among the events, by code."""
    minute: int
    """Of the log, in which the latest dead letter was (minutes since 1970)."""
    letters: int
    """Dead letters in it."""


class Failing:
    """The recent input of one partition: how much of it failed, and why."""

    def __init__(self, topic: str, rule: StopRule) -> None:
        """Watch `topic` by `rule`."""
        self._topic = topic
        self._rule = rule
        self._blocks: deque[tuple[int, Counter[str]]] = deque()
        self._events = 0
        self._failed: Counter[str] = Counter()
        self._minute = 0
        self._letters = 0

    def begin(self, kept: Kept | None) -> None:
        """Take up what was saved, if it still says something."""
        if kept is None or kept.judged_by != self._rule.judged_by:
            return
        self._failed = Counter(kept.failed)
        self._events = kept.events
        self._blocks.append((kept.events, self._failed.copy()))
        self._minute, self._letters = kept.minute, kept.letters

    def kept(self) -> Kept | None:
        """Return what to save; None where most is well, and no minute is counted.

        While most fails, the window has let nothing go yet, or the worker had stopped: so what is
        saved does not depend on how the records were cut into blocks.
        """
        rule, counted = self._rule, self._rule.per_minute_max and self._letters
        if not counted and self._failed.total() <= rule.share_max * self._events:
            return None
        failed = {str(code): count for code, count in sorted(self._failed.items())}
        return Kept(rule.judged_by, self._events, failed, self._minute, self._letters)

    def note(
        self,
        events: int,
        failed: Mapping[Code, int],
        example: str = "",
        times: Sequence[int] = (),
    ) -> None:
        """Note one block of `events`; raise `Fatal` if too much fails.

        `times` (ms) are when Kafka had the records that failed.  The window is kept by whole
        blocks: at least as many events as it says, and at most one block more.
        """
        self._count(times, example)
        self._blocks.append((events, Counter[str](failed)))
        self._events += events
        self._failed.update(failed)
        while self._blocks and self._events - self._blocks[0][0] >= self._rule.window_events:
            old_events, old_failed = self._blocks.popleft()
            self._events -= old_events
            self._failed -= old_failed
        failures, share_max = self._failed.total(), self._rule.share_max
        if failures < self._rule.failures_min or failures <= share_max * self._events:
            return
        if sum(failed.values()) <= share_max * events:
            return  # it was so before; now it gets better
        codes = ", ".join(f"{code} {count}" for code, count in self._failed.most_common(3))
        raise Fatal(
            f"{failures} of the last {self._events} events of {self._topic} cannot be used"
            f" ({codes}){_such_as(example)}." + _WHAT_TO_DO.format(setting="failing_share_max=1")
        )

    def _count(self, times: Sequence[int], example: str) -> None:
        """Count the dead letters of the log's present minute; raise `Fatal` above the cap."""
        for time in times:
            if not 0 <= self._minute - time // MINUTE_MS <= _STRAGGLING_MINUTES:
                self._minute, self._letters = time // MINUTE_MS, 0
            self._letters += 1
            if 0 < self._rule.per_minute_max < self._letters:
                raise Fatal(
                    f"{self._letters} events of one minute of {self._topic} cannot be used"
                    f"{_such_as(example)}; failing_per_minute_max is {self._rule.per_minute_max}."
                    + _WHAT_TO_DO.format(setting="failing_per_minute_max=0")
                )


def _such_as(example: str) -> str:
    return f", such as: {example}" if example else ""
