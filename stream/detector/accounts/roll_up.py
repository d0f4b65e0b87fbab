"""The roll-up: what members do, and time, in; alerts on accounts out.

A synchronous function of (news, time), as the detector of customers is.  News
of one account come from all partitions of customers, in any interleaving; each
is decided when time has passed it, in the order of (time, account, member).
Accounts are judged at every local midnight of event time, and somebody's coming
or leaving is answered when it happened.  So neither batches nor partitions can
change an alert.
"""

from bisect import insort
from collections.abc import Iterable
from heapq import heapify, heappop, heappush

import msgspec

from stream.detector import cadence
from stream.detector.accounts import alerts, judgement
from stream.detector.accounts.account import Account
from stream.detector.accounts.advice import segment
from stream.detector.accounts.alerts import AccountAlert
from stream.detector.accounts.episodes import AccountSign, move
from stream.detector.accounts.outages import Outages
from stream.detector.accounts.standing import Standing, share_of_use, standing
from stream.detector.calendar import local_time
from stream.detector.members import MemberNews, Tidings
from stream.detector.policy import Policy
from stream.detector.segments import Value
from stream.detector.stages import AccountTrigger, Kind, Stage

_decode_traits = msgspec.json.Decoder(dict[str, Value | None]).decode

MONDAY = 0
"""A week ends where it begins."""


class AccountsProgress(msgspec.Struct, array_like=True):
    """How far a partition of accounts has come: what a checkpoint holds besides its accounts."""

    decided: int = 0
    """Event time (ms) before which everything is decided; 0: nothing was told yet."""
    outages: Outages = msgspec.field(default_factory=Outages)
    notices: list[MemberNews] = msgspec.field(default_factory=list)
    """What was told of everybody and is not decided, in order."""


class RollUp:
    """Follows the accounts of one partition."""

    def __init__(
        self,
        policy: Policy,
        accounts: dict[str, Account] | None = None,
        progress: AccountsProgress | None = None,
    ) -> None:
        """Take up accounts and progress of the last checkpoint, or start afresh."""
        self.accounts = {} if accounts is None else accounts
        self.progress = AccountsProgress() if progress is None else progress
        self.touched: dict[str, None] = {}
        """Which accounts are not as last saved; whoever saves them clears it."""
        self.forgot: list[str] = []
        """Accounts that had to forget a member, and what was said of them may name it; whoever
        answers that clears it."""
        self._policy = policy
        self._local = local_time(policy.calendar)
        self._horizon_days = cadence.days(policy.horizon_ms)
        self._said: list[AccountAlert] = []
        self._waiting = list(self.progress.notices)
        for account in self.accounts.values():
            self._waiting += account.waiting
        heapify(self._waiting)

    # ------------------------------------------------------------ the surface

    def take(self, told: Iterable[MemberNews]) -> None:
        """Note what was told, to be decided when time has passed it; what is late, at once."""
        for news in told:
            late = news.at < self.progress.decided
            if not news.account_id:
                if late:
                    self._hear_of_everybody(news)
                else:
                    insort(self.progress.notices, news)
                    heappush(self._waiting, news)
                continue
            account = self.accounts.get(news.account_id)
            if account is None:
                account = self.accounts[news.account_id] = Account()
            self.touched[news.account_id] = None
            if late:
                self._hear_late(account, news)
            else:
                insort(account.waiting, news)
                heappush(self._waiting, news)

    def pass_time(self, until: int) -> list[AccountAlert]:
        """Decide everything before a moment (ms); give what was said since the last call."""
        progress = self.progress
        if until > progress.decided:
            midnight = self._local.next_midnight(progress.decided)
            if not progress.decided or len(self.accounts) == 0:
                first = self._waiting[0].at if self._waiting else until
                midnight = max(midnight, self._local.next_midnight(first))
            while midnight < until:
                self._hear_until(midnight)
                self._judge_all(midnight)
                midnight = self._local.next_midnight(midnight + 1)
            self._hear_until(until)
            progress.decided = until
        said, self._said = self._said, []
        return said

    # ------------------------------------------------------------ what is told

    def _hear_until(self, moment: int) -> None:
        """Decide what was told of the time before a moment (ms).

        And of everybody at that moment: it stands first, and is judged by.
        """
        waiting = self._waiting
        while waiting and (waiting[0].at < moment or waiting[0][:2] == (moment, "")):
            news = heappop(waiting)
            if not news.account_id:
                self.progress.notices.remove(news)
                self._hear_of_everybody(news)
                continue
            account = self.accounts[news.account_id]
            account.waiting.remove(news)
            self.touched[news.account_id] = None
            self._hear(account, news)

    def _hear_of_everybody(self, news: MemberNews) -> None:
        """Note that silence says nothing of anybody from now on, or does so again."""
        if news.what is Tidings.SUSPENDED:
            self.progress.outages.begin(news.at)
        else:
            self.progress.outages.end(news.since, news.at)

    def _hear(self, account: Account, news: MemberNews) -> None:
        """Let a member come, or leave."""
        match news.what:
            case Tidings.VISIT:
                self._welcome(account, news)
            case Tidings.LEFT:
                self._part_with(account, news)
            case Tidings.UNOBSERVED:
                account.stop_watching(news.customer_id)
            case Tidings.ERASED:
                account.erase(news.customer_id)
                self.forgot.append(news.account_id)
            case Tidings.TRAITS:
                account.describe(_decode_traits(news.traits), news.at)
                self._exempt(news.account_id, account, max(news.at, self.progress.decided))
            case _:
                raise AssertionError(f"{news.what} is told of everybody")

    def _welcome(self, account: Account, news: MemberNews) -> None:
        """Note a visit, and close what it answers."""
        episode = account.episode
        if episode is None:
            account.come(news.customer_id, news.at, self._local, self._horizon_days)
            return
        now = self._standing(account, news.at)
        told, member = episode.told, account.members.get(news.customer_id)
        ends_silence = account.rhythm.last_at < news.at  # but not what is late and long past
        ends_absence = member is None or member.rhythm.last_at < news.at
        account.come(news.customer_id, news.at, self._local, self._horizon_days)
        if ends_silence and (episode.stage is Stage.LAPSED or AccountTrigger.SILENCE in told):
            account.back_at = news.at
        if episode.stage is Stage.LAPSED and ends_silence:
            told.clear()
            self._end(account, news, now, AccountTrigger.SILENCE)
            return
        if AccountTrigger.SILENCE in told and ends_silence:
            told.remove(AccountTrigger.SILENCE)
            self._end(account, news, now, AccountTrigger.SILENCE)
        missed = news.customer_id == episode.champion_id
        if AccountTrigger.CHAMPION in told and missed and ends_absence:
            told.remove(AccountTrigger.CHAMPION)
            self._end(account, news, now, None)

    def _end(
        self, account: Account, news: MemberNews, before: Standing, ended: AccountTrigger | None
    ) -> None:
        """Say that it is over, if nothing else that was told of is left."""
        if account.episode is None or account.episode.told:
            return
        fresh = self._standing(account, news.at)
        fresh = fresh._replace(silent_ms=before.silent_ms)  # which it was that ended
        self._move(news.account_id, account, AccountSign.OVER, news.at, fresh, ended=ended)

    def _part_with(self, account: Account, news: MemberNews) -> None:
        """Note that a member has left, and whether that was the champion."""
        member = account.members.get(news.customer_id)
        if member is None:
            return
        share = self._share_of_use(account, news.customer_id, news.at)
        champion = judgement.is_champion(account, share, member.rhythm.days, self._policy)
        member.left = True
        episode = account.episode
        told = episode is not None and AccountTrigger.CHAMPION in episode.told
        if champion and not told and judgement.judged(account, self._policy):
            self._move(
                news.account_id,
                account,
                AccountSign.FOUND,
                news.at,
                self._standing(account, news.at),
                trigger=AccountTrigger.CHAMPION,
                champion_id=news.customer_id,
            )

    def _hear_late(self, account: Account, news: MemberNews) -> None:
        """Take what lies before what is decided, and take back what it disproves."""
        if not _disproves(account, news):
            self._hear(account, news)
            return
        account.come(news.customer_id, news.at, self._local, self._horizon_days)
        now = self.progress.decided
        standing_now = self._standing(account, now)
        self._move(news.account_id, account, AccountSign.DISPROVED, now, standing_now)

    def _exempt(self, account_id: str, account: Account, at: int) -> None:
        """Take back what is open, if its segment is one of which none is alerted on.

        What was said of its lapse stays said.
        """
        if account.episode is not None and not segment(account, self._policy).eligible:
            now = self._standing(account, at)
            self._move(account_id, account, AccountSign.EXEMPT, at, now)

    # ------------------------------------------------------------ midnights

    def _judge_all(self, midnight: int) -> None:
        """Judge every account; nobody, while use has collapsed for everybody."""
        if self.progress.outages.since:
            return
        week_ends = self._local.weekday(midnight) == MONDAY
        for account_id in sorted(self.accounts):
            account = self.accounts[account_id]
            if week_ends and account.forget(midnight, self._policy.horizon_ms):
                self.touched[account_id] = None
            if account.members and account.stage is not Stage.LAPSED:
                self._judge(account_id, account, midnight, week_ends=week_ends)

    def _judge(self, account_id: str, account: Account, midnight: int, *, week_ends: bool) -> None:
        """Judge one account, and at a week's end learn what is usual for it.

        While something is told of, what is usual stays what it was before.
        """
        policy = self._policy
        self._exempt(account_id, account, midnight)  # the policy may be another one now
        now = self._standing(account, midnight)
        if judgement.judged(account, policy):
            self._conclude(account_id, account, midnight, now)
        learns = week_ends and account.episode is None
        if learns and judgement.countable(account, midnight, policy, self._local):
            judgement.learn(account, now)
            self.touched[account_id] = None

    def _conclude(self, account_id: str, account: Account, midnight: int, now: Standing) -> None:
        """Say what a standing shows that was not said yet."""
        policy, episode = self._policy, account.episode
        if now.silent_ms >= policy.horizon_ms:
            self._move(account_id, account, AccountSign.GONE, midnight, now)
            return
        if episode is not None:
            missed = self._share_of_use(account, episode.champion_id, midnight)
            ended = judgement.over(account, now, missed, policy)
            for trigger in ended:
                episode.told.remove(trigger)
                self.touched[account_id] = None
            if not episode.told:
                self._move(account_id, account, AccountSign.OVER, midnight, now, ended=ended[-1])
                return
        told = episode.told if episode is not None else []
        for trigger in judgement.found(account, now, midnight, policy, self._local):
            if trigger not in told:
                missed_id = now.champion_id if trigger is AccountTrigger.CHAMPION else ""
                self._move(
                    account_id,
                    account,
                    AccountSign.FOUND,
                    midnight,
                    now,
                    trigger=trigger,
                    champion_id=missed_id,
                )
                return

    # ------------------------------------------------------------ its parts

    def _standing(self, account: Account, at: int) -> Standing:
        """Look at an account."""
        return standing(account, at, self.progress.outages, self._policy, self._local)

    def _share_of_use(self, account: Account, customer_id: str, at: int) -> float:
        """Give a member's share of all use."""
        return share_of_use(account, customer_id, at, self._horizon_days, self._local)

    def _move(
        self,
        account_id: str,
        account: Account,
        sign: AccountSign,
        at: int,
        now: Standing,
        *,
        trigger: AccountTrigger = AccountTrigger.SILENCE,
        champion_id: str = "",
        ended: AccountTrigger | None = None,
    ) -> None:
        """Let a sign act on an account, and say what came of it."""
        change = move(
            account,
            account_id,
            sign,
            at,
            self._policy.version,
            trigger=trigger,
            champion_id=champion_id,
        )
        if change is None:
            return
        self.touched[account_id] = None
        kind, episode = change
        quiet = 0.0
        if kind not in (Kind.RECOVERED, Kind.RETRACTED):
            missed = self._share_of_use(account, episode.champion_id, at)
            quiet = judgement.quiet_share(episode, now, missed)
        alert = alerts.compose(
            account_id,
            account,
            change,
            sign=sign,
            at=at,
            standing=now,
            quiet_share=quiet,
            ended=ended,
            policy=self._policy,
        )
        self._said.append(alert)


def _disproves(account: Account, news: MemberNews) -> bool:
    """Tell whether a visit told late shows that what was told of never was."""
    episode = account.episode
    if news.what is not Tidings.VISIT or episode is None or episode.changed_at <= news.at:
        return False
    if episode.told == [AccountTrigger.SILENCE]:
        return account.rhythm.last_at < news.at
    member = account.members.get(news.customer_id)
    missed = episode.told == [AccountTrigger.CHAMPION] and news.customer_id == episode.champion_id
    return missed and member is not None and not member.left and member.rhythm.last_at < news.at
