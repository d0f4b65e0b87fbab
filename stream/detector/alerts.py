"""What is said about a customer, flat enough for platforms that take no nesting."""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """A stage of an episode; one alert each."""

    OPENED = "opened"
    ESCALATED = "escalated"
    RECOVERED = "recovered"
    LAPSED = "lapsed"
    RETRACTED = "retracted"


class Trigger(StrEnum):
    """What gave the customer away."""

    SILENCE = "silence"
    DECLINE = "decline"
    WARNING = "warning"
    ENDING = "ending"


class Severity(StrEnum):
    """How sure it is that the customer goes."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of one episode of one customer.

    `time` is the event time of the decision (its deadline), never the moment it
    was noticed: milliseconds since 1970-01-01 UTC, as `expected_by`.
    """

    customer_id: str
    time: int
    kind: Kind
    alert_id: str
    episode_id: str
    account_id: str
    severity: Severity
    trigger: Trigger
    risk: float
    """P(no visit within the horizon from now), 0 to 1."""
    silent_for_seconds: int
    usual_gap_seconds: int | None
    """Mean gap between the customer's own visits; None before the second visit."""
    expected_by: int | None
    """When 95 of 100 such silences would have ended; None before the second visit."""
    drop_ratio: float | None
    """Visits of late over visits before, by the decline test; None where it says nothing."""
    reason_1: str
    reason_1_text: str
    reason_2: str
    reason_2_text: str
    reason_3: str
    reason_3_text: str
    backfill: bool
    """Decided while working off a log, not as it happened."""
    model_version: str
    """The snapshot that judged; "cold..." where only the prior did."""
    policy_version: str
