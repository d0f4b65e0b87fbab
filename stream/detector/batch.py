"""Usage events in columns: a field of all of them at a time.

What is done to thousands of events is done to a column in a fraction of the
time; an event as such is made only for who asks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from operator import attrgetter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stream.detector.events import UsageEvent

T = TypeVar("T")

Moments = NDArray[np.int64]
"""Times (ms since 1970 UTC), one for each event."""

_customer_id, _name = attrgetter("customer_id"), attrgetter("name")
_occurred_at, _received_at = attrgetter("occurred_at"), attrgetter("received_at")
_message_id, _volume = attrgetter("message_id"), attrgetter("volume")
_account_id, _traits = attrgetter("account_id"), attrgetter("traits")

Traits = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True, eq=False)
class EventBatch(Sequence[UsageEvent]):
    """Usage events, in the order of their log."""

    customer_ids: list[str]
    names: list[str]
    occurred_at: Moments
    received_at: Moments
    message_ids: list[str]
    volumes: NDArray[np.float64]
    account_ids: list[str]
    traits: list[Traits | None] | None = None
    """None: no event tells any."""

    @classmethod
    def of(cls, events: Sequence[UsageEvent]) -> "EventBatch":
        """Put events into columns, where they are not in columns already."""
        if isinstance(events, cls):
            return events
        count = len(events)
        traits = list(map(_traits, events))
        return cls(
            list(map(_customer_id, events)),
            list(map(_name, events)),
            np.fromiter(map(_occurred_at, events), np.int64, count),
            np.fromiter(map(_received_at, events), np.int64, count),
            list(map(_message_id, events)),
            np.fromiter(map(_volume, events), np.float64, count),
            list(map(_account_id, events)),
            None if traits.count(None) == count else traits,
        )

    @classmethod
    def joined(cls, batches: Iterable["EventBatch"]) -> "EventBatch":
        """Put batches one behind the other."""
        batches = [batch for batch in batches if batch]
        if len(batches) == 1:
            return batches[0]
        if not batches:
            return cls.of([])
        return cls(
            _chained(batch.customer_ids for batch in batches),
            _chained(batch.names for batch in batches),
            np.concatenate([batch.occurred_at for batch in batches]),
            np.concatenate([batch.received_at for batch in batches]),
            _chained(batch.message_ids for batch in batches),
            np.concatenate([batch.volumes for batch in batches]),
            _chained(batch.account_ids for batch in batches),
            None
            if all(batch.traits is None for batch in batches)
            else _chained(batch.traits or [None] * len(batch) for batch in batches),
        )

    def part(self, begin: int, end: int) -> "EventBatch":
        """Give the events from place `begin` up to `end`."""
        if begin == 0 and end >= len(self):
            return self
        return EventBatch(
            self.customer_ids[begin:end],
            self.names[begin:end],
            self.occurred_at[begin:end],
            self.received_at[begin:end],
            self.message_ids[begin:end],
            self.volumes[begin:end],
            self.account_ids[begin:end],
            self.traits and self.traits[begin:end],
        )

    def taken(self, places: NDArray[np.int64]) -> "EventBatch":
        """Give the events at these places, in their order."""
        at = places.tolist()
        return EventBatch(
            [self.customer_ids[place] for place in at],
            [self.names[place] for place in at],
            self.occurred_at[places],
            self.received_at[places],
            [self.message_ids[place] for place in at],
            self.volumes[places],
            [self.account_ids[place] for place in at],
            self.traits and [self.traits[place] for place in at],
        )

    def before(self, moment: int) -> int:
        """Count the events before a moment (ms), of a batch in the order of event time."""
        return int(np.searchsorted(self.occurred_at, moment))

    def __len__(self) -> int:
        """Count the events."""
        return len(self.customer_ids)

    def __getitem__(self, place: int) -> UsageEvent:  # type: ignore[override] # parts: `part`
        """Give one event."""
        return UsageEvent(
            self.customer_ids[place],
            self.names[place],
            int(self.occurred_at[place]),
            int(self.received_at[place]),
            self.message_ids[place],
            float(self.volumes[place]),
            self.account_ids[place],
            self.traits[place] if self.traits else None,
        )

    def __iter__(self) -> Iterator[UsageEvent]:
        """Yield every event."""
        return map(
            UsageEvent,
            self.customer_ids,
            self.names,
            self.occurred_at.tolist(),
            self.received_at.tolist(),
            self.message_ids,
            self.volumes.tolist(),
            self.account_ids,
            self.traits or repeat(None),
        )


def _chained(columns: Iterable[list[T]]) -> list[T]:
    return list(chain.from_iterable(columns))
