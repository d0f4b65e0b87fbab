"""Standing: how an account stands at a midnight, in numbers, before anything is concluded."""

from typing import NamedTuple

from stream.detector import cadence
from stream.detector.accounts.account import (
    LATELY_HALVES_HORIZONS,
    USE_HALVES_HORIZONS,
    Account,
    Rhythm,
    fading,
)
from stream.detector.accounts.outages import Outages
from stream.detector.calendar import LocalTime
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy


class Standing(NamedTuple):
    """What there is to know of an account at one moment."""

    members_active: int
    """Members who came within a horizon."""
    silent_ms: int
    """Since anybody came, less what was suspended, and holidays."""
    deadline_ms: int
    """The silence that hardly any of the account's own would outlast; a horizon at most."""
    champion_id: str
    """Who has used it most, of those who have not left; empty if there is nobody."""
    champion_share: float
    """Of all use, 0 to 1."""
    champion_silent_ms: int
    champion_deadline_ms: int
    top_id: str
    """Who has come most of late."""
    top_share: float
    """Of all use of late, 0 to 1."""
    lately: float
    """Days of use of late, all members' together."""


def standing(
    account: Account, at: int, outages: Outages, policy: Policy, local: LocalTime
) -> Standing:
    """Look at an account at a moment (ms)."""
    horizon_ms = policy.horizon_ms
    horizon, today = cadence.days(horizon_ms), local.day(at)
    active, use_all, lately_all = 0, 0.0, 0.0
    champion, top = (0.0, ""), (0.0, "")
    for customer_id, member in account.members.items():
        rhythm = member.rhythm
        if member.left:
            continue
        active += outages.silence(rhythm.last_at, at, local) < horizon_ms
        passed = today - local.day(rhythm.last_at)
        use = member.use * fading(passed, USE_HALVES_HORIZONS * horizon)
        lately = member.lately * fading(passed, LATELY_HALVES_HORIZONS * horizon)
        use_all, lately_all = use_all + use, lately_all + lately
        champion, top = max(champion, (use, customer_id)), max(top, (lately, customer_id))
    champion_id = champion[1]
    who = account.members[champion_id].rhythm if champion_id else account.rhythm
    return Standing(
        members_active=active,
        silent_ms=outages.silence(account.rhythm.last_at, at, local),
        deadline_ms=min(horizon_ms, _deadline(account.rhythm, policy)),
        champion_id=champion_id,
        champion_share=champion[0] / use_all if use_all else 0.0,
        champion_silent_ms=outages.silence(who.last_at, at, local),
        champion_deadline_ms=max(horizon_ms // 2, _deadline(who, policy)),
        top_id=top[1],
        top_share=top[0] / lately_all if lately_all else 0.0,
        lately=lately_all,
    )


def share_of_use(
    account: Account, customer_id: str, at: int, horizon_days: float, local: LocalTime
) -> float:
    """Give a member's share of all use at a moment (ms), 0 to 1, whether it has left or not."""
    today, halves_in = local.day(at), USE_HALVES_HORIZONS * horizon_days
    uses = {
        name: member.use * fading(today - local.day(member.rhythm.last_at), halves_in)
        for name, member in account.members.items()
        if not member.left or name == customer_id
    }
    total = sum(uses.values())
    return uses.get(customer_id, 0.0) / total if total else 0.0


def _deadline(rhythm: Rhythm, policy: Policy) -> int:
    """Give the silence (ms) that only the policy's share of such silences would outlast."""
    horizon = cadence.days(policy.horizon_ms)
    days = cadence.deadline(rhythm.gaps, rhythm.span, horizon, policy.accounts.silence_chance)
    return round(days * DAY_MS)
