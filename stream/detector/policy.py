"""What slipping away means for one product: the part of the policy file the detector reads.

A gift wholesaler's customer is gone after ninety silent days, a student's after
ten.  None of that is in the code: it is said here, once, and every alert names
the version that said it.
"""

from enum import Enum, auto
from fnmatch import fnmatchcase

import msgspec

from stream.detector.calendar import Calendar
from stream.detector.events import DAY_MS, INTERNAL, MINUTE_MS, SECOND_MS
from stream.detector.periods import Every
from stream.detector.plays import AccountPlay, Play, Release
from stream.detector.segments import OF_ACCOUNT, AccountSegment, FromTrait, Segment


class EventClass(Enum):
    """What an event means to the detector."""

    ENGAGEMENT = auto()
    """Use: makes visits."""
    IGNORED = auto()
    """Neither use nor a sign: background sync, e-mail opens."""
    WARNING = auto()
    """A sign by itself: the cancel page, seats removed."""
    ENDING = auto()
    """The customer left, explicitly."""
    UNOBSERVED = auto()
    """From here on nobody watches: silence after it means nothing."""
    ACTIVATION = auto()
    """Use with which a customer has got going: makes visits as well."""
    CONTACT = auto()
    """Somebody of the company spoke to the customer."""
    TICKET_OPENED = auto()
    """The customer waits for support."""
    TICKET_CLOSED = auto()
    """It waits no longer."""
    PAUSED = auto()
    """Away by its own wish: silence means nothing until it is back, or its pause is over."""
    RESUMED = auto()
    """The pause is over."""

    @property
    def engages(self) -> bool:
        """Whether an event of the class is use as well, where it has a volume."""
        return self in (EventClass.ENGAGEMENT, EventClass.WARNING, EventClass.ACTIVATION)


class Decline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a customer who still comes, comes too little."""

    enabled: bool = False
    sharp_ratio: float = 0.3
    """A fall to this share of the own rate is sharp."""
    slow_ratio: float = 0.6
    """A fall to this share of the own rate is slow."""
    share: float = 0.2
    """Of the dial, for telling in vain of customers who come less; silence has the rest, and all of
    it while what came of falls does not bear out telling of them."""
    alarm_nats: float | None = None
    """Set instead of the share: the level of evidence that opens an episode, whatever came of
    earlier ones and whatever the dial.  Higher: fewer, later alerts."""
    visits_min: int = 8
    """Visits a customer needs before its own rate is a yardstick."""


class Guard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When everybody is silent at once, and silence therefore says nothing of anybody."""

    enabled: bool = True
    collapse: float = 0.3
    """Returns observed over returns expected, below which alerts are suspended; higher: smaller
    outages are seen, and more that is none."""
    recover: float = 0.6
    """The ratio above which they are resumed; higher: later."""


class Holdout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Customers whose alerts are recorded, and not delivered."""

    share: float = 0.0
    """Of all customers; larger: the effect of acting on alerts shows sooner, on fewer of them."""
    salt: str = ""
    """Another one draws other customers."""


class Accounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an organisation slips away, by what its members do: alerts of their own."""

    enabled: bool = False
    members_min: int = 3
    """Members an account needs before it is told of; what one or two do, their own alerts say."""
    seats_ratio: float = 0.5
    """Of the members who usually come within a horizon, the share at which too few do."""
    champion_share: float = 0.3
    """Of all use, the share that makes a member the one whose absence is told of."""
    breadth_share: float = 0.8
    """Of the use of late, the share of one member at which it carries the account alone."""
    silence_chance: float = 0.005
    """Of an account's own silences, or a champion's, the share that outlasts what is told of;
    smaller: fewer, later alerts."""
    seats_bought: FromTrait | None = None
    """The trait of an account that says how many members it has paid for; None: none does."""


class Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether what is said of who somebody is, is believed."""

    merge: bool = True
    """Two ids that an alias joins become one customer; false: each stays its own."""


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Over which periods it is counted who stays."""

    every: Every = Every.MONTH
    """The longer, the less often there are new figures, and the fewer stay in each."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One product's definition, validated as a whole before it gets here.

    Durations are milliseconds; event names are matched by case-sensitive globs,
    the first class that matches in the order of `CLASSES`; what matches nothing is
    ignored.
    """

    engagement: tuple[str, ...] = ("*",)
    ignore: tuple[str, ...] = ("identify", "group", "alias")
    warning: tuple[str, ...] = ()
    ending: tuple[str, ...] = ()
    unobserved: tuple[str, ...] = ()
    activation: tuple[str, ...] = ()
    contact: tuple[str, ...] = ()
    ticket_opened: tuple[str, ...] = ()
    ticket_closed: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    resumed: tuple[str, ...] = ()

    horizon_ms: int = 30 * DAY_MS
    """Silence that counts as a lapse."""
    false_alarms_per_customer_month: float = 0.05
    """The dial: how often a customer who stays may be called slipping."""
    notice_days_per_false_alarm: float | None = None
    """What one false alarm is worth, in days of earlier notice: set instead of the dial, it fixes
    the threshold, and the false alarms are what they come to."""
    visits_min: int = 3
    """Visits before a customer can be alerted on."""
    own_gaps_min: float = 0.0
    """Usual gaps of its own that a customer must have been silent for; larger: fewer alerts that
    look hasty, less notice.  0: as soon as it is worth it."""
    visit_gap_ms: int = 30 * MINUTE_MS
    """Events closer than this belong to one visit."""
    allowed_lateness_ms: int = 10 * SECOND_MS
    """How long decisions wait for stragglers; larger: fewer retractions, later alerts."""
    max_future_skew_ms: int = 5 * MINUTE_MS
    """An event further ahead of the broker's clock than this is refused."""
    escalate_at_risk: float = 0.8
    """P(lapse) at which an open episode escalates."""
    warning_cleared_by_visits: int = 3
    """Visits after a warning (and no further one) that close its episode."""
    decline: Decline = Decline()
    guard: Guard = Guard()
    holdout: Holdout = Holdout()
    accounts: Accounts = Accounts()
    identity: Identity = Identity()
    retention: Retention = Retention()
    calendar: Calendar = Calendar()
    segments: tuple[Segment, ...] = ()
    """Kinds of customers, in the order in which they are asked for."""
    plays: tuple[Play, ...] = ()
    """Suggestions, likewise."""
    releases: tuple[Release, ...] = ()
    account_segments: tuple[AccountSegment, ...] = ()
    """Kinds of accounts, likewise."""
    account_plays: tuple[AccountPlay, ...] = ()
    promote: bool = False
    """Whether a challenger whose log-loss has been lower for a horizon answers in the champion's
    place.  Log-loss is not what alerts are judged by: look at both before."""
    forest: bool = False
    """Whether a random forest runs along, to compare with; it triples the trainer's work."""

    version: str = "default"
    """Hash of the policy file: every alert carries it."""

    def classify(self, name: str) -> EventClass:
        """Say what an event of this name means; what only says who is who, means nothing here."""
        if name.startswith(INTERNAL):
            return EventClass.IGNORED
        for field, event_class in CLASSES.items():
            if any(fnmatchcase(name, glob) for glob in getattr(self, field)):
                return event_class
        return EventClass.IGNORED

    @property
    def traits(self) -> frozenset[str]:
        """Name the traits that anything here asks for, as events tell them."""
        of_accounts = {OF_ACCOUNT + name for name in self.traits_of_accounts}
        return self.traits_of_customers | of_accounts

    @property
    def traits_of_customers(self) -> frozenset[str]:
        """Name those that customers are asked for; some of them may be their account's."""
        return frozenset().union(*(segment.traits() for segment in self.segments))

    @property
    def traits_of_accounts(self) -> frozenset[str]:
        """Name those that accounts themselves are asked for."""
        if not self.accounts.enabled:
            return frozenset()
        seats = self.accounts.seats_bought
        asked = frozenset({seats.trait} if seats else ())
        return asked.union(*(segment.traits() for segment in self.account_segments))

    @property
    def dials(self) -> dict[str, tuple[float, float | None]]:
        """Give what each dial is set to: false alarms per customer-month, and days of notice.

        By the segment that has one of its own, the policy's under an empty name; days are None
        where the rate decides.
        """
        rate = self.false_alarms_per_customer_month
        settings = {"": (rate, self.notice_days_per_false_alarm)}
        for segment in self.segments:
            if segment.has_dial:
                own = segment.false_alarms_per_customer_month
                days = segment.notice_days_per_false_alarm
                if own is None and days is None:  # it has a horizon of its own, and nothing else
                    days = self.notice_days_per_false_alarm
                settings[segment.name] = (rate if own is None else own, days)
        return settings

    @property
    def fall_dial(self) -> tuple[float, float | None] | None:
        """Give what falls may cost, in false alarms per customer-month, and the level set instead.

        None: nobody looks for falls.
        """
        decline = self.decline
        share = decline.share * self.false_alarms_per_customer_month
        return (share, decline.alarm_nats) if decline.enabled else None

    @property
    def horizons(self) -> dict[str, int]:
        """Give the horizons (ms) that are not the policy's, by the segments that have them."""
        return {
            segment.name: segment.horizon_ms
            for segment in self.segments
            if segment.horizon_ms not in (None, self.horizon_ms)
        }

    @property
    def dials_by_horizon(self) -> dict[int, dict[str, tuple[float, float | None]]]:
        """Give `dials` by their segments' own horizons (ms), the policy's under 0.

        Under each horizon that without a name is what a segment begins with that is new there.
        """
        dials, horizons = self.dials, self.horizons
        found = {horizon_ms: {"": dials[""]} for horizon_ms in (0, *sorted(horizons.values()))}
        for name, settings in dials.items():
            found[horizons.get(name, 0)][name] = settings
        return found

    @property
    def longest_horizon_ms(self) -> int:
        """Give the longest horizon that anybody has."""
        return max([self.horizon_ms, *self.horizons.values()])

    def horizon_of(self, segment: str) -> int:
        """Give the horizon (ms) of the customers of a segment, by its name."""
        return self.horizons.get(segment, self.horizon_ms)

    @property
    def ends_observation(self) -> bool:
        """Whether there are customers whom nobody watches any longer, or for a while."""
        return bool(self.unobserved or self.paused)


CLASSES = {
    "ending": EventClass.ENDING,
    "unobserved": EventClass.UNOBSERVED,
    "paused": EventClass.PAUSED,
    "resumed": EventClass.RESUMED,
    "ticket_opened": EventClass.TICKET_OPENED,
    "ticket_closed": EventClass.TICKET_CLOSED,
    "contact": EventClass.CONTACT,
    "warning": EventClass.WARNING,
    "activation": EventClass.ACTIVATION,
    "ignore": EventClass.IGNORED,
    "engagement": EventClass.ENGAGEMENT,
}
"""Field of the policy -> what its globs mean: the first that matches counts."""
