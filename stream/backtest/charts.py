"""Charts: the curves, the dial, what another dial would have done, and a customer's silence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10

import numpy as np

from stream.backtest.findings import BY_DIAL, SLIPAWAY, Findings, Method, Story
from stream.backtest.stories import HORIZONS_BEFORE, RULE_DAYS
from stream.backtest.wording import HELD, TITLES, headline_rate
from stream.detector.events import DAY_MS
from stream.report.drawing import Drawing, Point, Size
from stream.wire.times import from_iso

_RATE_MIN, _RATE_MAX = 0.01, 1.0
_RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_FEW_RATES = (0.01, 0.05, 0.2, 1.0)
_SAMPLES = 80
"""Points of a drawn curve: straight lines between settings are bent on a logarithmic axis."""
_TICKS_MAX = 6
_LINE_HEIGHT = 15.0
_DASHED = "dashed"
_NAMED = (0.02, 0.1, 0.2, 0.4, 0.8)
"""Settings of the dial whose points are named, beside the policy's own."""


@dataclass(frozen=True)
class RatesSize(Size):
    """How large a chart with an axis of rates is, and the rates written at it."""

    rates: tuple[float, ...] = _RATES


Draw = Callable[[Findings, RatesSize], str]
"""Draws a chart in a size."""

WIDE = RatesSize("wide", 760, 400, 150)
NARROW = RatesSize("narrow", 358, 380, 116, left=34, rates=_FEW_RATES)
STRIPS = (
    Size("wide", 760, 74, 12, left=12, top=22, bottom=24),
    Size("narrow", 358, 74, 8, left=8, top=22, bottom=24),
)


class _Chart(Drawing):
    """A drawing whose axis from left to right is rates of false alarms."""

    size: RatesSize

    def rates_below(self, words: str) -> None:
        """Draw the axis of false alarms, logarithmic, with its grid."""
        for rate in self.size.rates:
            x = self.across(rate)
            self.line([(x, self.size.top), (x, self.bottom)], "grid")
            self.write((x, self.bottom + 16), f"{rate:g}", "tick", "middle")
        middle = (self.size.left + self.right) / 2
        self.write((middle, self.bottom + 36), words, "axis", "middle")

    def across(self, rate: float) -> float:
        """Give the place of a rate, from left to right."""
        part = log10(rate / _RATE_MIN) / log10(_RATE_MAX / _RATE_MIN)
        return self.size.left + part * (self.right - self.size.left)

    def label(self, lines: Sequence[tuple[float, str, str]]) -> None:
        """Name lines at their right ends (y, text, classes), none on top of another."""
        ordered = sorted(lines)
        places = [y for y, _, _ in ordered]
        for _ in range(len(places) ** 2):
            for above, below in pairwise(range(len(places))):
                lacking = _LINE_HEIGHT - (places[below] - places[above])
                if lacking > 0:
                    places[above] -= lacking / 2
                    places[below] += lacking / 2
        low = max(0.0, max(places, default=0.0) - self.bottom)
        for place, (_, text, classes) in zip(places, ordered, strict=True):
            self.write((self.right + 8, place - low + 4), text, f"name {classes}")


def curves(findings: Findings, size: RatesSize) -> str:
    """Draw the mean delay of every method over the false alarms that it costs."""
    horizon = findings.data.horizon_days
    at = headline_rate(findings)
    chart = _Chart(
        size,
        "curves",
        "Mean delay in days against false alarms per customer-month",
        "Lower is earlier. "
        + "; ".join(
            f"{TITLES[method.name]} {reading.mean_delay_days:.1f} days at {at:g}"
            for method in findings.everybody.methods
            for reading in method.readings
            if reading.false_per_customer_month == at
        ),
    )
    chart.rates_below("false alarms per customer-month")
    for tick in _ticks(horizon):
        y = chart.up(tick / horizon)
        chart.line([(size.left, y), (chart.right, y)], "grid")
        chart.write((size.left - 6, y + 4), f"{tick:g}", "tick", "end")
    chart.write((size.left - 6, 12), "days", "tick", "end")
    names = []
    for method in sorted(findings.everybody.methods, key=_importance):
        line = f"of-{method.name.split(',')[0]} {_DASHED if method.name == BY_DIAL else ''}"
        points = _sampled(method, horizon)
        places = [(chart.across(rate), chart.up(days / horizon)) for rate, days in points]
        last = max(setting.false_per_customer_month for setting in method.settings)
        known = [p for p, (rate, _) in zip(places, points, strict=True) if rate <= last]
        chart.line(known, line)
        chart.line(places[max(len(known) - 1, 0) :], f"{line} beyond")
        names.append((places[-1][1], TITLES[method.name], line))
    for rule in findings.fixed:
        came_to = rule.came_to
        if _RATE_MIN <= came_to.false_per_customer_month <= _RATE_MAX:
            x = chart.across(came_to.false_per_customer_month)
            y = chart.up(came_to.mean_delay_days / horizon)
            chart.dot((x, y), "of-idle")
            chart.write((x - 7, y + 14), f"{came_to.setting:g} idle days", "name of-idle", "end")
    for setting in findings.dial:
        rate, days = setting.measured, setting.mean_delay_days
        if setting.own and rate and days is not None and _RATE_MIN <= rate <= _RATE_MAX:
            x, y = chart.across(rate), chart.up(days / horizon)
            chart.dot((x, y), f"of-{SLIPAWAY}", 5)
            chart.write((x - 8, y + 16), "the policy's own", f"name of-{SLIPAWAY}", "end")
    chart.label(names)
    return chart.drawn()


def dial(findings: Findings, size: RatesSize) -> str:
    """Draw what the dial was set to against what it came to."""
    settings = [
        (setting.dial, setting.measured, setting.warm_up_measured, setting.own)
        for setting in findings.dial
        if setting.dial
    ]
    chart = _Chart(
        size,
        "dial",
        "False alarms per customer-month: measured against what the dial was set to",
        "; ".join(
            f"set to {dial:g}, measured {measured or 0:.3f}" for dial, measured, *_ in settings
        ),
    )
    chart.rates_below("the dial as set")
    for rate in size.rates:
        y = chart.up(_part(rate))
        chart.line([(size.left, y), (chart.right, y)], "grid")
        chart.write((size.left - 6, y + 4), f"{rate:g}", "tick", "end")
    chart.write((2, 12), "measured", "tick")
    low, high = HELD
    ends = [(chart.across(rate), rate) for rate in np.geomspace(_RATE_MIN, _RATE_MAX, _SAMPLES)]
    below = [(x, chart.up(_part(rate * low))) for x, rate in ends]
    above = [(x, chart.up(_part(rate * high))) for x, rate in ends]
    chart.area([*below, *reversed(above)], "band")
    chart.line([(x, chart.up(_part(rate))) for x, rate in ends], "exact")
    names = [(chart.up(_part(_RATE_MAX)), "as set", "of-exact")]
    for column, words, line in ((1, "measured", f"of-{SLIPAWAY}"), (2, "warm-up", "of-warm-up")):
        found = [
            (chart.across(setting[0]), chart.up(_part(measured)), setting[3])
            for setting in settings
            if (measured := setting[column])
        ]
        if found:
            chart.line([(x, y) for x, y, _ in found], line)
            for x, y, own in found:
                chart.dot((x, y), line, 5 if own else 3)
            names.append((found[-1][1], words, line))
    chart.label(names)
    return chart.drawn()


def choice(findings: Findings, size: RatesSize) -> str:
    """Draw what each setting of the dial would have noticed, and how often it would be right."""
    settings = [
        (setting.measured, setting.recall, setting.precision or 0.0, setting)
        for setting in findings.dial
        if setting.measured and setting.recall is not None
    ]
    settings.sort(key=lambda found: found[0])
    chart = _Chart(
        size,
        "choice",
        "Lapses noticed, and alerts right, against false alarms, by setting of the dial",
        "; ".join(
            f"{_set_to(found.dial)}: {recall:.0%} noticed, {right:.0%} right, at {rate:.3f}"
            for rate, recall, right, found in settings
        ),
    )
    chart.rates_below("false alarms per customer-month, as they came")
    for part in (0, 0.25, 0.5, 0.75, 1):
        y = chart.up(part)
        chart.line([(size.left, y), (chart.right, y)], "grid")
        chart.write((size.left - 6, y + 4), f"{part:.0%}", "tick", "end")
    within = [setting for setting in settings if _RATE_MIN <= setting[0] <= _RATE_MAX]
    names = []
    for words, line, shares in (
        ("alerts right", "of-expected", [right for _, _, right, _ in within]),
        ("noticed", "of-slipaway", [recall for _, recall, _, _ in within]),
    ):
        places = [
            (chart.across(found[0]), chart.up(share))
            for found, share in zip(within, shares, strict=True)
        ]
        chart.line(places, line)
        for place, (*_, found) in zip(places, within, strict=True):
            chart.dot(place, line, 6 if found.own else 3.5)
            if line == "of-slipaway" and (found.own or found.dial in _NAMED):
                chart.write((place[0] + 4, place[1] + 16), _set_to(found.dial), f"name {line}")
        if places:
            names.append((places[-1][1], words, line))
    chart.label(names)
    return chart.drawn()


def _set_to(dial: float | None) -> str:
    return "the policy's" if dial is None else f"{dial:g}"


def strip(findings: Findings, story: Story, number: int, size: Size) -> str:
    """Draw the days around a customer's silence: active ones, the silence, what was said in it."""
    horizon = findings.data.horizon_days
    known = (from_iso(story.last) - from_iso(story.first)) // DAY_MS + 1
    first, last = -min(known, round(HORIZONS_BEFORE * horizon)), round(horizon)
    chart = Drawing(
        size,
        f"story-{number}",
        f"Active days around the silence since {story.last[:10]}",
        "The sentences beside it say the same.",
    )

    def across(day: float) -> float:
        return chart.aside((min(day, last) - first) / (last - first))

    ends = min(story.away_days, horizon)
    top, height = size.top, chart.bottom - size.top
    chart.box((across(0), top), across(ends) - across(0), height, "of-silence")
    chart.line([(size.left, chart.bottom), (chart.right, chart.bottom)], "grid")
    for day in story.days:
        chart.line([(across(day), top + height / 3), (across(day), chart.bottom)], "of-visit")
    if min(ends, horizon) > RULE_DAYS:
        chart.line([(across(RULE_DAYS), top), (across(RULE_DAYS), chart.bottom)], "of-rule")
    if story.silent_days is not None:
        x = across(story.silent_days)
        chart.line([(x, top - 6), (x, chart.bottom)], "of-alert")
        chart.write(
            (x, top - 9), "alert", "name of-alert", "middle" if x < 0.9 * size.width else "end"
        )
    chart.write((across(first), chart.bottom + 16), f"{-first:g} days before", "tick")
    chart.write((chart.right, chart.bottom + 16), f"{last:g} days after", "tick", "end")
    return chart.drawn()


def _part(rate: float) -> float:
    """Give how far up a rate lies on a logarithmic axis, kept within it."""
    part = log10(rate / _RATE_MIN) / log10(_RATE_MAX / _RATE_MIN)
    return min(max(part, 0.0), 1.0)


def _sampled(method: Method, horizon: float) -> list[Point]:
    """Give rates and mean delays along a method's curve."""
    settings = sorted((s.false_per_customer_month, s.mean_delay_days) for s in method.settings)
    known, delays = zip((0.0, horizon), *settings, strict=True)
    rates = np.union1d(np.geomspace(_RATE_MIN, _RATE_MAX, _SAMPLES), known)
    rates = rates[(rates >= _RATE_MIN) & (rates <= _RATE_MAX)]
    return list(zip(rates.tolist(), np.interp(rates, known, delays).tolist(), strict=True))


def _ticks(most: float) -> list[float]:
    """Give round values from nothing up, and the most."""
    step = 10.0 ** floor(log10(most / 4))
    step *= next(times for times in (1, 2, 5, 10) if most / (step * times) <= _TICKS_MAX)
    return [*np.arange(0, 0.95 * most, step).tolist(), most]


def _importance(method: Method) -> int:
    """Order lines so that slipaway's lie on top."""
    return {BY_DIAL: 1, SLIPAWAY: 2}.get(method.name, 0)
