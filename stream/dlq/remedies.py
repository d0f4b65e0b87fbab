"""Remedies: whose fault a dead letter is, and what to do, by its code."""

from typing import NamedTuple

from stream.detector.errors import Code

DELIVER = "deliver"
"""The stage of alerts that an endpoint did not take."""


class Remedy(NamedTuple):
    """What to do, and by whom."""

    fault: str
    action: str


_SENDER = "the sender's"
_POLICY = "the policy's, or the sender's"
_MAP = "correct [[mapping]] in the policy if the field has moved, else the sender; then replay"
_RESEND = "have the sender correct it and send it anew: these bytes will not be read"
_CLOCK = "correct the sender's clock; what it says of time cannot be repaired here"
_DECIDED = "look at what is said of these ids; replaying it is asking again (--all)"

_BY_CODE: dict[str, Remedy] = {
    Code.EMPTY: Remedy(_SENDER, "nothing is in it: have the sender leave tombstones out"),
    Code.NOT_UTF8: Remedy(_SENDER, _RESEND),
    Code.NOT_JSON: Remedy(_SENDER, _RESEND),
    Code.NOT_AN_OBJECT: Remedy(_SENDER, "an event is one JSON object: send one a record"),
    Code.TOO_LARGE: Remedy(_SENDER, "have the sender leave payloads out of events"),
    Code.TOO_DEEP: Remedy(_SENDER, "have the sender leave payloads out of events"),
    Code.MALFORMED_ROW: Remedy(_SENDER, _RESEND),
    Code.UNSUPPORTED_FORMAT: Remedy(
        "the topic's", "have it sent as JSON, or with CloudEvents headers that say all"
    ),
    Code.UNKNOWN_TYPE: Remedy(_POLICY, "describe the form by a [[mapping]]; then replay"),
    Code.AMBIGUOUS: Remedy(
        "the policy's", "say by [[mapping]] preset which form is meant; then replay"
    ),
    Code.WRONG_TYPE: Remedy(_POLICY, _MAP),
    Code.NULL_BYTE: Remedy(_SENDER, _RESEND),
    Code.NO_CUSTOMER: Remedy(_POLICY, _MAP),
    Code.ID_TOO_LONG: Remedy(_POLICY, _MAP),
    Code.NO_EVENT: Remedy(_POLICY, _MAP),
    Code.NO_TIME: Remedy(_POLICY, _MAP),
    Code.BAD_TIME: Remedy(_POLICY, "say time_format in its [[mapping]], or correct the sender"),
    Code.TOO_OLD: Remedy(_SENDER, _CLOCK),
    Code.FUTURE: Remedy(_SENDER, _CLOCK),
    Code.ALIAS_CYCLE: Remedy(_SENDER, _DECIDED),
    Code.ALIAS_CHAIN: Remedy(_SENDER, _DECIDED),
    Code.ALIAS_STORM: Remedy(_SENDER, _DECIDED),
    Code.BAD_HANDOVER: Remedy("ours", "another release wrote it: report this, with its bytes"),
}
_UNKNOWN = Remedy("not known here", "its message says it; a newer release knows the code")
_RECEIVER = Remedy(
    "the receiver's", "mend the endpoint; the alert is in the alerts' topic as it was published"
)


def remedy(code: str, stage: str) -> Remedy:
    """Say whose fault a letter of this code is, and what to do."""
    return _RECEIVER if stage == DELIVER else _BY_CODE.get(code, _UNKNOWN)
