"""Laws of who is who: one partition or three, and however long a handover is on its way."""

from collections import Counter, deque
from collections.abc import Sequence
from random import Random
from unittest.mock import patch
from zlib import crc32

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st
from test_detector_laws import NAMES, START, eager_models, end_of

from stream.detector import detector as detector_module
from stream.detector.alerts import Alert, Kind
from stream.detector.calendar import local_time
from stream.detector.customer import Customer, Identity
from stream.detector.decisions import Decisions
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.identity import ALIAS, Handover, Sent, alias_event
from stream.detector.periods import Boundaries
from stream.detector.policy import Policy
from stream.detector.roster import Roster
from stream.detector.segments import Comparison, Condition, OpenTicket, Segment
from stream.wire.alerts import encode_alert
from stream.wire.alias import sides
from stream.wire.customers import CustomerCodec
from stream.wire.events import Decoder
from stream.wire.travel import Travelled, encode_sent

POLICY = Policy(
    horizon_ms=12 * DAY_MS,
    allowed_lateness_ms=0,
    visits_min=2,
    warning=("warn",),
    ending=("end",),
    unobserved=("unwatch",),
    paused=("pause",),
    resumed=("resume",),
    activation=("activate",),
    ticket_opened=("ask",),
    ticket_closed=("answer",),
    contact=("call",),
    segments=(
        Segment(name="ours", where=(Condition(trait="plan", one_of=("own",)),), eligible=False),
        Segment(
            name="trial",
            where=(Condition(trait="plan", one_of=("trial",)),),
            activate_within_ms=5 * DAY_MS,
            ticket=OpenTicket.SUPPRESS,
        ),
        Segment(
            name="large",
            where=(Condition(trait="seats", comparison=Comparison.LEAST, bound=3),),
            visits_min=1,
            silent_max_ms=4 * DAY_MS,
            contact_rest_ms=2 * DAY_MS,
        ),
    ),
)
IDS = ("a", "b", "c", "d", "e", "f")
DECODER = Decoder(aliases=True)


_GAPS = st.one_of(
    st.integers(1, 40 * 60_000), st.integers(1, 2 * DAY_MS), st.integers(1, 15 * DAY_MS)
)
_LIFE = ("pause", "resume", "activate", "ask", "answer", "call")
_SAYS = ("open", "open", "open", *NAMES, *_LIFE, "tell", "tell", "alias", "alias", "alias")
_TOLD = ({"plan": "trial"}, {"plan": "own"}, {"plan": None}, {"seats": 5}, {"seats": 2}, {"x": 1})
_STEPS = st.lists(
    st.tuples(_GAPS, st.sampled_from(_SAYS), st.integers(0, 5), st.integers(0, 5)), max_size=40
)


def log_of(
    steps: Sequence[tuple[int, str, int, int]], *, plain: bool = False, chains: bool = True
) -> list[UsageEvent]:
    """Make a log in order of time, with aliases in it.

    In a plain one every id moves once at most, to one that has not moved, and is not
    used any more after that.  Without chains it may be, but no id that others moved to moves.
    """
    at, events = START, []
    moved: set[str] = set()
    joined: set[str] = set()
    for number, (gap, says, one, other) in enumerate(steps):
        at += gap
        who, new = IDS[one], IDS[other]
        if plain and who in moved:
            continue
        if says != "alias":
            events.append(UsageEvent(who, says, at, at, f"m{number}", 1.0 + 3 * (other % 2)))
            if says == "tell":
                events[-1] = msgspec.structs.replace(events[-1], traits=_TOLD[other])
        elif who != new and not (plain and new in moved):
            if not chains and ({who, new} & moved or who in joined):
                continue
            events.append(alias_event(who, new, at, at))
            moved.add(who)
            joined.add(new)
    return events


def place_of(customer_id: str) -> int:
    """Give the partition of a customer."""
    return crc32(customer_id.encode()) % 3


class Apart:
    """Three partitions, each with its own log, of which any may be ahead of the others."""

    def __init__(self) -> None:
        """Start with nobody."""
        self.alerts: list[Alert] = []
        self.rosters = [Roster(CustomerCodec()) for _ in range(3)]
        self.detectors = [
            Detector(POLICY, eager_models(), customers=roster, announces=number == 0, alone=False)
            for number, roster in enumerate(self.rosters)
        ]
        self.logs: list[deque[Sent]] = [deque() for _ in range(3)]

    def run(self, events: Sequence[UsageEvent], chance: Random) -> None:
        """Let the partitions read a log in turns of any length, and then what they sent."""
        for event in events:
            for part in sides(event) if event.name == ALIAS else (event,):
                self.logs[place_of(part.customer_id)].append(part)
        ends = [True] * 3
        while any(self.logs) or any(ends):
            number = chance.randrange(3)
            log, detector = self.logs[number], self.detectors[number]
            for _ in range(min(len(log), chance.randint(1, 9))):
                self._hear(detector, log.popleft())
            if not log and ends[number] and chance.random() < 0.5:
                ends[number] = False
                self._keep(detector.on_tick(end_of(events)))
            if chance.random() < 0.3:
                detector.settle()
                for _ in self.rosters[number].save():
                    pass

    def _hear(self, detector: Detector, said: Sent) -> None:
        if isinstance(said, Handover):
            self._keep(detector.on_handover(said))
        else:
            self._keep(detector.on_events([said]))

    def _keep(self, decisions: Decisions) -> None:
        self.alerts += decisions.alerts
        for sent in decisions.sent:
            _, value = encode_sent(sent, "app")
            read = DECODER.decode(value, end_of([]) * 2)
            assert isinstance(read, Travelled)
            self.logs[place_of(sent.customer_id)].append(read.what)

    def customers(self) -> dict[str, Customer]:
        """Give everybody."""
        return {c: roster.look(c) for roster in self.rosters for c in roster}


def together(events: Sequence[UsageEvent], size: int) -> tuple[list[Alert], Roster]:
    """Give what one partition says, in batches of a size, and whom it knows in the end."""
    detector = Detector(POLICY, eager_models(), customers=Roster(CustomerCodec()))
    alerts: list[Alert] = []
    with patch.object(detector_module, "TOGETHER_MIN", 2):
        for begin in range(0, len(events), size):
            alerts += detector.on_events(events[begin : begin + size]).alerts
    alerts += detector.on_tick(end_of(events)).alerts
    return alerts, detector.customers


def shown(alerts: Sequence[Alert]) -> Counter[bytes]:
    """Give customers' alerts as they are published."""
    return Counter(encode_alert(alert) for alert in alerts if alert.customer_id)


_BACK_AND_JOINED = [
    *[(1, "open", 0, 0)] * 4,
    (1, "watch_ended", 0, 0),
    *[(1, "open", 0, 0)] * 3,
    (12 * DAY_MS, "open", 0, 0),
    (1, "alias", 1, 0),
    *[(1, "open", 0, 0)] * 2,
]


_LATE_AND_JOINED = [
    *[(1, "open", 0, 0)] * 8,
    (1, "alias", 1, 0),
    (12 * DAY_MS - 1, "open", 0, 0),
    (438_399_992, "open", 0, 0),
]


@example(_LATE_AND_JOINED, 1, 1)
@example(_BACK_AND_JOINED, 1, 0)  # the join comes before the last event, or after it
@given(_STEPS, st.integers(1, 200), st.integers(0, 1 << 32))
def test_partitions_and_the_way_between_them_change_nothing(
    steps: list[tuple[int, str, int, int]], size: int, seed: int
) -> None:
    """The same alerts to the last byte, whoever waits for whom, and however long."""
    log = log_of(steps, plain=True)
    apart = Apart()
    apart.run(log, Random(seed))
    alerts, customers = together(log, size)
    assert shown(apart.alerts) == shown(alerts)
    at = end_of(log)
    states = {c: _known(customers.look(c), at) for c in customers}
    assert {c: _known(customer, at) for c, customer in apart.customers().items()} == states


@given(_STEPS, st.integers(0, 1 << 32))
def test_whatever_aliases_say_nobody_waits_for_ever_and_nothing_goes_round(
    steps: list[tuple[int, str, int, int]], seed: int
) -> None:
    """Circles, chains, ids that are used on: it ends, and who has moved is not told of again."""
    log = log_of(steps)
    apart = Apart()
    apart.run(log, Random(seed))
    customers = apart.customers()
    for customer in customers.values():
        assert customer.identity is None or not customer.identity.waits
    for customer_id in customers:
        way = [customer_id]
        while (identity := customers[way[-1]].identity) and identity.moved_to:
            way.append(identity.moved_to)
            assert len(set(way)) == len(way)
    last = {a.customer_id: a for a in sorted(apart.alerts, key=lambda a: a.time)}
    for customer_id, customer in customers.items():
        if customer.identity and customer.identity.moved_to and customer_id in last:
            assert last[customer_id].kind in (Kind.RETRACTED, Kind.RECOVERED)


_BEYOND_THE_ADDRESS = [
    (1, "alias", 1, 0),
    (67_142_555, "open", 1, 3),
    (14 * DAY_MS, "tell", 1, 2),
    (1, "open", 1, 2),
]


@example(_BEYOND_THE_ADDRESS, (1, 200))
@example([(1, "alias", 1, 0), (13 * DAY_MS, "open", 0, 0), (1, "open", 1, 0)], (1, 2))
@given(_STEPS, st.tuples(st.integers(1, 200), st.integers(1, 200)))
def test_where_batches_are_cut_changes_nothing(
    steps: list[tuple[int, str, int, int]], sizes: tuple[int, int]
) -> None:
    """One partition decides by the times alone, also of who uses an id that has moved."""
    log = log_of(steps, chains=False)
    (one, known), (other, known_too) = (together(log, size) for size in sizes)
    at = end_of(log)
    assert list(map(encode_alert, one)) == list(map(encode_alert, other))
    assert {c: _known(known.look(c), at) for c in known} == {
        c: _known(known_too.look(c), at) for c in known_too
    }


def _known(customer: Customer, at: int) -> bytes:
    """Give what is known of a customer at a moment (ms), but for what says how it came here.

    Nor are stays that no period counts any more: whose turn is later forgets them later.
    """
    identity, tenure = customer.identity, customer.tenure
    if tenure is not None:
        periods = Boundaries(POLICY.retention.every, local_time(POLICY.calendar))
        since = periods.last(periods.begin(at), 2)[0]
        before = [stay for stay in tenure.before if stay.end > since]
        tenure = msgspec.structs.replace(tenure, before=before)
        if not (before or tenure.end or tenure.moves or tenure.last):
            tenure = tenure if tenure.begin != customer.first_at else None
    if identity is not None:
        address = Identity(moved_to=identity.moved_to, used_at=identity.used_at)
        identity = address if identity.moved_to else Identity(waits=identity.waits)
        identity = identity if identity.moved_to or identity.waits else None
    plain = msgspec.structs.replace(customer, touched=False, identity=identity, tenure=tenure)
    return msgspec.msgpack.encode(plain)
