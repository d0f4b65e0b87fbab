"""Decliners: who still comes, but less, or does fewer things, and what became of them.

Asked once for every visit that has ended.  From which level on somebody is told
of is learned across customers, from what came of earlier falls (`models.falls`),
so every fall is recorded, told of or not.
"""

from math import inf

from models.protocol import FALLS, RiskModel, RiskModels
from stream.detector import cadence, decline, falls
from stream.detector.customer import Customer, customer_hash
from stream.detector.episodes import Sign
from stream.detector.falls import Falling, Pending, Seen
from stream.detector.horizons import Horizon, Horizons
from stream.detector.policy import Decline, Policy
from stream.detector.progress import Progress
from stream.detector.reasons import Fall, does_fewer_things, fell
from stream.detector.suspension import Suspension
from stream.detector.voice import Voice

CONTROL_EVERY = 8
"""Of the visits of customers who have not fallen, about one in so many is compared with."""
LEAST_OBSERVED = 0.5
"""Where more of a horizon was suspended, nobody knows what came of anything."""


class Decliners:
    """Watches the customers of one partition for falls."""

    def __init__(
        self,
        policy: Policy,
        models: RiskModels,
        progress: Progress,
        voice: Voice,
        horizons: Horizons,
    ) -> None:
        """Watch by this policy and these models, count in `progress`, and speak by `voice`."""
        self._policy = policy.decline
        self._models = models
        self._progress = progress
        self._voice = voice
        self._suspension = Suspension(policy, models)
        self._horizons = horizons
        self._usual_share = (1 + policy.decline.slow_ratio) / 2

    def hear_visit(self, customer_id: str, customer: Customer, at: int) -> None:
        """Take in a visit that was complete at `at` (ms), and say so if it shows a fall."""
        falling, policy = customer.falling, self._policy
        before = customer.visit_at - customer.visit_gap_ms
        if falling is not None and falling.pending:
            self._resolve(customer, customer.visit_at, visits=customer.visits - 1)
            falls.accumulate(falling, customer.kinds)
        if not customer.counted or customer.visits < policy.visits_min:
            return
        paused = self._suspension.within(before, customer.visit_at)
        if self._suspension.within(customer.visit_at, at) or 2 * paused > customer.visit_gap_ms:
            return  # the visits that are missing may be lost ones
        if falling is None:
            falling = customer.falling = Falling(max(1.0, customer.kinds_usual))
        gap = cadence.days(customer.visit_gap_ms)
        span = max(0.0, customer.span_days - gap)
        horizon = self._horizons.of(customer)
        rate = decline.own_rate(customer.rhythm.gaps - 1, span, horizon.days)
        stood = [falls.level(falling, cause) for cause in falls.CAUSES]
        seen = gap - cadence.days(paused)
        falls.fold(falling, Seen(seen, customer.last_at, customer.kinds, rate), policy)
        rate = falling.frozen_rate or rate
        expected = rate * horizon.days
        if expected < falls.EXPECTED_MIN:
            return
        calm = all(falls.level(falling, cause) <= falls.CALM_NATS for cause in falls.CAUSES)
        drawn = (customer_hash(customer_id) + customer.visits) % CONTROL_EVERY == 0
        falls.note(falling, customer.visits, customer.last_at, expected, control=calm and drawn)
        for cause, stands in enumerate(stood):
            bit, alarm = 1 << cause, self._alarm(cause, at, horizon)
            reached = stands < alarm or falling.withheld & bit
            if reached and alarm <= falls.level(falling, cause) and not falling.raised & bit:
                fall = _shown(falling, cause, customer.last_at, rate)
                if self._voice.move(customer_id, customer, Sign.DECLINED, at, fall=fall):
                    falling.raised |= bit
                    falling.withheld &= ~bit
                else:
                    falling.withheld |= bit

    def hear_loss(self, customer: Customer) -> None:
        """Note that the customer has lapsed, or said that it left: it will not come."""
        self._resolve(customer, None, visits=customer.visits)
        customer.falling = None

    def hear_end_of_observation(self, customer: Customer, at: int) -> None:
        """Note that nobody watches the customer from `at` (ms) on."""
        self._resolve(customer, at, visits=customer.visits)
        customer.falling = None

    def hear_move(self, customer: Customer) -> None:
        """Note that a customer has another horizon now: what came in the old one, nobody can say.

        Falls and controls alike, so what is concluded from the two stays fair.
        """
        if customer.falling is not None:
            customer.falling.pending = []

    def _alarm(self, cause: int, at: int, horizon: Horizon) -> float:
        """Give the level from which a cause is told of, by the model in force at `at` (ms)."""
        found = alarm(self._policy, self._models.at(at, horizon.key), cause)
        return inf if found is None else found

    def _resolve(self, customer: Customer, moment: int | None, *, visits: int) -> None:
        """Count what came of all whose horizon has passed by a moment (ms); None: of all.

        `visits` are those up to then.
        """
        falling = customer.falling
        if falling is None:
            return
        waiting, horizon_ms = [], self._horizons.of(customer).ms
        for pending in falling.pending:
            if moment is not None and pending.at + horizon_ms > moment:
                waiting.append(pending)
            else:
                self._count(customer, pending, visits - pending.visits, horizon_ms)
        falling.pending = waiting

    def _count(self, customer: Customer, pending: Pending, visits: int, horizon_ms: int) -> None:
        """Count what came of one moment, of which so many visits followed in time."""
        until = pending.at + horizon_ms
        suspended = self._suspension.within(pending.at, until) / horizon_ms
        if suspended > 1 - LEAST_OBSERVED:
            return
        share = self._usual_share * (1 - suspended)
        for outcome in falls.outcomes(pending, visits, share):
            fall, dial = FALLS[outcome.cause], customer.dial
            self._progress.day.count_fall(fall, outcome.rung, dial, came_true=outcome.came_true)


def alarm(policy: Decline, model: RiskModel, cause: int) -> float | None:
    """Give the level, in nats, from which a cause is told of by a model; None: never."""
    if policy.alarm_nats is not None:
        return policy.alarm_nats
    return model.fall_level(FALLS[cause])


def declines(customer: Customer) -> bool:
    """Tell whether something that was told of is still so."""
    return bool(customer.falling and customer.falling.raised)


def _shown(falling: Falling, cause: int, until: int, rate: float) -> Fall:
    """Give what shows a fall up to a moment (ms); `rate` is the visits a day that were usual."""
    if cause == falls.LESS:
        days = cadence.days(until - falling.less_since)
        return fell(falling.less_visits, days, rate)
    kinds = falling.narrow_kinds / falling.narrow_visits
    return does_fewer_things(kinds, falling.narrow_visits, falling.kinds_usual)
