"""The working: how an answer comes about, number by number, for who wants to check it by hand.

Every figure is the one that the answer was made of: added up in the order given, in
doubles, they give the answer to the last bit.
"""

import msgspec

TARGETS = ("lapse", "gap", "back")


class Term(msgspec.Struct, frozen=True):
    """What one regressor adds to one target."""

    input: str
    """Its name."""
    value: float
    mean: float
    scale: float
    """Its mean and its standard deviation among what was learned from."""
    standardised: float
    """(value - mean) / scale, between -4 and 4."""
    weight: float
    push: float
    """weight * standardised, in logits."""


class Target(msgspec.Struct, frozen=True):
    """How the probability of one target comes about."""

    name: str
    """Of what: "lapse", no visit within the horizon from now; "gap", this silence outlasts
    the horizon; "back", a visit within a few days."""
    prior_logit: float
    """The label-free prior's answer."""
    intercept: float
    """0 while there are no weights."""
    terms: tuple[Term, ...]
    """In the order in which they are added up; none while there are no weights."""
    pushed: float
    """The sum of their pushes."""
    logit: float
    """prior_logit + intercept + pushed."""
    probability: float
    """1 / (1 + e^-logit), kept within 1e-5 of 0 and of 1."""


class Odds(msgspec.Struct, frozen=True):
    """How the prior (MBG/NBD) comes to what it thinks of a lapse; ages in days."""

    r: float
    alpha: float
    """Visits a day are Gamma(r, alpha) distributed among customers, ..."""
    a: float
    b: float
    """... and the chance to be gone after a visit Beta(a, b)."""
    age: float
    """alpha + span + silence."""
    gone: float
    """a / (b + repeats) * (age / (alpha + span)) ^ (r + repeats): the odds of being gone."""
    alive: float
    """1 / (1 + gone)."""
    p_lapse: float
    """1 - alive * (1 - (age / (age + horizon)) ^ (r + repeats))."""


class Working(msgspec.Struct, frozen=True):
    """How one assessment comes about."""

    odds: Odds
    lapse: Target
    gap: Target
    back: Target
