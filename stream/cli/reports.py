"""Reports of what a command came to: a page, its figures, and what it took."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from stream.cli.progress import Bar

if TYPE_CHECKING:
    from stream.detector.policy import Policy
    from stream.replay.run import Summary
    from stream.report.cost import Cost
    from stream.report.replayed import Hearing


class Stopwatch:
    """Takes the time of what is done, one after the other."""

    def __init__(self, first: str) -> None:
        """Begin with what is done first."""
        self._began = [(first, time.perf_counter())]

    def turn_to(self, words: str) -> None:
        """Begin something else."""
        self._began.append((words, time.perf_counter()))

    def cost(self, events: int) -> "Cost":
        """Say what it took so far, for so many events."""
        from stream.report.cost import Cost, peak_memory_bytes

        now = time.perf_counter()
        ends = [*(began for _, began in self._began[1:]), now]
        seconds = now - self._began[0][1]
        return Cost(
            seconds=seconds,
            phases={
                words: end - began for (words, began), end in zip(self._began, ends, strict=True)
            },
            events_per_second=events / seconds,
            peak_memory_bytes=peak_memory_bytes(),
            cpus=len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1,
        )


class TimedBar(Bar):
    """A progress bar that takes the time of what it shows."""

    def __init__(self, logs: list[str], watch: Stopwatch) -> None:
        """Tell `watch` whenever something else begins."""
        super().__init__(logs)
        self._watch = watch

    def phase(self, words: str, steps: int) -> None:
        """Hear that something else begins."""
        self._watch.turn_to(words)
        super().phase(words, steps)


class Reports(NamedTuple):
    """What is to be written of a replay."""

    report: Path | None
    figures: Path | None
    watch: Stopwatch

    def hearing(self, policy: "Policy") -> "Hearing | None":
        """Give who is to hear of the replay; None where nothing is to be written."""
        if self.report is None and self.figures is None:
            return None
        from stream.report.replayed import Hearing

        return Hearing(policy)

    def write(self, source: list[str], summary: "Summary", hearing: "Hearing | None") -> None:
        """Write what was heard, once the replay is over."""
        if hearing is None:
            return
        from stream.replay.source import STANDARD_INPUT
        from stream.report.pages import written
        from stream.report.replay_page import page
        from stream.report.replayed import encode

        names = [name if name == STANDARD_INPUT else Path(name).name for name in source]
        found = hearing.came_to(names, summary)
        found = msgspec.structs.replace(found, cost=self.watch.cost(summary.events))
        if self.figures is not None:
            self.figures.write_bytes(encode(found))
        if self.report is not None:
            self.report.write_bytes(written(page(found)))
