"""Judgement: what a silence is worth at a landmark, asked of the model in force."""

from math import inf

from models.protocol import RiskModel, RiskModels
from stream.detector import landmarks
from stream.detector.calendar import local_time
from stream.detector.customer import Customer, Episode, customer_hash
from stream.detector.episodes import Sign
from stream.detector.features import facts
from stream.detector.foresight import Foresight
from stream.detector.horizons import Horizons
from stream.detector.policy import Policy
from stream.detector.progress import Progress
from stream.detector.reasons import usual_gap
from stream.detector.stages import Stage, Trigger
from stream.detector.suspension import Suspension
from stream.detector.voice import Voice
from stream.detector.witness import Witness


class Judge:
    """Judges the customers of one partition."""

    def __init__(
        self,
        policy: Policy,
        models: RiskModels,
        progress: Progress,
        voice: Voice,
        horizons: Horizons,
    ) -> None:
        """Judge by this policy and these models, count in `progress`, and speak by `voice`."""
        self.witness: Witness | None = None
        self.foresight = Foresight(models, local_time(policy.calendar), horizons)
        self._horizons = horizons
        self._policy = policy
        self._models = models
        self._progress = progress
        self._voice = voice
        self._suspension = Suspension(policy, models)
        self._local = local_time(policy.calendar)

    def judge(self, customer_id: str, customer: Customer, at: int) -> None:
        """Ask the model in force at a landmark, and say so if the silence is worth an alert."""
        policy, day, horizon = self._policy, self._progress.day, self._horizons.of(customer)
        model = self._models.at(at, horizon.key)
        known, judged = self.foresight.assess(customer_id, customer, at, model)
        day.count_judged(customer.dial)
        rung = horizon.ladder.number(horizon.key, customer.rung)
        landmark = landmarks.Landmark(at, customer.last_at, rung, judged.inputs)
        self._remember(customer_id, customer, landmark, model)
        if paused := self._suspension.within(customer.last_at, at):
            # Learned from as it was: what becomes of it is counted in days as they come, too.
            known = facts(customer, at, self._local, paused)
            judged = model.assess(known)
        customer.rung += 1
        gap = usual_gap(known)
        adviser, silent_ms = self._voice.adviser, at - customer.last_at - paused
        early = adviser.early(customer, silent_ms, gap, known.silence)
        held = self._suspension.holds(customer.last_at, at, gap, horizon.ms)
        if not customer.counted or early or held:
            return
        best = -inf if customer.best_value is None else customer.best_value
        if self.witness is not None:
            self.witness.judged(customer_id, at, judged, customer.dial)
        alerted = _alerted(customer)
        withheld = not alerted and adviser.withheld(customer, at)
        if judged.value > best and not withheld:
            day.cross(best, judged.value, 1 - judged.p_lapse, customer.dial)
            customer.best_value = judged.value
        if alerted:
            # It turns out false by the horizon of the silence, or not at all.
            self._settle(alerted, 1 - judged.p_gap)
            if judged.p_lapse >= policy.escalate_at_risk:
                self._voice.move(customer_id, customer, Sign.SEVERE, at)
        elif judged.value >= model.threshold(customer.dial) or adviser.overdue(customer, silent_ms):
            self._raise(customer_id, customer, at, 1 - judged.p_lapse)

    def judge_ceiling(self, customer_id: str, customer: Customer, at: int) -> None:
        """Alert on a silence that has come to its segment's ceiling, whatever it is worth."""
        if customer.counted and not customer.episode:
            known = facts(customer, at, self._local, customer.paused_ms)
            judged = self._models.at(at, self._horizons.of(customer).key).assess(known)
            self._raise(customer_id, customer, at, 1 - judged.p_lapse)

    def hear_return(self, customer_id: str, customer: Customer, at: int) -> None:
        """Note that a visit at `at` (ms) ended the silence since `customer.last_at`."""
        landmarks.mark_return(customer.landmarks, at)
        if alerted := _alerted(customer):
            self._progress.day.count_false_alarm(alerted.dial)
            self._settle(alerted, 0.0)
            if self._policy.ends_observation:
                customer.false_alarm_at = alerted.opened_at
        if self.witness is not None and customer.visits:
            self.witness.returned(customer_id, at, at - customer.last_at, customer.dial)

    def hear_loss(self, customer_id: str, customer: Customer, at: int) -> None:
        """Note that the customer has lapsed at `at` (ms), or said that it left."""
        if alerted := _alerted(customer):
            self._settle(alerted, 0.0)
        if self.witness is not None:
            self.witness.lost(customer_id, at)

    def hear_end_of_observation(self, customer_id: str, customer: Customer, at: int) -> None:
        """Note that nobody watches the customer from `at` (ms) on."""
        self.void(customer)
        self._progress.day.withdraw(customer, at, self._horizons.of(customer).ms)
        if self.witness is not None:
            self.witness.unobserved(customer_id, at)

    def void(self, customer: Customer) -> None:
        """Expect nothing more of a silence alert: nobody will know whether it was false."""
        if alerted := _alerted(customer):
            self._progress.day.expect(-alerted.false_chance, alerted.dial)
            alerted.false_chance = 0.0

    def _raise(self, customer_id: str, customer: Customer, at: int, false_chance: float) -> None:
        """Alert on a silence; `false_chance` is P(the customer comes back within the horizon)."""
        self._voice.move(customer_id, customer, Sign.SILENT, at)
        if raised := _alerted(customer):
            raised.false_chance = false_chance
            raised.dial = customer.dial
            self._progress.day.expect(false_chance, raised.dial)

    def _settle(self, alerted: Episode, left: float) -> None:
        """Note how much of an alert's chance to be false is left."""
        self._progress.day.settle(alerted.false_chance - left, alerted.dial)
        alerted.false_chance = left

    def _remember(
        self,
        customer_id: str,
        customer: Customer,
        landmark: landmarks.Landmark,
        model: RiskModel,
    ) -> None:
        """Keep a landmark until its outcome has aged, if the model learns from this customer."""
        pending = customer.landmarks
        if not model.teaches(customer_hash(customer_id)):
            pending.clear()
            customer.back_released = 0
        elif landmarks.has_room(pending, landmark.rung):
            pending.append(landmark)


def _alerted(customer: Customer) -> Episode | None:
    """Give the customer's episode if it is one of silence that has not come to a lapse."""
    episode = customer.episode
    if episode and episode.trigger is Trigger.SILENCE and episode.stage is not Stage.LAPSED:
        return episode
    return None
