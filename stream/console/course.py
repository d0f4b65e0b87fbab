"""The course: how the evidence of a fall of use rose and came down, visit by visit.

A row holds the levels of the last visit alone.  So the customer's life is followed again by the
detector, through what the topic of usage still holds of it; where that leads elsewhere than the
workers came to (the begin is gone, another id was joined), nothing is drawn.
"""

from collections.abc import Iterator, Sequence
from math import isclose
from typing import NamedTuple

from markupsafe import Markup

from models.protocol import FALLS, RiskModels
from stream.console.chart import Chart, at_moment
from stream.console.standing import Standing
from stream.detector import falls
from stream.detector.detector import Detector
from stream.detector.events import UsageEvent
from stream.detector.policy import Policy
from stream.wire.times import iso

VISITS_MAX, EVENTS_MAX = 1_000, 20_000
"""Of a life with more nothing is drawn: whoever opened the page would wait for a second."""
WIDTH, HEIGHT = 720.0, 130.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 14.0, 20.0, 24.0
_FLOOR = HEIGHT - _BOTTOM
_LEAST_NATS = 2.0
_DATE = len("2025-03-14")


class Step(NamedTuple):
    """The levels after a visit."""

    at: int
    """The visit's last event (ms)."""
    nats: tuple[float, ...]
    """Of each of `falls.CAUSES`."""
    visits: int
    """Of the customer, by then."""


def course(
    events: Sequence[UsageEvent], stands: Standing, models: RiskModels, policy: Policy
) -> list[Step]:
    """Give the levels visit by visit, up to those of the row; empty: it is not known.

    `events` are all of one customer that count, in order of time.
    """
    if (
        not stands.levels
        or not 0 < len(events) <= EVENTS_MAX
        or stands.customer.visits > VISITS_MAX
    ):
        return []
    detector = Detector(policy, models, announces=False)
    steps = list(_steps(events, stands.at, detector, policy))
    if not steps or steps[-1].visits != stands.customer.visits:
        return []
    saved = (level.nats for level in stands.levels)
    return steps if all(map(isclose, steps[-1].nats, saved)) else []


def _steps(
    events: Sequence[UsageEvent], until: int, detector: Detector, policy: Policy
) -> Iterator[Step]:
    """Follow a life up to a moment (ms), and look at it whenever a visit is over."""
    begin = 0
    for end, event in enumerate(events, 1):
        following = events[end].occurred_at if end < len(events) else None
        if following is not None and following - event.occurred_at <= policy.visit_gap_ms:
            continue
        detector.on_events(events[begin:end])
        decided = until if following is None else min(following, until)
        detector.on_tick(decided + policy.allowed_lateness_ms)
        begin = end
        if event.customer_id not in detector.customers.entries:
            continue  # no use yet
        customer = detector.customers.look(event.customer_id)
        if customer.falling is not None:
            levels = tuple(falls.level(customer.falling, cause) for cause in falls.CAUSES)
            yield Step(event.occurred_at, levels, customer.visits)


def draw(steps: Sequence[Step], stands: Standing) -> Markup:
    """Draw the levels as stairs, and where they are told of; nothing without a course."""
    if len(steps) < 2:  # noqa: PLR2004 - one point is no course
        return Markup()
    begins_at, ends_at = steps[0].at, max(stands.at, steps[-1].at)
    alarms = [level.alarm for level in stands.levels if level.alarm is not None]
    most = max(_LEAST_NATS, *alarms, *(nats for step in steps for nats in step.nats))
    chart = Chart("course", WIDTH, HEIGHT, in_words(steps, stands))

    def across(at: int) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (at - begins_at) / max(1, ends_at - begins_at)

    def up(nats: float) -> float:
        return _FLOOR - (_FLOOR - _TOP) * nats / most

    chart.line(_LEFT, _FLOOR, WIDTH - _RIGHT, _FLOOR)
    for alarm in sorted(set(alarms)):
        chart.line(_LEFT, up(alarm), WIDTH - _RIGHT, up(alarm), "deadline")
        chart.write(_LEFT - 6, up(alarm) + 4, f"{alarm:g}", "end", "deadline")
    chart.write(_LEFT - 6, _FLOOR + 4, "0", "end")
    for cause in falls.CAUSES:
        nats = [step.nats[cause] for step in steps]
        ats = [*(step.at for step in steps[1:]), ends_at]
        corners = zip(steps, nats, ats, strict=True)
        stairs = [(x, up(n)) for step, n, at in corners for x in (across(step.at), across(at))]
        chart.curve(stairs, FALLS[cause])
    for step in steps:
        highest = max(step.nats)
        mark = chart.dot(across(step.at), up(highest), 2.0, "visit")
        at_moment(mark, step.at, f"{highest:.1f} nats")
    chart.date(_LEFT, HEIGHT - 6, begins_at, "start")
    chart.date(WIDTH - _RIGHT, HEIGHT - 6, ends_at, "end")
    return chart.drawn()


def in_words(steps: Sequence[Step], stands: Standing) -> str:
    """Say the drawing in words, for who does not see it."""
    said = f"Evidence of a fall over {len(steps):,} visits since {iso(steps[0].at)[:_DATE]}."
    for level in stands.levels:
        cause = FALLS.index(level.fall)
        highest = max(steps, key=lambda step: step.nats[cause])
        what = "Comes less" if cause == falls.LESS else "Does fewer things"
        said += (
            f" {what}: {level.nats:.1f} nats now, {highest.nats[cause]:.1f} at most,"
            f" on {iso(highest.at)[:_DATE]}."
        )
    return said
