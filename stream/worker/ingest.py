"""Ingest: raw events of any form and key, in; canonical events keyed by customer, out.

A customer's events must meet in one partition, whatever key their sender chose.
An event from a clock that runs ahead is refused here already, and not only by
the detector: here its dead letter holds what the sender sent.

What a heartbeat of a raw source promises holds for its own partition only, and
the customers of that partition are spread over all of ours; so it is counted
and goes no further.  Send heartbeats to the usage topic.
"""

from collections.abc import Sequence
from typing import assert_never

from stream.detector.errors import BadEvent, Code
from stream.detector.events import UsageEvent
from stream.engine.flow import Batch, Output, Record
from stream.wire.events import Decoder, Heartbeat, encode_usage
from stream.worker.dead_letters import PutAside
from stream.worker.metrics import Metrics


class IngestFold:
    """The work on one partition of a raw source; it remembers nothing but its position."""

    def __init__(
        self,
        *,
        source: str,
        usage: str,
        decoder: Decoder,
        future_skew_ms: int,
        put_aside: PutAside,
        metrics: Metrics,
    ) -> None:
        """Re-key `source` into `usage`; refuse what is further ahead than `future_skew_ms`."""
        self._source = source
        self._usage = usage
        self._decoder = decoder
        self._future_skew_ms = future_skew_ms
        self._put_aside = put_aside
        self._metrics = metrics
        self._outputs: list[Output] = []

    @property
    def pending(self) -> int:
        """Count what is unsaved."""
        return len(self._outputs)

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take nothing: there are no rows."""

    def begin(self, progress: bytes | None) -> None:
        """Start; there is nothing to take up."""

    def apply(self, records: Sequence[Record]) -> None:
        """Decode, re-key, and put aside what cannot be read."""
        decoded = self._decoder.decode_block(
            [record.value for record in records], [record.timestamp for record in records]
        )
        results = {"ingested": 0, "ignored": 0, "heartbeat": 0}
        refused: list[tuple[Record, BadEvent]] = []
        for record, event in zip(records, decoded, strict=True):
            match event:
                case UsageEvent() if event.occurred_at > event.received_at + self._future_skew_ms:
                    refused.append((record, _future(event)))
                case UsageEvent():
                    key = event.customer_id.encode()
                    self._outputs.append(Output(self._usage, None, key, encode_usage(event)))
                    results["ingested"] += 1
                case BadEvent():
                    refused.append((record, event))
                case Heartbeat():
                    results["heartbeat"] += 1
                case None:
                    results["ignored"] += 1
                case _:
                    assert_never(event)
        self._outputs += self._put_aside.letters(len(records), refused)
        self._metrics.took(self._source, results)

    def tick(self, now_ms: int, caught_up: bool) -> None:  # noqa: FBT001 - see Fold
        """Do nothing: no event waits for time to pass."""

    def collect(self) -> Batch:
        """Hand over what is unsaved."""
        outputs, self._outputs = self._outputs, []
        return Batch(rows=[], outputs=outputs, progress=b"")


def _future(event: UsageEvent) -> BadEvent:
    """Refuse an event from a clock that runs ahead of its own broker's."""
    ahead = (event.occurred_at - event.received_at) / 1000
    return BadEvent(
        Code.FUTURE,
        f"the event says it happened {ahead:.0f} seconds after the broker received it;"
        " correct the sender's clock",
    )
