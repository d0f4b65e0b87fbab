"""What is said about an account, flat enough for platforms that take no nesting."""

import msgspec

from stream.detector.accounts.account import Account, AccountEpisode
from stream.detector.accounts.advice import advise, seats_bought
from stream.detector.accounts.episodes import AccountSign
from stream.detector.accounts.reasons import explain
from stream.detector.accounts.standing import Standing
from stream.detector.alerts import Kind, Severity
from stream.detector.events import DAY_MS, SECOND_MS
from stream.detector.holdout import held_out
from stream.detector.policy import Policy
from stream.detector.reasons import REASONS_MAX, Reason
from stream.detector.stages import AccountTrigger

_DIGITS = 3  # of a share
FEW_SHARE = 0.25
"""An account with less than this share of its usual members is as good as gone."""


class AccountAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of one episode of one account.

    `time` is the event time of the decision, never the moment it was noticed:
    milliseconds since 1970-01-01 UTC.
    """

    account_id: str
    """Which; the record's key as well."""
    time: int
    """Event time of the decision (UTC), never the moment it was noticed: a midnight, unless
    somebody came, or left in so many words."""
    kind: Kind
    """The stage of the episode that this alert is about; one alert each."""
    alert_id: str
    """Names this alert, in every repetition: to be remembered by who acts on it once."""
    episode_id: str
    """Names the episode; all its alerts have it."""
    severity: Severity
    """How sure it is that the account goes."""
    trigger: AccountTrigger
    """What gave the account away."""
    members_active: int
    """Members who came within the policy's horizon."""
    members_usual: float | None
    """As many as came usually, by the account's own weeks; None while too few weeks are known."""
    champion_id: str
    """The customer who has used it most, or who is missed where the trigger is `champion`; empty
    if nobody is known."""
    champion_silent_for_seconds: int | None
    """Since that customer's last visit; None if nobody is known."""
    silent_for_seconds: int
    """Since the last visit of any member."""
    usual_gap_seconds: int | None
    """Mean gap between the account's own days of use; None before the second."""
    reason_1: str
    """Code of the fact that led to this alert."""
    reason_1_text: str
    """The fact in words."""
    reason_2: str
    """Code of another fact that speaks for it; empty if there is none."""
    reason_2_text: str
    """The same in words."""
    reason_3: str
    """Code of one more; empty if there is none."""
    reason_3_text: str
    """The same in words."""
    holdout: bool = False
    """Recorded to compare with, not delivered: act on it, and the comparison is worth nothing."""
    backfill: bool
    """Decided while working off a log, not as it happened."""
    policy_version: str
    """The policy that said what slipping away means."""
    quiet_share: float = 0.0
    """How much of the account has gone quiet, 0 to 1: all of it in a silence, else the most of: the
    part of use of who is missed, of the usual members those who do not come, by how much one
    member's part has grown.  Times `value` it ranks accounts."""
    seats_bought: int | None = None
    """Members the account has paid for, by its own traits; None: not known."""
    segment: str = ""
    """Kind of account, by the policy and the account's own traits; empty: in none of its
    segments."""
    play: str = ""
    """Name of the play that the policy suggests; empty: none fits."""
    play_text: str = ""
    """What the play is, in the policy's words."""
    value: float | None = None
    """What the account is worth, in the policy's unit; None: not known."""
    owner: str = ""
    """Who looks after the account; empty: nobody is known to."""


def severity_of(kind: Kind, episode: AccountEpisode, standing: Standing) -> Severity:
    """Grade an alert: a lapse is certain, one member who carries all of it still carries it."""
    if kind in (Kind.RECOVERED, Kind.RETRACTED):
        return Severity.LOW
    few = standing.members_active <= FEW_SHARE * episode.members_usual
    if kind in (Kind.LAPSED, Kind.ESCALATED) or (episode.trigger is AccountTrigger.SEATS and few):
        return Severity.HIGH
    return Severity.LOW if episode.trigger is AccountTrigger.BREADTH else Severity.MEDIUM


def compose(
    account_id: str,
    account: Account,
    change: tuple[Kind, AccountEpisode],
    *,
    sign: AccountSign,
    at: int,
    standing: Standing,
    quiet_share: float,
    ended: AccountTrigger | None,
    policy: Policy,
) -> AccountAlert:
    """Say what happened to an account at `at` (ms).

    `ended` is what was the last to be over, where the account has recovered.
    """
    kind, episode = change
    why = explain(kind, sign, episode, account, standing, ended=ended, policy=policy)
    codes = [reason.code for reason in why]
    why += [Reason("", "")] * (REASONS_MAX - len(why))
    champion_id = episode.champion_id or standing.champion_id
    champion = account.members.get(champion_id)
    gap = account.rhythm.usual_gap
    return AccountAlert(
        account_id=account_id,
        time=at,
        kind=kind,
        alert_id=f"{episode.episode_id}-{kind.value}",
        episode_id=episode.episode_id,
        severity=severity_of(kind, episode, standing),
        trigger=episode.trigger,
        members_active=standing.members_active,
        members_usual=episode.members_usual if account.weeks else None,
        champion_id=champion_id if champion else "",
        champion_silent_for_seconds=(
            max(0, at - champion.rhythm.last_at) // SECOND_MS if champion else None
        ),
        silent_for_seconds=max(0, at - account.rhythm.last_at) // SECOND_MS,
        usual_gap_seconds=round(gap * DAY_MS) // SECOND_MS if gap else None,
        reason_1=why[0].code,
        reason_1_text=why[0].text,
        reason_2=why[1].code,
        reason_2_text=why[1].text,
        reason_3=why[2].code,
        reason_3_text=why[2].text,
        holdout=held_out(account_id, policy.holdout),
        backfill=True,
        policy_version=policy.version,
        quiet_share=round(quiet_share, _DIGITS),
        seats_bought=seats_bought(account, policy),
        **advise(account, kind, episode.trigger, codes, policy)._asdict(),
    )
