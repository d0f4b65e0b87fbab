"""The log of episodes: a line for every alert, once it can be read, and where it stands.

For whoever asks why somebody was, or was not, told of: the line leads to the alert, by
topic, partition and offset, and to its other stages, by the episode.  Logs go further
than topics do, so customers are named by pseudonyms unless the operator says otherwise.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal

import msgspec
import structlog
from faust.types import TP

from stream.engine.flow import Told

log = structlog.get_logger("slipaway.episodes")

NAMED = ("customer_id", "account_id", "champion_id")
SAID = ("kind", "trigger", "severity", "episode_id", "alert_id", "time", "segment", "holdout")
PSEUDONYM_BYTES = 8

Names = Literal["hash", "plain", "none"]


class EpisodeLog:
    """Writes the lines of one worker."""

    def __init__(self, app_id: str, names: Names) -> None:
        """Name customers as `names` says; pseudonyms are of the application."""
        self._names = names
        self._key = app_id.encode()[:64]

    def published(self, tp: TP, told: Sequence[Told]) -> None:
        """Write down what the work on `tp` has said; tombstones say nothing of an episode."""
        for output, partition, offset in told:
            if output.value is None:
                continue
            alert = msgspec.json.decode(output.value, type=dict[str, Any])
            said = {name: alert[name] for name in SAID if alert.get(name) not in (None, "")}
            log.info(
                "episode",
                **said,
                **self._named(alert),
                topic=output.topic,
                partition=partition,
                offset=offset,
                of=f"{tp.topic}:{tp.partition}",
            )

    def _named(self, alert: dict[str, Any]) -> dict[str, str]:
        """Name whom it is about, as far as that is wanted."""
        if self._names == "none":
            return {}
        named = {name.removesuffix("_id"): str(alert[name]) for name in NAMED if alert.get(name)}
        if self._names == "plain":
            return named
        return {name: self.pseudonym(found) for name, found in named.items()}

    def pseudonym(self, customer_id: str) -> str:
        """Give the name of a customer in the log: the same in every line, and no id."""
        return blake2b(customer_id.encode(), digest_size=PSEUDONYM_BYTES, key=self._key).hexdigest()
