"""What the worker says of itself, read from its own metrics as anybody's Prometheus would.

The demo has no private door into the worker: whether it is ready, how far it
has come and whether it is done, it asks over HTTP.
"""

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

_TIMEOUT = aiohttp.ClientTimeout(total=2)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Where the worker stands."""

    applied: int = 0
    """Events taken from the usage topic, whatever became of them."""
    dead: int = 0
    """Events put aside."""
    decided_until_ms: tuple[int, ...] = ()
    """Event time up to which each partition has decided."""


def read(text: str, raw: str, usage: str) -> Reading:
    """Read the metrics' text, for the raw and the usage topic of those names."""
    applied = dead = 0.0
    decided: list[int] = []
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            topic = sample.labels.get("topic", usage)
            match sample.name:
                case "slipaway_events_total" if topic == usage:
                    applied += sample.value
                case "slipaway_dead_letters_total" if topic in (raw, usage):
                    dead += sample.value
                case "slipaway_watermark_timestamp_seconds" if topic == usage:
                    decided.append(round(sample.value * 1_000))
    return Reading(
        applied=int(applied),
        dead=int(dead),
        decided_until_ms=tuple(decided),
    )


class Gauges:
    """Asks one worker."""

    def __init__(self, session: aiohttp.ClientSession, port: int, raw: str, usage: str) -> None:
        """Ask at that port, about these topics."""
        self.address = f"http://127.0.0.1:{port}"
        self._session = session
        self._topics = (raw, usage)

    async def ready(self) -> bool:
        """Say whether the worker works on its partitions."""
        try:
            async with self._session.get(f"{self.address}/readyz", timeout=_TIMEOUT) as answer:
                return answer.ok
        except (TimeoutError, aiohttp.ClientError):
            return False

    async def look(self) -> Reading | None:
        """Read where the worker stands; None where it does not answer in time."""
        try:
            async with self._session.get(f"{self.address}/metrics", timeout=_TIMEOUT) as answer:
                return read(await answer.text(), *self._topics)
        except (TimeoutError, aiohttp.ClientError):
            return None
