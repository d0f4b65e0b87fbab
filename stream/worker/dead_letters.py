"""Putting aside what cannot be used: counted, explained, byte for byte, and not without end."""

from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import version

from faust.types import TP

from stream.detector.errors import BadEvent, Code
from stream.engine.flow import Output, Record
from stream.wire.dead_letters import dead_letter, dead_letter_headers
from stream.worker.failing import Failing, Kept, StopRule
from stream.worker.metrics import Metrics

APP_VERSION = version("slipaway")


class PutAside:
    """The dead letters of one partition's work."""

    def __init__(
        self,
        *,
        topic: str,
        source: TP,
        stage: str,
        rule: StopRule,
        metrics: Metrics,
        clock: Callable[[], int],
    ) -> None:
        """Write letters to `topic` for what fails at `stage` of the work on `source`."""
        self._topic = topic
        self._source = source
        self._stage = stage
        self._failing = Failing(source.topic, rule)
        self._metrics = metrics
        self._clock = clock

    def begin(self, kept: Kept | None) -> None:
        """Take up how much failed before, as it was saved."""
        self._failing.begin(kept)

    def kept(self) -> Kept | None:
        """Return how much has failed of late, to be saved; None: nothing worth it."""
        return self._failing.kept()

    def letters(self, events: int, refused: Sequence[tuple[Record, BadEvent]]) -> list[Output]:
        """Return the letters of one block of `events`; raise `Fatal` if most input fails.

        A record of many events has one letter, however many of them were refused.
        """
        first: dict[int, tuple[Record, BadEvent]] = {}
        for record, bad in refused:
            first.setdefault(id(record), (record, bad))
        refused = list(first.values())
        codes: Counter[Code] = Counter(bad.code for _, bad in refused)
        example = refused[-1][1].message if refused else ""
        times = [record.timestamp for record, _ in refused]
        self._failing.note(events, codes, example, times)
        if refused:
            self._metrics.put_aside(self._source.topic, codes)
        return [self._letter(record, bad) for record, bad in refused]

    def _letter(self, record: Record, bad: BadEvent) -> Output:
        """Keep key and value as they came, and the reason in the headers."""
        letter = dead_letter(
            bad,
            topic=self._source.topic,
            partition=self._source.partition,
            offset=record.offset,
            stage=self._stage,
            failed_at=self._clock(),
            app_version=APP_VERSION,
            headers=record.headers,
            timestamp=record.timestamp,
        )
        headers = dead_letter_headers(letter, record.headers)
        return Output(self._topic, None, record.key, record.value, headers)
