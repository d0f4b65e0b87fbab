"""Ingest: raw events of any form and key, in; canonical events keyed by customer, out.

A customer's events must meet in one partition, whatever key their sender chose.
An event from a clock that runs ahead is refused here already, and not only by
the detector: here its dead letter holds what the sender sent.

How far a partition of a raw source has come is told to every partition of
ours, since its customers are spread over all of them: after each checkpoint
that moved it, and by the wall clock while nothing is left to read.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import assert_never

from faust.types import TP

from stream.detector.errors import BadEvent
from stream.detector.events import UsageEvent
from stream.detector.identity import ALIAS
from stream.detector.watermark import check_not_ahead
from stream.engine.flow import Batch, Fold, Output, Record
from stream.wire.alias import encode_alias, sides
from stream.wire.erasure import Erasure, encode_erasure
from stream.wire.events import Decoder, Heartbeat, Travelled, encode_usage
from stream.wire.heartbeat import encode_heartbeat
from stream.wire.state import StateCodec
from stream.wire.usage import is_usage
from stream.worker.aliases_told import AliasesTold
from stream.worker.dead_letters import PutAside
from stream.worker.failing import Kept
from stream.worker.metrics import Metrics
from stream.worker.tracing import of_a_trace

FAILING = StateCodec(Kept)

BEAT_MS = 1_000  # shorter: silences are noticed sooner, and the usage topic fills with beats


class IngestFold(Fold):
    """The work on one partition of a raw source.

    It remembers its position, its time, and how much fails while that is most of it.
    """

    def __init__(
        self,
        tp: TP,
        *,
        usage: str,
        usage_partitions: int,
        origins: int,
        wall_clock: bool,
        decoder: Decoder,
        future_skew_ms: int,
        put_aside: PutAside,
        metrics: Metrics,
        traced: bool = False,
    ) -> None:
        """Re-key a source into `usage`; refuse what is further ahead than `future_skew_ms`.

        `origins` is how many partitions all sources have together; `traced` hands on what a
        record's headers say of its trace.
        """
        self._source = tp.topic
        self._origin = f"{tp.topic}:{tp.partition}"
        self._usage = usage
        self._usage_partitions = usage_partitions
        self._origins = origins
        self._wall_clock = wall_clock
        self._decoder = decoder
        self._future_skew_ms = future_skew_ms
        self._put_aside = put_aside
        self._metrics = metrics
        self._traced = traced
        self._aliases_told = AliasesTold()
        self._outputs: list[Output] = []
        self._latest = 0
        self._busy = True
        self._told: tuple[int, bool] | None = None

    @property
    def pending(self) -> int:
        """Count what is unsaved."""
        return len(self._outputs) + (self._told != (self._latest, self._busy))

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take nothing: there are no rows, so the source may be given more partitions."""

    def begin(self, progress: bytes | None) -> None:
        """Take up the time reached; the first checkpoint tells everybody that we are here."""
        latest, _, failing = (progress or b"0").partition(b" ")
        self._latest = int(latest)
        self._put_aside.begin(FAILING.decode(failing) if failing else None)

    def apply(self, records: Sequence[Record]) -> None:
        """Decode, re-key, and put aside what cannot be read."""
        block = self._decoder.decode_block(
            [record.value for record in records],
            [record.timestamp for record in records],
            [record.headers for record in records],
        )
        results = {"ingested": 0, "ignored": 0, "heartbeat": 0, "erasure": 0}
        refused: list[tuple[Record, BadEvent]] = []
        said: list[tuple[int, Output]] = []  # with the places of what they were made of
        for number, event in enumerate(block.events):
            try:
                self._reach(event.occurred_at, event.received_at)
            except BadEvent as bad:
                refused.append((records[block.place(number)], bad))
                continue
            outputs = self._outputs_of(event)
            if self._traced and (own := of_a_trace(records[block.place(number)].headers)):
                outputs = [output._replace(headers=own) for output in outputs]
            results["ingested"] += is_usage(event)
            said += [(block.place(number), output) for output in outputs]
        for place, other in block.others:
            match other:
                case BadEvent():
                    refused.append((records[place], other))
                case Heartbeat() | Erasure():
                    try:
                        passed_on = self._hear(other, records[place].timestamp)
                    except BadEvent as bad:
                        refused.append((records[place], bad))
                        continue
                    said += [(place, output) for output in passed_on]
                    results["erasure" if passed_on else "heartbeat"] += 1
                case None | Travelled():
                    results["ignored"] += 1
                case _:
                    assert_never(other)
        if results["erasure"]:
            said.sort(key=itemgetter(0))  # what is behind it is of a new customer
        self._outputs += [output for _, output in said]
        refused.sort(key=lambda entry: entry[0].offset)
        self._outputs += self._put_aside.letters(len(records), refused)
        self._metrics.took(self._source, results)

    def tick(self, now_ms: int, caught_up: bool) -> None:  # noqa: FBT001 - see Fold
        """Note whether there is a backlog; where there is none, the wall clock tells the time."""
        self._busy = not caught_up
        if caught_up and self._wall_clock and now_ms - self._latest >= BEAT_MS:
            self._latest = now_ms

    def collect(self) -> Batch:
        """Hand over what is unsaved, and say how far that brings this source."""
        outputs, self._outputs = self._outputs, []
        if self._told != (self._latest, self._busy):
            self._told = self._latest, self._busy
            beat = encode_heartbeat(
                Heartbeat(self._latest, self._origin, self._origins, self._busy)
            )
            outputs += [Output(self._usage, p, None, beat) for p in range(self._usage_partitions)]
        progress, failing = b"%d" % self._latest, self._put_aside.kept()
        if failing is not None:
            progress += b" " + FAILING.encode(failing)
        return Batch(rows=[], outputs=outputs, progress=progress)

    def _outputs_of(self, event: UsageEvent) -> list[Output]:
        """Give what is told of an event; of an alias, both ids, which may live apart, are told."""
        if is_usage(event):
            return [Output(self._usage, None, event.customer_id.encode(), encode_usage(event))]
        if event.name != ALIAS:
            both: tuple[UsageEvent, ...] = (event,)
        elif self._aliases_told.is_news(event.account_id, event.customer_id, event.occurred_at):
            both = sides(event)
        else:
            return []
        return [
            Output(self._usage, None, side.customer_id.encode(), encode_alias(side))
            for side in both
        ]

    def _hear(self, other: Heartbeat | Erasure, received_at: int) -> list[Output]:
        """Let time pass as far as a heartbeat says; give the record of an erasure.

        Raises BadEvent where either is of a time to come.
        """
        if isinstance(other, Heartbeat):
            self._reach(other.watermark, received_at)
            return []
        check_not_ahead(other.requested_at or 0, received_at, self._future_skew_ms)
        return [Output(self._usage, None, other.customer_id.encode(), encode_erasure(other))]

    def _reach(self, at: int, received_at: int) -> None:
        """Come to a moment (ms); raise BadEvent where a clock runs ahead of its broker's."""
        check_not_ahead(at, received_at, self._future_skew_ms)
        self._latest = max(self._latest, at)
