"""Checks: the conditions of an alert on a silence, as `Judge` asks them, each with its numbers.

Asked here of one moment, of the same functions and in the same order; a test follows whole logs
and holds what is said here against the alerts that came.
"""

from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from models.protocol import Assessment, Facts, RiskModel
from stream.detector import cadence
from stream.detector.advice import Adviser
from stream.detector.customer import Customer
from stream.detector.events import DAY_MS
from stream.detector.horizons import Horizons
from stream.detector.life import Withheld, open_tickets
from stream.detector.policy import Policy
from stream.detector.reasons import usual_gap
from stream.detector.segments import Segment
from stream.detector.suspension import Suspension
from stream.explain.explanation import Check
from stream.wire.times import iso

NAMES = ("watched", "known", "floor", "own_gaps", "guard", "free", "rest", "worth")


class Silent(NamedTuple):
    """A silence at a moment (ms)."""

    customer: Customer
    at: int
    known: Facts
    """Less the time that does not count."""
    not_counted_ms: int
    judged: Assessment
    """By what is known so."""


class Checks:
    """Asks the conditions of one policy."""

    def __init__(
        self, policy: Policy, adviser: Adviser, suspension: Suspension, horizons: Horizons
    ) -> None:
        """Ask of these."""
        self._horizons = horizons
        self._policy = policy
        self._adviser = adviser
        self._suspension = suspension

    def ask(self, silent: Silent, model: RiskModel) -> Iterator[Check]:
        """Give the conditions in their order; `model` is the one in force."""
        customer, at = silent.customer, silent.at
        segment = self._adviser.segment(customer)
        yield self._watched(customer, segment)
        least = self._adviser.visits_min(customer)
        yield Check(
            name="known",
            met=customer.visits >= least,
            says=f"{customer.visits} visits, {least} needed",
        )
        yield self._floor(silent, segment)
        yield self._own_gaps(silent)
        held = self._suspension.holds(
            customer.last_at, at, usual_gap(silent.known), self._horizons.of(customer).ms
        )
        yield Check(
            name="guard",
            met=not held,
            says="everybody is silent at once, or was until just now: nobody is alerted on"
            if held
            else "customers in general are coming as usual",
        )
        yield self._free(customer)
        yield self._rest(customer, segment, at)
        yield self._worth(silent, segment, model)

    def _watched(self, customer: Customer, segment: Segment) -> Check:
        """Say whether the customer is one of those who can be alerted on."""
        if customer.ended:
            says = "said that it left"
        elif not customer.observed:
            says = "is not watched: its observation ended, or it has paused"
        elif not segment.eligible:
            says = f"is in “{segment.name}”, of which nobody is alerted on"
        elif not customer.counted and customer.visits >= self._adviser.visits_min(customer):
            says = "has lapsed: the silence has lasted for the whole horizon"
        else:
            return Check(name="watched", met=True, says="watched, and of a kind that is alerted on")
        return Check(name="watched", met=False, says=says)

    def _floor(self, silent: Silent, segment: Segment) -> Check:
        """Say whether the silence is as long as the segment asks."""
        lasts_ms = silent.at - silent.customer.last_at - silent.not_counted_ms
        least_ms = segment.silent_min_ms
        return Check(
            name="floor",
            met=lasts_ms >= least_ms,
            says=f"silent for {cadence.days(lasts_ms):.4f} days, at least"
            f" {cadence.days(least_ms):g} asked (silent_min)",
        )

    def _own_gaps(self, silent: Silent) -> Check:
        """Say whether the silence is long against the customer's own gaps."""
        least, usual = self._adviser.own_gaps_min(silent.customer), usual_gap(silent.known)
        return Check(
            name="own_gaps",
            met=silent.known.silence >= least * usual,
            says=f"silent for {silent.known.silence:.4f} days, at least {least:g} own gaps of"
            f" {usual:.4f} asked (own_gaps_min)",
        )

    def _free(self, customer: Customer) -> Check:
        """Say whether no episode is open."""
        episode = customer.episode
        if episode is None:
            return Check(name="free", met=True, says="no episode is open")
        says = (
            f"episode {episode.episode_id} has been {episode.stage.value} since"
            f" {iso(episode.changed_at)}, for {episode.trigger.value}"
        )
        return Check(name="free", met=False, says=says)

    def _rest(self, customer: Customer, segment: Segment, at: int) -> Check:
        """Say whether nobody is speaking with the customer already."""
        why = self._adviser.withheld(customer, at)
        if why is None or customer.life is None:
            return Check(name="rest", met=True, says="no open ticket and no contact hold it back")
        if why is Withheld.TICKET:
            since = open_tickets(customer.life, at)[0]
            says = f"a ticket is open since {iso(since)}: held back (ticket = suppress)"
        else:
            until = customer.life.contacted_at + segment.contact_rest_ms
            says = f"was contacted: held back until {iso(until)} (contact_rest)"
        return Check(name="rest", met=False, says=says)

    def _worth(self, silent: Silent, segment: Segment, model: RiskModel) -> Check:
        """Say whether the silence is worth an alert, or so long that it does not have to be."""
        lasts_ms = silent.at - silent.customer.last_at - silent.not_counted_ms
        value, threshold = silent.judged.value, model.threshold(silent.customer.dial)
        if self._adviser.overdue(silent.customer, lasts_ms) and segment.silent_max_ms is not None:
            return Check(
                name="worth",
                met=True,
                says=f"silent for {lasts_ms / DAY_MS:.4f} days, with an alert due by"
                f" {segment.silent_max_ms / DAY_MS:g} whatever it is worth (silent_max)",
            )
        bar = f"threshold {threshold:+.4f}" if threshold < inf else "the dial opens none yet"
        return Check(name="worth", met=value >= threshold, says=f"worth {value:+.4f}, {bar}")
