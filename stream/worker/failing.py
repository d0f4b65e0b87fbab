"""The stop rule: when most of the input fails, the events are not what is wrong.

A renamed field or a forgotten mapping makes every event a dead letter.  Putting
ten million of them aside, one by one, with no alert in the meantime, would hide
one mistake behind ten million symptoms; so the worker stops and says which.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from stream.detector.errors import Code
from stream.engine.exits import Fatal


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRule:
    """How much may fail."""

    share_max: float = 0.5
    window_events: int = 10_000
    failures_min: int = 1_000


class Failing:
    """The recent input of one partition: how much of it failed, and why."""

    def __init__(self, topic: str, rule: StopRule) -> None:
        """Watch `topic` by `rule`."""
        self._topic = topic
        self._rule = rule
        self._blocks: deque[tuple[int, Counter[Code]]] = deque()
        self._events = 0
        self._failed: Counter[Code] = Counter()

    def note(self, events: int, failed: Mapping[Code, int], example: str = "") -> None:
        """Note one block of `events`; raise `Fatal` if too much fails.

        The window is kept by whole blocks: at least as many events as it says,
        and at most one block more.
        """
        self._blocks.append((events, Counter(failed)))
        self._events += events
        self._failed.update(failed)
        while self._blocks and self._events - self._blocks[0][0] >= self._rule.window_events:
            old_events, old_failed = self._blocks.popleft()
            self._events -= old_events
            self._failed -= old_failed
        failures = self._failed.total()
        if failures < self._rule.failures_min:
            return
        if failures <= self._rule.share_max * self._events:
            return
        codes = ", ".join(f"{code.value} {count}" for code, count in self._failed.most_common(3))
        raise Fatal(
            f"{failures} of the last {self._events} events of {self._topic} cannot be used"
            f" ({codes}){f', such as: {example}' if example else ''}. Nothing since the last"
            " checkpoint was written. Operator action: correct the policy's [[mapping]] or the"
            " sender, then start again; to put them all aside instead, set failing_share_max=1."
        )
