"""The decoder: any value of a source topic, or any row of a log, to a usage event.

Forms are told apart by the value itself, in this order: our own (the key
`slipaway`), the policy's mappings (what the operator spelled out goes before
what we know by heart), Segment's messages by their `type`.  Whatever is none of
them, or is one and broken, is `BadEvent`: this module raises nothing else.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as MappingOf
from typing import NamedTuple

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


class Block(NamedTuple):
    """Many values, decoded."""

    events: list[UsageEvent]
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
        # What the operator spelled out goes before what we know by heart.
        self._segment_fast = _leave if self._mapped else self._segment.read_fast

    def decode(self, value: bytes | None, received_at: int) -> Decoded:
        """Decode one value received at `received_at` (ms), or raise BadEvent."""
        if value:
            read = usage.read_fast if value.startswith(usage.PREFIX) else self._segment_fast
            event = read(value, received_at)
            if event is not None:
                return event
        return self.decode_record(json_object.parse(value), received_at)

    def decode_block(self, values: Sequence[bytes | None], received_at: Sequence[int]) -> Block:
        """Decode many values, each with its receipt."""
        events: list[UsageEvent] = []
        others: list[tuple[int, Other]] = []
        append = events.append
        own, segments = usage.read_fast, self._segment_fast
        for index, (value, at) in enumerate(zip(values, received_at, strict=True)):
            if value:
                read = own if value.startswith(usage.PREFIX) else segments
                event = read(value, at)
                if event is not None:
                    append(event)
                    continue
            try:
                decoded = self.decode_record(json_object.parse(value), at)
            except BadEvent as bad:
                others.append((index, bad))
            else:
                if isinstance(decoded, UsageEvent):
                    append(decoded)
                else:
                    others.append((index, decoded))
        return Block(events, others)

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


def _leave(value: bytes, received_at: int) -> None:
    """Leave a value to the careful way."""


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
