"""Which aliases were told of lately: senders repeat them with every message.

To tell of one again changes nothing; it only costs two records, and an answer.  So
what is remembered here may be lost with its worker.
"""

from stream.detector.events import DAY_MS

PAIRS_MAX = 65_536  # larger: fewer repetitions among very many customers, 300 bytes each


class AliasesTold:
    """The pairs of ids told of last, and when."""

    def __init__(self) -> None:
        """Start with none."""
        self._told: dict[tuple[str, str], int] = {}

    def is_news(self, previous_id: str, customer_id: str, at: int) -> bool:
        """Tell whether nobody said so within the day before `at` (ms); now somebody does."""
        pair = previous_id, customer_id
        told_at = self._told.pop(pair, None)
        if told_at is not None and 0 <= at - told_at < DAY_MS:
            self._told[pair] = told_at
            return False
        self._told[pair] = at
        if len(self._told) > PAIRS_MAX:
            del self._told[next(iter(self._told))]
        return True
