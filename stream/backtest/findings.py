"""Findings: what a backtest came to, as it is written to JSON and shown to people.

Rates are false alarms per customer-month, delays days from a customer's last
activity to the alert, a lapse that nobody noticed counting as a whole horizon.
Times are ISO 8601, UTC.
"""

import msgspec

from stream.backtest.curve import Difference, Reading
from stream.report.cost import Cost
from stream.report.log import Log
from stream.report.raised import Raised
from stream.report.reliability import Reliability
from stream.retention.figures import Retention

SLIPAWAY = "slipaway"
BY_DIAL = "slipaway, by its dial"
VERSION = 1
"""Of this format: fields are added to it, and none ever changes its meaning."""


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at."""

    files: list[str]
    """Names without their folders."""
    policy_version: str
    horizon_days: float
    dial: float
    """The policy's own: false alarms per customer-month."""
    notice_days_per_false_alarm: float | None
    """Set in the policy instead of the dial."""
    events: int
    customers: int
    first: str
    last: str
    begin: str
    """What follows is of the time from here on."""
    lapses: int
    customer_months: float
    rows: int
    refused: dict[str, int]
    """Rows that could not be used, by reason."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy, as it is set, would have done; alerts on silence alone."""

    lapses: int
    """To be noticed; of one customer there may be several."""
    customers_lapsed: int
    named: int
    """Lapses in whose silence an alert opened, within the horizon."""
    named_after_days: float | None
    """Of these, from the last activity to the alert, on average."""
    mean_delay_days: float | None
    """Of all; one that nobody noticed counts as a whole horizon."""
    right: int
    """Alerts whose customer did not come back within the horizon; `false`: the others."""
    false: int
    false_per_customer_month: float | None
    rule_idle_days: float | None
    """The silence that, the same for all, comes to as many false alarms; None: none is as strict,
    or there was no false alarm."""
    rule: Reading | None
    """What that comes to; None: there was no false alarm."""
    difference: Difference | None
    """Days by which slipaway is later than it; below zero it is earlier."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """A silence of one customer, and what was said of it."""

    came_to: str
    """"caught": a lapse, and an alert in it; "in vain": an alert, and the customer came back within
    a horizon after it; "missed": a lapse without an alert."""
    customer_id: str
    first: str
    """The first activity."""
    active_days: int
    """Up to the silence."""
    usual_gap_days: float | None
    """The median of the days between them; None: there was one only."""
    last: str
    """The activity that the silence follows."""
    alerted: str | None
    """None, as the next two: nothing was said."""
    silent_days: float | None
    """From the last activity to the alert."""
    risk: float | None
    """As the alert told it."""
    reasons: list[str]
    back: str | None
    """The next activity; None: there is none in the log."""
    away_days: float
    """From the last activity to the next, or to where the log ends for the customer."""
    days: list[int]
    """Active days near, counted from the day of the last activity; below zero: before it."""


class Setting(Reading, frozen=True, kw_only=True):
    """What one setting of a method came to."""

    setting: float


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """One way to alert, at all of its settings."""

    name: str
    settings: list[Setting]
    """In the order in which they were tried."""
    readings: list[Reading]
    """The curve through them, at rates that all methods are read at."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How many days later slipaway is than a rule; below zero it is earlier."""

    rule: str
    differences: list[Difference]


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as people have it, with one setting and no choice of a rate."""

    rule: str
    came_to: Setting
    slipaway: Reading | None
    """At the same rate; None where the rule never called anybody slipping in vain."""
    difference: Difference | None


class DialSetting(msgspec.Struct, frozen=True, kw_only=True):
    """What the dial said would happen, and what did; alerts by its own threshold of each day."""

    dial: float | None
    """As set; None: the policy fixes the threshold, and the rate is what it comes to.

    Dials of segments are turned along with it, in proportion."""
    own: bool
    """It is the policy's."""
    measured: float | None
    ratio: float | None
    """Measured over set; None where segments have dials of their own, which are held by
    themselves."""
    recall: float | None
    precision: float | None
    mean_delay_days: float | None
    right: int
    """Alerts that were; `false`: that were not."""
    false: int
    warm_up_measured: float | None
    """Before `Data.begin`, while the model and the record were young."""
    warm_up_ratio: float | None


class SegmentDial(msgspec.Struct, frozen=True, kw_only=True):
    """What the dial of one segment came to, by its customers of the time."""

    segment: str
    """Empty: everybody in no segment with a dial of its own."""
    horizon_days: float | None = None
    """Silence that is a lapse in it; None: the policy's."""
    dial: float | None
    """As set; None: the threshold is fixed, by what follows."""
    notice_days_per_false_alarm: float | None
    customers: int
    customer_months: float
    lapses: int
    measured: float | None
    ratio: float | None
    """Measured over set."""
    recall: float | None
    precision: float | None
    mean_delay_days: float | None
    warm_up_measured: float | None
    """Before `Data.begin`."""
    warm_up_ratio: float | None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Some customers, every method among them."""

    by: str
    """What they were grouped by; empty for everybody."""
    name: str
    customers: int
    lapses: int
    customer_months: float
    methods: list[Method]
    comparisons: list[Comparison]
    """Of slipaway with each rule."""


class AsGood(msgspec.Struct, frozen=True, kw_only=True):
    """Where a simple rule notices lapses as early as slipaway, or earlier."""

    group: str
    rule: str
    false_per_customer_month: float
    days: float
    """By which slipaway is later."""
    low: float
    high: float


class Declining(msgspec.Struct, frozen=True, kw_only=True):
    """What became of customers who were told of while they still came."""

    fall: str
    """"less": comes less; "narrower": does fewer things."""
    level_nats: float | None
    """In force at the log's end; None: such falls are not told of."""
    alerts: int
    alerts_per_customer_month: float | None
    resolved: float
    """Falls that the detector knows the outcome of, told of or not; older ones count less."""
    came_true: float | None
    """Share of them that went on using less."""
    controls: float
    """Customers who had not fallen, likewise."""
    controls_true: float | None
    compared: int
    """Alerts with customers much the same beside them."""
    use_after: float | None
    """Active days in the horizon after those alerts over those in the horizon before."""
    use_after_of_others: float | None
    """The same of customers who were much the same, and not alerted on."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of one policy, all or of one trigger; days and customer-months."""

    alerts: int
    customers: int
    right: int
    false: int
    unknown: int
    """Too near the log's end, or on who had been active on fewer than three days, or too late."""
    false_per_customer_month: float | None
    precision: float | None
    recall: float | None
    mean_delay_days: float | None
    """A lapse that nobody noticed counts as a whole horizon."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two policies."""

    policy_version: str
    dial: float
    """As it is set: false alarms per customer-month."""
    horizon_days: float
    """Of its own; what is a lapse here is the new policy's."""
    everything: Part
    triggers: dict[str, Part]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A customer on whom only one of the policies alerts, by its first alert."""

    customer_id: str
    time: str
    trigger: str
    reason: str
    came_to: str
    """"right", "false" or "unknown"."""


class Only(msgspec.Struct, frozen=True, kw_only=True):
    """Customers on whom only one of the policies alerts."""

    customers: int
    came_to: dict[str, int]
    """Of their first alerts."""
    cases: list[Case]
    """The first of them."""


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """Two policies, side by side, from `Data.begin` on."""

    old: Side
    new: Side
    both: int
    """Customers on whom both alert."""
    newly: Only
    no_longer: Only


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything."""

    version: int = VERSION
    data: Data
    answer: Answer
    log: Log
    raised: Raised
    """From `Data.begin` on, by the policy as it is set; what each came to is judged."""
    stories: list[Story]
    """Three of each kind, where there are as many."""
    silences_believed: Reliability | None
    """How the risks of all silences that were judged came to be, older ones counting less; None:
    nothing has matured."""
    alerts_believed: Reliability | None
    """How the risks that alerts on silence told came to be, from `Data.begin` on."""
    everybody: Group
    fixed: list[Fixed]
    dial: list[DialSetting]
    groups: list[Group]
    left_out: list[str]
    """Groups with too few lapses to say anything about."""
    as_good: list[AsGood]
    declining: list[Declining] = []
    """Of each fall; empty where the policy does not look for decline."""
    retention: Retention | None = None
    """Who stayed, by the policy's periods, over the whole log."""
    segments: list[SegmentDial] = []
    """The policy's own setting, dial by dial; empty where no segment has one of its own."""
    against: Against | None = None
    """Beside another policy, if one was given."""
    cost: Cost | None = None
    """What the backtest took: forty settings, the rules and the intervals, not a replay alone."""


def encode(findings: Findings) -> bytes:
    """Write the findings as JSON, to be read by people, too."""
    return msgspec.json.format(msgspec.json.encode(findings), indent=2) + b"\n"
