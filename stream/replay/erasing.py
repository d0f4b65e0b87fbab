"""Erasures in a log: what they cover is as if it had never been in it.

Live, a customer is known until the erasure comes.  Who reads a whole log knows
from the beginning who was erased, and has no reason to learn from them first,
or to name them.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from stream.detector.batch import EventBatch
from stream.detector.events import INTERNAL
from stream.wire.erasure import Erasure

EVER = 1 << 62
"""After any event of a log."""


def until(erasures: Iterable[Erasure]) -> dict[str, int]:
    """Give up to when (ms) what each erased customer did is not to be used."""
    moments: dict[str, int] = {}
    for erasure in erasures:
        at = EVER if erasure.requested_at is None else erasure.requested_at
        moments[erasure.customer_id] = max(at, moments.get(erasure.customer_id, at))
    return moments


def without(batches: Iterable[EventBatch], erasures: Iterable[Erasure]) -> Iterator[EventBatch]:
    """Yield the events of a log that no erasure covers; aliases are of both their ids.

    `erasures` are looked at once the first batch is there: whoever puts a log in
    order has read all of it by then.
    """
    moments: dict[str, int] | None = None
    for batch in batches:
        if moments is None:
            moments = until(erasures)
        if not moments or moments.keys().isdisjoint([*batch.customer_ids, *batch.account_ids]):
            yield batch
            continue
        covered = np.fromiter(
            (
                max(
                    moments.get(who, -1),
                    moments.get(other, -1) if name.startswith(INTERNAL) else -1,
                )
                for who, name, other in zip(
                    batch.customer_ids, batch.names, batch.account_ids, strict=True
                )
            ),
            np.int64,
        )
        kept = np.flatnonzero(batch.occurred_at > covered)
        if len(kept):
            yield batch.taken(kept)
