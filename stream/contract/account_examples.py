"""One alert on an account of each kind, said by the roll-up itself."""

import msgspec

from stream.detector.accounts.alerts import AccountAlert
from stream.detector.accounts.roll_up import RollUp
from stream.detector.alerts import Kind
from stream.detector.events import DAY_MS, HOUR_MS
from stream.detector.members import MemberNews, Tidings
from stream.detector.plays import AccountPlay
from stream.detector.policy import Accounts, Policy
from stream.detector.segments import AccountSegment, FromTrait

KINDS = (Kind.OPENED, Kind.ESCALATED, Kind.RECOVERED, Kind.LAPSED, Kind.RETRACTED)
"""The kinds that are said of accounts."""

_FIRST_DAY = 20_514
"""2026-03-02, a Monday."""
_POLICY = Policy(
    accounts=Accounts(enabled=True, seats_bought=FromTrait("seats")),
    account_segments=(AccountSegment(name="paying", value=FromTrait("mrr"), owner="dana"),),
    account_plays=(
        AccountPlay(
            name="call",
            kinds=(Kind.OPENED, Kind.ESCALATED),
            say="Call whoever signed, before the renewal does.",
        ),
    ),
    version="1f0c5a7be2d4",
)
_TRAITS = '{"mrr":900,"seats":5}'
_MEMBERS = {"1042": 1, "2077": 2, "3110": 2, "4055": 3}
"""Each comes every so many days."""
_STOPPED, _SILENT = 60, 70
"""Days on which the first account's members stop to come, and the other accounts'."""


def account_examples() -> dict[Kind, AccountAlert]:
    """Return an alert of every kind, as published live."""
    roll_up = RollUp(_POLICY)
    roll_up.take(
        MemberNews(_at(day + 0.4), account, f"{account}-{member}", Tidings.VISIT)
        for account, until in (("acme", _SILENT), ("globex", _STOPPED), ("initech", _STOPPED))
        for day in range(until)
        for member, every in _MEMBERS.items()
        if day % every == 0 and (member != "1042" or day < _STOPPED)
    )
    roll_up.take([MemberNews(_at(_STOPPED), "acme", "acme-1042", Tidings.LEFT)])
    for account in ("acme", "globex"):
        told = MemberNews(_at(0.5), account, f"{account}-1042", Tidings.TRAITS, traits=_TRAITS)
        roll_up.take([told])
    said = roll_up.pass_time(_at(_SILENT))
    opened = next(alert for alert in said if alert.account_id == "initech")
    late = MemberNews(opened.time - HOUR_MS, "initech", "initech-2077", Tidings.VISIT)
    back = MemberNews(_at(_SILENT + 0.4), "globex", "globex-3110", Tidings.VISIT)
    roll_up.take([late, back])
    said += roll_up.pass_time(_at(_SILENT + 50))
    of_kind = {alert.kind: alert for alert in reversed(said)}
    return {kind: msgspec.structs.replace(of_kind[kind], backfill=False) for kind in KINDS}


def _at(day: float) -> int:
    """Give the moment (ms) so many days after the first."""
    return _FIRST_DAY * DAY_MS + round(day * DAY_MS)
