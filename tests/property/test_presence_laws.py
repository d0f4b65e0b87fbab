"""Laws of the columns: events looked at together come to the same as one after the other."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_detector_laws import NAMES, PLANS, POLICY, START, eager_models

from stream.detector import detector as module
from stream.detector.decisions import Decisions
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, MINUTE_MS, UsageEvent
from stream.detector.presence import Presence
from stream.detector.roster import Roster
from stream.wire.customers import CustomerCodec

NEVER = 1 << 30
PROMPT = msgspec.structs.replace(POLICY, allowed_lateness_ms=5_000)
IDS = ["", "m1", "m2", "m3"]
STEPS = [*[1_000] * 12, 0, 1, 10_000, MINUTE_MS, 25 * MINUTE_MS, 40 * MINUTE_MS, 3 * DAY_MS]
ASTRAY = [*[0] * 20, -1, -3_000, -MINUTE_MS, -2 * DAY_MS, DAY_MS]


@st.composite
def logs(draw: st.DrawFn) -> list[UsageEvent]:
    """Draw a dense log: few customers, ids that come again, clocks that are behind and ahead."""
    at, events = START, []
    for number in range(draw(st.integers(0, 80))):
        at += draw(st.sampled_from(STEPS))
        events.append(
            UsageEvent(
                customer_id=draw(st.sampled_from(["a", "a", "a", "b", "c"])),
                name=draw(st.sampled_from(["open"] * 12 + ["share", *NAMES])),
                occurred_at=at + draw(st.sampled_from(ASTRAY)),
                received_at=at,
                message_id=draw(st.sampled_from([f"n{number}"] * 8 + [f"n{number - 1}", *IDS])),
                volume=draw(st.sampled_from([1.0, 1.0, 0.0, 0.1, 7.0, 1e12])),
                traits=draw(st.sampled_from([None] * 12 + [*PLANS])),
                account_id=draw(st.sampled_from(["", "x", "x", "x", "x", "y"])),
            )
        )
    return events


def outcome(
    events: Sequence[UsageEvent], size: int, together_min: int, *, moving: bool
) -> tuple[list[object], dict[str, bytes]]:
    """Take events in batches, save now and then; give what was said, and every customer's row."""
    codec = CustomerCodec()
    with patch.object(module, "TOGETHER_MIN", together_min):
        subject = Detector(PROMPT, eager_models(), customers=Roster(codec))
        subject.events_move_time = moving
        said: list[Decisions] = []
        edges = [*range(0, len(events), size), len(events)]
        for number, (begin, end) in enumerate(pairwise(edges)):
            said.append(subject.on_events(events[begin:end], settle=False))
            if not moving:
                said.append(subject.on_tick(events[begin].received_at))
            if number % 4 == 0:
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


@settings(deadline=None)
@pytest.mark.parametrize("moving", [True, False])
@given(log=logs(), size=st.integers(1, 9))
def test_together_or_one_by_one(log: list[UsageEvent], size: int, *, moving: bool) -> None:
    """Alerts, lessons, refusals and counts are the same, and each customer to the last bit."""
    single = outcome(log, size, NEVER, moving=moving)
    assert outcome(log, size, 1, moving=moving) == single


def test_many_customers_find_room_and_leave_it() -> None:
    """Slots are made as they are needed, and used again; most events are added in columns."""
    times = [START + day * DAY_MS + number * 20 for day in (0, 1) for number in range(3_500)]
    log = [
        UsageEvent(f"{at // DAY_MS}-{number % 700}", "open", at, at, f"m{number}")
        for number, at in enumerate(times)
    ]
    size = 250
    left: list[int] = []

    def counted(*arguments: Any) -> list[int]:
        left.extend(others := add(*arguments))
        return others

    add = Presence.add
    with patch.object(Presence, "add", counted):
        together = outcome(log, size, 1, moving=True)
    assert together == outcome(log, size, NEVER, moving=True)
    assert len(left) < len(log) / 2


def test_of_a_visit_within_a_batch_only_the_first_event_goes_the_long_way() -> None:
    """A replay's batches span hours: events would go one by one, each visit being new."""
    times = [START + nth * DAY_MS + number * 2_000 for nth in range(3) for number in range(100)]
    log = [UsageEvent("a", "open", at, at, f"m{at}") for at in times]
    taken: list[UsageEvent] = []

    def counted(self: Detector, event: UsageEvent) -> str:
        taken.append(event)
        return take(self, event)

    take = Detector._take
    with patch.object(Detector, "_take", counted):
        together = outcome(log, 100, 1, moving=True)
    assert [event.occurred_at for event in taken] == times[::100]
    assert together == outcome(log, 100, NEVER, moving=True)


def test_a_message_that_comes_again_within_a_visit_that_waits_counts_once() -> None:
    """One of the last visit's, or one of its own: neither counts twice."""
    times = [START + nth * DAY_MS + number * 2_000 for nth in range(3) for number in range(20)]
    ids = [f"m{number}" for number in range(len(times))]
    ids[22], ids[50] = "m19", "m48"
    log = [
        UsageEvent("a", "open", at, at, message_id, volume=0.1)
        for at, message_id in zip(times, ids, strict=True)
    ]
    together = outcome(log, 20, 1, moving=True)
    assert together == outcome(log, 20, NEVER, moving=True)
    assert together[0][1] == Counter(applied=58, duplicate=2)
