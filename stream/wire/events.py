"""The decoder: any value of a source topic, or any row of a log, to a usage event.

Forms are told apart by the value itself, in this order: our own (the key
`slipaway`), the policy's mappings (what the operator spelled out goes before
what we know by heart), Segment's messages by their `type`.  Whatever is none of
them, or is one and broken, is `BadEvent`: this module raises nothing else.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from typing import NamedTuple

from stream.detector.batch import EventBatch
from stream.detector.errors import BadEvent, Code
from stream.detector.events import UsageEvent
from stream.wire import heartbeat, json_object, segment, usage
from stream.wire.fields import shown
from stream.wire.heartbeat import Heartbeat, encode_heartbeat
from stream.wire.mapping import Mapping, RecordReader
from stream.wire.usage import encode_usage

__all__ = ["Block", "Decoded", "Decoder", "Heartbeat", "encode_heartbeat", "encode_usage"]

Decoded = UsageEvent | Heartbeat | None
"""None is a row that the policy's mapping calls no event."""
Other = Heartbeat | BadEvent | None
"""A heartbeat, a row that is no event, or what cannot be used."""

_OWN_KEY = "slipaway"
_MANY, _FEW = 1_024, 32
"""Values that are read together; larger: more to be read again where one of them is faulty."""
_FEW_MIN = 16
"""Fewer are sooner read one by one."""


class Block(NamedTuple):
    """Many values, decoded."""

    events: EventBatch
    """In the order of their values."""
    others: list[tuple[int, Other]]
    """What stands where no usage event is, with its place among the values."""

    def place(self, number: int) -> int:
        """Give the place among the values of the event of this number."""
        place = number
        for index, _ in self.others:
            if index > place:
                break
            place += 1
        return place


class Decoder:
    """Decodes values and records; keeps nothing but the times it has parsed before."""

    def __init__(self, mappings: Iterable[Mapping] = ()) -> None:
        """Take the policy's mappings, in order."""
        self.mappings = tuple(mappings)
        self._mapped = tuple(RecordReader(mapping) for mapping in self.mappings)
        self._segment = segment.SegmentReader()

    def decode(self, value: bytes | None, received_at: int) -> Decoded:
        """Decode one value received at `received_at` (ms), or raise BadEvent."""
        return self.decode_record(json_object.parse(value), received_at)

    def decode_block(self, values: Sequence[bytes | None], received_at: Sequence[int]) -> Block:
        """Decode many values, each with its receipt."""
        batches: list[EventBatch] = []
        singly: list[UsageEvent] = []  # behind them
        others: list[tuple[int, Other]] = []
        for begin, end, batch in self._read_pieces(values, received_at):
            if batch is None:
                self._read_singly(begin, values[begin:end], received_at[begin:end], singly, others)
                continue
            if singly:
                batches.append(EventBatch.of(singly))
                singly = []
            batches.append(batch)
        return Block(EventBatch.joined([*batches, EventBatch.of(singly)]), others)

    def _read_pieces(
        self, values: Sequence[bytes | None], received_at: Sequence[int]
    ) -> Iterator[tuple[int, int, EventBatch | None]]:
        """Yield (begin, end, what was read together); None is left to the careful way.

        What is faulty is looked for in smaller pieces: most of the rest is faultless.
        """
        for begin, end in _pieces(0, len(values), _MANY):
            batch = self._read_many(values[begin:end], received_at[begin:end])
            if batch is not None:
                yield begin, end, batch
                continue
            for few, few_end in _pieces(begin, end, _FEW):
                yield few, few_end, self._read_many(values[few:few_end], received_at[few:few_end])

    def _read_many(
        self, values: Sequence[bytes | None], received_at: Sequence[int]
    ) -> EventBatch | None:
        """Read faultless events of one form; None leaves them to the careful way."""
        if len(values) < _FEW_MIN:
            return None
        first = values[0]
        if first is not None and first.startswith(usage.PREFIX):
            return usage.read_many(values, received_at)
        # What the operator spelled out goes before what we know by heart.
        return None if self._mapped else self._segment.read_many(values, received_at)

    def _read_singly(
        self,
        begin: int,
        values: Sequence[bytes | None],
        received_at: Sequence[int],
        events: list[UsageEvent],
        others: list[tuple[int, Other]],
    ) -> None:
        """Read values one by one, from place `begin` on: to the events, or the others."""
        for place, (value, at) in enumerate(zip(values, received_at, strict=True), begin):
            try:
                decoded = self.decode(value, at)
            except BadEvent as bad:
                others.append((place, bad))
            else:
                if isinstance(decoded, UsageEvent):
                    events.append(decoded)
                else:
                    others.append((place, decoded))

    def decode_record(self, record: MappingOf[str, object], received_at: int) -> Decoded:
        """Decode a JSON object, or a row of a table by name, or raise BadEvent."""
        own = record.get(_OWN_KEY)
        if own is not None:
            return _own(own, record, received_at)
        for mapped in self._mapped:
            if mapped.fits(record):
                return mapped.read(record, received_at)
        kind = record.get("type")
        if isinstance(kind, str) and kind in segment.TYPES:
            return self._segment.read(record, received_at)
        if self._mapped:
            # The mapping that comes closest says what is missing.
            nearest = max(self._mapped, key=lambda mapped: mapped.present(record))
            return nearest.read(record, received_at)
        raise _unknown(kind, record)

    def mapping_for(self, columns: Iterable[str]) -> Mapping | None:
        """Give the first mapping whose columns are all among `columns`, None if none is.

        Asked once per table: its rows then need no names.  None is no refusal:
        Segment's columns need no mapping, and `decode_record` has the reasons.
        """
        present = set(columns)
        if _OWN_KEY in present:
            return None
        for mapping in self.mappings:
            if present.issuperset(mapping.required()):
                return mapping
        return None


def _pieces(begin: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Cut a range."""
    for start in range(begin, end, size):
        yield start, min(start + size, end)


def _own(tag: object, record: MappingOf[str, object], received_at: int) -> Decoded:
    if tag == usage.TAG:
        return usage.from_record(record, received_at)
    if tag == heartbeat.TAG:
        return heartbeat.from_record(record)
    raise BadEvent(
        Code.UNKNOWN_TYPE,
        f"slipaway is {shown(tag)}: this version reads {usage.TAG!r} and {heartbeat.TAG!r}",
    )


def _unknown(kind: object, record: MappingOf[str, object]) -> BadEvent:
    if kind is not None and not isinstance(kind, str):
        return BadEvent(Code.WRONG_TYPE, f"type is {shown(kind)}: expected text")
    known = ", ".join(sorted(segment.TYPES))
    found = f"type is {shown(kind)}" if kind else f"no type; its keys are {shown(list(record))}"
    return BadEvent(
        Code.UNKNOWN_TYPE,
        f"{found}: not one of Segment's ({known}), and the policy has no [[mapping]] for it",
    )
