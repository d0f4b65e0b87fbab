"""Waiting: visits that have begun in the log, and not yet by the watermark.

A batch often spans more time than a visit takes: then all of it is there before the
watermark lets it begin.  Its first event goes the long way; each further one only
makes the visit that waits grow, and needs nothing of that but this.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stream.detector.batch import EventBatch
from stream.detector.customer import Customer
from stream.detector.duplicates import MARK_BYTES, is_new_mark
from stream.detector.events import UsageEvent
from stream.detector.roster import Roster

APPLIED, DUPLICATE = "applied", "duplicate"


class Waiting:
    """Files events that are not just one more of a visit under way."""

    def __init__(self, customers: Roster, kind_bits: Mapping[str, int], visit_gap_ms: int) -> None:
        """Serve these customers; `kind_bits` are those of the names of engagement."""
        self._customers = customers
        self._kind_bits = kind_bits
        self._gap = visit_gap_ms

    def file(
        self,
        batch: EventBatch,
        places: Sequence[int],
        marks: NDArray[np.uint32],
        take: Callable[[UsageEvent], str],
    ) -> Counter[str]:
        """File the events at these places, in order; count what became of them.

        `marks` are those of all message ids of the batch.  What does not just make a
        waiting visit grow is left to `take`, which files one event and says what became of it.
        """
        if not places:
            return Counter()
        entries, kind_bits, gap = self._customers.entries, self._kind_bits, self._gap
        moments, volumes = batch.occurred_at[places].tolist(), batch.volumes[places].tolist()
        packed = marks[places].astype(">u4").tobytes()
        results: Counter[str] = Counter()
        grown = 0
        for nth, (place, at, volume) in enumerate(zip(places, moments, volumes, strict=True)):
            customer = entries.get(batch.customer_ids[place])
            if (
                not isinstance(customer, Customer)
                or not customer.waiting
                or not (visit := customer.waiting[-1]).begin <= at < visit.end + gap
                or at <= customer.frontier
                or (customer.visit_open and at < customer.last_at + gap)
                or not (kinds := kind_bits.get(batch.names[place]))
                or not volume
                or ((account := batch.account_ids[place]) and account != customer.account_id)
                or not customer.touched
                or customer.identity is not None
                or (batch.traits and batch.traits[place])
            ):
                results[take(batch[place])] += 1
                continue
            if batch.message_ids[place]:
                mark = packed[nth * MARK_BYTES : (nth + 1) * MARK_BYTES]
                if not is_new_mark(customer, mark):
                    results[DUPLICATE] += 1
                    continue
            visit.end = max(visit.end, at)
            visit.volume += volume
            visit.kinds |= kinds
            grown += 1
        results[APPLIED] += grown
        return results
