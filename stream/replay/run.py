"""The replay: a log in, the alerts it would have raised out.

The same detector and the same trainer as live, with the log in place of Kafka
and event time in place of the clock.  The trainer takes its turn at every
midnight of event time, and the guard at every hour, between the last thing due
before it and the first thing due after it, so the outcome depends on the log, the
policy and the snapshots alone: not on the size of the batches, and not on when it
is run.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Protocol

import msgspec

from models.calibration import Calibration
from models.falls import FallsFound
from models.guard import Guard
from models.online import OnlineModel
from models.protocol import Hour
from models.snapshots import Snapshot, cold
from models.timeline import Timeline
from models.trainer import Trainer
from models.trainers import Trainers, Wanted
from stream.detector.accounts.advice import segment as account_segment
from stream.detector.accounts.everybody import of_everybody
from stream.detector.accounts.roll_up import RollUp
from stream.detector.advice import Adviser
from stream.detector.alerts import Alert
from stream.detector.batch import EventBatch
from stream.detector.calendar import local_time
from stream.detector.decisions import Decisions
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, HOUR_MS
from stream.detector.outcomes import back_age_ms
from stream.detector.policy import Policy
from stream.detector.ranking import rank
from stream.detector.roster import Roster
from stream.detector.turnover import Counts
from stream.replay.erasing import without
from stream.replay.order import in_order
from stream.replay.read import read_log
from stream.replay.refusals import Refusals
from stream.replay.scoring import Question, Ranking, Scoring
from stream.wire import snapshots as snapshot_wire
from stream.wire.account_alerts import encode_account_alert
from stream.wire.alerts import encode_alert
from stream.wire.events import Decoder
from stream.wire.policy_file import PolicyFile

BATCH_EVENTS = 10_000  # larger: no faster, progress is shown less often


class Watcher(Protocol):
    """Who follows the replay: a progress bar, usually."""

    def read(self, size: int) -> object:
        """Hear that `size` more bytes of the log have been read."""
        ...

    def decided(self, events: int, of: int) -> object:
        """Hear that `events` more are decided, of so many in the log."""
        ...


class Audience(Protocol):
    """Who hears of everything that a replay takes in, and of what it raises."""

    def read(self, file: str, batch: EventBatch) -> object:
        """Hear of events as they stand in a file."""
        ...

    def take(self, batch: EventBatch) -> object:
        """Hear of events in the order of their times."""
        ...

    def raised(self, alerts: Sequence[Alert]) -> object:
        """Hear of alerts, in the order in which they were decided."""
        ...


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """Where the results go; what is None is not written."""

    alerts: Path | None = None
    """JSON lines: the flat data of every alert, in order of decision."""
    accounts: Path | None = None
    """The same of alerts on accounts; only where the policy looks at them."""
    scores: Path | None = None
    """CSV customer_id,risk of the ranking that is asked for."""
    snapshots: Path | None = None
    """JSON lines: every model version, to be pinned in a later run."""


class Summary(msgspec.Struct, kw_only=True):
    """What a replay came to."""

    events: int = 0
    customers: int = 0
    begin: int | None = None
    """First and last event time (ms)."""
    end: int | None = None
    alerts: Counter[str] = msgspec.field(default_factory=Counter)
    """By kind."""
    account_alerts: Counter[str] = msgspec.field(default_factory=Counter)
    """By kind; none unless they are asked for."""
    results: Counter[str] = msgspec.field(default_factory=Counter)
    """Events by result: applied, ignored, duplicate, late, refused, alias, forwarded."""
    aliases: Counter[str] = msgspec.field(default_factory=Counter)
    """Aliases by what became of them."""
    withheld: Counter[str] = msgspec.field(default_factory=Counter)
    """Episodes that were due and did not open, by reason."""
    segments: dict[str, int] = msgspec.field(default_factory=dict)
    """Customers by segment, as of the log's end; those that nobody is in as well."""
    account_segments: dict[str, int] = msgspec.field(default_factory=dict)
    """The same of accounts; none unless alerts on them are asked for."""
    retained: Counts | None = None
    """Of everybody in the last whole period; None: there is none yet, or nobody was there."""
    refusals: Refusals
    model_version: str = ""
    calibration: Calibration | None = None
    """How what was said of silences came to be; None: nothing was learned, models were given."""


class Replay:
    """One run of the detector over one log."""

    def __init__(
        self,
        policy: Policy,
        *,
        pinned: Sequence[Snapshot] | None = None,
        alerts: IO[bytes] | None,
        accounts: IO[bytes] | None = None,
        audience: Audience | None = None,
    ) -> None:
        """Start cold, or with `pinned` snapshots that take over at their own times.

        Alerts go to `alerts`, those on accounts to `accounts`, if they are wanted; `audience`
        hears of them.
        """
        days = policy.horizon_ms / DAY_MS
        self.timeline = Timeline(OnlineModel(cold(days, back_age_ms(policy) / DAY_MS)))
        self.detector = Detector(policy, self.timeline)
        self.snapshots: list[Snapshot] = []
        self.alerts: Counter[str] = Counter()
        self.account_alerts: Counter[str] = Counter()
        self.results: Counter[str] = Counter()
        self.aliases: Counter[str] = Counter()
        self.withheld: Counter[str] = Counter()
        self._policy = policy
        self._lateness = policy.allowed_lateness_ms
        self._alerts_file = alerts
        self._accounts_file = accounts
        self._audience = audience
        self._roll_up = None if accounts is None else RollUp(policy)
        self._next_turn: int | None = None
        self._turn_every = DAY_MS
        self._trainer: Trainers | None = None
        self._guard: Guard | None = None
        self._hours: list[Hour] = []
        self._watches = True
        if pinned is None:
            zone = local_time(policy.calendar)
            self._trainer = Trainers(
                Wanted(
                    policy.dials_by_horizon,
                    policy.horizon_ms,
                    policy.fall_dial,
                    zone,
                    policy.promote,
                    policy.forest,
                )
            )
            if policy.guard.enabled:
                guard = policy.guard
                self._guard = Guard(collapse=guard.collapse, recover=guard.recover, zone=zone)
                self._turn_every = HOUR_MS
        for snapshot in pinned or ():
            self.timeline.add(OnlineModel(snapshot))

    def take(self, events: EventBatch) -> None:
        """Take events in order of their time, turning every day that they complete."""
        begin = 0
        while begin < len(events):
            first = int(events.occurred_at[begin])
            if self._next_turn is None:
                self._next_turn = (first // self._turn_every + 1) * self._turn_every
            if first - self._lateness >= self._next_turn:
                self._pass_time(first - self._lateness)
            end = events.before(self._next_turn + self._lateness)
            if end > begin:
                self._keep(self.detector.on_events(events.part(begin, end), settle=False))
            begin = end

    @property
    def trainers(self) -> Mapping[int, Trainer]:
        """Give what learns by horizon (ms), of the policy under 0; empty where nothing does."""
        return self._trainer.each if self._trainer else {}

    def accounts_by_segment(self) -> dict[str, int]:
        """Count the accounts of each of the policy's segments, and of none (under "")."""
        policy, accounts = self._policy, self._roll_up.accounts if self._roll_up else {}
        counts = dict.fromkeys([*(one.name for one in policy.account_segments), ""], 0)
        for account in accounts.values():
            counts[account_segment(account, policy).name] += 1
        return counts if accounts else {}

    @property
    def calibration(self) -> Calibration | None:
        """Give how what was said of silences came to be; None: nothing is learned."""
        return self._trainer.each[0].calibration if self._trainer else None

    @property
    def falls(self) -> dict[str, FallsFound]:
        """Give what the newest model says of falls; empty where nobody looks for them."""
        return self.snapshots[-1].falls if self.snapshots else {}

    def run_until(self, moment: int) -> None:
        """Let event time pass up to `moment` (ms), turning hours and days on the way."""
        self._pass_time(moment)
        self.detector.settle()

    def finish(self, last: int, ends_at: int | None = None) -> int:
        """Let the day of the log's last event (ms) end, or time come to `ends_at`; give when."""
        self.run_until(last)
        self._watches = False  # that nobody returns any more says nothing
        end = _midnight_after(last) if ends_at is None else max(last, ends_at)
        self.run_until(end)
        return end

    def ranked(
        self, question: Question, ahead_days: float | None = None
    ) -> Iterable[tuple[str, float]]:
        """Let event time pass up to the moment asked of, and give (customer id, risk)."""
        self.run_until(question.at)
        customers = self.detector.customers
        of = None if question.of is None else [c for c in question.of if c in customers.entries]
        return rank(
            customers, self.timeline, self._policy, question.at, of=of, ahead_days=ahead_days
        )

    def _pass_time(self, moment: int) -> None:
        """Do so, and leave what nobody has asked for yet out of the customers."""
        while self._next_turn is not None and self._next_turn <= moment:
            turn = self._next_turn
            self._keep(self.detector.on_tick(turn + self._lateness))
            changed = self._watch()
            if turn % DAY_MS == 0:
                self._turn(turn)
            elif changed and self._trainer is not None:
                self._answer(self._trainer.current(), turn)
            self._next_turn += self._turn_every
        self._keep(self.detector.on_tick(moment + self._lateness))

    def _turn(self, midnight: int) -> None:
        """Learn of the day that ends, and let what was learned answer from then on."""
        if self._trainer is not None:
            self._answer(self._trainer.turn(midnight), midnight)

    def _watch(self) -> bool:
        """Let the guard judge the hours that have ended; tell whether that changed anything."""
        hours, self._hours = self._hours, []
        changed = False
        if self._guard is not None and self._watches:
            for hour in hours:
                changed |= self._guard.turn(hour.hour_end, hour.returns, hour.customer_ms)
        return changed

    def _answer(self, snapshot: Snapshot, effective_from: int) -> None:
        """Let a snapshot answer from a moment (ms) on, with what the guard has found."""
        if self._guard is not None:
            snapshot = self._guard.stamp(snapshot, effective_from)
        self.snapshots.append(snapshot)
        self.timeline.add(OnlineModel(snapshot))

    def _keep(self, decisions: Decisions) -> None:
        """Write the alerts, and teach the trainer."""
        self.results.update(decisions.counts)
        self.aliases.update(decisions.aliases)
        self.withheld.update(decisions.withheld)
        if self._audience is not None:
            self._audience.raised(decisions.alerts)
        for alert in decisions.alerts:
            self.alerts[alert.kind.value] += 1
            if self._alerts_file is not None:
                self._alerts_file.write(encode_alert(alert) + b"\n")
        if self._roll_up is not None:
            self._roll_up.take((*decisions.members, *of_everybody(decisions.alerts)))
            self._keep_accounts(self._roll_up)
        if self._trainer is not None:
            for lesson in decisions.lessons:
                if isinstance(lesson, Hour):
                    self._hours.append(lesson)
                else:
                    self._trainer.learn(lesson)

    def _keep_accounts(self, roll_up: RollUp) -> None:
        """Let time pass for accounts as far as it has for customers, and write their alerts."""
        for alert in roll_up.pass_time(self.detector.progress.watermark.at):
            self.account_alerts[alert.kind.value] += 1
            if self._accounts_file is not None:
                self._accounts_file.write(encode_account_alert(alert) + b"\n")


def read_in_order(
    files: Sequence[str],
    policy_file: PolicyFile,
    *,
    received_at: int,
    refusals: Refusals,
    batch_events: int = BATCH_EVENTS,
    watcher: Watcher | None = None,
    aliases: bool = False,
    on_read: Callable[[str, EventBatch], object] = lambda _, __: None,
) -> Iterator[EventBatch]:
    """Yield a log's events by their times, at most `batch_events` together.

    `aliases` has among them what is said of who is who.  `watcher` hears that a batch is
    decided when the next one is asked for, `on_read` of events as they stand in a file.
    LogError: the log cannot be read, or most of it cannot be used.
    """
    decoder = Decoder(policy_file.mappings, policy_file.policy.traits, aliases=aliases)

    def read() -> Iterator[EventBatch]:
        for file in files:
            for batch in read_log(
                [file],
                policy_file.log,
                decoder,
                received_at=received_at,
                max_future_skew_ms=policy_file.policy.max_future_skew_ms,
                refusals=refusals,
                on_bytes=watcher.read if watcher else lambda _: None,
            ):
                on_read(file, batch)
                yield batch

    for batch in _parts(without(in_order(read()), refusals.erasures), batch_events):
        yield batch
        if watcher:
            watcher.decided(len(batch), refusals.events)  # in order: all of it was read by now


def replay(
    files: Sequence[str],
    policy_file: PolicyFile,
    *,
    received_at: int,
    outputs: Outputs,
    ranking: Ranking = Ranking(),  # noqa: B008 - frozen
    pinned: Sequence[Snapshot] | None = None,
    batch_events: int = BATCH_EVENTS,
    watcher: Watcher | None = None,
    audience: Audience | None = None,
) -> Summary:
    """Replay a log ("-" is standard input), and write what was asked for.

    `received_at` (ms) stands for the broker's clock: an event after it is
    refused.  `ranking` is what the scores are asked for; `audience` hears of everything.
    LogError: the log cannot be read, or most of it cannot be used.
    """
    summary = Summary(refusals=Refusals())
    batches = read_in_order(
        files,
        policy_file,
        received_at=received_at,
        refusals=summary.refusals,
        batch_events=batch_events,
        watcher=watcher,
        aliases=policy_file.policy.identity.merge,
        on_read=audience.read if audience else lambda _, __: None,
    )
    return replay_events(
        batches,
        policy_file,
        summary,
        outputs=outputs,
        ranking=ranking,
        pinned=pinned,
        audience=audience,
    )


def replay_events(
    batches: Iterable[EventBatch],
    policy_file: PolicyFile,
    summary: Summary,
    *,
    outputs: Outputs,
    ranking: Ranking = Ranking(),  # noqa: B008 - frozen
    pinned: Sequence[Snapshot] | None = None,
    ends_at: Callable[[], int | None] = lambda: None,
    audience: Audience | None = None,
) -> Summary:
    """Replay events in the order of their times; complete the summary of their reading.

    `ends_at` is asked behind the last event: up to when (ms) time passes; None: its day's end.
    `audience` hears of the events, but for their order in a file, and of what they lead to.
    """
    with ExitStack() as files_open:
        alerts_file = (
            files_open.enter_context(outputs.alerts.open("wb")) if outputs.alerts else None
        )
        accounts_file = (
            files_open.enter_context(outputs.accounts.open("wb")) if outputs.accounts else None
        )
        run = Replay(
            policy_file.policy,
            pinned=pinned,
            alerts=alerts_file,
            accounts=accounts_file,
            audience=audience,
        )
        scoring = None
        if outputs.scores:
            table = files_open.enter_context(outputs.scores.open("w", encoding="utf-8", newline=""))
            scoring = Scoring(ranking, table, run.ranked)
        for batch in batches:
            if audience is not None:
                audience.take(batch)
            if summary.begin is None:
                summary.begin = int(batch.occurred_at[0])
                if scoring is not None:
                    scoring.begin(summary.begin)
            summary.events += len(batch)
            summary.end = int(batch.occurred_at[-1])
            done = 0
            while scoring is not None and (question := scoring.next) and question.at <= summary.end:
                begin, done = done, batch.before(question.at)
                run.take(batch.part(begin, done))
                scoring.score()
            run.take(batch.part(done, len(batch)))
        if summary.end is not None:
            end = run.finish(summary.end, ends_at())
            if scoring is not None:
                scoring.end(end)
    if outputs.snapshots is not None:
        save_snapshots(outputs.snapshots, run.snapshots)
    summary.customers = sum(
        run.detector.customers.look(c).visits > 0 for c in run.detector.customers
    )
    summary.alerts = run.alerts
    summary.account_alerts = run.account_alerts
    summary.results = run.results
    summary.aliases = run.aliases
    summary.events -= run.results["alias"]  # each stands beside the event that told it
    summary.withheld = run.withheld
    over = run.detector.turnover.told
    whole = over.everybody if over is not None else Counts()
    summary.retained = whole if whole.at_start else None
    summary.segments = _by_segment(policy_file.policy, run.detector.customers)
    summary.account_segments = run.accounts_by_segment()
    summary.calibration = run.calibration
    summary.model_version = run.timeline.at(summary.end or 0).version
    return summary


def save_snapshots(path: Path, snapshots: Iterable[Snapshot]) -> None:
    """Write model versions as JSON lines, oldest first."""
    with path.open("wb") as file:
        file.writelines(snapshot_wire.encode(snapshot) + b"\n" for snapshot in snapshots)


def load_snapshots(path: Path) -> list[Snapshot]:
    """Read what `save_snapshots` wrote; SnapshotError names the line that is no snapshot."""
    with path.open("rb") as file:
        return [snapshot_wire.decode(line, Snapshot) for line in file if line.strip()]


def _parts(batches: Iterable[EventBatch], size: int) -> Iterator[EventBatch]:
    """Cut batches into parts of at most `size` events."""
    for batch in batches:
        for begin in range(0, len(batch), size):
            yield batch.part(begin, begin + size)


def _midnight_after(moment: int) -> int:
    """Give the first UTC midnight after a moment (ms)."""
    return (moment // DAY_MS + 1) * DAY_MS


def _by_segment(policy: Policy, customers: Roster) -> dict[str, int]:
    """Count the customers of each of the policy's segments, and of none (under "")."""
    adviser = Adviser(policy)
    counts = dict.fromkeys([*(one.name for one in policy.segments), ""], 0)
    for customer_id in customers:
        counts[adviser.segment(customers.look(customer_id)).name] += 1
    return counts
