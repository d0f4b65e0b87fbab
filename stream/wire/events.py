"""The decoder: any value of a source topic, or any row of a log, to usage events.

Forms are told apart by the value itself, in this order: our own (the key
`slipaway`), the policy's mappings (what the operator spelled out goes before
what we know by heart), CloudEvents, Segment's messages by their `type`; and where
the policy has no mapping, other vendors' by keys that nobody else has.  A CloudEvent
may also be told by a record's headers.  Whatever is none of them, or is one and
broken, is `BadEvent`: this module raises nothing else.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from typing import NamedTuple

import numpy as np

from stream.detector.batch import EventBatch, Moments
from stream.detector.errors import BadEvent, Code
from stream.detector.events import UsageEvent
from stream.detector.identity import alias_event
from stream.wire import (
    alias,
    bundle,
    cloud_events,
    erasure,
    heartbeat,
    identity,
    json_object,
    segment,
    travel,
    usage,
)
from stream.wire.bundle import Bundle
from stream.wire.cloud_events import Headers
from stream.wire.erasure import Erasure
from stream.wire.fields import shown
from stream.wire.heartbeat import Heartbeat, encode_heartbeat
from stream.wire.mapping import Mapping, RecordReader
from stream.wire.presets import AMPLITUDE, CLOUD_EVENTS, PRESETS, PresetReader
from stream.wire.travel import Travelled
from stream.wire.usage import encode_usage

__all__ = [
    "Block",
    "Bundle",
    "Decoded",
    "Decoder",
    "Heartbeat",
    "Travelled",
    "encode_heartbeat",
    "encode_usage",
]

Row = UsageEvent | Heartbeat | Erasure | Travelled | None
"""None is a row that the policy's mapping calls no event."""
Decoded = Row | Bundle
Other = Heartbeat | Erasure | Travelled | BadEvent | None
"""A heartbeat, an erasure, what one partition says to another, a row that is no event, or what
cannot be used."""

_OWN_KEY = "slipaway"
_MANY, _FEW = 1_024, 32
"""Values that are read together; larger: more to be read again where one of them is faulty."""
_FEW_MIN = 16
"""Fewer are sooner read one by one."""
_NO_PLACES = np.zeros(0, np.int64)


class Block(NamedTuple):
    """Many values, decoded."""

    events: EventBatch
    """In the order of their values."""
    places: Moments
    """The place among the values of each event: a bundle has several of them, or none."""
    others: list[tuple[int, Other]]
    """What is said by values that is no usage event, with their places."""

    def place(self, number: int) -> int:
        """Give the place among the values of the event of this number."""
        return int(self.places[number])

    def before(self, place: int) -> int:
        """Count the events of the values before a place."""
        return int(np.searchsorted(self.places, place))


class Decoder:
    """Decodes values and records; keeps nothing but the times it has parsed before."""

    def __init__(
        self,
        mappings: Iterable[Mapping] = (),
        traits: frozenset[str] = frozenset(),
        *,
        aliases: bool = False,
    ) -> None:
        """Take the policy's mappings, in order, and the traits that it asks for.

        `aliases` also yields what messages say of who somebody is, as events of names that
        no other event has (`stream.detector.identity`).
        """
        self.mappings = tuple(mappings)
        self.traits = traits
        self._aliases = aliases
        self._mapped = tuple(RecordReader(mapping, traits) for mapping in self.mappings)
        self._segment = segment.SegmentReader(traits)
        self._presets = PresetReader(self._mapped, traits)

    def decode(
        self, value: bytes | None, received_at: int, headers: Headers | None = None
    ) -> Decoded:
        """Decode one value received at `received_at` (ms), or raise BadEvent."""
        if headers and cloud_events.declared(headers):
            return self._cloud_event(cloud_events.record_of(value, headers), received_at)
        record = json_object.parse(value)
        if not ("batch" in record or "events" in record) or self._spoken_for(record):
            return self.decode_record(record, received_at)
        found = bundle.unread(record)
        if found is None:
            return self.decode_record(record, received_at)
        return self._bundle(found, received_at)

    def decode_block(
        self,
        values: Sequence[bytes | None],
        received_at: Sequence[int],
        headers: Sequence[Headers] | None = None,
    ) -> Block:
        """Decode many values, each with its receipt and the headers of its record."""
        batches: list[EventBatch] = []
        places: list[Moments] = [_NO_PLACES]
        others: list[tuple[int, Other]] = []
        singly: list[tuple[UsageEvent, int]] = []  # behind the batches, with their places
        told = headers if headers and cloud_events.any_declared(headers) else None

        def put_behind() -> None:
            if singly:
                events, where = zip(*singly, strict=True)
                batches.append(EventBatch.of(events))
                places.append(np.array(where, np.int64))
                singly.clear()

        for begin, end, batch in self._read_pieces(values, received_at, told):
            if batch is None:
                few, at = values[begin:end], received_at[begin:end]
                singly += self._read_singly(begin, few, at, told and told[begin:end], others)
                continue
            put_behind()
            batches.append(batch)
            places.append(np.arange(begin, end))
            singly += self._aliases_of(batch, begin, values, others)
        put_behind()
        return _in_order(EventBatch.joined(batches), np.concatenate(places), others)

    def _aliases_of(
        self,
        batch: EventBatch,
        begin: int,
        values: Sequence[bytes | None],
        others: list[tuple[int, Other]],
    ) -> Iterator[tuple[UsageEvent, int]]:
        """Yield what values that were read together, from place `begin` on, say of who is who."""
        names = batch.names
        if not self._aliases or not any(kind in names for kind in identity.TELL_IDS):
            return
        for number, name in enumerate(names):
            value = values[begin + number]
            if name in identity.TELL_IDS and value and not value.startswith(usage.PREFIX):
                found = self._told(batch[number], json_object.parse(value))
                if isinstance(found, Bundle):
                    yield from ((event, begin + number) for event in found.events[1:])
                    if found.bad:
                        others.append((begin + number, found.bad))

    def decode_text(self, text: bytes, received_at: int) -> EventBatch | None:
        """Decode lines that are all faultless events of one form, each on a line of its own.

        None says nothing of them: `decode_block` does.
        """
        if text.startswith(usage.PREFIX):
            return usage.read_text(text, received_at)
        events = None if self._mapped else self._segment.read_text(text, received_at)
        if events is not None and self._aliases and not identity.TELL_IDS.isdisjoint(events.names):
            return None  # there may be an alias in it
        return events

    def _read_pieces(
        self,
        values: Sequence[bytes | None],
        received_at: Sequence[int],
        told: Sequence[Headers] | None,
    ) -> Iterator[tuple[int, int, EventBatch | None]]:
        """Yield (begin, end, what was read together); None is left to the careful way.

        What is faulty is looked for in smaller pieces: most of the rest is faultless.
        Where headers say what values are (`told`), all near it go the careful way.
        """
        for begin, end in _pieces(0, len(values), _MANY):
            if told is not None and cloud_events.any_declared(told[begin:end]):
                yield begin, end, None
                continue
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
        headers: Sequence[Headers | None] | None,
        others: list[tuple[int, Other]],
    ) -> list[tuple[UsageEvent, int]]:
        """Read values one by one, from place `begin` on: give events with their places."""
        events: list[tuple[UsageEvent, int]] = []
        told = [None] * len(values) if headers is None else headers
        for place, (value, at, found) in enumerate(
            zip(values, received_at, told, strict=True), begin
        ):
            try:
                decoded = self.decode(value, at, found)
            except BadEvent as bad:
                others.append((place, bad))
                continue
            if isinstance(decoded, UsageEvent):
                events.append((decoded, place))
            elif isinstance(decoded, Bundle):
                events += [(event, place) for event in decoded.events]
                if decoded.bad or not decoded.events:
                    others.append((place, decoded.bad))
            else:
                others.append((place, decoded))
        return events

    def decode_record(self, record: MappingOf[str, object], received_at: int) -> Decoded:
        """Decode a JSON object, or a row of a table by name, or raise BadEvent."""
        own = record.get(_OWN_KEY)
        if own is not None:
            return self._own(own, record, received_at)
        for mapped in self._mapped:
            if mapped.fits(record):
                return mapped.read(record, received_at)
        if record.get("specversion") is not None and cloud_events.is_one(record):
            return self._cloud_event(record, received_at)
        kind = record.get("type")
        if isinstance(kind, str) and kind in segment.TYPES:
            return self._told(self._segment.read(record, received_at), record)
        if self._mapped:
            # The mapping that comes closest says what is missing.
            nearest = max(self._mapped, key=lambda mapped: mapped.present(record))
            return nearest.read(record, received_at)
        shape = self._presets.shape_of(record)
        if shape is None:
            raise _unknown(kind, record)
        return self._presets.read(shape, record, received_at)

    def _told(self, event: UsageEvent, record: MappingOf[str, object]) -> UsageEvent | Bundle:
        """Give a Segment message's event, with what else it says: of who is who."""
        if not self._aliases or event.name not in identity.TELL_IDS:
            return event
        at, received_at = event.occurred_at, event.received_at
        try:
            aliases = [
                alias_event(told.previous_id, told.customer_id, at, received_at)
                for told in identity.told(record)
                if isinstance(told, identity.Alias)
            ]
        except BadEvent as bad:
            return Bundle((event,), bad)
        return Bundle((event, *aliases), None) if aliases else event

    def _cloud_event(self, record: MappingOf[str, object], received_at: int) -> Decoded:
        """Read a CloudEvent: by the policy's mappings, by its subject, or what is inside of it."""
        data = record.get("data")
        for view in (record, data):
            for mapped in self._mapped:
                if isinstance(view, MappingOf) and mapped.fits(view):
                    return mapped.read(view, received_at)
        cloud_events.check(record)
        known = CLOUD_EVENTS in self._presets.named or record.get("subject")
        if known or not isinstance(data, MappingOf):
            return self._presets.read(CLOUD_EVENTS, record, received_at)
        try:
            return self.decode_record(data, received_at)
        except BadEvent as bad:
            if bad.code != Code.UNKNOWN_TYPE:
                raise
            raise BadEvent(
                Code.NO_CUSTOMER,
                "subject is missing, and data is of no form that is known: where is the customer?"
                ' Say so: [[mapping]] preset = "cloudevents", customer = "data...."',
            ) from bad

    def _own(self, tag: object, record: MappingOf[str, object], received_at: int) -> Row:
        """Read a record of our own form."""
        if tag == usage.TAG:
            return usage.from_record(record, received_at)
        if tag == heartbeat.TAG:
            return heartbeat.from_record(record)
        if tag == alias.TAG:
            told = alias.from_record(record, received_at)
            return told if self._aliases else None
        if tag == erasure.TAG:
            return erasure.from_record(record)
        if tag in (travel.FORWARDED, travel.HANDOVER):
            return travel.from_record(record, received_at)
        raise BadEvent(
            Code.UNKNOWN_TYPE,
            f"slipaway is {shown(tag)}: this version reads {usage.TAG!r}, {alias.TAG!r},"
            f" {heartbeat.TAG!r} and {erasure.TAG!r}",
        )

    def _spoken_for(self, record: MappingOf[str, object]) -> bool:
        """Tell whether a record is of our own form, or one that the policy maps."""
        own = record.get(_OWN_KEY) is not None
        return own or any(mapped.fits(record) for mapped in self._mapped)

    def _bundle(self, found: bundle.Unread, received_at: int) -> Bundle:
        """Read the events of one value, each for itself."""
        events: list[UsageEvent] = []
        bad: list[tuple[int, BadEvent]] = []
        for place, item in enumerate(found.items):
            try:
                decoded = self._bundled(item, received_at, uploaded=found.uploaded)
            except BadEvent as fault:
                bad.append((place, fault))
                continue
            if isinstance(decoded, UsageEvent):
                events.append(decoded)
            elif isinstance(decoded, Bundle):
                events += decoded.events
                bad += [(place, decoded.bad)] if decoded.bad else []
        return Bundle(tuple(events), bundle.fault(bad, len(found.items)))

    def _bundled(
        self, item: object, received_at: int, *, uploaded: bool
    ) -> UsageEvent | Bundle | None:
        if not isinstance(item, dict):
            raise BadEvent(Code.NOT_AN_OBJECT, f"a {type(item).__name__}: expected an object")
        if uploaded and not self._mapped:
            return self._presets.read(AMPLITUDE, item, received_at)
        event = self.decode_record(item, received_at)
        if isinstance(event, Heartbeat | Erasure | Travelled):
            kind = type(event).__name__.lower()
            raise BadEvent(Code.UNKNOWN_TYPE, f"of kind {kind}, among customers' events")
        return event

    def mapping_for(self, columns: Iterable[str]) -> Mapping | None:
        """Give the first mapping that finds all it needs in `columns`, None if none does.

        Asked once per table: its rows then need no names.  None is no refusal:
        Segment's columns need no mapping, and `decode_record` has the reasons.
        """
        present = set(columns)
        if _OWN_KEY in present:
            return None
        for mapping in self.mappings:
            if not any(map(present.isdisjoint, mapping.required())):
                return mapping
        return None


def _pieces(begin: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Cut a range."""
    for start in range(begin, end, size):
        yield start, min(start + size, end)


def _in_order(events: EventBatch, places: Moments, others: list[tuple[int, Other]]) -> Block:
    """Give a block of events that stand in the order of their values, or nearly so."""
    if (places[1:] < places[:-1]).any():
        order = np.argsort(places, kind="stable")
        events, places = events.taken(order), places[order]
    return Block(events, places, others)


def _unknown(kind: object, record: MappingOf[str, object]) -> BadEvent:
    if kind is not None and not isinstance(kind, str):
        return BadEvent(Code.WRONG_TYPE, f"type is {shown(kind)}: expected text")
    known = ", ".join(sorted(segment.TYPES))
    found = f"type is {shown(kind)}" if kind else f"no type; its keys are {shown(list(record))}"
    others = ", ".join(PRESETS)
    return BadEvent(
        Code.UNKNOWN_TYPE,
        f"{found}: not one of Segment's ({known}), nor by its keys of {others}; and the policy"
        " has no [[mapping]] for it",
    )
