"""Notices: what is said of everybody, in the form of an alert about nobody.

One form for all that is on the topic of alerts; who wants customers only has
the type in the headers, or the empty customer, to tell them by.
"""

from hashlib import blake2b

from models.protocol import RiskModel
from stream.detector.alerts import Alert, Kind, Severity, Trigger
from stream.detector.events import SECOND_MS
from stream.detector.policy import Policy


def suspended(model: RiskModel, policy: Policy) -> Alert:
    """Say that use has collapsed."""
    found = model.guarded
    text = (
        f"{found.observed} returns where {found.expected:.0f} are usual: something is broken, or"
        " closed. Silence and decline alert on nobody until use is back."
    )
    return _compose(Kind.SUSPENDED, found.suspended_since, ("use_collapsed", text), model, policy)


def resumed(model: RiskModel, policy: Policy, *, since: int) -> Alert:
    """Say that use is back, after it had collapsed at `since` (ms)."""
    found = model.guarded
    text = (
        f"{found.observed} returns where {found.expected:.0f} are usual: alerts go on. The time in"
        " between counts as nobody's silence."
    )
    return _compose(Kind.RESUMED, since, ("use_is_back", text), model, policy)


def _compose(
    kind: Kind, since: int, reason: tuple[str, str], model: RiskModel, policy: Policy
) -> Alert:
    """Fill the fields of an alert with what there is to say."""
    at = model.guarded.changed_at
    named = f"population\0{since}\0{policy.version}"
    episode_id = blake2b(named.encode(), digest_size=12).hexdigest()
    return Alert(
        customer_id="",
        time=at,
        kind=kind,
        alert_id=f"{episode_id}-{kind.value}",
        episode_id=episode_id,
        account_id="",
        severity=Severity.HIGH if kind is Kind.SUSPENDED else Severity.LOW,
        trigger=Trigger.POPULATION,
        risk=0.0,
        silent_for_seconds=(at - since) // SECOND_MS,
        usual_gap_seconds=None,
        expected_by=None,
        drop_ratio=None,
        reason_1=reason[0],
        reason_1_text=reason[1],
        reason_2="",
        reason_2_text="",
        reason_3="",
        reason_3_text="",
        backfill=True,
        model_version=model.version,
        policy_version=policy.version,
    )
