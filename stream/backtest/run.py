"""The backtest: a log replayed once, at many settings, beside simple rules, and all of it judged.

The model learns as it would have live, and every alert is decided by what was
known then.  Later time is scored: before, a model that has seen no horizon pass
can only be a guess.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from models.dials import Dials, Settings
from stream.backtest.active_days import ActiveDays
from stream.backtest.against import Fate, against, fates_of, opened_by
from stream.backtest.answer import answer
from stream.backtest.boosting import BOOSTED, boosted
from stream.backtest.curve import Curve
from stream.backtest.decline import by_fall, declining
from stream.backtest.findings import (
    BY_DIAL,
    SLIPAWAY,
    AsGood,
    Comparison,
    Data,
    DialSetting,
    Findings,
    Fixed,
    Group,
    Method,
    SegmentDial,
    Setting,
)
from stream.backtest.groups import groups
from stream.backtest.history import History, Recorder
from stream.backtest.judging import Alerts, Bools, Court
from stream.backtest.rules import RULES, Rule
from stream.backtest.segment_dials import segment_dials, stays
from stream.backtest.stories import stories
from stream.backtest.sweep import Sweep, SweptReplay
from stream.detector.advice import Adviser
from stream.detector.alerts import Trigger
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy
from stream.replay import run as replay
from stream.replay.errors import LogError
from stream.replay.refusals import Refusals
from stream.replay.source import STANDARD_INPUT, total_bytes
from stream.report.buckets import Buckets
from stream.report.log import Recorder as LogRecorder
from stream.report.raised import Raised
from stream.report.raised import Recorder as RaisedRecorder
from stream.report.reliability import of_alerts, of_silences
from stream.retention.figures import retention
from stream.retention.spans import Recorder as SpanRecorder
from stream.wire.durations import format_duration
from stream.wire.policy_file import PolicyFile
from stream.wire.times import iso

NOTICE_SHARES = tuple(np.geomspace(0.008, 4, 28).tolist())
"""Fixed thresholds: what a false alarm is worth, in horizons of earlier notice."""
DIALS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.10, 0.14, 0.20, 0.30, 0.40, 0.55, 0.80)
"""False alarms per customer-month."""
LAPSES_MIN = 30
"""A group with fewer says nothing."""
FIXED = "idle"
"""The rule that has settings, but no choice of them."""


class Watcher(replay.Watcher, Protocol):
    """Who follows the backtest."""

    def phase(self, words: str, steps: int) -> object:
        """Hear that something begins that takes so many steps."""
        ...

    def step(self) -> object:
        """Hear that a step is done."""
        ...


def backtest(
    files: Sequence[str],
    policy_file: PolicyFile,
    *,
    received_at: int,
    begin: int | None = None,
    boosting: bool = False,
    old: PolicyFile | None = None,
    refusals: Refusals,
    watcher: Watcher | None = None,
) -> Findings:
    """Replay a log, and find what its alerts would have been worth from `begin` (ms) on.

    Unless given, that is the later half of the log.  `received_at` (ms) is as
    in `replay`; rows that cannot be used go to `refusals`.  `boosting` shows
    boosted trees beside the rules, `old` what another policy would have done, for
    which the log is read once more.  LogError: the log cannot be read, or there
    is nothing in it to be scored.
    """
    policy = policy_file.policy
    settings = _Settings(policy)
    sweep = Sweep(settings.dials, policy)
    run = SweptReplay(policy, alerts=None, sweep=sweep)
    recorder, spans, events, last = Recorder(policy), SpanRecorder(policy), 0, 0
    looked_at = LogRecorder(policy)
    for batch in replay.read_in_order(
        files,
        policy_file,
        received_at=received_at,
        refusals=refusals,
        watcher=watcher,
        on_read=looked_at.read,
    ):
        looked_at.take(batch)
        run.take(batch)
        recorder.take(batch)
        spans.take(batch)
        events, last = events + len(batch), int(batch.occurred_at[-1])
    if events:
        run.finish(last)
    court = _court(recorder.history(), begin)
    codes = {customer_id: code for code, customer_id in enumerate(court.history.customers)}
    said = [Alerts(customer, time) for customer, time in sweep.alerts(codes)]
    days = ActiveDays(court.history)
    others = {**RULES, BOOSTED: boosted} if boosting else RULES
    methods = _Methods(court, settings, said, days, others=others, watcher=watcher)
    everybody, found, left_out = _by_group(methods, days, watcher)
    beside = None
    if old is not None:
        if watcher:
            watcher.phase("the other policy", total_bytes(files) or 0)
        before = opened_by(files, old, received_at=received_at, watcher=watcher)
        beside = against((old, before), (policy_file, run.opened), court)
    segments = _segments(run, sweep, settings, said, court)
    fates = list(fates_of(run.opened, court))
    return Findings(
        answer=answer(
            court, said[settings.own], methods.curves["hiatus"], methods.settings["hiatus"]
        ),
        log=looked_at.log(refusals, run.results),
        raised=_raised(run, fates, looked_at.buckets(), court),
        stories=stories(court, fates),
        silences_believed=of_silences(run.calibration),
        alerts_believed=of_alerts(_believed(fates)),
        data=_data(files, policy, court, events=events, refusals=refusals),
        everybody=everybody,
        fixed=methods.fixed(),
        dial=_dial(settings, said, court),
        groups=found,
        left_out=left_out,
        as_good=[case for group in (everybody, *found) for case in as_good(group)],
        declining=declining(by_fall(run.declined, codes), run.falls, court, days),
        retention=retention(spans.spans(), policy.horizon_ms, policy.retention.every),
        segments=segments,
        against=beside,
    )


class _Settings:
    """The settings that one replay follows."""

    def __init__(self, policy: Policy) -> None:
        own = policy.false_alarms_per_customer_month
        self.policy = policy
        self.notice = [policy.horizon_ms / DAY_MS * share for share in NOTICE_SHARES]
        self.dials_set = sorted({*DIALS, own})
        each = policy.dials_by_horizon.items()
        days = {key: (key or policy.horizon_ms) / DAY_MS for key, _ in each}
        self.dials = [
            {
                key: Dials.set_to(
                    days[key],
                    {name: (rate, days[key] * share) for name, (rate, _) in set_to.items()},
                )
                for key, set_to in each
            }
            for share in NOTICE_SHARES
        ]
        self.dials += [
            {
                key: Dials.set_to(days[key], {"": (target, None), **_turned(set_to, target / own)})
                for key, set_to in each
            }
            for target in self.dials_set
        ]
        if policy.notice_days_per_false_alarm is not None:
            self.dials.append({key: Dials.set_to(days[key], set_to) for key, set_to in each})

    @property
    def own(self) -> int:
        """Place of the policy's own setting among `dials`."""
        if self.policy.notice_days_per_false_alarm is not None:
            return len(self.dials) - 1
        own = self.policy.false_alarms_per_customer_month
        return len(self.notice) + self.dials_set.index(own)


def _turned(dials: Settings, times: float) -> Settings:
    """Give the dials of segments, each so many times as high; a fixed threshold stays."""
    return {name: (rate * times, notice) for name, (rate, notice) in dials.items() if name}


def _court(history: History, begin: int | None) -> Court:
    """Let the log be judged from a moment on; LogError says why it cannot be."""
    if not len(history.time):
        raise LogError(
            "The log has no event that counts as use: name what does in the policy's"
            " [events] engagement, or give another log."
        )
    end, horizon = int(history.end.max()), history.horizon
    if end - history.start < 2 * horizon:
        raise LogError(
            f"The log covers {format_duration((end - history.start) // DAY_MS * DAY_MS)}, and takes"
            f" two horizons of {format_duration(horizon)}: one to learn in, and one to see what"
            " became of whom. Give a longer log, or shorten the policy's [slipping] horizon."
        )
    court = Court(history, (history.start + end + 1) // 2 if begin is None else begin)
    if not (len(court.lapsed) and court.months.sum()):
        raise LogError(
            f"From {iso(court.begin)} on nobody lapsed, as far as the log shows (it ends at"
            f" {iso(end)}, and a lapse takes {format_duration(horizon)} of it): there is nothing to"
            " be noticed. Score from an earlier time (--begin), or give a longer log."
        )
    return court


def _data(
    files: Sequence[str], policy: Policy, court: Court, *, events: int, refusals: Refusals
) -> Data:
    """Say what was looked at."""
    history = court.history
    return Data(
        files=[file if file == STANDARD_INPUT else Path(file).name for file in files],
        policy_version=policy.version,
        horizon_days=policy.horizon_ms / DAY_MS,
        dial=policy.false_alarms_per_customer_month,
        notice_days_per_false_alarm=policy.notice_days_per_false_alarm,
        events=events,
        customers=len(np.unique(history.customer)),
        first=iso(int(history.time.min())),
        last=iso(int(history.time.max())),
        begin=iso(court.begin),
        lapses=len(court.lapsed),
        customer_months=float(court.months.sum()),
        rows=refusals.rows,
        refused={code.value: count for code, count in sorted(refusals.counts.items())},
    )


class _Methods:
    """Every method's curve, over one court."""

    def __init__(
        self,
        court: Court,
        settings: _Settings,
        said: list[Alerts],
        days: ActiveDays,
        *,
        others: Mapping[str, Rule],
        watcher: Watcher | None,
    ) -> None:
        fixed, dials = len(settings.notice), len(settings.dials_set)
        self.court = court
        self.settings = {SLIPAWAY: settings.notice, BY_DIAL: settings.dials_set}
        self.curves = {
            SLIPAWAY: Curve.of(court, said[:fixed]),
            BY_DIAL: Curve.of(court, said[fixed : fixed + dials]),
        }
        if watcher:
            watcher.phase("rules", len(others))
        for name, rule in others.items():
            tried, alerts = zip(*rule(days), strict=True)
            self.settings[name] = list(tried)
            self.curves[name] = Curve.of(court, alerts)
            if watcher:
                watcher.step()
        self.others = [name for name in others if name != FIXED]

    def group(self, by: str, name: str, members: Bools | None) -> Group:
        """Read every curve among some customers, and compare them."""
        court = self.court
        everyone = np.ones(len(court.lapses), np.bool_) if members is None else members
        return Group(
            by=by,
            name=name,
            customers=int(everyone[court.counted].sum()),
            lapses=int(court.lapses[everyone].sum()),
            customer_months=float(court.months[everyone].sum()),
            methods=[
                Method(
                    name=method,
                    settings=self._settings_of(method, members),
                    readings=self.curves[method].read(among=members),
                )
                for method in (SLIPAWAY, BY_DIAL, *self.others)
            ],
            comparisons=[
                Comparison(
                    rule=rule,
                    differences=self.curves[SLIPAWAY].against(self.curves[rule], among=members),
                )
                for rule in self.others
            ],
        )

    def _settings_of(self, method: str, members: Bools | None) -> list[Setting]:
        points = self.curves[method].points(members)
        return [
            Setting(setting=setting, **msgspec.structs.asdict(point))
            for setting, point in zip(self.settings[method], points, strict=True)
        ]

    def fixed(self) -> list[Fixed]:
        """Hold slipaway against each setting of the rule that offers no choice."""
        mine, other = self.curves[SLIPAWAY], self.curves[FIXED]
        found = []
        for number, came_to in enumerate(self._settings_of(FIXED, None)):
            rate, alone = came_to.false_per_customer_month, Curve(self.court, other.sums[[number]])
            same = mine.read([rate]) if rate else []
            difference = mine.against(alone, [rate]) if rate else []
            found.append(
                Fixed(
                    rule=FIXED,
                    came_to=came_to,
                    slipaway=same[0] if same else None,
                    difference=difference[0] if difference else None,
                )
            )
        return found


def _by_group(
    methods: _Methods, days: ActiveDays, watcher: Watcher | None
) -> tuple[Group, list[Group], list[str]]:
    """Give everybody, the groups that are large enough, and the names of those that are not."""
    court = methods.court
    parts = list(groups(court.history, days, court.begin))
    if watcher:
        watcher.phase("intervals", 1 + len(parts))
    everybody = methods.group("", "everybody", None)
    found, left_out = [], []
    for by, name, members in parts:
        if watcher:
            watcher.step()
        if int(court.lapses[members].sum()) < LAPSES_MIN:
            left_out.append(f"{by}: {name}")
        elif not members[court.counted].all():  # else it is everybody once more
            found.append(methods.group(by, name, members))
    return everybody, found, left_out


def _dial(settings: _Settings, said: list[Alerts], court: Court) -> list[DialSetting]:
    """Hold what the dial was set to against what it came to, before `court.begin` and after."""
    whole = Court(court.history)
    warm_up_months = float(whole.months.sum() - court.months.sum())
    own = settings.policy.false_alarms_per_customer_month
    own_threshold = settings.policy.notice_days_per_false_alarm is not None
    targets: list[float | None] = [*settings.dials_set, *([None] if own_threshold else [])]
    found, one_dial = [], len(settings.policy.dials) == 1
    for target, alerts in zip(targets, said[len(settings.notice) :], strict=True):
        score = court.score(alerts)
        before = alerts.time < court.begin
        warm_up = whole.judge(Alerts(alerts.customer[before], alerts.time[before]))
        warm_up_rate = int(warm_up.false.sum()) / warm_up_months if warm_up_months else None
        found.append(
            DialSetting(
                dial=target,
                own=target is None if own_threshold else target == own,
                measured=score.false_per_customer_month,
                ratio=_ratio(score.false_per_customer_month, target if one_dial else None),
                recall=score.recall,
                precision=score.precision,
                mean_delay_days=score.mean_delay_days,
                right=score.true,
                false=score.false,
                warm_up_measured=warm_up_rate,
                warm_up_ratio=_ratio(warm_up_rate, target if one_dial else None),
            )
        )
    return found


def _raised(run: SweptReplay, fates: Sequence[Fate], buckets: Buckets, court: Court) -> Raised:
    """Say what the policy's own alerts were, and what became of those that are scored."""
    since = max(court.begin, 0)
    heard = RaisedRecorder(since)
    heard.take(alert for alert in run.opened if alert.time < since)
    for fate in fates:
        heard.opened(fate.alert, fate.came_to)
    return heard.raised(buckets, since=iso(since), kinds=run.alerts, withheld=run.withheld)


def _believed(fates: Iterable[Fate]) -> Iterator[tuple[float, bool]]:
    """Give the risks that alerts on silence told, and whether they came true, where that is known.

    The customer's own silence alone: what else gives somebody away says nothing of such a risk.
    """
    for alert, came_to in fates:
        if alert.trigger is Trigger.SILENCE and came_to != "unknown":
            yield alert.risk, came_to == "right"


def _segments(
    run: SweptReplay, sweep: Sweep, settings: _Settings, said: list[Alerts], court: Court
) -> list[SegmentDial]:
    """Hold each segment's dial against what it came to, if any has one of its own."""
    dials = settings.policy.dials
    if len(dials) == 1:
        return []
    adviser, customers = Adviser(settings.policy), run.detector.customers
    last = {customer_id: adviser.dial(customers.look(customer_id)) for customer_id in customers}
    codes = {customer_id: code for code, customer_id in enumerate(court.history.customers)}
    found = stays(sweep.moves, last, codes, dials)
    horizons = settings.policy.horizons
    return list(segment_dials(dials, found, said[settings.own], court, horizons))


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def as_good(group: Group) -> Iterator[AsGood]:
    """Name the simple rules and rates at which slipaway is not earlier."""
    for comparison in group.comparisons:
        for difference in comparison.differences:
            if comparison.rule in RULES and difference.days >= 0:
                yield AsGood(
                    group=f"{group.by}: {group.name}" if group.by else group.name,
                    rule=comparison.rule,
                    **msgspec.structs.asdict(difference),
                )
