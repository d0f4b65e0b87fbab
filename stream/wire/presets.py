"""Mappings that come ready-made: the forms of well-known vendors.

The policy may name one (`preset = "amplitude"`), and change any key of it.  Where it
has no mapping at all, a record is taken for a vendor's if it has keys that nobody
else uses together; one that could be of two vendors is refused until the policy says.

What a vendor calls its messages about who a customer is, and which account's, takes
Segment's names (`identify`, `group`, `alias`): by default they are no engagement.
"""

from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from typing import NamedTuple

from stream.detector.errors import BadEvent, Code
from stream.detector.events import UsageEvent
from stream.wire.mapping import Mapping, RecordReader, lookup


class Preset(NamedTuple):
    """One vendor's form."""

    mapping: Mapping
    shapes: tuple[tuple[str, ...], ...] = ()
    """Columns that, where all of one line are there, no other form has."""


CLOUD_EVENTS = "cloudevents"
AMPLITUDE = "amplitude"

PRESETS = {
    # https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
    CLOUD_EVENTS: Preset(
        Mapping(customer="subject", time="time", event="type", id="id", id_scope="source")
    ),
    # Capture and batch API, batch exports, and the body of a webhook as it is by default:
    # https://posthog.com/docs/api/capture
    # https://posthog.com/docs/cdp/batch-exports/s3
    # https://posthog.com/docs/data-pipelines/destinations/webhook
    "posthog": Preset(
        Mapping(
            customer=("distinct_id", "event.distinct_id", "properties.distinct_id"),
            time=("timestamp", "event.timestamp"),
            event=("event.event", "event"),
            id=("uuid", "event.uuid", "properties.$insert_id"),
            traits=("properties.$set", "event.properties.$set", "$set"),
            renamed=(
                ("$identify", "identify"),
                ("$set", "identify"),
                ("$groupidentify", "group"),
                ("$create_alias", "alias"),
                ("$merge_dangerously", "alias"),
            ),
        ),
        shapes=(
            ("distinct_id", "event"),
            ("properties.distinct_id", "event", "timestamp"),
            ("event.distinct_id", "event.event"),
        ),
    ),
    # Export API and its upload (HTTP V2), which alone says `time` and `insert_id`:
    # https://amplitude.com/docs/apis/analytics/export
    # https://amplitude.com/docs/apis/analytics/http-v2
    AMPLITUDE: Preset(
        Mapping(
            customer=("user_id", "device_id"),
            time=("event_time", "time"),
            event="event_type",
            id=("$insert_id", "insert_id", "uuid"),
            traits=("user_properties",),
            renamed=(("$identify", "identify"), ("$groupidentify", "group")),
        ),
        shapes=tuple(
            ("event_type", "event_time", own)
            for own in ("amplitude_id", "$insert_id", "server_received_time")
        ),
    ),
    # Enriched events as the analytics SDKs write them in JSON; `derived_tstamp` is
    # `collector_tstamp`, corrected for what the device's clock said of its delay:
    # https://docs.snowplow.io/docs/fundamentals/canonical-event
    # https://docs.snowplow.io/docs/events/timestamps
    "snowplow": Preset(
        Mapping(
            customer=("user_id", "domain_userid", "network_userid"),
            time=("derived_tstamp", "collector_tstamp"),
            event=("event_name", "event"),
            id="event_id",
        ),
        shapes=(("event_id", "collector_tstamp"),),
    ),
}


class PresetReader:
    """Reads records by the presets, where their shape alone tells which."""

    def __init__(
        self, mapped: Iterable[RecordReader] = (), traits: frozenset[str] = frozenset()
    ) -> None:
        """Compile the presets; those that the policy's mappings name are read by these."""
        self.named = {reader.mapping.preset: reader for reader in mapped if reader.mapping.preset}
        self._readers = {
            name: self.named.get(name) or RecordReader(preset.mapping, traits)
            for name, preset in PRESETS.items()
        }
        self._shapes = [
            (name, tuple(map(lookup, shape)))
            for name, preset in PRESETS.items()
            for shape in preset.shapes
        ]

    def shape_of(self, record: MappingOf[str, object]) -> str | None:
        """Name the preset that a record has the shape of; raise BadEvent if it may be of two."""
        found = {
            name: None
            for name, shape in self._shapes
            if all(look_up(record) is not None for look_up in shape)
        }
        if len(found) > 1:
            raise BadEvent(
                Code.AMBIGUOUS,
                f"it may be of {' or '.join(found)}: name one by `preset` in a [[mapping]]",
            )
        return next(iter(found), None)

    def read(
        self, name: str, record: MappingOf[str, object], received_at: int
    ) -> UsageEvent | None:
        """Read a record by the preset of this name, or raise BadEvent."""
        return self._readers[name].read(record, received_at)
