"""Reasons: why this account, in words with numbers that can be checked."""

from stream.detector import cadence
from stream.detector.accounts.account import MEMBERS_MAX, Account, AccountEpisode
from stream.detector.accounts.advice import seats_bought, segment
from stream.detector.accounts.episodes import AccountSign
from stream.detector.accounts.standing import Standing
from stream.detector.policy import Policy
from stream.detector.reasons import REASONS_MAX, Reason, duration
from stream.detector.stages import AccountTrigger, Kind

_OVER = {
    AccountTrigger.CHAMPION: "others_carry_on",
    AccountTrigger.SEATS: "members_back",
    AccountTrigger.BREADTH: "breadth_back",
}

CODES = (
    *("account_silent", "champion_silent", "champion_left", "members_active", "one_carries_it"),
    *("lapsed", "account_back", "champion_back", *_OVER.values(), "late_event", "not_eligible"),
)
"""Every code an account's alert may have."""


def explain(
    kind: Kind,
    sign: AccountSign,
    episode: AccountEpisode,
    account: Account,
    standing: Standing,
    *,
    ended: AccountTrigger | None,
    policy: Policy,
) -> list[Reason]:
    """Give up to three reasons, the fact first; `ended` is what was the last to be over."""
    horizon = duration(cadence.days(policy.horizon_ms))
    bought = seats_bought(account, policy)
    if sign is AccountSign.EXEMPT:
        name = segment(account, policy).name
        text = f"Is in “{name}” now, of which no account is alerted on."
        return [Reason("not_eligible", text)]
    if kind is Kind.RETRACTED:
        text = "A visit that was told late shows that the silence never was."
        return [Reason("late_event", text)]
    if kind is Kind.RECOVERED:
        return [_recovery(ended, episode, standing, horizon)]
    if kind is Kind.LAPSED:
        lapsed = Reason("lapsed", f"Nobody came for {horizon}: counts as lapsed here.")
        return [lapsed, _members(account, standing, horizon, bought)]
    facts = {
        AccountTrigger.SILENCE: _silence(account, standing),
        AccountTrigger.CHAMPION: _champion(episode, account, standing),
        AccountTrigger.SEATS: _members(account, standing, horizon, bought),
        AccountTrigger.BREADTH: _breadth(episode, standing),
    }
    others = [found for found in reversed(episode.told) if found is not episode.trigger]
    reasons = [facts[found] for found in (episode.trigger, *others)]
    if AccountTrigger.SEATS not in episode.told:
        reasons.append(facts[AccountTrigger.SEATS])
    return reasons[:REASONS_MAX]


def _silence(account: Account, standing: Standing) -> Reason:
    """Say that nobody comes."""
    silent = duration(cadence.days(standing.silent_ms))
    usual = duration(account.rhythm.usual_gap)
    text = f"Nobody came for {silent}; usually it is used every {usual}."
    return Reason("account_silent", text)


def _champion(episode: AccountEpisode, account: Account, standing: Standing) -> Reason:
    """Say who is missed."""
    customer_id = episode.champion_id
    member = account.members.get(customer_id)
    if member is None or member.left:
        return Reason("champion_left", f"“{customer_id}”, who used it most, has left.")
    silent = duration(cadence.days(standing.champion_silent_ms))
    usual = duration(member.rhythm.usual_gap)
    return Reason(
        "champion_silent",
        f"“{customer_id}”, whose use was {standing.champion_share:.0%} of all, usually comes every"
        f" {usual} and has not for {silent}.",
    )


def _members(account: Account, standing: Standing, horizon: str, bought: int | None) -> Reason:
    """Say how many come, of those paid for where that is known, and as many can be counted."""
    if bought is None or not standing.members_active <= bought <= MEMBERS_MAX:
        text = f"{_counted(standing.members_active)} came within {horizon}"
    else:
        seats = "the one seat" if bought == 1 else f"{bought:,} seats"
        text = f"{standing.members_active} of {seats} bought came within {horizon}"
    usual = f", where {account.members_usual:.1f} were usual." if account.weeks else "."
    return Reason("members_active", text + usual)


def _breadth(episode: AccountEpisode, standing: Standing) -> Reason:
    """Say that one member carries nearly all of it."""
    return Reason(
        "one_carries_it",
        f"{standing.top_share:.0%} of the use of late is that of “{standing.top_id}”; the most"
        f" active member's was {episode.top_usual:.0%} usually.",
    )


def _recovery(
    ended: AccountTrigger | None, episode: AccountEpisode, standing: Standing, horizon: str
) -> Reason:
    """Say why it is over."""
    if ended is None:
        return Reason("champion_back", f"“{episode.champion_id}”, who was missed, is back.")
    if ended is AccountTrigger.SILENCE:
        silent = duration(cadence.days(standing.silent_ms))
        return Reason("account_back", f"Somebody came after {silent} of silence.")
    texts = {
        AccountTrigger.CHAMPION: (
            f"Others carry on without “{episode.champion_id}”:"
            f" {_counted(standing.members_active)} came within {horizon}."
        ),
        AccountTrigger.SEATS: (
            f"{_counted(standing.members_active)} came within {horizon}, where"
            f" {episode.members_usual:.1f} were usual."
        ),
        AccountTrigger.BREADTH: (
            f"The most active member's part of the use is {standing.top_share:.0%} again."
        ),
    }
    return Reason(_OVER[ended], texts[ended])


def _counted(members: int) -> str:
    return "1 member" if members == 1 else f"{members or 'no'} members".capitalize()
