"""Life cycle: what signals say of a customer, when the watermark has come to them.

Warnings and endings move its episode; ends of observation and pauses take it out of
what is learned from; traits, activations, tickets and contacts are remembered, for
what is judged and said later.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from models.protocol import Lesson, RiskModels
from stream.detector import cadence, outcomes, warned
from stream.detector.batch import Traits
from stream.detector.calendar import local_time
from stream.detector.customer import ACCOUNT_TRAITS, TRAITS, Customer, Signal
from stream.detector.decliners import Decliners
from stream.detector.episodes import Sign
from stream.detector.events import UsageEvent
from stream.detector.features import facts
from stream.detector.horizons import Horizons
from stream.detector.judgement import Judge
from stream.detector.life import TICKETS_MAX, Life, open_tickets
from stream.detector.members import Tidings
from stream.detector.policy import EventClass, Policy
from stream.detector.progress import Progress
from stream.detector.reasons import exempt, unwatched
from stream.detector.segments import OF_ACCOUNT, merge_traits
from stream.detector.stages import Trigger
from stream.detector.stays import Close
from stream.detector.telling import Telling
from stream.detector.turnover import Turnover
from stream.detector.voice import Voice

SIGNALS_MAX = 64
"""Signals one customer may have waiting; the next ones of the same burst say nothing new."""

_decode_traits = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class Lifecycle:
    """Hears the signals of the customers of one partition."""

    def __init__(
        self,
        policy: Policy,
        models: RiskModels,
        progress: Progress,
        voice: Voice,
        horizons: Horizons,
        *,
        judge: Judge,
        decliners: Decliners | None,
        lessons: list[Lesson],
        telling: Telling,
        turnover: Turnover,
    ) -> None:
        """Hear by this policy; lessons are added to `lessons`, and accounts told by `telling`."""
        self._policy = policy
        self._models = models
        self._progress = progress
        self._voice = voice
        self._horizons = horizons
        self._judge = judge
        self._decliners = decliners
        self._lessons = lessons
        self._telling = telling
        self._turnover = turnover
        self._local = local_time(policy.calendar)
        self._asked = {name: name for name in policy.traits_of_customers}
        self._asked_of_accounts = {OF_ACCOUNT + name: name for name in policy.traits_of_accounts}

    # ------------------------------------------------------------ until the watermark comes

    def signs(self, event: UsageEvent, event_class: EventClass) -> list[Signal]:
        """Give what an event says beside being use."""
        at, found = event.occurred_at, []
        if event.traits:
            if told := _chosen(event.traits, self._asked):
                found.append(Signal(at, told, TRAITS))
            if event.account_id and (told := _chosen(event.traits, self._asked_of_accounts)):
                found.append(Signal(at, f"{event.account_id}\0{told}", ACCOUNT_TRAITS))
        if event_class not in (EventClass.ENGAGEMENT, EventClass.IGNORED):
            found.append(Signal(at, event.name, event_class.name))
        return found

    def file(self, customer: Customer, signal: Signal) -> None:
        """Keep a signal until the watermark reaches it; a late one speaks at once.

        Of traits, what is told late is no news where something later is known.
        """
        life, late = customer.life, signal.at < customer.frontier
        if signal.sign == TRAITS and late and life and signal.at < life.traits_at:
            return
        signal.at = max(signal.at, customer.frontier)
        if len(customer.signals) < SIGNALS_MAX:
            customer.signals.append(signal)
            customer.signals.sort(key=lambda s: (s.at, s.sign, s.name))

    # ------------------------------------------------------------ when it has come

    def hear(self, customer_id: str, customer: Customer, signal: Signal) -> None:
        """Let a signal speak."""
        at = signal.at
        if signal.sign == TRAITS:
            self._learn_traits(customer_id, customer, at, _decode_traits(signal.name))
            return
        if signal.sign == ACCOUNT_TRAITS:
            account_id, _, told = signal.name.rpartition("\0")
            self._telling.describe(customer_id, account_id, at, told)
            return
        match EventClass[signal.sign]:
            case EventClass.WARNING:
                self._hear_warning(customer_id, customer, signal)
            case EventClass.ENDING:
                self._hear_ending(customer_id, customer, signal)
            case EventClass.UNOBSERVED:
                self._lose(customer_id, customer, at, paused=False)
            case EventClass.PAUSED:
                _life(customer).paused = True
                self._lose(customer_id, customer, at, paused=True)
            case EventClass.RESUMED:
                self._resume(customer, at)
            case EventClass.ACTIVATION:
                self._hear_activation(customer_id, customer, signal)
            case noted:
                _note(_life(customer), noted, at)

    def enter(self, customer: Customer, at: int) -> None:
        """Take the customer into the population that may be alerted on, if it may from now on."""
        if not customer.counted and self._voice.adviser.eligible(customer):
            customer.counted = True
            customer.dial = self._voice.adviser.dial(customer)
            self._progress.day.enter(at, customer.dial)
            if self._policy.ends_observation and not customer.eligible_since:
                customer.eligible_since = at

    def leave(self, customer: Customer, at: int) -> None:
        """Take the customer out of the population that false alarms are measured over."""
        if customer.counted:
            customer.counted = False
            self._progress.day.leave(at, customer.dial)

    def count_anew(self, customer: Customer, at: int) -> None:
        """Count a customer for the dial of the segment that it is in by `at` (ms)."""
        dial = self._voice.adviser.dial(customer)
        if dial == customer.dial:
            return
        if customer.counted:
            self._progress.day.leave(at, customer.dial)
            self._progress.day.enter(at, dial)
        before = self._horizons.of(customer)
        with self._turnover.changing_horizon(customer, at):
            customer.dial = dial
        if self._horizons.of(customer) is not before:
            self._change_horizon(customer, at)

    def _change_horizon(self, customer: Customer, at: int) -> None:
        """Go on by another horizon from a moment (ms) on.

        A silence that lasts is as long as it is, and judged from here on; what was judged before
        keeps the horizon that it was judged by.
        """
        horizon = self._horizons.of(customer)
        if not customer.rhythm.gaps:
            customer.rhythm.log_mean = cadence.fresh(horizon.days).log_mean
        if not customer.visit_open:
            customer.rung = horizon.ladder.first_after(customer.last_at, at)
        customer.best_value = None
        customer.warned.clear()
        if self._decliners:
            self._decliners.hear_move(customer)

    def lose_sight(self, customer_id: str, customer: Customer, at: int) -> None:
        """Note that nobody will know what becomes of the customer from `at` (ms) on."""
        self._judge.hear_end_of_observation(customer_id, customer, at)
        if self._decliners:
            self._decliners.hear_end_of_observation(customer, at)

    def stop_watching(self, customer_id: str, customer: Customer, at: int) -> None:
        """Expect nothing of a customer for now, and learn nothing from what is pending."""
        self.leave(customer, at)
        self._telling.tell(customer_id, customer, Tidings.UNOBSERVED, at)
        if customer.observed:
            self.lose_sight(customer_id, customer, at)
        customer.landmarks.clear()
        customer.back_released = 0
        customer.warned.clear()
        if customer.visits:
            self._lessons += outcomes.sight(
                customer, customer_id, at, self._models, self._horizons, until=at
            )

    def _lose(self, customer_id: str, customer: Customer, at: int, *, paused: bool) -> None:
        """Watch a customer no longer: nobody knows whether it still is one.

        What is open is taken back: nobody is to write to it, and nothing will come of it.
        """
        self._turnover.close(customer, at, Close.UNOBSERVED)
        self.stop_watching(customer_id, customer, at)
        customer.observed = False
        self._voice.move(customer_id, customer, Sign.EXEMPT, at, reason=unwatched(paused=paused))

    def settle_in(self, customer_id: str, customer: Customer, at: int) -> None:
        """Let what another id of the customer's brought at a moment (ms) count."""
        self._exempt(customer_id, customer, at)
        self.count_anew(customer, at)
        here = customer.visit_open or customer.last_at + self._horizons.of(customer).ms > at
        if here and customer.visits and customer.observed and not customer.ended:
            self.enter(customer, at)
        activated = customer.life is not None and customer.life.activated_at
        if activated and customer.episode and customer.episode.trigger is Trigger.ONBOARDING:
            self._voice.move(customer_id, customer, Sign.CLEARED, at)

    def welcome_back(self, customer_id: str, customer: Customer, at: int) -> None:
        """Close what the visit at `at` answers."""
        if customer.warned:
            warned.hear_visit(customer.warned, at, self._horizons.of(customer).ms)
        episode = customer.episode
        if episode is None:
            return
        if episode.trigger in (Trigger.SILENCE, Trigger.ENDING):
            self._voice.move(customer_id, customer, Sign.BACK, at)
        elif episode.trigger is Trigger.WARNING:
            episode.visits_since += 1
            if episode.visits_since >= self._policy.warning_cleared_by_visits:
                self._voice.move(customer_id, customer, Sign.CLEARED, at)

    def stalls_at(self, customer: Customer) -> int | None:
        """Give when a customer who has not got going has stalled (ms); None: never."""
        segment = self._voice.adviser.segment(customer)
        within = segment.activate_within_ms if segment.eligible and customer.visits else None
        if within is None or (customer.life and customer.life.activated_at):
            return None
        return customer.first_at + within

    # ------------------------------------------------------------ one signal each

    def _exempt(self, customer_id: str, customer: Customer, at: int) -> None:
        """Alert on a customer no longer, and take back what is open, if its segment is no one's.

        What was said of its lapse stays said.
        """
        segment = self._voice.adviser.segment(customer)
        if not segment.eligible:
            self.leave(customer, at)
            self._judge.void(customer)
            why = exempt(segment.name)
            self._voice.move(customer_id, customer, Sign.EXEMPT, at, reason=why)

    def _learn_traits(
        self,
        customer_id: str,
        customer: Customer,
        at: int,
        told: Mapping[str, str | int | float | bool | None],
    ) -> None:
        life, turnover = _life(customer), self._turnover
        before = turnover.segment(customer)
        turnover.count(customer, -1)
        life.traits_at = at
        merge_traits(life.traits, told)
        if turnover.segment(customer) != before:
            turnover.move(customer, at, before)
        turnover.count(customer, 1)
        self._exempt(customer_id, customer, at)
        self.count_anew(customer, at)

    def _hear_warning(self, customer_id: str, customer: Customer, signal: Signal) -> None:
        if customer.episode and customer.episode.trigger is Trigger.WARNING:
            customer.episode.visits_since = 0
        self._judge.void(customer)
        if self._voice.adviser.segment(customer).eligible:
            self._wait_for_outcome(customer, signal)
            self._voice.move(customer_id, customer, Sign.WARNED, signal.at, cause=signal.name)

    def _wait_for_outcome(self, customer: Customer, warning: Signal) -> None:
        """Note that it will be known a horizon later what came of a warning."""
        if not customer.visits or not customer.observed or customer.ended:
            return
        at = warning.at
        known = facts(customer, at, self._local)
        model = self._models.at(at, self._horizons.of(customer).key)
        inputs = model.assess_warning(warning.name, known).inputs
        warned.hear(customer.warned, warning.name, at, inputs)

    def _hear_ending(self, customer_id: str, customer: Customer, signal: Signal) -> None:
        self.leave(customer, signal.at)
        self._turnover.close(customer, signal.at, Close.ENDED)
        self._telling.tell(customer_id, customer, Tidings.LEFT, signal.at)
        warned.hear_ending(customer.warned, signal.at, self._horizons.of(customer).ms)
        self._judge.hear_loss(customer_id, customer, signal.at)
        if self._decliners:
            self._decliners.hear_loss(customer)
        if self._voice.adviser.segment(customer).eligible:
            self._voice.move(customer_id, customer, Sign.ENDED, signal.at, cause=signal.name)
        customer.ended = True

    def _hear_activation(self, customer_id: str, customer: Customer, signal: Signal) -> None:
        life = _life(customer)
        life.activated_at = life.activated_at or signal.at
        if customer.episode and customer.episode.trigger is Trigger.ONBOARDING:
            self._voice.move(customer_id, customer, Sign.CLEARED, signal.at, cause=signal.name)

    def _resume(self, customer: Customer, at: int) -> None:
        """Expect a customer again whose pause is over; its silence begins here."""
        life = _life(customer)
        if not life.paused:
            return
        life.paused = False
        if customer.observed or customer.visit_open:
            return
        customer.observed = True
        customer.last_at = max(customer.last_at, at)
        customer.rung = 0
        customer.paused_ms = 0
        customer.best_value = None
        if customer.visits and not customer.ended:
            self.enter(customer, at)


def _chosen(traits: Traits, asked: Mapping[str, str]) -> str:
    """Give as JSON the traits asked for, by the names that `asked` has for them; empty: none."""
    told = {asked[name]: value for name, value in traits.items() if name in asked}
    return _encode(told).decode() if told else ""


def _life(customer: Customer) -> Life:
    """Give a customer's life cycle, from now on remembered."""
    if customer.life is None:
        customer.life = Life()
    return customer.life


def _note(life: Life, event_class: EventClass, at: int) -> None:
    """Remember what is said by who speaks with a customer."""
    match event_class:
        case EventClass.CONTACT:
            life.contacted_at = max(life.contacted_at, at)
        case EventClass.TICKET_OPENED:
            life.tickets = [*open_tickets(life, at), at][-TICKETS_MAX:]
        case EventClass.TICKET_CLOSED:
            life.tickets = open_tickets(life, at)[1:]
