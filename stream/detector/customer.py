"""A customer's state: everything remembered of one customer, and nothing that grows.

This is the one mutable value of the detector.  Its size is bounded whatever the
customer does: moments instead of histories, a few waiting visits (no more than
fit between the watermark and the latest event), ten message ids, and the landmarks whose
outcome is still open.  Field order is the record's layout in the state topic;
add at the end, with a default.
"""

from math import log1p
from zlib import crc32

import msgspec

from stream.detector import cadence, decline
from stream.detector.cadence import Rhythm
from stream.detector.decline import Levels
from stream.detector.events import DAY_MS
from stream.detector.falls import Falling
from stream.detector.landmarks import Landmark
from stream.detector.life import Life
from stream.detector.policy import Decline
from stream.detector.stages import Stage, Trigger
from stream.detector.stays import Tenure
from stream.detector.visits import Visit
from stream.detector.warned import Warned

TRAITS = "TRAITS"
"""The sign of a signal that tells a customer's traits."""
ACCOUNT_TRAITS = "ACCOUNT_TRAITS"
"""The sign of one that tells those of an account, whose id stands before them and a zero."""

Number = int | float
"""In state, what is whole is kept as an integer: a zero takes one byte instead of nine."""


class Episode(msgspec.Struct, array_like=True, gc=False):
    """One time a customer slipped, from its first alert to its last."""

    episode_id: str
    opened_at: int
    trigger: Trigger
    stage: Stage
    changed_at: int
    visits_since: int = 0
    """Visits since the last warning."""
    false_chance: float = 0.0
    """P(false) of a silence alert, as of the last landmark; 0 where that is settled."""
    dial: str = ""
    """The segment whose dial it was raised by, and is charged to; empty: the policy's."""


class Signal(msgspec.Struct, array_like=True, gc=False):
    """What is no use, but says something of the customer, and waits for the watermark."""

    at: int
    name: str
    """The event's; of traits, those told, as JSON."""
    sign: str
    """What it says: the `EventClass` by name, of whom it tells traits, or that of an alias that
    ends this id."""


class Wait(msgspec.Struct, array_like=True, gc=False):
    """The state of another id of this customer, on its way here or waiting for its moment."""

    at: int
    """Event time of the alias (ms): from here on nothing is decided until it has come."""
    previous_id: str
    state: "Customer | None" = None
    """What has come; None: it is on its way."""
    back: bool = False
    """It is this id's own, handed over and refused."""


class Identity(msgspec.Struct, array_like=True, gc=False):
    """What aliases have to do with this id."""

    moved_to: str = ""
    """The id that goes on in its place: this row is no more than a forward address."""
    used_at: int = 0
    """When the address was last used (ms), as of the begin of that day; it expires."""
    waits: list[Wait] = msgspec.field(default_factory=list)
    """In order of (time, id)."""
    answered: bytes = b""
    """Marks of the aliases that were answered in the last day of any, so that none is waited for
    that has its answer already."""
    hops: int = 0
    """Of how many aliases in a row this customer is the end."""
    joined: int = 0
    """Ids merged into it in the day (UTC) that began at `joined_day` (ms)."""
    joined_day: int = 0
    came: bytes = b""
    """Marks of the last states that came: where the usage topic is read again from its beginning,
    they come once more."""


class Customer(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """Rolling engagement state of one customer; times in ms since 1970 UTC."""

    due: int = 0
    """The first thing due on the time line, as `Detector` counts: moment and kind; 0: nothing.
    Stands first, so that it can be read without the rest."""
    touched: bool = False
    """Not as last saved."""

    # What an event of a visit under way reads and writes: side by side, for the CPU's cache.
    visit_open: bool = False
    """The last begun visit can still grow."""
    visit_at: int = 0
    """Begin of the last begun visit."""
    last_at: int = 0
    """Last event of the last begun visit."""
    visit_volume: Number = 0
    visit_kinds: int = 0
    waiting: tuple[Visit, ...] = ()
    recent_ids: bytes = b""
    """Marks of the last message ids."""
    account_id: str = ""

    rhythm: Rhythm
    levels: Levels
    first_at: int = 0
    """Begin of the first visit; 0 before it."""
    frontier: int = 0
    """Up to where this customer's own time line is decided: an event at or before it is late."""
    visits: int = 0
    """Visits begun."""
    visit_gap_ms: int = 0
    """Silence that the last begun visit ended."""
    volume: Number = 0
    """Of the last folded visit; `volume_usual` is the running mean of ln(1 + volume)."""
    volume_usual: float = 0.0
    kinds: int = 0
    kinds_usual: float = 0.0
    volume_total: Number = 0
    rung: int = 0
    """Next landmark of this silence."""
    best_value: float | None = None
    """Highest value of this silence so far; None before its first judgement."""
    counted: bool = False
    """Part of the eligible, observed population."""
    observed: bool = True
    ended: bool = False
    episode: Episode | None = None
    back_released: int = 0
    """How many of the landmarks, oldest first, have had their early label released."""
    landmarks: list[Landmark] = msgspec.field(default_factory=list)
    signals: list[Signal] = msgspec.field(default_factory=list)
    paused_ms: int = 0
    """Suspended time within this silence, as far as what is due has been put off for it."""

    # Only where the policy knows of an end of observation.
    eligible_since: int = 0
    """When it first became part of the eligible population; 0 before."""
    false_alarm_at: int = 0
    """When the last alert that turned out false was raised; 0: none did."""

    falling: Falling | None = None
    """Only where the policy looks for decline, and the customer is known well enough."""
    life: Life | None = None
    """Only where the policy asks for any of it, and something was told."""
    moved: list[tuple[int, str]] = msgspec.field(default_factory=list)
    """Only where the policy looks at accounts: changes of account not yet decided upon, each with
    its time and the account before it, in order of time."""
    identity: Identity | None = None
    """Only where an alias named this id."""
    tenure: Tenure | None = None
    """Only where it left and came back, said that it left, or changed its segment."""
    dial: str = ""
    """The segment whose dial it counts for; empty: the policy's."""
    warned: list[Warned] = msgspec.field(default_factory=list)
    """Only where it gave a warning: those of which it is not known yet what came of them."""

    @property
    def span_days(self) -> float:
        """Give the days from the first visit to the last one folded."""
        return (self.visit_at - self.first_at) / DAY_MS


def whole(number: Number) -> Number:
    """Give a whole number as an integer, any other as it is."""
    return int(number) if number == int(number) else number


def begin_visit(customer: Customer, visit: Visit) -> None:
    """Let the customer be here."""
    at = visit.begin
    if customer.visits:
        customer.visit_gap_ms = max(0, at - customer.last_at)
    else:
        customer.first_at = at
    customer.visits += 1
    customer.visit_at = at
    customer.last_at = visit.end
    customer.visit_volume = visit.volume
    customer.visit_kinds = visit.kinds
    customer.visit_open = True
    customer.rung = 0
    customer.best_value = None
    customer.paused_ms = 0
    customer.ended = False
    customer.observed = True


def complete_visit(customer: Customer, horizon_days: float, policy: Decline) -> None:
    """Fold the visit that can no longer grow into the customer's rhythm."""
    customer.visit_open = False
    customer.volume = whole(customer.visit_volume)
    volume = log1p(customer.volume)
    kinds = customer.visit_kinds.bit_count()
    customer.volume_total = whole(customer.volume_total + customer.volume)
    customer.visit_volume = customer.visit_kinds = 0
    if customer.visits == 1:
        customer.volume_usual, customer.kinds_usual = volume, float(kinds)
    else:
        gap = cadence.days(customer.visit_gap_ms)
        before = max(0.0, customer.span_days - gap)
        rate = decline.own_rate(customer.rhythm.gaps, before, horizon_days)
        decline.fold(customer.levels, gap, rate, policy)
        cadence.fold(customer.rhythm, gap, horizon_days)
        customer.volume_usual += 0.2 * (volume - customer.volume_usual)
        customer.kinds_usual += 0.2 * (kinds - customer.kinds_usual)
    customer.kinds = kinds


def prolong(customer: Customer, at: int, volume: float) -> None:
    """Add an event that came late to the end of the last visit, which was complete already."""
    customer.last_at = at
    customer.volume = whole(customer.volume + volume)
    customer.volume_total = whole(customer.volume_total + volume)
    customer.paused_ms = 0
    customer.best_value = None  # of a silence that begins anew


def customer_hash(customer_id: str) -> int:
    """Give the number (32 bits) by which customers are sampled, the same on every machine."""
    return crc32(customer_id.encode("utf-8", "surrogatepass"))
