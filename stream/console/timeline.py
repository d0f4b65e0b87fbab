"""The timeline: a customer's days of use, and the silence, drawn as SVG.

Colours are classes, places are attributes: a page that allows no style of its own shows it.
"""

from collections.abc import Sequence
from math import log1p
from xml.etree.ElementTree import Element, SubElement, tostring

from stream.console.customer import Day
from stream.detector.alerts import Alert
from stream.detector.events import DAY_MS, SECOND_MS
from stream.wire.times import iso

WIDTH, HEIGHT = 720.0, 120.0
_TOP, _BOTTOM = 10.0, 24.0
_LEAST_DAYS = 30
_MOST_DAYS = 180
_BAR_MIN = 6.0
_DATE = len("2025-03-14")


def draw(days: Sequence[Day], alert: Alert | None) -> str:
    """Draw days of use as bars, and where `alert` is given, the silence it speaks of."""
    if not days and alert is None:
        return ""
    last_day = days[-1].at if days else 0
    ends_at = max(last_day + DAY_MS, alert.time if alert else 0, (alert and alert.expected_by) or 0)
    first_at = days[0].at if days else ends_at
    span = min(max(ends_at - first_at, _LEAST_DAYS * DAY_MS), _MOST_DAYS * DAY_MS)
    begins_at = ends_at - span
    shown = [day for day in days if day.at >= begins_at]
    floor = HEIGHT - _BOTTOM

    def across(at: int) -> float:
        return WIDTH * min(max((at - begins_at) / span, 0.0), 1.0)

    root = Element(
        "svg", {"viewBox": f"0 0 {WIDTH:g} {HEIGHT:g}", "class": "timeline", "role": "img"}
    )
    SubElement(root, "title").text = _said(shown, begins_at, ends_at)
    if alert is not None and alert.trigger.value == "silence":
        seen_at = alert.time - alert.silent_for_seconds * SECOND_MS
        _box(root, across(seen_at), across(alert.time), "silent", floor)
        if alert.expected_by is not None and alert.expected_by < alert.time:
            _box(root, across(alert.expected_by), across(alert.time), "overdue", floor)
    most = max((day.events for day in shown), default=1)
    width = max(WIDTH * DAY_MS / span - 1, 1.5)
    for day in shown:
        height = _BAR_MIN + (floor - _TOP - _BAR_MIN) * log1p(day.events) / log1p(most)
        place = {
            "x": f"{across(day.at):.1f}",
            "y": f"{floor - height:.1f}",
            "width": f"{width:.1f}",
            "height": f"{height:.1f}",
            "class": "use",
        }
        bar = SubElement(root, "rect", place)
        SubElement(bar, "title").text = f"{iso(day.at)[:_DATE]}: {_many(day.events, 'event')}"
    SubElement(
        root, "line", {"x1": "0", "x2": f"{WIDTH:g}", "y1": f"{floor:g}", "y2": f"{floor:g}"}
    )
    for at, anchor in ((begins_at, "start"), (ends_at, "end")):
        label = SubElement(
            root,
            "text",
            {"x": f"{across(at):.1f}", "y": f"{HEIGHT - 6:g}", "text-anchor": anchor},
        )
        label.text = iso(at)[:_DATE]
    return tostring(root, encoding="unicode")


def _box(root: Element, begin: float, end: float, name: str, floor: float) -> None:
    """Shade a time."""
    place = {
        "x": f"{begin:.1f}",
        "y": f"{_TOP:g}",
        "width": f"{max(end - begin, 0.0):.1f}",
        "height": f"{floor - _TOP:g}",
        "class": name,
    }
    SubElement(root, "rect", place)


def _said(days: Sequence[Day], begins_at: int, ends_at: int) -> str:
    """Say the drawing in words, for who does not see it."""
    when = f"from {iso(begins_at)[:_DATE]} to {iso(ends_at)[:_DATE]}"
    if not days:
        return f"No use seen {when}"
    return f"Used on {_many(len(days), 'day')} {when}, the last on {iso(days[-1].at)[:_DATE]}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
