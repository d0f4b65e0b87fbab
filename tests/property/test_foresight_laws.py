"""Laws of foresight: landmarks assessed together come to the same as one after the other."""

from collections.abc import Sequence
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_detector_laws import POLICY, eager_models, end_of
from test_detector_laws import logs as plain_logs
from test_identity_laws import _STEPS, log_of
from test_identity_laws import POLICY as OF_ALIASES

from stream.detector import foresight
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, MINUTE_MS, UsageEvent
from stream.detector.foresight import Foresight
from stream.detector.policy import Policy
from stream.detector.roster import Roster
from stream.wire.customers import CustomerCodec

NEVER = 1 << 30
START = 1_700_000_000_000


def outcome(
    policy: Policy, events: Sequence[UsageEvent], size: int, together_min: int, step_ms: int
) -> tuple[list[object], dict[str, bytes]]:
    """Take events in batches, save now and then; give what was said, and every customer's row.

    After the last event time passes in steps.
    """
    codec = CustomerCodec()
    subject = Detector(policy, eager_models(), customers=Roster(codec))
    said: list[object] = []
    with patch.object(foresight, "TOGETHER_MIN", together_min):
        for begin in range(0, len(events), size):
            one = subject.on_events(events[begin : begin + size])
            said += [one.alerts, one.lessons, one.withheld]
            list(subject.customers.save())
        for moment in range(
            max((e.occurred_at for e in events), default=0), end_of(events), step_ms
        ):
            one = subject.on_tick(moment)
            said += [one.alerts, one.lessons, one.withheld]
    return said, {name: codec.encode(subject.customers.look(name)) for name in subject.customers}


@given(log=plain_logs(customers=6), size=st.integers(1, 40), days=st.sampled_from([0.04, 1, 40]))
def test_foreseen_or_not(log: list[UsageEvent], size: int, days: float) -> None:
    """Alerts, lessons and rows are the same, to the last bit."""
    step = round(days * DAY_MS)
    foreseen = outcome(POLICY, log, size, 1, step)
    assert foreseen == outcome(POLICY, log, size, NEVER, step)


@given(steps=_STEPS, size=st.integers(1, 40), days=st.sampled_from([1, 40]))
def test_an_alias_changes_who_was_foreseen(
    steps: list[tuple[int, str, int, int]], size: int, days: int
) -> None:
    """What comes of it to another customer in the same advance is not missed."""
    log, step = log_of(steps, plain=False), days * DAY_MS
    foreseen = outcome(OF_ALIASES, log, size, 1, step)
    assert foreseen == outcome(OF_ALIASES, log, size, NEVER, step)


def test_where_many_fall_silent_together_hardly_anybody_is_assessed_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That is what foresight is for, asleep or awake."""
    log = [
        UsageEvent(f"c{number:03d}", "open", at, at, f"{at}")
        for day in range(4)
        for number in range(300)
        for at in (START + day * DAY_MS // 2 + number * MINUTE_MS // 20,)
    ]
    alone: list[bool] = []
    assess = Foresight.assess

    def counted(self: Foresight, customer_id: str, *rest: object) -> object:
        alone.append(customer_id not in self._foreseen)
        return assess(self, customer_id, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Foresight, "assess", counted)
    _, rows = outcome(Policy(), log, 300, foresight.TOGETHER_MIN, DAY_MS // 24)
    assert len(rows) == 300
    assert len(alone) > 300
    assert sum(alone) < len(alone) / 20
