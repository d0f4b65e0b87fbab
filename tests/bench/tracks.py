"""Events on the wire: Segment `track` calls of about 220 bytes, our own form, and a workload.

The workload has the shape of the peer benchmarks' (20,000 customers, skewed,
ten milliseconds of event time an event), written anew and seeded: the same
number of events is the same bytes, on any machine.
"""

import random
import time
from collections.abc import Iterator
from typing import NamedTuple

import orjson

from stream.detector.events import UsageEvent
from stream.wire.events import encode_usage

CUSTOMERS = 20_000
START_MS = 1_700_000_000_000
STEP_MS = 10
NAMES = ("login", "page_view", "report_created", "invite_sent", "export", "search", "comment")
PLANS = ("free", "team", "pro")


class Track(NamedTuple):
    """One event: its key, its bytes and its time."""

    key: bytes
    value: bytes
    at_ms: int


class Tracks:
    """Writes `track` calls; what they hold beside customer and time is drawn by `seed`."""

    def __init__(self, seed: int) -> None:
        """Draw by `seed`."""
        self._random = random.Random(seed)
        self._second = -1
        self._prefix = ""

    def write(self, customer: int, at_ms: int, name: str = "") -> Track:
        """Write one call of a customer, given by its number."""
        draw = self._random
        if at_ms // 1000 != self._second:
            self._second = at_ms // 1000
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self._second))
        user = f"c{customer:06d}"
        value = orjson.dumps(
            {
                "type": "track",
                "messageId": f"{draw.getrandbits(128):032x}",
                "userId": user,
                "event": name or NAMES[int(len(NAMES) * draw.random())],
                "timestamp": f"{self._prefix}.{at_ms % 1000:03d}Z",
                "properties": {
                    "plan": PLANS[customer % len(PLANS)],
                    "duration": round(60 * draw.random(), 2),
                },
                "context": {"groupId": f"g{customer // 10:05d}"},
            }
        )
        return Track(user.encode(), value, at_ms)


class Stencils:
    """Writes the calls of so many customers faster than anybody reads them.

    What a customer's calls have in common is written once; message id and time
    are put in.  For senders that share their cores with who is measured.
    """

    def __init__(self, customers: int, seed: int) -> None:
        """Write one call of everybody."""
        tracks = Tracks(seed)
        self._stencils: list[tuple[bytes, bytes]] = []
        for number in range(customers):
            key, value, _ = tracks.write(number, START_MS)
            call = orjson.loads(value)
            call["messageId"], call["timestamp"] = _ID, _TIME
            self._stencils.append((key, orjson.dumps(call)))
        self._written = 0

    def write(self, customer: int, stamp: bytes) -> tuple[bytes, bytes]:
        """Write a call of a customer, given by its number, at a time as `stamp_of` has it."""
        self._written += 1
        key, stencil = self._stencils[customer]
        return key, stencil % (self._written, stamp)


_ID, _TIME = "%032x", "%b"


def stamp_of(at_ms: int) -> bytes:
    """Write a moment as the calls have it."""
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000))
    return f"{seconds}.{at_ms % 1000:03d}Z".encode()


class Usages(Tracks):
    """Writes the same in our own form, as ingest does: nothing of it is remembered by a reader."""

    def write(self, customer: int, at_ms: int, name: str = "") -> Track:
        """Write one event of a customer, given by its number."""
        user = f"c{customer:06d}"
        message_id = f"{self._random.getrandbits(128):032x}"
        event = UsageEvent(user, name or NAMES[0], at_ms, at_ms, message_id)
        return Track(user.encode(), encode_usage(event), at_ms)


def workload(events: int, seed: int = 1) -> Iterator[Track]:
    """Yield the peers' workload in the order of its times."""
    draw = random.Random(seed)
    tracks = Tracks(seed)
    for i in range(events):
        customer = int(CUSTOMERS * draw.random() ** 2)
        yield tracks.write(customer, START_MS + (i + 1) * STEP_MS)
