"""Advice: what the policy adds to an alert, for whoever acts on it.

Which kind of customer it is, where it is on its way, what it is worth and to whom, what
to do, and what is new since it was last here.
"""

from collections.abc import Collection
from typing import NamedTuple

from stream.detector.customer import Customer, Episode
from stream.detector.life import NOBODY_SPECIAL, Phase, Withheld, open_tickets, withheld
from stream.detector.plays import Situation, choose, whats_new
from stream.detector.policy import Policy
from stream.detector.segments import OpenTicket, Segment, owner_of, segment_of, worth
from stream.detector.stages import Kind, Stage, Trigger


class Advice(NamedTuple):
    """What is added to one alert."""

    segment: str
    phase: Phase
    play: str
    play_text: str
    value: float | None
    owner: str
    whats_new: str


class Adviser:
    """Knows the policy's segments, plays and releases."""

    def __init__(self, policy: Policy) -> None:
        """Advise by this policy."""
        self._policy = policy

    def segment(self, customer: Customer) -> Segment:
        """Give the segment of a customer, as of its traits now."""
        life = customer.life
        return segment_of(self._policy.segments, (life or NOBODY_SPECIAL).traits)

    def dial(self, customer: Customer) -> str:
        """Name the segment whose dial a customer counts for; empty: the policy's."""
        segment = self.segment(customer)
        return segment.name if segment.has_dial else ""

    def eligible(self, customer: Customer) -> bool:
        """Tell whether a customer is one to be alerted on, and known well enough."""
        return self.segment(customer).eligible and customer.visits >= self.visits_min(customer)

    def visits_min(self, customer: Customer) -> int:
        """Give how many visits a customer needs before it can be alerted on."""
        least = self.segment(customer).visits_min
        return self._policy.visits_min if least is None else least

    def early(self, customer: Customer, silent_ms: int, usual_gap: float, silence: float) -> bool:
        """Tell whether a silence (ms, and as judged in days) is too short for an alert.

        `usual_gap` is the customer's own, in days.
        """
        if silent_ms < self.segment(customer).silent_min_ms:
            return True
        return silence < self.own_gaps_min(customer) * usual_gap

    def own_gaps_min(self, customer: Customer) -> float:
        """Give how many usual gaps of its own a customer must have been silent for."""
        least = self.segment(customer).own_gaps_min
        return self._policy.own_gaps_min if least is None else least

    def overdue(self, customer: Customer, silent_ms: int) -> bool:
        """Tell whether a silence is to be alerted on whatever it is worth."""
        ceiling = self.segment(customer).silent_max_ms
        return ceiling is not None and silent_ms >= ceiling

    def withheld(self, customer: Customer, at: int) -> Withheld | None:
        """Say why no episode of a customer may open at a moment (ms); None: it may."""
        if customer.life is None:
            return None
        return withheld(customer.life, self.segment(customer), at)

    def raised(self, customer: Customer, at: int) -> bool:
        """Tell whether an open ticket makes whatever happens to a customer more severe."""
        life = customer.life
        return bool(
            life
            and life.tickets
            and open_tickets(life, at)
            and self.segment(customer).ticket is OpenTicket.RAISE
        )

    def advise(
        self,
        customer: Customer,
        change: tuple[Kind, Episode],
        reasons: Collection[str],
        at: int,
    ) -> Advice:
        """Advise on a stage that a customer's episode has come to at a moment (ms).

        `reasons` are the codes of the alert's.
        """
        kind, episode = change
        life = customer.life or NOBODY_SPECIAL
        segment = self.segment(customer)
        situation = Situation(
            segment=segment.name,
            phase=self._phase(customer, kind, episode),
            kind=kind,
            trigger=episode.trigger,
            reasons=reasons,
            ticket=bool(open_tickets(life, at)),
        )
        play = choose(self._policy.plays, situation)
        return Advice(
            segment=segment.name,
            phase=situation.phase,
            play=play.name if play else "",
            play_text=play.say if play else "",
            value=worth(segment.value, life.traits),
            owner=owner_of(segment.owner, life.traits),
            whats_new=whats_new(
                self._policy.releases, segment.name, since=customer.last_at, until=at
            ),
        )

    def _phase(self, customer: Customer, kind: Kind, episode: Episode) -> Phase:
        """Say where a customer is at a stage that its episode has come to."""
        if episode.stage is Stage.LAPSED:
            return Phase.LEFT if episode.trigger is Trigger.ENDING else Phase.DORMANT
        life = customer.life
        if life and life.paused and not customer.observed and kind is not Kind.RECOVERED:
            return Phase.PAUSED
        awaited = self.segment(customer).activate_within_ms is not None
        done = life is not None and life.activated_at
        return Phase.ONBOARDING if awaited and not done else Phase.ACTIVE
