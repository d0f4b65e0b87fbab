"""Judgement: what is found of an account at a midnight, and what is over.

Plain numbers against the account's own: nobody knows a probability of renewal
that would hold across products, and whoever looks after the account wants to
check what is said.  Each finding has another, milder limit at which it is over:
what hovers about a limit is told of once.
"""

from collections.abc import Iterator

from stream.detector import cadence
from stream.detector.accounts.account import Account, AccountEpisode
from stream.detector.accounts.advice import segment
from stream.detector.accounts.standing import Standing
from stream.detector.calendar import LocalTime
from stream.detector.policy import Policy
from stream.detector.stages import AccountTrigger

DAYS_MIN = 6
"""Days of use before a rhythm, the account's or a champion's, is held against it."""
WEEKS_MIN = 3
"""Weeks before what is usual is held against an account."""
MEMORY_FLOOR = 0.2
"""Least weight of a week in what is usual: about the last five count."""
FEWER_MIN = 2.0
"""Fewer members missing than this is nobody's trend."""
FEWER_DEVIATIONS = 3.0
"""Neither is what is within so many of the account's own deviations."""
NARROWER_MIN = 0.3
"""By so much the most active member's share has to have been less usually."""
LATELY_MIN = 3.0
"""Days of use of late, over all members, below which shares of it say nothing."""


def learn(account: Account, at: Standing) -> None:
    """Take a week's standing into what is usual."""
    weight = max(MEMORY_FLOOR, 1 / (account.weeks + 1))
    surprise = at.members_active - account.members_usual
    account.members_usual += weight * surprise
    if account.weeks:
        account.members_variance += weight * (surprise * surprise - account.members_variance)
    account.top_usual += weight * (at.top_share - account.top_usual)
    account.weeks += 1


def countable(account: Account, midnight: int, policy: Policy, local: LocalTime) -> bool:
    """Tell whether an account has been here for a horizon: who comes within one can be counted.

    One that is back from a silence begins anew in that.
    """
    since = max(account.rhythm.first_day, local.day(account.back_at))
    return local.day(midnight) - since >= cadence.days(policy.horizon_ms)


def judged(account: Account, policy: Policy) -> bool:
    """Tell whether an account is large enough, known well enough, and one to be told of at all."""
    enough = account.members_seen >= policy.accounts.members_min
    known = enough and account.rhythm.days >= DAYS_MIN
    return known and segment(account, policy).eligible


def found(
    account: Account, now: Standing, midnight: int, policy: Policy, local: LocalTime
) -> Iterator[AccountTrigger]:
    """Give what there is to tell of at a midnight, the gravest first."""
    limits = policy.accounts
    if now.silent_ms >= now.deadline_ms:
        yield AccountTrigger.SILENCE
        return
    if not countable(account, midnight, policy, local):
        return
    if _champion_missing(account, now, policy):
        yield AccountTrigger.CHAMPION
    if account.weeks < WEEKS_MIN or account.members_usual < limits.members_min:
        return
    fewer = account.members_usual - now.members_active
    enough = max(FEWER_MIN, FEWER_DEVIATIONS * account.members_variance**0.5)
    if now.members_active <= limits.seats_ratio * account.members_usual and fewer >= enough:
        yield AccountTrigger.SEATS
    narrow = now.top_share >= limits.breadth_share and now.lately >= LATELY_MIN
    if narrow and now.top_share - account.top_usual >= NARROWER_MIN:
        yield AccountTrigger.BREADTH


def over(
    account: Account, now: Standing, missed_share: float, policy: Policy
) -> list[AccountTrigger]:
    """Give what was told of and is so no more; `missed_share` is what the one missed still has.

    That somebody came, or the one who was missed, is seen when it happens, and not here.
    """
    episode, limits = account.episode, policy.accounts
    if episode is None or now.silent_ms >= now.deadline_ms:
        return []
    back = (limits.seats_ratio + 1) / 2 * episode.members_usual
    wide = (limits.breadth_share + episode.top_usual) / 2
    is_over = {
        AccountTrigger.SILENCE: True,
        AccountTrigger.CHAMPION: missed_share < limits.champion_share,
        AccountTrigger.SEATS: now.members_active >= back,
        AccountTrigger.BREADTH: now.top_share <= wide,
    }
    return [told for told in episode.told if is_over[told]]


def quiet_share(episode: AccountEpisode, now: Standing, missed_share: float) -> float:
    """Give how much of an account has gone quiet, 0 to 1: what there is to lose, of its value.

    All of it in a silence; else the most of what is told of: the part of use of the one who is
    missed (`missed_share`), of the usual members those who do not come, and by how much the part
    of one member has grown.
    """
    usual = episode.members_usual
    quiet = {
        AccountTrigger.SILENCE: 1.0,
        AccountTrigger.CHAMPION: missed_share,
        AccountTrigger.SEATS: 1 - now.members_active / usual if usual else 0.0,
        AccountTrigger.BREADTH: now.top_share - episode.top_usual,
    }
    return min(1.0, max(0.0, *(quiet[told] for told in episode.told)))


def is_champion(account: Account, share: float, days: int, policy: Policy) -> bool:
    """Tell whether a member with such a share of all use carries the account."""
    limits = policy.accounts
    several = account.members_seen >= limits.members_min
    return several and share >= limits.champion_share and days >= DAYS_MIN


def _champion_missing(account: Account, now: Standing, policy: Policy) -> bool:
    """Tell whether the champion has been silent beyond its own rhythm."""
    if not now.champion_id:
        return False
    rhythm = account.members[now.champion_id].rhythm
    carries = is_champion(account, now.champion_share, rhythm.days, policy)
    return carries and now.champion_silent_ms >= now.champion_deadline_ms
