"""Laws of the columns: events looked at together come to the same as one after the other."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_detector_laws import NAMES, START, detector

from stream.detector import detector as module
from stream.detector.detector import Decisions
from stream.detector.events import DAY_MS, MINUTE_MS, UsageEvent
from stream.detector.roster import Roster
from stream.wire.customers import CustomerCodec

NEVER = 1 << 30
IDS = ["", *(f"m{number}" for number in range(30))]


@st.composite
def logs(draw: st.DrawFn) -> list[UsageEvent]:
    """Draw a dense log: few customers, ids that come again, clocks that are behind and ahead."""
    at, events = START, []
    for _ in range(draw(st.integers(0, 60))):
        at += draw(st.sampled_from([0, 1, 1_000, 10_000, MINUTE_MS, 40 * MINUTE_MS, 3 * DAY_MS]))
        astray = draw(st.sampled_from([0, 0, 0, 0, -1, -5_000, -MINUTE_MS, -2 * DAY_MS, DAY_MS]))
        events.append(
            UsageEvent(
                customer_id=f"c{draw(st.integers(0, 3))}",
                name=draw(st.sampled_from([NAMES[0], *NAMES])),
                occurred_at=at + astray,
                received_at=at,
                message_id=draw(st.sampled_from(IDS)),
                volume=draw(st.sampled_from([1.0, 1.0, 0.1, 7.0, 1e12])),
                account_id=draw(st.sampled_from(["", "a", "b"])),
            )
        )
    return events


def outcome(
    events: Sequence[UsageEvent], cuts: Sequence[int], together_min: int, *, moving: bool
) -> tuple[list[object], dict[str, bytes]]:
    """Take events in batches, save now and then; give what was said, and every customer's row."""
    codec = CustomerCodec()
    with patch.object(module, "TOGETHER_MIN", together_min):
        subject = detector(customers=Roster(codec))
        subject.events_move_time = moving
        said: list[Decisions] = []
        edges = sorted({0, len(events), *(min(cut, len(events)) for cut in cuts)})
        for number, (begin, end) in enumerate(pairwise(edges)):
            said.append(subject.on_events(events[begin:end], settle=False))
            if not moving:
                said.append(subject.on_tick(events[begin].received_at))
            if number % 2:
                subject.settle()
                list(subject.customers.save())
        said.append(subject.on_tick(START + 60 * DAY_MS))
    subject.settle()
    counts: Counter[str] = sum((one.counts for one in said), Counter())
    outputs = [
        [*one.alerts, *one.lessons, *((place, str(bad)) for place, bad in one.refused)]
        for one in said
    ]
    rows = {name: codec.encode(subject.customers.look(name)) for name in subject.customers}
    return [outputs, counts], rows


@pytest.mark.parametrize("moving", [True, False])
@given(log=logs(), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_together_or_one_by_one(log: list[UsageEvent], cuts: list[int], *, moving: bool) -> None:
    """Alerts, lessons, refusals and counts are the same, and each customer to the last bit."""
    single = outcome(log, cuts, NEVER, moving=moving)
    assert outcome(log, cuts, 1, moving=moving) == single


def test_many_customers_find_room_and_leave_it() -> None:
    """Slots are made as they are needed, and used again."""
    log = [
        UsageEvent(f"c{number % 700}", "login", START + number, START + number, f"m{number}")
        for number in range(2_100)
    ]
    later = [
        UsageEvent(f"d{number % 700}", "login", at := START + DAY_MS + number, at, f"m{number}")
        for number in range(2_100)
    ]
    assert outcome(log + later, [700, 1_400, 2_100, 2_800], 1, moving=True) == outcome(
        log + later, [700, 1_400, 2_100, 2_800], NEVER, moving=True
    )
