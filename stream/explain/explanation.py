"""An explanation: every figure behind one judgement, with the names that the formulas have.

Durations are days, moments are ISO 8601 texts (UTC); what is None is not known.  The figures
are the detector's own, unrounded: who adds them up again, in the order given, gets what was said.
"""

import msgspec

from models.working import Working
from stream.detector.segments import Value


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a customer's visits."""

    visits: int
    """Begun; the last one may be under way, and then counts as over."""
    gaps: int
    """Between them: x, the repeats."""
    first_visit: str
    last_visit: str
    """Its begin."""
    last_event: str
    """The silence counts from here."""
    span: float
    """From the first visit's begin to the last one's: t_x."""
    last_gap: float
    longest_gap: float
    survived: int
    """Silences of more than half the horizon that the customer came back from."""
    log_gap_mean: float
    """Running mean of ln(gap); begins at ln(horizon / 6), and the last gap weighs 1 / (gaps + 1),
    later 0.13."""
    log_gap_sd: float
    """Standard deviation of ln(gap), running likewise."""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """How long nothing was heard, against the customer's own rhythm."""

    lasts: float
    """Since the last event; at least half an hour."""
    not_counted: float
    """Of it: holidays, and while everybody was silent at once."""
    judged: float
    """The rest: what is held against floors and ceilings."""
    usual_gap: float | None
    """span / gaps; None before the second visit."""
    shrunk_gap: float
    """(span + horizon / 6) / (gaps + 1): the same, while little is known."""
    shape: float
    """a = 1 + gaps."""
    rate: float
    """b = span + horizon / 6."""
    outlasting: float
    """(b / (b + lasts)) ^ a: the share of own silences that would outlast this one."""
    overdue_after: float
    """b * (0.05 ^ (-1 / a) - 1): what only one own silence in twenty outlasts."""


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert is worth here, against the dial: logarithms of days per false alarm."""

    p_lapse: float
    """As of the time that counts, as the three that follow."""
    p_gap: float
    p_back: float
    back_days: float
    """Within so many days."""
    hazard: float
    """-ln(1 - p_back) / back_days: returns a day."""
    days_left: float
    """horizon - the judged silence."""
    gain: float | None
    """ln(days_left * p_gap / (1 - p_lapse)); None: no days are left."""
    urgency: float | None
    """ln(p_gap / hazard)."""
    value: float | None
    """The lesser of the two."""
    threshold: float | None
    """From here on an episode opens; None: the dial opens none yet."""
    dial: str
    """The segment whose dial it is; empty: the policy's."""
    highest: float | None
    """The highest value of this silence so far, at a landmark."""


class Fall(msgspec.Struct, frozen=True, kw_only=True):
    """How much speaks for it that a customer who still comes uses the product less."""

    fall: str
    """"less": comes less; "narrower": does fewer things."""
    level: float
    """Of evidence, in nats."""
    told_from: float | None
    """The level from which on it is told of; None: never, by what came of earlier falls."""


class EarlierWarnings(msgspec.Struct, frozen=True, kw_only=True):
    """What came of earlier warnings like the one that the alert is about; faded counts."""

    event: str
    """Its name."""
    resolved: float
    """Those whose outcome is known."""
    left: float
    """Share of them whose customers left within a horizon."""
    adds: float
    """P(leaves) of who would not for silence."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of an alert on the silence."""

    name: str
    """watched: is one of those who are alerted on; known: has visited often enough; floor and
    own_gaps: has been silent for long enough; guard: not everybody is silent; free: no episode is
    open; rest: nobody is speaking with it; worth: the threshold is reached, or the ceiling."""
    met: bool
    says: str
    """With its numbers."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The alert that is explained."""

    alert_id: str
    kind: str
    trigger: str
    severity: str
    reasons: tuple[str, ...]
    """In words, the fact first."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a customer is alerted on at a moment, or is not."""

    customer_id: str
    at: str
    alert: Said | None
    """None: it is of a moment, at which nothing was said."""
    policy_version: str
    model_version: str
    horizon: float
    """Silence that counts as a lapse."""
    segment: str
    """Empty: in none of the policy's."""
    traits: dict[str, Value]
    past: Past
    silence: Silence
    risk: float
    """As in an alert: P(no visit within the horizon from now), made as `working` says; of a
    warning 1 - (1 - that) * (1 - adds); 1 where the customer said that it left."""
    left: bool
    """The customer said so."""
    working: Working
    """Of the risk, by all the time that passed."""
    worth: Worth
    falls: tuple[Fall, ...]
    """Empty where the policy looks for none, or the customer is not known well enough."""
    checks: tuple[Check, ...]
    """In the order in which they are asked; all of them have to be met."""
    verdict: str
    """In words."""
    next_look: str | None
    """The next landmark, if the silence goes on: silences are judged there and nowhere else."""
    held_out: bool
    """By the policy: its alerts are recorded and not delivered."""
    warning: EarlierWarnings | None
    """Only of an alert on a warning, where anything is known of others by its name."""
