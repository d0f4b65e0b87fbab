"""The timeline: a customer's visits, when it would be back, and what was said of it meanwhile."""

from collections.abc import Sequence
from math import log1p

from markupsafe import Markup

from stream.console.chart import Chart, at_moment
from stream.console.customer import Episode, History
from stream.console.standing import Standing
from stream.detector.alerts import Alert
from stream.detector.events import DAY_MS
from stream.wire.times import iso

WIDTH, HEIGHT = 720.0, 150.0
_TOP, _BOTTOM = 26.0, 24.0
_FLOOR = HEIGHT - _BOTTOM
_LEAST_MS = 30 * DAY_MS
_MOST_MS = 180 * DAY_MS
_BAR_MIN, _BAR_WIDTH = 8.0, 3.0
_DATE = len("2025-03-14")


def draw(history: History, episodes: Sequence[Episode], stands: Standing | None) -> Markup:
    """Draw visits as bars, by their moment; nothing where nothing is known.

    Where it is known how the customer `stands`: the silence, and the time within which it would
    be back.  Above stand what was said of it and what was told.
    """
    said = [alert for episode in episodes for alert in episode.alerts]
    moments = [visit.begin for visit in history.visits] + [alert.time for alert in said]
    if stands is not None:
        moments.append(stands.at)
        moments += [stands.rhythm.expected_by] if stands.rhythm and stands.curve else []
    if not moments:
        return Markup()
    ends_at = max(moments)
    begins_at = ends_at - min(max(ends_at - min(moments), _LEAST_MS), _MOST_MS)
    chart = Chart("timeline", WIDTH, HEIGHT, _said(history, begins_at, ends_at, stands))
    drawing = _Drawing(chart, begins_at, ends_at)
    if stands is not None:
        drawing.silence(stands)
    drawing.visits(history)
    drawing.told(history)
    drawing.said(said)
    drawing.frame(stands.at if stands else None)
    return chart.drawn()


class _Drawing:
    """The span of time that is drawn, and what is put into it."""

    def __init__(self, chart: Chart, begins_at: int, ends_at: int) -> None:
        self._chart = chart
        self._begins_at, self._ends_at = begins_at, ends_at

    def silence(self, stands: Standing) -> None:
        """Shade the silence, the time within which it would end, and what is past that."""
        rhythm = stands.rhythm
        if rhythm is None or not stands.curve:
            return
        for since, until, name in (
            (stands.customer.last_at, stands.at, "silent"),
            (rhythm.half_by, rhythm.expected_by, "expected"),
            (rhythm.expected_by, stands.at, "overdue"),
        ):
            x = self._across(since)
            self._chart.box(x, _TOP, self._across(until) - x, _FLOOR - _TOP, name)

    def visits(self, history: History) -> None:
        """Draw visits, as high as there were events."""
        shown = [visit for visit in history.visits if visit.begin >= self._begins_at]
        most = max((visit.events for visit in shown), default=1)
        for visit in shown:
            height = _BAR_MIN + (_FLOOR - _TOP - _BAR_MIN) * log1p(visit.events) / log1p(most)
            x = min(self._across(visit.begin), WIDTH - _BAR_WIDTH)
            bar = self._chart.box(x, _FLOOR - height, _BAR_WIDTH, height, "use")
            at_moment(bar, visit.begin, _many(visit.events, "event"))

    def told(self, history: History) -> None:
        """Mark what was told."""
        for told in history.told:
            if told.at >= self._begins_at:
                mark = self._chart.dot(self._across(told.at), _TOP - 6, 3.5, "told")
                at_moment(mark, told.at, told.word)

    def said(self, alerts: Sequence[Alert]) -> None:
        """Mark what was said."""
        for alert in alerts:
            if alert.time >= self._begins_at:
                name = f"said {alert.kind.value}"
                mark = self._chart.dot(self._across(alert.time), _TOP - 16, 4.5, name)
                at_moment(mark, alert.time, f"{alert.kind.value} ({alert.trigger.value})")

    def frame(self, now: int | None) -> None:
        """Draw the floor, the days at its ends, and where it stands now."""
        if now is not None:
            self._chart.line(self._across(now), _TOP - 4, self._across(now), _FLOOR, "now")
        self._chart.line(0, _FLOOR, WIDTH, _FLOOR)
        self._chart.date(0, HEIGHT - 6, self._begins_at, "start")
        self._chart.date(WIDTH, HEIGHT - 6, self._ends_at, "end")

    def _across(self, at: int) -> float:
        span = self._ends_at - self._begins_at
        return WIDTH * min(max((at - self._begins_at) / span, 0.0), 1.0)


def _said(history: History, begins_at: int, ends_at: int, stands: Standing | None) -> str:
    """Say the drawing in words, for who does not see it."""
    when = f"from {iso(begins_at)[:_DATE]} to {iso(ends_at)[:_DATE]}"
    shown = [visit for visit in history.visits if visit.begin >= begins_at]
    if shown:
        last = iso(shown[-1].begin)[:_DATE]
        said = f"{_many(len(shown), 'visit')} {when}, the last on {last}"
    else:
        said = f"No visit seen {when}"
    if stands is None or stands.rhythm is None or not stands.curve:
        return said
    rhythm = stands.rhythm
    return (
        f"{said}. Half of such silences would have ended by {iso(rhythm.half_by)[:_DATE]},"
        f" 95 of 100 by {iso(rhythm.expected_by)[:_DATE]}"
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
