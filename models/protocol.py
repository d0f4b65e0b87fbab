"""What a risk model is asked, what it answers, and what it learns from.

The detector owns this interface: it knows customers and clocks, and asks a
model one question, at landmarks only: how likely is it that this customer does
not come back?  Everything learned across customers reaches the detector as one
versioned, immutable model; everything the detector teaches leaves it as
`Lesson`s, which one trainer turns into the next version.

Durations in `Facts` are days (floats): they are regressors, not clocks.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec


class Facts(NamedTuple):
    """What is known of one customer at one landmark, constant in size.

    Counts and gaps are of visits; a visit is a burst of events.
    """

    silence: float
    """Days since the last event."""
    repeats: int
    """Visits after the first (x)."""
    span: float
    """Days from the first visit to the last (t_x)."""
    longest_gap: float
    last_gap: float
    log_gap_mean: float
    """Running mean of ln(gap in days), shrunk towards the horizon's sixth."""
    log_gap_variance: float
    gap_spread: float
    """Of consecutive gaps, mean of (2 g2/(g1+g2) - 1)^2: 0 for a clock, 1/3 for chance."""
    long_gaps: int
    """Silences of more than half the horizon that the customer came back from."""
    gap_trend: float
    decline_sharp: float
    """ln(1 + CUSUM in nats) for a sharp fall of the own rate."""
    decline_slow: float
    """ln(1 + CUSUM in nats) for a slow fall of the own rate."""
    volume: float
    """ln(1 + volume) of the last visit."""
    volume_usual: float
    kinds: float
    """Distinct event names in the last visit."""
    kinds_usual: float
    volume_total: float
    """ln(1 + volume of all visits)."""
    weekday: int
    """0 is Monday: of the landmark."""
    last_weekday: int


class Assessment(NamedTuple):
    """A model's answer at one landmark."""

    p_lapse: float
    """P(no visit within the horizon from now): the alert would be right."""
    p_gap: float
    """P(this silence outlasts the horizon): there is a lapse to notice."""
    hazard: float
    """Returns per day, now."""
    value: float
    """ln of the days of earlier notice that one false alarm may cost here."""
    inputs: bytes
    """The frozen regressors and offsets: what the same model learns from later."""


DIAL_GRID = tuple(-3 + 0.05 * i for i in range(321))
"""Thresholds on `Assessment.value` that the dial chooses from."""


FALLS = ("less", "narrower")
"""What a customer who still comes may do: come less, or do fewer things."""
FALL_GRID = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
"""Levels of evidence for a fall, in nats, from which one is chosen to tell from."""
CONTROL_RUNG = -1
"""In place of a place in `FALL_GRID`: a customer who had not fallen."""


class WarningAssessment(NamedTuple):
    """A model's answer to a warning."""

    p_leaves: float
    """P(says that it leaves, or does not come, within the horizon from now)."""
    resolved: float
    """Earlier warnings of the same name, faded, whose outcome is known."""
    left: float
    """Share of them whose customers left; 0 where none is known."""
    inputs: bytes
    """What the same model learns from later."""


class Guarded(msgspec.Struct, frozen=True, kw_only=True):
    """What the guard takes to be the case; times in ms since 1970 UTC."""

    suspended_since: int = 0
    """Since when everybody has been silent at once, for no reason of their own; 0: they are not."""
    changed_at: int = 0
    """When this was decided; 0: nothing ever was."""
    lasted_ms: int = 0
    """How long the suspension lasted that ended then, but for holidays in it; 0 while one lasts."""
    suspended_before_ms: int = 0
    """How long earlier suspensions lasted, all together, but for holidays in them."""
    observed: int = 0
    """Returns in the hours that decided it."""
    expected: float = 0.0
    """Returns that were usual in such hours."""

    def suspended_ms(self, moment: int) -> int:
        """Give how much of the time up to a moment (ms) was suspended."""
        running = max(0, moment - self.suspended_since) if self.suspended_since else 0
        return self.suspended_before_ms + running


class RiskModel(Protocol):
    """One version of everything learned across customers."""

    @property
    def version(self) -> str:
        """Name the version; starts with "cold" while only the prior answers."""
        ...

    @property
    def effective_from(self) -> int:
        """Say from which event time on it answers (milliseconds since 1970 UTC)."""
        ...

    @property
    def guarded(self) -> "Guarded":
        """Say what the guard takes to be the case."""
        ...

    def threshold(self, dial: str) -> float:
        """Say from which `Assessment.value` on an episode opens; infinite: open none.

        `dial` is the segment that has a dial of its own, empty: the policy's.
        """
        ...

    def of(self, horizon_ms: int) -> "RiskModel":
        """Give what answers for customers of a segment with a horizon of its own."""
        ...

    def fall_level(self, fall: str) -> float | None:
        """Say from which level of `FALL_GRID` on a fall is told of; None: never."""
        ...

    def assess(self, facts: Facts) -> Assessment:
        """Judge one customer."""
        ...

    def assess_warning(self, event: str, facts: Facts) -> WarningAssessment:
        """Judge a customer who has just given a warning, by an event of this name."""
        ...

    def assess_many(self, facts: Sequence[Facts]) -> Sequence[Assessment]:
        """Judge many customers, each to the last bit as alone."""
        ...

    def risk(self, facts: Facts, ahead_days: float | None = None) -> float:
        """Give P(no visit within so many days from now; the horizon unless said), for rankings."""
        ...

    def contributions(self, inputs: bytes) -> Sequence[tuple[str, float]]:
        """Say how much each input pushed P(lapse) up or down (name, logits)."""
        ...

    def samples(self, customer_hash: int) -> bool:
        """Say whether the prior is fitted on this customer, too (by the CRC-32 of its id)."""
        ...

    def teaches(self, customer_hash: int) -> bool:
        """Say whether the next model learns from what becomes of this customer, too."""
        ...


class RiskModels(Protocol):
    """The versions by event time."""

    def at(self, moment: int, horizon_ms: int = 0) -> RiskModel:
        """Give the model in force at a moment (ms).

        `horizon_ms` is a horizon that segments have of their own; 0: the policy's.
        """
        ...


class Example(msgspec.Struct, frozen=True, tag="example", array_like=True):
    """A landmark whose outcome has become known, all labels of a target at one age."""

    target: str
    """"back" is released early, with one label; "lapse" at the horizon, with "gap"'s beside it;
    "warned", of a warning in place of a landmark, at the horizon with one, whether it left."""
    at: int
    """Event time of the release (ms)."""
    customer: int | str
    """The CRC-32 of the customer's id: examples of one moment have an order, and no name.  Earlier
    versions wrote the id itself."""
    landmark_at: int
    inputs: bytes
    labels: tuple[int, ...]
    share: float = 0.0
    """Silence that the landmark stands for, in horizons; 0 where nobody said."""
    horizon_ms: int = 0
    """The horizon it was judged by, of a segment's own; 0: the policy's."""


FORGOTTEN = -1


class Sighting(msgspec.Struct, frozen=True, tag="sighting", array_like=True):
    """A sampled customer's visits so far: what the prior is refitted on."""

    at: int
    customer_hash: int
    first_at: int
    last_at: int
    repeats: int
    """FORGOTTEN: of this customer nothing is to be kept."""
    until_at: int = 0
    """End of observation; 0 while the customer is watched."""
    horizon_ms: int = 0
    """The customer's, if it is in a segment with one of its own; 0: the policy's."""


class Share(msgspec.Struct, frozen=True, array_like=True):
    """What a dial, and a trainer, needs to know of some customers' day, each as in `Tally`."""

    customer_days: float
    crossings: dict[int, float]
    crossed: int
    false_alarms: int
    chance_raised: float
    chance_settled: float
    judged: int = 0
    withdrawn_days: float = 0.0
    withdrawn_false_alarms: int = 0
    falls: dict[str, dict[int, tuple[int, int]]] = msgspec.field(default_factory=dict)


class Tally(msgspec.Struct, frozen=True, tag="tally", array_like=True):
    """One event day of one partition, added up."""

    day_end: int
    """Event time (ms) at which the day ended: a multiple of a day."""
    visits: int
    customer_days: float
    """Eligible, observed customer time with silence within the horizon, in days; no holidays."""
    crossings: dict[int, float]
    """Cell of the dial's grid -> expected false alarms of silences whose best value reached
    it, less those of silences that were above it before (a difference array)."""
    crossed: int
    """Landmarks that topped their silence's best value."""
    false_alarms: int
    """Own silence alerts whose customer came back within the horizon, by day of return."""
    judged: int = 0
    """Landmarks judged."""
    withdrawn_days: float = 0.0
    """Of the customer time so far, what lies in the last horizon before an observation ended."""
    withdrawn_false_alarms: int = 0
    """Of the own false alarms so far, likewise."""
    chance_raised: float = 0.0
    """P(false) of own silence alerts as they were raised, less of those that nobody will know of
    any more: false alarms to be expected."""
    chance_settled: float = 0.0
    """Of what was to be expected: what came, or can come no more."""
    falls: dict[str, dict[int, tuple[int, int]]] = msgspec.field(default_factory=dict)
    """Of `FALLS`, by place in `FALL_GRID` or CONTROL_RUNG: how many came true, how many did not."""
    segments: dict[str, Share] = msgspec.field(default_factory=dict)
    """Of all that, what belongs to the segments that have a dial of their own, by name."""


class Hour(msgspec.Struct, frozen=True, tag="hour", array_like=True):
    """One hour of one partition, for the guard."""

    hour_end: int
    """Event time (ms) at which the hour ended: a multiple of an hour."""
    returns: int
    """Visits of watched customers that began in it."""
    customer_ms: int
    """Time of watched customers: eligible, observed, with silence within the horizon."""


Lesson = Example | Sighting | Tally | Hour
"""What one trainer learns from, in the order the detector gave it."""
