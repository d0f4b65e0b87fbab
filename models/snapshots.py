"""Snapshots: everything learned across customers, as one immutable value.

A snapshot names the event time from which it is effective, so that a replay
that uses the same snapshots gives the same alerts.
"""

from hashlib import blake2b

import msgspec

from models.baseline import Prior, unfitted
from models.falls import FallsFound
from models.protocol import Guarded
from models.warned import WarningFound

BACK_SHARE = 12
"""Of the horizon, the age of the early label; at least a day."""
ALL_CUSTOMERS = 1 << 32
"""Every CRC-32 lies below it."""


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """One target's regression; `means`, `scales` and `weights` in the order of `inputs.NAMES`."""

    rows: int
    """Labels learned from."""
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """What was said to be likely, and what came, by tenths of P(lapse); faded sums over labels."""

    labels: tuple[float, ...] = ()
    said: tuple[float, ...] = ()
    """Sums of chances."""
    came: tuple[float, ...] = ()


class SegmentDial(msgspec.Struct, frozen=True, kw_only=True):
    """What the dial of one segment has come to; each as in `Snapshot`."""

    threshold: float | None
    false_alarms_set: float
    false_alarms_expected: float | None
    false_alarms_measured: float | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the model; a target without weights is answered by the prior alone."""

    version: str
    effective_from: int
    """Event time, ms since 1970 UTC."""
    horizon_days: float
    back_days: float
    prior: Prior
    sample_below: int = ALL_CUSTOMERS
    """Customers whose CRC-32 lies below it report their visits."""
    teach_below: int = ALL_CUSTOMERS
    """Customers whose CRC-32 lies below it are learned from."""
    population_short: float = 0.0
    population_long: float = 0.0
    threshold: float | None = None
    """ln of the days one false alarm may cost, from the dial; None: open no silence alerts yet."""
    false_alarms_set: float = 0.0
    """The dial, per customer-month."""
    false_alarms_expected: float | None = None
    """What the record expects at the threshold, per customer-month."""
    lapse: Weights | None = None
    gap: Weights | None = None
    back: Weights | None = None
    guarded: Guarded = Guarded()
    rank: Weights | None = None
    """`lapse` once more, learned of silences as a ranking meets them."""
    log_losses: dict[str, float] = msgspec.field(default_factory=dict)
    """Of `lapse`, in nats, faded: the champion's, its challenger's, the prior's alone."""
    drifted: tuple[str, ...] = ()
    """What was found to have changed on this day: targets, by their log-loss, or `returns`."""
    falls: dict[str, FallsFound] = msgspec.field(default_factory=dict)
    """By fall: from which level on it is told of, and why; empty where nobody looks for any."""
    segments: dict[str, SegmentDial] = msgspec.field(default_factory=dict)
    """By name, of those that have a dial of their own: it decides in place of the policy's."""
    false_alarms_measured: float | None = None
    """What own alerts came to, per customer-month, those still open by their chance; None: nobody
    was eligible, or as by a release that did not say it."""
    reliability: Reliability = Reliability()
    """Of `lapse`, before each label was learned; empty as by a release that did not say it."""
    horizons: dict[int, "Snapshot"] | msgspec.UnsetType = msgspec.UNSET
    """By horizon (ms), of those that segments have of their own: what answers for their customers.
    Unset where there are none, as in snapshots of earlier releases."""
    warnings: dict[str, WarningFound] | msgspec.UnsetType = msgspec.UNSET
    """By the event's name: what came of earlier ones.  Unset where there were none, as in snapshots
    of earlier releases."""

    @property
    def warned(self) -> dict[str, WarningFound]:
        """Give `warnings`; empty where there were none."""
        return {} if self.warnings is msgspec.UNSET else self.warnings

    @property
    def of_segments(self) -> "dict[int, Snapshot]":
        """Give `horizons`; empty where there are none."""
        return {} if self.horizons is msgspec.UNSET else self.horizons


def cold(horizon_days: float, back_days: float, prior: Prior | None = None) -> Snapshot:
    """Give the snapshot before anything has been learned."""
    return Snapshot(
        version="cold",
        effective_from=0,
        horizon_days=horizon_days,
        back_days=back_days,
        prior=prior or unfitted(horizon_days),
    )


def name(snapshot: Snapshot) -> Snapshot:
    """Give the snapshot its version: "cold" or "warm", its day, and the hash of its content."""
    blank = msgspec.structs.replace(snapshot, version="")
    digest = blake2b(msgspec.msgpack.encode(blank), digest_size=5).hexdigest()
    state = "warm" if snapshot.lapse else "cold"
    day = snapshot.effective_from // 86_400_000
    return msgspec.structs.replace(snapshot, version=f"{state}-{day}-{digest}")
