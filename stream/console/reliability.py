"""Reliability, drawn: whether what is said to happen three times in ten does."""

from collections.abc import Sequence
from math import sqrt

from markupsafe import Markup

from stream.console.chart import Chart
from stream.console.model import Tenth

WIDTH, HEIGHT = 380.0, 340.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 16.0, 32.0, 46.0
_RADIUS_LEAST, _RADIUS_MORE = 3.0, 9.0


def draw(tenths: Sequence[Tenth]) -> Markup:
    """Draw what came over what was said, the larger the more there were; nothing without any."""
    if not tenths:
        return Markup()
    chart = Chart("reliability", WIDTH, HEIGHT, _said(tenths))
    floor, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT

    def across(share: float) -> float:
        return _LEFT + (right - _LEFT) * share

    def up(share: float) -> float:
        return floor - (floor - _TOP) * share

    for share in (0.0, 0.5, 1.0):
        words = f"{100 * share:.0f} %"
        chart.line(_LEFT, up(share), right, up(share))
        chart.write(_LEFT - 6, up(share) + 4, words, "end")
        chart.write(across(share), floor + 16, words, "middle")
    chart.write((_LEFT + right) / 2, HEIGHT - 8, "said", "middle")
    chart.write(_LEFT - 6, _TOP - 16, "came", "end")
    chart.line(across(0), up(0), across(1), up(1), "as-said")
    most = max(tenth.labels for tenth in tenths)
    chart.curve(((across(one.said), up(one.came)) for one in tenths), "tail")
    for one in tenths:
        radius = _RADIUS_LEAST + _RADIUS_MORE * sqrt(one.labels / most)
        chart.dot(across(one.said), up(one.came), radius, "use")
    return chart.drawn()


def _said(tenths: Sequence[Tenth]) -> str:
    """Say the drawing in words, for who does not see it."""
    each = (f"{100 * one.said:.0f} % said, {100 * one.came:.0f} % came" for one in tenths)
    return f"What was said of a lapse, and what came: {'; '.join(each)}"
