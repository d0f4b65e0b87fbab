"""The detector: usage events and ticks in, alerts and lessons out.

A synchronous function of (events, ticks, models): no clock, no I/O, no
randomness.  One instance serves one partition of customers, and what it says of
a customer depends on that customer's own events and on the models in force at
their event times only.  So neither the size of the batches nor the number of
partitions can change an alert.

Every customer has a time line of its own, on which things fall due in order:
visits begin and end, signals speak, landmarks judge, labels age.  A thing due at
`t` happens when the watermark has passed `t`; then every event before `t` is
known, in whatever order it came.  Things due at the same moment happen in the
order of `Due`, across customers in the order of their ids.

Most events are one more of a visit that is under way, and nothing depends on
them until the customer's next thing due: a batch of them is added up in columns
(`Presence`), and written into `Customer` when somebody asks.
"""

from collections import Counter
from collections.abc import Sequence

from models.protocol import FORGOTTEN, Hour, Lesson, RiskModels, Sighting
from stream.detector import landmarks, outcomes, visits
from stream.detector.batch import EventBatch
from stream.detector.customer import (
    Customer,
    customer_hash,
    whole,
)
from stream.detector.decisions import Decisions
from stream.detector.decliners import Decliners, declines
from stream.detector.duplicates import is_new, marks_of
from stream.detector.episodes import Sign, is_open
from stream.detector.erasures import Erasures
from stream.detector.errors import BadEvent
from stream.detector.events import UsageEvent
from stream.detector.horizons import Horizons
from stream.detector.identity import Handover, Identities, Steps
from stream.detector.judgement import Judge
from stream.detector.lifecycle import Lifecycle
from stream.detector.members import Tidings
from stream.detector.policy import EventClass, Policy
from stream.detector.presence import Presence
from stream.detector.progress import Progress
from stream.detector.roster import Roster
from stream.detector.stages import Trigger
from stream.detector.suspension import Suspension
from stream.detector.telling import Telling
from stream.detector.timers import KINDS, Due, Timers
from stream.detector.turnover import Turnover
from stream.detector.voice import Voice
from stream.detector.waiting import APPLIED, DUPLICATE, Waiting
from stream.detector.watermark import ahead, out_of_time

TOGETHER_MIN = 64
"""Events that are worth being looked at together."""

NEVER = 1 << 62
DUES = tuple(Due)
ENGAGEMENT = EventClass.ENGAGEMENT
VISIT_ENDS, VISIT_BEGINS, SIGNAL, LABEL, LANDMARK, STALL, CEILING, LAPSE = (
    int(due) for due in DUES
)
"""By name and as plain numbers: looking up an enum's members takes longer than what is done."""


class Detector:
    """Follows the customers of one partition."""

    def __init__(
        self,
        policy: Policy,
        models: RiskModels,
        *,
        customers: Roster | None = None,
        progress: Progress | None = None,
        erased: Erasures | None = None,
        announces: bool = True,
        alone: bool = True,
    ) -> None:
        """Take up the customers and the progress of the last checkpoint, or start afresh.

        `customers` and `erased` belong to the caller, who saves them.  What is said of everybody
        is said by the one partition that `announces`; if it is `alone`, there is no other.
        """
        self.customers = Roster() if customers is None else customers
        self.progress = Progress() if progress is None else progress
        self.erased = Erasures() if erased is None else erased
        self.events_move_time = True
        """False: only ticks do, because the events come from sources at different paces."""
        self._policy = policy
        self._models = models
        self._horizons = horizons = Horizons(policy)
        self.voice = self._voice = Voice(policy, models, horizons)
        spoken = policy, models, self.progress, self._voice, horizons
        self.judge = Judge(*spoken)
        self._decliners = Decliners(*spoken) if policy.decline.enabled else None
        self._suspension = Suspension(policy, models)
        self._announces = announces and policy.guard.enabled
        self._decided = self.progress.watermark.at
        self._classes: dict[str, tuple[EventClass, int]] = {}
        self._engaging: dict[str, int] = {}  # of them the engagement, with its bits
        self._here = Presence(policy.visit_gap_ms)
        self._waiting = Waiting(self.customers, self._engaging, policy.visit_gap_ms)
        self._counts: Counter[str] = Counter()
        self._visit_gap = policy.visit_gap_ms
        self._timers = Timers(self.customers.due)
        self._lessons: list[Lesson] = []
        self._telling = Telling(policy)
        self.turnover = Turnover(policy, self.progress.turnover, horizons)
        self._lifecycle = Lifecycle(
            *spoken,
            judge=self.judge,
            decliners=self._decliners,
            lessons=self._lessons,
            telling=self._telling,
            turnover=self.turnover,
        )
        self._stalls = any(one.activate_within_ms is not None for one in policy.segments)
        self._has_ceilings = any(one.silent_max_ms is not None for one in policy.segments)
        lifecycle = self._lifecycle
        steps = Steps(
            *(self._is_erased, self._rouse, self._take, self._queue),
            *(lifecycle.stop_watching, lifecycle.settle_in, self._show_up, self._absorb),
            self.turnover,
        )
        self._identities = Identities(
            policy, self.customers, self._voice, steps, horizons, alone=alone
        )
        same_policy = self.progress.policy == policy.version
        self.progress.policy = policy.version
        everybody = map(self.customers.look, self.customers)
        self.progress.turnover = self.turnover.resume(
            everybody, self.progress.watermark.at, same_policy=same_policy
        )
        for customer_id in self.customers:
            due = self.customers.due(customer_id) if same_policy else None
            if due is None:
                self._reckon(customer_id)
            elif due:
                self._timers.set(customer_id, due // KINDS)

    # ------------------------------------------------------------ the surface

    def on_events(self, events: Sequence[UsageEvent], *, settle: bool = True) -> Decisions:
        """Take events in the order of their log, and decide what has thereby fallen due.

        `settle` False leaves what nobody has asked for yet out of `customers`,
        until `settle` is called.
        """
        refused: list[tuple[int, BadEvent]] = []
        if len(events) < TOGETHER_MIN:
            self._take_singly(events, 0, len(events), refused)
        else:
            batch, done = EventBatch.of(events), 0
            for place in out_of_time(
                batch,
                latest=self.progress.latest,
                decided=self.progress.watermark.at,
                lateness=self._policy.allowed_lateness_ms,
                skew=self._policy.max_future_skew_ms,
                moving=self.events_move_time,
            ):
                self._take_together(batch.part(done, place))
                self._take_singly(batch, place, place + 1, refused)
                done = place + 1
            self._take_together(batch.part(done, len(batch)))
        progress, lateness = self.progress, self._policy.allowed_lateness_ms
        self._decide(progress.watermark.follow(progress.latest, lateness))
        if settle:
            self.settle()
        return self._collect(refused)

    def on_tick(self, now: int) -> Decisions:
        """Let time pass without events: decide everything due before `now` less the lateness."""
        self._decide(self.progress.watermark.follow(now, self._policy.allowed_lateness_ms))
        return self._collect([])

    def on_handover(self, handover: Handover) -> Decisions:
        """Take what was known of a customer under another id."""
        self._identities.receive(handover)
        self._decide(self.progress.watermark.at)
        return self._collect([])

    def erase(self, customer_id: str, at: int | None = None) -> Decisions:
        """Forget a customer, and whatever may still come of it from up to `at` (ms).

        That is up to the latest event, unless said.  What had fallen due before is
        decided; of what the customer's time line would have come to, nobody will know.
        """
        progress, lateness = self.progress, self._policy.allowed_lateness_ms
        self._decide(progress.watermark.follow(progress.latest, lateness))
        now = progress.watermark.at
        self.erased.note(customer_id, max(progress.latest, now + lateness) if at is None else at)
        if customer_id in self.customers.entries:
            if customer_id in self._here:
                self._here.leave(customer_id)
            customer = self.customers.look(customer_id)
            self._telling.tell(customer_id, customer, Tidings.ERASED, now)
            self.turnover.count(customer, -1)
            self._lifecycle.leave(customer, now)
            if customer.observed:
                self._lifecycle.lose_sight(customer_id, customer, now)
            self.customers.erase(customer_id)
        self._lessons.append(Sighting(now, customer_hash(customer_id), 0, 0, FORGOTTEN))
        return self._collect([])

    def settle(self) -> None:
        """Bring `customers` up to date."""
        for customer_id, customer in self._here.write_back():
            if not customer.touched:
                self.customers.touch(customer_id, customer)

    @property
    def unsettled(self) -> int:
        """Count the customers who are not up to date."""
        return self._here.changed

    @property
    def here(self) -> int:
        """How many customers' visits are under way."""
        return len(self._here)

    # ------------------------------------------------------------ taking events in

    def _take_together(self, batch: EventBatch) -> None:
        """File events that are neither late nor ahead."""
        if not batch:
            return
        if self.events_move_time:
            self.progress.latest = max(self.progress.latest, int(batch.occurred_at.max()))
        here, entries = self._here, self.customers.entries
        marks = marks_of(batch.message_ids)
        if marks is None:
            others = list(range(len(batch)))
            self._counts.update(map(self._take, batch))
        else:
            others = here.add(batch, marks, self._engaging)
            self._counts[APPLIED] += len(batch) - len(others)
            results = self._waiting.file(batch, others, marks, self._take)
            self._counts.update(results)
        for customer_id in dict.fromkeys(map(batch.customer_ids.__getitem__, others)):
            customer = entries.get(customer_id)
            if isinstance(customer, Customer) and customer_id not in here:
                here.enter(customer_id, customer)

    def _take_singly(
        self,
        events: Sequence[UsageEvent],
        begin: int,
        end: int,
        refused: list[tuple[int, BadEvent]],
    ) -> None:
        """File events one after the other, however late or far ahead they are."""
        progress, policy = self.progress, self._policy
        lateness, skew = policy.allowed_lateness_ms, policy.max_future_skew_ms
        for index in range(begin, end):
            event = events[index]
            at = event.occurred_at
            if at > event.received_at + skew:
                refused.append((index, ahead(at, event.received_at)))
                self._counts["refused"] += 1
                continue
            if at > progress.latest and self.events_move_time:
                progress.latest = at
            elif at < progress.watermark.at or at < progress.latest - lateness:
                # Settle first what its predecessors had made due: then it does not matter
                # where a batch was cut.
                self._decide(progress.watermark.follow(progress.latest, lateness))
            self._counts[self._take(event)] += 1

    def _take(self, event: UsageEvent) -> str:
        """File one event with its customer; say what became of it."""
        event_class, kind_bit = self._classes.get(event.name) or self._classify(event.name)
        engages = event_class is ENGAGEMENT
        signs = [] if engages and not event.traits else self._lifecycle.signs(event, event_class)
        uses = event.volume and (engages or event_class.engages)
        if not (signs or uses):
            return self._identities.hear(event)
        customer_id, at = event.customer_id, event.occurred_at
        if self._is_erased(customer_id, at):
            return "erased"
        customer = self._customer(customer_id)
        if event.message_id and not is_new(customer, event.message_id):
            return DUPLICATE
        if not customer.touched:
            self.customers.touch(customer_id, customer)
        if customer.identity is not None and self._identities.forward(customer, event):
            return "forwarded"
        if event.account_id and event.account_id != customer.account_id:
            self._telling.move(customer, event.account_id, at)
        if signs:
            for sign in signs:
                self._lifecycle.file(customer, sign)
            self._queue(customer_id, customer)
        if not uses:
            return APPLIED
        return self._engage(customer_id, customer, at, event.volume, kind_bit)

    def _is_erased(self, customer_id: str, at: int) -> bool:
        """Tell whether what a customer did at a moment (ms) is to be forgotten."""
        erased = self.erased
        return bool(erased.marks) and erased.covers(customer_id, at, self.progress.watermark.at)

    def _customer(self, customer_id: str) -> Customer:
        """Give a customer up to date and awake, or make the acquaintance of a new one."""
        customer = self.customers.entries.get(customer_id)
        if isinstance(customer, Customer):
            if customer_id in self._here:
                self._here.leave(customer_id)
            return customer
        if customer is not None:
            return self.customers[customer_id]
        new = self.customers.entries[customer_id] = self._horizons.stranger()
        return new

    def _rouse(self, customer_id: str) -> Customer:
        """Give a customer as it is by now, to be saved again."""
        customer = self._customer(customer_id)
        if not customer.touched:
            self.customers.touch(customer_id, customer)
        return customer

    def _classify(self, name: str) -> tuple[EventClass, int]:
        """Give an event name's class and its bit in the set of kinds."""
        known = self._policy.classify(name), visits.kind_bit(name)
        if len(self._classes) < 10_000:  # noqa: PLR2004 - names made of ids must not fill memory
            self._classes[name] = known
            if known[0] is ENGAGEMENT:
                self._engaging[name] = known[1]
        return known

    def _engage(
        self, customer_id: str, customer: Customer, at: int, volume: float, kinds: int
    ) -> str:
        """Add engagement to the visit it belongs to."""
        gap = self._visit_gap
        if customer.visit_open and customer.visit_at - gap < at < customer.last_at + gap:
            customer.visit_volume += volume
            customer.visit_kinds |= kinds
            customer.last_at = max(customer.last_at, at)
            self._absorb(customer)
            return APPLIED
        if at > customer.frontier:
            first = customer.waiting[0].begin if customer.waiting else None
            waiting = visits.merge(customer.waiting, at, volume, kinds, gap)
            customer.waiting = waiting
            if waiting[0].begin != first:
                self._queue(customer_id, customer)
            return APPLIED
        if at <= customer.last_at:
            customer.volume_total = whole(customer.volume_total + volume)
        else:
            self._show_up(customer_id, customer, visits.Visit(at, at, volume, kinds))
            self._queue(customer_id, customer)
        return "late"

    def _absorb(self, customer: Customer) -> None:
        """Join the waiting visits that the open one has come to touch."""
        while customer.waiting and customer.waiting[0].begin - customer.last_at < self._visit_gap:
            absorbed, *rest = customer.waiting
            customer.waiting = tuple(rest)
            customer.visit_volume += absorbed.volume
            customer.visit_kinds |= absorbed.kinds
            customer.last_at = max(customer.last_at, absorbed.end)

    def _show_up(self, customer_id: str, customer: Customer, visit: visits.Visit) -> None:
        """Take back what was decided on a silence that a late visit had ended."""
        at, decided = visit.begin, customer.frontier
        landmarks.forget_after(customer.landmarks, at)
        customer.back_released = min(customer.back_released, len(customer.landmarks))
        episode = customer.episode
        if episode and episode.trigger is Trigger.SILENCE and episode.changed_at >= at:
            self.judge.void(customer)
            self._voice.move(customer_id, customer, Sign.DISPROVED, decided)
        if at - customer.last_at < self._visit_gap:
            self.turnover.prolong(customer, visit)
        else:
            self._begin_visit(customer_id, customer, visit)
            self._absorb(customer)
        customer.rung = self._horizons.of(customer).ladder.first_after(visit.end, decided)

    # ------------------------------------------------------------ what falls due

    def _queue(self, customer_id: str, customer: Customer) -> None:
        """Set the customer's timer to the first thing due."""
        due = self._next(customer)
        if due != customer.due:
            customer.due = due
            if due:
                self._timers.set(customer_id, due // KINDS)

    def _reckon(self, customer_id: str) -> None:
        """Set the timer of a customer whose row cannot say when it is due by this policy."""
        customer = self.customers[customer_id]
        customer.due = 0
        self._lifecycle.count_anew(customer, self.progress.watermark.at)
        self._queue(customer_id, customer)
        self.customers.rest(customer_id)

    def _next(self, customer: Customer) -> int:
        """Give the first thing due on a customer's time line; 0 if nothing ever is.

        Moment and kind are one number: the first is the least, and within a moment
        `Due` decides.
        """
        first, watched = NEVER, customer.observed and not customer.ended
        if customer.visit_open:
            first = (customer.last_at + self._visit_gap) * KINDS + VISIT_ENDS
            pending = customer.waiting or customer.signals or customer.landmarks
            if not (pending or customer.warned or self._stalls or customer.identity):
                return first
        elif watched:
            first = self._next_of_silence(customer)
        if self._stalls and watched:
            stall = self._lifecycle.stalls_at(customer)
            if stall is not None and stall > customer.frontier:
                first = min(first, stall * KINDS + STALL)
        if customer.waiting:
            first = min(first, customer.waiting[0].begin * KINDS + VISIT_BEGINS)
        if customer.signals:
            first = min(first, customer.signals[0].at * KINDS + SIGNAL)
        labels = outcomes.next_release(customer, self._horizons)
        if labels:
            first = min(first, labels * KINDS + LABEL)
        if customer.identity is not None:
            first = self._identities.next_due(customer, first)
        return 0 if first == NEVER else first

    def _next_of_silence(self, customer: Customer) -> int:
        """Give the first thing due, as `_next` does, if the silence goes on."""
        first, since, horizon = NEVER, customer.last_at, self._horizons.of(customer)
        landmark = horizon.ladder.at(since, customer.rung) if customer.visits else None
        if landmark is not None:
            first = landmark * KINDS + LANDMARK
        if not customer.counted:
            if is_open(customer.episode):
                first = min(first, self._given_up_at(customer) * KINDS + LAPSE)
            return first
        if self._has_ceilings and not customer.episode:
            ceiling = self._voice.adviser.segment(customer).silent_max_ms
            if ceiling is not None and since + ceiling + customer.paused_ms > customer.frontier:
                first = min(first, (since + ceiling + customer.paused_ms) * KINDS + CEILING)
        # It may be over already for who has come to a segment with a shorter horizon.
        lapse = max(since + horizon.ms + customer.paused_ms, customer.frontier)
        return min(first, lapse * KINDS + LAPSE)

    def _given_up_at(self, customer: Customer) -> int:
        """Give when who was alerted on, but is too new to be counted, counts as lapsed (ms).

        Of the time that does not count, none from before the alert puts it off.
        """
        assert customer.episode is not None
        since = max(customer.last_at, customer.episode.changed_at)
        before = self._suspension.within(customer.last_at, since) if customer.paused_ms else 0
        paused_ms = max(0, customer.paused_ms - before)
        return max(since + self._horizons.of(customer).ms + paused_ms, customer.frontier)

    def _decide(self, watermark: int) -> None:
        """Do everything due before the watermark, in order of (time, customer)."""
        timers = self._timers
        self._announce(self._decided)
        self._decided = watermark
        begun = True
        while begun:
            self.judge.foresight.look(timers.coming_before(watermark), self.customers)
            self._let_come_up(watermark)
            begun = timers.begin_before(watermark)
        self.judge.foresight.forget()
        if self.progress.day.end:
            self._close_hours(watermark)

    def _let_come_up(self, watermark: int) -> None:
        """Do what is due before the watermark, of the hours of timers that have begun."""
        timers, here, turnover, gap = self._timers, self._here, self.turnover, self._visit_gap
        day, customers, entries = self.progress.day, self.customers, self.customers.entries
        while (come := timers.pop_before(watermark)) is not None:
            at, customer_id = come
            entry = entries.get(customer_id)
            if isinstance(entry, Customer):
                customer = entry
            elif (customers.due(customer_id) or 0) // KINDS == at:
                customer = customers[customer_id]
            else:
                continue
            due = customer.due
            if due // KINDS != at:
                continue  # was set anew
            if day.hour_end <= at or turnover.until <= at:
                self._close_hours(at)
            last_at = here.last_at(customer_id) if customer.visit_open else None
            if last_at is not None:
                customer.last_at = last_at
            customer.due = 0
            # Events of an open visit push its end out without setting the timer anew.
            if due % KINDS != VISIT_ENDS or customer.last_at + gap <= at:
                if last_at is not None:
                    here.leave(customer_id)
                self._do(customer_id, customer, at, DUES[due % KINDS])
                if not customer.touched:
                    customers.touch(customer_id, customer)
            self._queue(customer_id, customer)

    def _close_hours(self, moment: int) -> None:
        """Close the hours, days and periods that have ended by a moment (ms)."""
        if self.turnover.until <= moment:
            self.turnover.roll(moment)
        for lesson in self.progress.day.close_until(moment, self._suspension.local):
            self._lessons.append(lesson)
            if isinstance(lesson, Hour):
                self._announce(lesson.hour_end)

    def _announce(self, at: int) -> None:
        """Say what is new of everybody at a moment (ms)."""
        if self._announces:
            self.progress.told_suspended = self._voice.announce(at, self.progress.told_suspended)

    def _do(self, customer_id: str, customer: Customer, at: int, due: Due) -> None:
        """Do one thing due at `at`."""
        customer.frontier = max(customer.frontier, at)
        if customer.identity and self._identities.do(customer_id, customer, at, due):
            self.judge.foresight.forget()  # it may have changed others, too
            return
        match due:  # what is most frequent first
            case Due.LANDMARK:
                self.judge.judge(customer_id, customer, at)
            case Due.VISIT_BEGINS:
                visit, *rest = customer.waiting
                customer.waiting = tuple(rest)
                self._begin_visit(customer_id, customer, visit)
            case Due.VISIT_ENDS:
                self._end_visit(customer_id, customer, at)
            case Due.SIGNAL:
                self._lifecycle.hear(customer_id, customer, customer.signals.pop(0))
            case Due.LABEL:
                self._lessons += outcomes.release(customer, customer_id, at, self._horizons)
            case _:
                self._do_of_silence(customer_id, customer, at, due)

    def _do_of_silence(self, customer_id: str, customer: Customer, at: int, due: Due) -> None:
        """Do what falls due because nothing was done for so long, but not for a suspended time."""
        if due is Due.STALL:
            self._voice.move(customer_id, customer, Sign.STALLED, at)
        elif self._suspension.puts_off(customer, at):
            return
        elif due is Due.CEILING:
            self.judge.judge_ceiling(customer_id, customer, at)
        else:
            self._lifecycle.leave(customer, at)
            if self._decliners:
                self._decliners.hear_loss(customer)
            self.judge.hear_loss(customer_id, customer, at)
            self._voice.move(customer_id, customer, Sign.GONE, at)

    # ------------------------------------------------------------ visits

    def _begin_visit(self, customer_id: str, customer: Customer, visit: visits.Visit) -> None:
        """Let the customer be here: silence, and what was said about it, are over."""
        at = visit.begin
        self._telling.tell(customer_id, customer, Tidings.VISIT, at)
        self.progress.day.count_visit(watched=customer.counted)
        self.judge.hear_return(customer_id, customer, at)
        if customer.visits or customer.episode:
            self._lifecycle.welcome_back(customer_id, customer, at)
        self.turnover.begin_visit(customer, visit)
        if not customer.counted:
            self._lifecycle.enter(customer, at)

    def _end_visit(self, customer_id: str, customer: Customer, at: int) -> None:
        """Fold the visit that has just become complete into the customer's rhythm."""
        self.turnover.complete_visit(customer, self._policy.decline)
        if self._decliners:
            self._decliners.hear_visit(customer_id, customer, at)
        episode = customer.episode
        if episode and episode.trigger is Trigger.DECLINE and not declines(customer):
            self._voice.move(customer_id, customer, Sign.CLEARED, at)
        self._lessons += outcomes.sight(customer, customer_id, at, self._models, self._horizons)

    def _collect(self, refused: list[tuple[int, BadEvent]]) -> Decisions:
        """Hand over what has been decided since the last call."""
        said, withheld = self._voice.collect()
        told = said, [*self._lessons], refused, +self._counts, withheld, self._telling.collect()
        self._lessons.clear()
        self._counts = Counter()
        return Decisions(*told, *self._identities.collect())
