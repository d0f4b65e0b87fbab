"""Standing: how one customer stands, by its row in the state topic.

What is known is what the workers saved; what follows from it is reckoned by the detector's own
functions, with the models that were published and the console's policy.  Nothing is decided
here, and nothing is reckoned in a second way.
"""

from typing import NamedTuple

from models.protocol import FALLS, Facts, RiskModel, RiskModels
from stream.detector import cadence, falls
from stream.detector.advice import Adviser
from stream.detector.alerts import OVERDUE_CHANCE, expected_by
from stream.detector.calendar import local_time
from stream.detector.customer import Customer
from stream.detector.decliners import alarm
from stream.detector.features import facts
from stream.detector.holdout import held_out
from stream.detector.horizons import Horizon, Horizons
from stream.detector.life import NOBODY_SPECIAL, Life, Withheld, open_tickets
from stream.detector.plays import whats_new
from stream.detector.policy import Policy
from stream.detector.ranking import as_if_left
from stream.detector.reasons import usual_gap
from stream.detector.suspension import Suspension
from stream.wire.customers import CustomerCodec
from stream.worker.reached import REACHED

HALF = 0.5
STEPS = 60
"""Of a drawn curve, up to now and from now on."""
PAST_DEADLINE = 1.2
"""Deadlines that are drawn."""
_CUSTOMERS = CustomerCodec()


class Rhythm(NamedTuple):
    """When a customer who came twice or more would be back, by its own gaps."""

    usual_gap_days: float
    half_by: int
    """When half of such silences would have ended (ms)."""
    expected_by: int
    """When 95 of 100 would have (ms)."""
    deadline_days: float
    """As a silence."""
    outlasts: float
    """Share of the customer's own silences that would outlast this one, 0 to 1."""


class Point(NamedTuple):
    """A moment of a silence."""

    days: float
    """Of silence by then."""
    outlasts: float
    """Share of the customer's own silences that last longer, 0 to 1."""
    risk: float | None
    """P(no visit within the horizon from then), as the model of that time has it; None: it has
    not come to that yet."""


class Level(NamedTuple):
    """How much speaks for a fall, in nats."""

    fall: str
    """One of `FALLS`."""
    nats: float
    alarm: float | None
    """From where on it is told of; None: never, as things are."""


class Standing(NamedTuple):
    """How a customer stands at a moment of event time."""

    at: int
    """The watermark of its partition (ms): what is decided by now."""
    customer: Customer
    known: Facts
    here: bool
    """A visit is under way."""
    rhythm: Rhythm | None
    """None: it came once."""
    curve: list[Point]
    """Empty where silence says nothing: it left, or nobody watches it."""
    risk: float | None
    levels: list[Level]
    """Empty where the policy looks for no decline, or the customer is not known well enough."""
    segment: str
    life: Life
    tickets: list[int]
    """When those that are open were opened."""
    withheld: Withheld | None
    whats_new: str


class Unknown(NamedTuple):
    """Why nothing is said of how a customer stands."""

    why: str
    moved_to: str = ""
    """The id that goes on in its place."""


def standing(
    customer_id: str, row: bytes | None, reached: bytes | None, models: RiskModels, policy: Policy
) -> Standing | Unknown:
    """Say how a customer stands by its row, and how far its partition has come.

    `reached` is what the partition's position holds.  Raises StateError where they are of
    another release.
    """
    if row is None or reached is None:
        return Unknown("No worker has saved anything of this customer.")
    progress = REACHED.decode(reached).detector
    if progress.policy != policy.version:  # nor would it be known who is in the holdout
        return Unknown(
            "The workers go by another policy than this console. Operator action: give both the"
            " same file (--policy, or SLIPAWAY_POLICY), and start the console anew where it has"
            " changed."
        )
    if held_out(customer_id, policy.holdout):
        return Unknown(
            "This customer is in the holdout: what is thought of it is shown to nobody, or what"
            " alerts bring could not be compared."
        )
    customer = _CUSTOMERS.decode(row)
    identity = customer.identity
    if identity is not None and identity.moved_to:
        return Unknown("This id goes on under another one.", identity.moved_to)
    if not customer.visits:
        return Unknown("Nothing that was told of this customer is a visit.")
    return _stands(customer, max(progress.watermark.at, customer.last_at), models, policy)


def _stands(saved: Customer, at: int, models: RiskModels, policy: Policy) -> Standing:
    horizon = Horizons(policy).of(saved)
    customer = as_if_left(saved, horizon, policy)
    adviser, life = Adviser(policy), customer.life or NOBODY_SPECIAL
    silence = _Silence(customer, horizon, models, policy)
    known, segment = silence.known(at), adviser.segment(customer).name
    rhythm = _rhythm(customer, known, horizon, policy) if known.repeats else None
    watched = customer.observed and not customer.ended
    return Standing(
        at=at,
        customer=customer,
        known=known,
        here=saved.visit_open,
        rhythm=rhythm,
        curve=silence.curve(at, rhythm.deadline_days) if rhythm and watched else [],
        risk=silence.risk(at) if watched else None,
        levels=_levels(customer, models.at(at, horizon.key), policy),
        segment=segment,
        life=life,
        tickets=open_tickets(life, at),
        withheld=adviser.withheld(customer, at),
        whats_new=whats_new(policy.releases, segment, since=customer.last_at, until=at),
    )


class _Silence:
    """The silence of a customer since its last event, moment by moment."""

    def __init__(
        self, customer: Customer, horizon: Horizon, models: RiskModels, policy: Policy
    ) -> None:
        self._customer = customer
        self._models = models
        self._local = local_time(policy.calendar)
        self._suspension = Suspension(policy, models)
        self._horizon = horizon

    def known(self, at: int) -> Facts:
        """Give what was known at a moment (ms); what does not count as silence is left out."""
        paused = self._suspension.within(self._customer.last_at, at)
        return facts(self._customer, at, self._local, paused)

    def risk(self, at: int) -> float:
        """Give P(no visit within the horizon from a moment on), by the model of that time."""
        return self._models.at(at, self._horizon.key).assess(self.known(at)).p_lapse

    def curve(self, at: int, deadline_days: float) -> list[Point]:
        """Give the silence from its begin to a moment (ms), and on to the deadline."""
        last_at = self._customer.last_at
        moments = [last_at + (at - last_at) * step // STEPS for step in range(STEPS + 1)]
        past = [
            Point(known.silence, self._outlasts(known, known.silence), self.risk(moment))
            for moment, known in ((moment, self.known(moment)) for moment in moments)
        ]
        now = self.known(at)
        ahead = min(deadline_days * PAST_DEADLINE, 2 * self._horizon.days) - now.silence
        later = (now.silence + ahead * step / STEPS for step in range(1, STEPS + 1) if ahead > 0)
        return [*past, *(Point(days, self._outlasts(now, days), None) for days in later)]

    def _outlasts(self, known: Facts, days: float) -> float:
        return cadence.outlasts(known.repeats, known.span, self._horizon.days, days)


def _rhythm(customer: Customer, known: Facts, horizon: Horizon, policy: Policy) -> Rhythm:
    horizon_days, local = horizon.days, local_time(policy.calendar)
    deadline = cadence.deadline(known.repeats, known.span, horizon_days, OVERDUE_CHANCE)
    return Rhythm(
        usual_gap_days=usual_gap(known),
        half_by=expected_by(known, customer.last_at, horizon_days, local, HALF),
        expected_by=expected_by(known, customer.last_at, horizon_days, local),
        deadline_days=deadline,
        outlasts=cadence.outlasts(known.repeats, known.span, horizon_days, known.silence),
    )


def _levels(customer: Customer, model: RiskModel, policy: Policy) -> list[Level]:
    falling = customer.falling
    if falling is None or not policy.decline.enabled:
        return []
    return [
        Level(FALLS[cause], falls.level(falling, cause), alarm(policy.decline, model, cause))
        for cause in falls.CAUSES
    ]
