"""Identity: two ids that turn out to be one customer, on the time line of both.

Whoever was `anon-1` and signs in as `u-1` is one customer with one rhythm.  At the
moment of the alias the old id's time line ends: nothing more is expected of it, what
was said of it is taken back, and its state goes to the new one, who keeps a small
address in its place.  From that moment on the new id's time line stands still until
the state has come: live that takes a moment, and no decision depends on how long.

The two may live in different partitions, so what one has to say to the other is
`sent`; where everybody lives here (`alone`), it is delivered at once.  Every alias
is answered, even if nothing is known of the old id, and aliases wait for each other
in the order of their times only: so nobody waits for ever.

Whatever is not believed changes nothing for good: a state that may not be joined
goes back to the id it came from.
"""

from collections.abc import Callable
from copy import copy
from typing import NamedTuple
from zlib import crc32

import msgspec

from stream.detector.customer import Customer, Identity, Signal, Wait
from stream.detector.duplicates import MARK_BYTES
from stream.detector.episodes import Sign
from stream.detector.errors import BadEvent, Code
from stream.detector.events import DAY_MS, INTERNAL, UsageEvent
from stream.detector.horizons import Horizons
from stream.detector.joining import join, join_waiting
from stream.detector.policy import Policy
from stream.detector.roster import Roster
from stream.detector.timers import Due
from stream.detector.turnover import Turnover
from stream.detector.visits import Visit
from stream.detector.voice import Voice

ALIAS = INTERNAL + "alias"
"""Name of an event: from its time on, the id in `account_id` is the customer's."""
MOVES = INTERNAL + "moves"
"""The same, told to the old id: the customer's is `account_id` from then on."""
JOINS = INTERNAL + "joins"
"""The same, told to the new id alone."""

HOPS_MAX = 8
"""Aliases in a row that are followed; more: longer ways for who still uses the oldest id."""
JOINED_A_DAY_MAX = 100
"""Ids merged into one customer a day; more are a shared device, or a bug, and no person."""
WAITS_MAX = 2 * JOINED_A_DAY_MAX
"""Aliases one id may have waiting."""
_MARKS_MAX = 32 * MARK_BYTES  # larger: more repeated states are known, 4 bytes each
_KINDS = len(Due)
_NEVER = 1 << 62


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """One id's answer to an alias: its state, for the id that goes on."""

    previous_id: str
    customer_id: str
    """Whom it is for."""
    at: int
    """Event time of the alias (ms)."""
    state: Customer | None = None
    """None: the old id has not moved, now at least; nothing is to be joined."""
    refused: str = ""
    """Why the alias is refused: a `Code`; empty: it is not."""
    back: bool = False
    """It comes back to the id it came from."""
    hops: int = 0
    """How many addresses it has been sent on from."""


Sent = UsageEvent | Handover
"""What one id says to another: an event, under the id it is now for, or a handover."""


class Steps(NamedTuple):
    """What the detector does with one customer."""

    is_erased: Callable[[str, int], bool]
    """Tell whether what an id did at a moment (ms) is to be forgotten."""
    rouse: Callable[[str], Customer]
    """Give a customer, awake and to be saved, however little is known of it."""
    take: Callable[[UsageEvent], str]
    queue: Callable[[str, Customer], None]
    stop_watching: Callable[[str, Customer, int], None]
    settle_in: Callable[[str, Customer, int], None]
    """Let what another id brought at a moment (ms) count: whether it is one to be watched."""
    show_up: Callable[[str, Customer, Visit], None]
    """Let a visit end the silence of a customer who was thought not to be here."""
    absorb: Callable[[Customer], None]
    """Join the visits that the one under way has come to touch."""
    turnover: Turnover


class Identities:
    """Follows who is who, among the customers of one partition."""

    def __init__(
        self,
        policy: Policy,
        customers: Roster,
        voice: Voice,
        steps: Steps,
        horizons: Horizons,
        *,
        alone: bool,
    ) -> None:
        """Follow `customers`; those `alone` are all there are."""
        self._merges = policy.identity.merge
        self._horizons = horizons
        self._visit_gap = policy.visit_gap_ms
        self._customers = customers
        self._voice = voice
        self._steps = steps
        self._alone = alone
        self._sent: list[Sent] = []
        self._results: list[str] = []

    def collect(self) -> tuple[list[Sent], list[str]]:
        """Hand over what is for others, and what became of aliases, since the last call."""
        sent, self._sent = self._sent, []
        results, self._results = self._results, []
        return sent, results

    # ------------------------------------------------------------ what comes in

    def hear(self, event: UsageEvent) -> str:
        """File what is said of ids until its time has come; all else is neither use nor a sign."""
        if not self._merges or event.name not in (ALIAS, MOVES, JOINS):
            return "ignored"
        customer_id, other_id, at = event.customer_id, event.account_id, event.occurred_at
        if customer_id == other_id:
            return "ignored"
        if event.name != MOVES:
            self._await(customer_id, other_id, at)
        if event.name == JOINS:
            return "alias"
        if event.name == MOVES:
            self._depart(customer_id, other_id, at)
        elif self._alone:
            self._depart(other_id, customer_id, at)
        else:
            self._sent.append(
                msgspec.structs.replace(
                    event, name=MOVES, customer_id=other_id, account_id=customer_id
                )
            )
        return "alias"

    def receive(self, handover: Handover) -> None:
        """Take an answer: keep it for its moment, or send it on where its receiver has moved."""
        customer_id, at = handover.customer_id, handover.at
        if self._steps.is_erased(customer_id, at):
            return  # who it is for was to be forgotten, and this with it
        customer = self._steps.rouse(customer_id)
        identity = customer.identity = self._known(customer, at) or Identity()
        if handover.back:
            identity.moved_to = ""
        elif identity.moved_to:
            self._send_on(handover, identity)
            return
        if handover.refused:
            self._results.append(handover.refused)
        waiting = next(
            (w for w in identity.waits if (w.at, w.previous_id) == _key(handover) and not w.state),
            None,
        )
        known = _answered(identity, handover.previous_id, at)
        if not known:
            _note(identity, handover)
        _use(identity, at)
        if handover.state is None:
            if waiting is not None:
                identity.waits.remove(waiting)
        elif waiting is not None:
            waiting.state, waiting.back = handover.state, handover.back
        elif handover.back or not known:
            identity.waits.append(Wait(at, handover.previous_id, handover.state, handover.back))
            identity.waits.sort(key=lambda wait: (wait.at, wait.previous_id))
        self._steps.queue(customer_id, customer)

    def forward(self, customer: Customer, event: UsageEvent) -> bool:
        """Send an event on, if its customer goes by another id now; tell whether that is so."""
        identity = self._known(customer, event.occurred_at, marks=bool(event.message_id))
        if identity is None or not identity.moved_to:
            self._forget_ids(customer, event)
            return False
        _use(identity, event.occurred_at)
        self._steps.queue(event.customer_id, customer)
        # A message that comes twice was told here: there is no need to remember it there.
        self._send(msgspec.structs.replace(event, customer_id=identity.moved_to, message_id=""))
        return True

    def _forget_ids(self, customer: Customer, event: UsageEvent) -> None:
        """Remember no message ids from before an address that will have expired by an event.

        As `_known` does of one that is there: this one is made once the watermark has come to it.
        """
        if not event.message_id or not customer.signals:
            return
        moves = [signal.at for signal in customer.signals if signal.sign == MOVES]
        if not moves:
            return
        until = self._forgotten_at(self._used_until(customer, moves[0]))
        if event.occurred_at > until and all(begin <= until for begin, _ in _waiting(customer)):
            customer.recent_ids = customer.recent_ids[-MARK_BYTES:]

    def _await(self, customer_id: str, previous_id: str, at: int) -> None:
        """Stop a customer's time line at an alias until the other id's state is here."""
        if self._steps.is_erased(customer_id, at):
            return
        customer = self._steps.rouse(customer_id)
        identity = customer.identity = self._known(customer, at) or Identity()
        _use(identity, at)
        waits = identity.waits
        known = any((wait.at, wait.previous_id) == (at, previous_id) for wait in waits)
        known |= _answered(identity, previous_id, at)
        # An address has no time line, and whatever comes to it is sent on.
        if not identity.moved_to and not known and len(waits) < WAITS_MAX:
            waits.append(Wait(at, previous_id))
            waits.sort(key=lambda wait: (wait.at, wait.previous_id))
        self._steps.queue(customer_id, customer)

    def _depart(self, customer_id: str, to: str, at: int) -> None:
        """Let an id's time line end at an alias."""
        if self._steps.is_erased(customer_id, at):
            self._answer(customer_id, to, at, "unknown")
            return
        customer = self._steps.rouse(customer_id)
        identity = customer.identity = self._known(customer, at) or Identity()
        _use(identity, at)
        if identity.moved_to:
            self._answer(customer_id, to, at, "repeated" if identity.moved_to == to else "kept")
        elif len(customer.signals) >= WAITS_MAX:
            self._answer(customer_id, to, at, "", Code.ALIAS_STORM)
        else:
            customer.signals.append(Signal(at, to, MOVES))
            customer.signals.sort(key=lambda s: (s.at, s.sign, s.name))
        self._steps.queue(customer_id, customer)

    # ------------------------------------------------------------ what falls due

    def next_due(self, customer: Customer, first: int) -> int:
        """Give the first thing due, as `Detector` counts, of a customer whom an alias named.

        `first` is what is due otherwise.  Of one moment, visits and signs come before
        what an alias does, and what silence says after it.
        """
        identity = customer.identity
        assert identity is not None
        for wait in identity.waits:
            moment = wait.at * _KINDS + Due.SIGNAL
            if first <= moment:
                return first
            if wait.state is not None:
                return moment
            if self._merges:
                return _NEVER
        if first == _NEVER and _is_blank(customer):
            return self._expires_at(identity) * _KINDS + Due.LAPSE
        return first

    def do(self, customer_id: str, customer: Customer, at: int, due: Due) -> bool:
        """Do what is due, if it is an alias's; tell whether that is so."""
        identity = customer.identity
        assert identity is not None
        if due is Due.LAPSE and _is_blank(customer):
            self._customers.forget(customer_id)
            customer.identity = None
            return True
        if due is not Due.SIGNAL:
            return False
        if customer.signals and customer.signals[0].at <= at:
            if customer.signals[0].sign != MOVES:
                return False
            signal = customer.signals.pop(0)
            self._leave(customer_id, customer, signal.name, signal.at)
            return True
        come = next(wait for wait in identity.waits if wait.state is not None)
        identity.waits.remove(come)
        self._join(customer_id, customer, come)
        return True

    def _leave(self, customer_id: str, customer: Customer, to: str, at: int) -> None:
        """Hand a customer over to the id that goes on, and leave an address."""
        identity = customer.identity
        assert identity is not None
        if identity.hops >= HOPS_MAX:
            self._answer(customer_id, to, at, "", Code.ALIAS_CHAIN)
            return
        now = max(at, customer.frontier)
        self._steps.turnover.count(customer, -1)
        self._steps.stop_watching(customer_id, customer, now)
        self._voice.move(customer_id, customer, Sign.DISPROVED, now, cause=to)
        until = self._used_until(customer, at)
        rest = _cut(customer, self._forgotten_at(until))
        later = [signal for signal in customer.signals if signal.sign == MOVES]
        state = copy(customer)
        state.signals = [signal for signal in customer.signals if signal.sign != MOVES]
        state.identity = Identity(hops=identity.hops)
        state.recent_ids = b""
        state.episode = None
        fresh = self._horizons.stranger()
        for name in Customer.__struct_fields__:
            if name not in ("touched", "recent_ids", "frontier"):
                setattr(customer, name, getattr(fresh, name))
        customer.identity = address = Identity(moved_to=to, used_at=until)
        self._send(Handover(previous_id=customer_id, customer_id=to, at=at, state=state))
        for signal in later:
            self._answer(customer_id, signal.name, signal.at, "kept")
        for wait in identity.waits:
            if wait.state is not None:
                self._send_on(_handed(wait, customer_id), address)
        if rest:
            customer.identity, customer.frontier = rest.identity, 0
            customer.waiting, customer.signals = rest.waiting, rest.signals

    def _used_until(self, customer: Customer, at: int) -> int:
        """Give the last day (ms) on which the address of an id that moves at `at` is of use."""
        identity = customer.identity
        assert identity is not None
        used = _day(max(at, customer.last_at))
        for begin, end in _waiting(customer):
            if begin > self._forgotten_at(used):
                return used
            used = max(used, _day(end))
        return max(used, identity.used_at)

    def _join(self, customer_id: str, customer: Customer, wait: Wait) -> None:
        """Make one customer of two ids, at the moment of their alias."""
        identity, other, at = customer.identity, wait.state, wait.at
        assert identity is not None
        assert other is not None
        if not wait.back:
            if _day(at) > identity.joined_day:
                identity.joined_day, identity.joined = _day(at), 0
            unknown = not other.visits  # whatever else it brings came after the alias
            if identity.joined >= JOINED_A_DAY_MAX and not unknown:
                self._refuse(_handed(wait, customer_id), Code.ALIAS_STORM)
                return
            identity.joined += not unknown
            self._results.append("unknown" if unknown else "merged")
        hops = other.identity.hops if other.identity else 0
        identity.hops = max(identity.hops, hops + (not wait.back))
        with self._steps.turnover.joining(customer, other, at):
            visit = join(customer, other, self._visit_gap)
        if visit is not None:
            self._steps.show_up(customer_id, customer, visit)
            if customer.visit_open and other.visits > 1:
                customer.visit_gap_ms = min(customer.visit_gap_ms, other.visit_gap_ms)
        here, last_at = customer.visit_open, customer.last_at
        waiting = tuple(visit for visit in other.waiting if here or visit.end > last_at)
        customer.waiting = join_waiting(customer.waiting, waiting, self._visit_gap)
        customer.signals = sorted(
            [*customer.signals, *other.signals], key=lambda s: (s.at, s.sign, s.name)
        )
        if customer.visit_open:
            self._steps.absorb(customer)
        self._steps.settle_in(customer_id, customer, max(at, customer.frontier))

    def _expires_at(self, identity: Identity) -> int:
        """Give when nothing is remembered any more of an id of which only aliases spoke (ms)."""
        return self._forgotten_at(identity.used_at)

    def _forgotten_at(self, used_at: int) -> int:
        """Give until when what was last used on a day (both ms) is remembered."""
        return used_at + DAY_MS + self._horizons.own.ms

    def _known(self, customer: Customer, at: int, *, marks: int = 0) -> Identity | None:
        """Give what aliases said of an id, unless that has expired by `at` (ms).

        It may have by its own time, and not yet by the watermark: where a batch was cut
        must not decide.  Of the message ids, the last `marks` are news.
        """
        identity = customer.identity
        if identity and _is_blank(customer) and at > self._expires_at(identity):
            customer.identity = None
            customer.frontier = 0
            customer.recent_ids = customer.recent_ids[-MARK_BYTES:] if marks else b""
        return customer.identity

    # ------------------------------------------------------------ answers

    def _answer(
        self, previous_id: str, to: str, at: int, result: str, code: Code | None = None
    ) -> None:
        """Answer an alias without a state."""
        if code is None:
            self._results.append(result)
        self._send(
            Handover(
                previous_id=previous_id,
                customer_id=to,
                at=at,
                refused=code.value if code else "",
            )
        )

    def _send_on(self, handover: Handover, address: Identity) -> None:
        """Send a handover on to where its receiver has moved; back, where that leads nowhere."""
        _use(address, handover.at)
        if handover.state is None:
            return  # nobody waits for it any more
        on = msgspec.structs.replace(handover, customer_id=address.moved_to, hops=handover.hops + 1)
        if handover.previous_id == address.moved_to:
            self._refuse(on, Code.ALIAS_CYCLE)
        elif on.hops > HOPS_MAX:
            self._refuse(on, Code.ALIAS_CHAIN)
        else:
            self._send(on)

    def _refuse(self, handover: Handover, code: Code) -> None:
        """Send a state back to the id it came from."""
        self._send(
            msgspec.structs.replace(
                handover, customer_id=handover.previous_id, refused=code.value, back=True
            )
        )

    def _send(self, item: Sent) -> None:
        """Say something to another id."""
        if not self._alone:
            self._sent.append(item)
        elif isinstance(item, Handover):
            self.receive(item)
        else:
            self._steps.take(item)


def alias_event(previous_id: str, customer_id: str, at: int, received_at: int) -> UsageEvent:
    """Say, among events, that two ids are one customer from `at` (ms) on."""
    return UsageEvent(customer_id, ALIAS, at, received_at, account_id=previous_id)


def fault(handover: Handover) -> BadEvent | None:
    """Say why an alias was refused; None where it was not."""
    if not handover.refused:
        return None
    of = f"the alias of {handover.previous_id!r}"
    match handover.refused:
        case Code.ALIAS_STORM:
            why = (
                f"more than {JOINED_A_DAY_MAX} ids of one customer in a day are a shared device, or"
                " an id that everybody has: find out who sends it"
            )
        case Code.ALIAS_CHAIN:
            why = (
                f"{HOPS_MAX} aliases in a row lead there already: identify the customer by the"
                " newest id"
            )
        case Code.ALIAS_CYCLE:
            why = "it leads, over other aliases, back to itself: correct whoever sends them"
        case _:
            why = "its state cannot be read; all workers must run the same release"
    code = Code(handover.refused)
    return BadEvent(code, f"{of} is refused, and both ids stay as they are: {why}")


class _Rest(NamedTuple):
    """What waits of whoever has an id next."""

    waiting: tuple[Visit, ...]
    signals: list[Signal]
    identity: Identity | None


def _waiting(customer: Customer) -> list[tuple[int, int]]:
    """Give begin and end of everything that waits for the watermark, in order."""
    assert customer.identity is not None
    signals = ((signal.at, signal.at) for signal in customer.signals)
    waits = ((wait.at, wait.at) for wait in customer.identity.waits)
    visits = ((visit.begin, visit.end) for visit in customer.waiting)
    return sorted([*signals, *waits, *visits])


def _cut(customer: Customer, until: int) -> _Rest | None:
    """Take what lies behind the expiry (ms) of an id's address out; None: nothing does.

    It is of whoever has the id then: so it would be, had the batch been cut before it.
    """
    identity = customer.identity
    assert identity is not None
    waiting = tuple(visit for visit in customer.waiting if visit.begin > until)
    signals = [signal for signal in customer.signals if signal.at > until]
    waits = [wait for wait in identity.waits if wait.at > until]
    if not (waiting or signals or waits):
        return None
    customer.waiting = tuple(visit for visit in customer.waiting if visit.begin <= until)
    customer.signals = [signal for signal in customer.signals if signal.at <= until]
    identity.waits = [wait for wait in identity.waits if wait.at <= until]
    aliases = [*(s.at for s in signals if s.sign == MOVES), *(wait.at for wait in waits)]
    anew = Identity(waits=waits, used_at=_day(max(aliases))) if aliases else None
    return _Rest(waiting, signals, anew)


def _is_blank(customer: Customer) -> bool:
    """Tell whether nothing is known of an id but what aliases said."""
    return not (
        customer.visits
        or customer.waiting
        or customer.signals
        or customer.episode
        or customer.account_id
        or customer.life
        or customer.ended
        or (customer.identity and customer.identity.waits)
    )


def _handed(wait: Wait, customer_id: str) -> Handover:
    """Give the handover that a wait ended with."""
    return Handover(
        previous_id=wait.previous_id,
        customer_id=customer_id,
        at=wait.at,
        state=wait.state,
        back=wait.back,
    )


def _key(handover: Handover) -> tuple[int, str]:
    return handover.at, handover.previous_id


def _day(at: int) -> int:
    """Give the begin of a moment's day (ms)."""
    return at // DAY_MS * DAY_MS


def _use(identity: Identity, at: int) -> None:
    """Note that what is known of an id was of use."""
    identity.used_at = max(identity.used_at, _day(at))


def _note(identity: Identity, handover: Handover) -> None:
    """Remember that an alias was answered."""
    mark = _mark(handover.previous_id, handover.at)
    if handover.state is not None:
        identity.came = (identity.came + mark)[-_MARKS_MAX:]
    else:
        today = identity.answered if _day(handover.at) <= identity.used_at else b""
        identity.answered = (today + mark)[-_MARKS_MAX:]


def _answered(identity: Identity, previous_id: str, at: int) -> bool:
    """Tell whether an alias is among the last that were answered."""
    mark, marks = _mark(previous_id, at), identity.came + identity.answered
    return any(
        marks[begin : begin + MARK_BYTES] == mark for begin in range(0, len(marks), MARK_BYTES)
    )


def _mark(previous_id: str, at: int) -> bytes:
    text = f"{at}\0{previous_id}".encode("utf-8", "surrogatepass")
    return crc32(text).to_bytes(MARK_BYTES, "big")
