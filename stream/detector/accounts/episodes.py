"""Episodes of accounts: the same stages as a customer's, moved by what is told of an account.

What the table does not list changes nothing: so there is at most one open
episode an account, and one alert for each of its stages.
"""

from enum import Enum, auto
from hashlib import blake2b

from stream.detector.accounts.account import Account, AccountEpisode
from stream.detector.stages import AccountTrigger, Kind, Stage


class AccountSign(Enum):
    """What moves an episode."""

    FOUND = auto()
    """Something is to be told of that was not yet."""
    GONE = auto()
    """Nobody came for a horizon."""
    OVER = auto()
    """Nothing that was told of is so any more."""
    DISPROVED = auto()
    """A visit that was told late shows that what was told never was."""
    EXEMPT = auto()
    """Its segment is one of which none is alerted on."""


_OPEN = (Stage.SLIPPING, Stage.ESCALATED)

TRANSITIONS: dict[tuple[Stage, AccountSign], tuple[Stage, Kind]] = {
    (Stage.STEADY, AccountSign.FOUND): (Stage.SLIPPING, Kind.OPENED),
    (Stage.SLIPPING, AccountSign.FOUND): (Stage.ESCALATED, Kind.ESCALATED),
    **{(s, AccountSign.GONE): (Stage.LAPSED, Kind.LAPSED) for s in (Stage.STEADY, *_OPEN)},
    **{(s, AccountSign.OVER): (Stage.STEADY, Kind.RECOVERED) for s in (*_OPEN, Stage.LAPSED)},
    **{(s, AccountSign.DISPROVED): (Stage.STEADY, Kind.RETRACTED) for s in (*_OPEN, Stage.LAPSED)},
    **{(s, AccountSign.EXEMPT): (Stage.STEADY, Kind.RETRACTED) for s in _OPEN},
}


def move(
    account: Account,
    account_id: str,
    sign: AccountSign,
    at: int,
    policy_version: str,
    *,
    trigger: AccountTrigger = AccountTrigger.SILENCE,
    champion_id: str = "",
) -> tuple[Kind, AccountEpisode] | None:
    """Let a sign at `at` (ms) act on an account; give the stage reached, None if it changed none.

    `trigger` is what was found, `champion_id` who is missed.  The episode given
    is as of the change, also when the change ended it.
    """
    change = TRANSITIONS.get((account.stage, sign))
    if change is None:
        return None
    reached, kind = change
    episode = account.episode
    if episode is None:
        episode = account.episode = AccountEpisode(
            episode_id=_identify(account_id, at, policy_version),
            opened_at=at,
            trigger=trigger,
            stage=reached,
            changed_at=at,
            members_usual=account.members_usual,
            top_usual=account.top_usual,
            told=[],
        )
    episode.stage, episode.changed_at = reached, at
    episode.champion_id = champion_id or episode.champion_id
    if sign in (AccountSign.FOUND, AccountSign.GONE):
        episode.trigger = trigger
        if trigger not in episode.told:
            episode.told.append(trigger)
    if reached is Stage.STEADY:
        account.episode = None
    return kind, episode


def _identify(account_id: str, opened_at: int, policy_version: str) -> str:
    """Name an episode by what it is, so that a repeated run names it alike."""
    text = f"account\0{account_id}\0{opened_at}\0{policy_version}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
