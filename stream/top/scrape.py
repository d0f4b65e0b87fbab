"""Scraping: what one worker says of itself at its /metrics, as a Prometheus would read it."""

from collections.abc import Mapping

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

_TIMEOUT = aiohttp.ClientTimeout(total=3)
_BYTES_MAX = 16 << 20

_OF_PARTITION = {
    "slipaway_lag_records": "lag",
    "slipaway_watermark_timestamp_seconds": "watermark",
    "slipaway_last_processed_timestamp_seconds": "processed",
    "slipaway_last_checkpoint_timestamp_seconds": "checkpointed",
    "slipaway_customers": "customers",
    "slipaway_customers_here": "here",
    "slipaway_restore_remaining_records": "restoring",
}
_FLAGS = {
    "slipaway_ready": ("ready", 1),
    "slipaway_alerts_suspended": ("suspended", 1),
    "slipaway_policy_file_in_force": ("policy_refused", 0),
}
_NUMBERS = {
    "slipaway_policy_allowed_lateness_seconds": "allowed_lateness",
    "slipaway_model_effective_timestamp_seconds": "model_from",
}
_VERSIONS = {
    "slipaway_build_info": "release",
    "slipaway_policy_info": "policy",
    "slipaway_model_info": "model",
}
_COUNTED = {
    "slipaway_events_total": ("events", "result"),
    "slipaway_alerts_total": ("alerts", "kind"),
    "slipaway_dead_letters_total": ("dead_letters", "code"),
}


class Partition(msgspec.Struct, kw_only=True):
    """What a worker says of one partition; None: nothing."""

    lag: float | None = None
    """Records."""
    watermark: float | None = None
    """Event time (seconds since 1970 UTC)."""
    processed: float | None = None
    """Wall time of the last record applied, as is the next of the last transaction."""
    checkpointed: float | None = None
    customers: float | None = None
    here: float | None = None
    restoring: float | None = None
    """State records still to read."""


class Said(msgspec.Struct, kw_only=True):
    """What one worker says."""

    ready: bool = False
    release: str = ""
    app_id: str = ""
    clock: str = ""
    policy: str = ""
    model: str = ""
    suspended: bool = False
    """Alerts are: use has collapsed."""
    learns: bool = False
    """Models are learned, not pinned."""
    allowed_lateness: float = 0.0
    """Seconds that decisions wait for stragglers, by the policy."""
    policy_refused: bool = False
    """The policy file says something else than what is in force."""
    model_from: float = 0.0
    """Event time (seconds since 1970 UTC) from which the newest model answers; 0: none does."""
    events: dict[str, float] = {}
    """By result, since it started."""
    alerts: dict[str, float] = {}
    """By kind, likewise."""
    dead_letters: dict[str, float] = {}
    """By code, likewise."""
    partitions: dict[tuple[str, int], Partition] = {}
    """By topic and number."""


class Scrape(msgspec.Struct, frozen=True, kw_only=True):
    """One look at one worker."""

    url: str
    at: float
    """When (seconds since 1970 UTC)."""
    said: Said | None
    problem: str = ""
    """Why it said nothing."""


async def scrape(session: aiohttp.ClientSession, url: str, at: float) -> Scrape:
    """Ask a worker; what goes wrong is said, and raised never."""
    try:
        async with session.get(url, timeout=_TIMEOUT, allow_redirects=False) as answer:
            if not answer.ok:
                return Scrape(url=url, at=at, said=None, problem=f"status {answer.status}")
            text = (await answer.content.read(_BYTES_MAX)).decode(errors="replace")
            return Scrape(url=url, at=at, said=read(text))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return Scrape(url=url, at=at, said=None, problem=str(error) or type(error).__name__)


def read(text: str) -> Said:
    """Read the metrics' text; ValueError if it is none."""
    said = Said()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            _take(said, sample.name, sample.labels, sample.value)
    return said


def _take(said: Said, name: str, labels: Mapping[str, str], value: float) -> None:
    """Take one sample, if it is one that is shown."""
    match name:
        case "slipaway_settings_info":
            said.app_id, said.clock = labels.get("app_id", ""), labels.get("clock", "")
            said.learns = labels.get("model") == "learn"
        case _ if name in _FLAGS:
            attribute, set_by = _FLAGS[name]
            setattr(said, attribute, value == set_by)
        case _ if name in _NUMBERS:
            setattr(said, _NUMBERS[name], value)
        case _ if name in _VERSIONS:
            setattr(said, _VERSIONS[name], labels.get("version", ""))
        case _ if name in _COUNTED:
            attribute, label = _COUNTED[name]
            counts, of = getattr(said, attribute), labels.get(label, "")
            counts[of] = counts.get(of, 0.0) + value
        case _ if name in _OF_PARTITION and labels.get("partition", "").isdecimal():
            where = labels.get("topic", ""), int(labels["partition"])
            partition = said.partitions.setdefault(where, Partition())
            setattr(partition, _OF_PARTITION[name], value)
