"""Charts of a log: how much there was, how often alerts were raised, how risks came to be."""

from collections.abc import Sequence
from typing import Final

from stream.report.drawing import Drawing, Size, ticks
from stream.report.log import Log
from stream.report.raised import Raised
from stream.report.reliability import FEW, Reliability

WIDE: Final = Size("wide", 760, 200, 10, left=52, top=20, bottom=26)
NARROW: Final = Size("narrow", 358, 180, 6, left=44, top=20, bottom=26)
SQUARES: Final = (
    Size("wide", 420, 380, 16, left=48, top=20, bottom=46),
    Size("narrow", 340, 320, 12, left=44, top=20, bottom=46),
)
_DATES: Final = {"wide": 8, "narrow": 4}
"""Written below the bars."""


def volume(log: Log, size: Size) -> str:
    """Draw how many events there were in each bucket."""
    counts = [bucket.events for bucket in log.buckets]
    return _bars(log, counts, size, "volume", f"Events by {log.step.value}")


def alerts(log: Log, raised: Raised, size: Size) -> str:
    """Draw how many alerts opened in each bucket."""
    title = f"Alerts opened by {log.step.value}"
    return _bars(log, raised.in_buckets, size, "raised", title)


def reliability(found: Reliability, chart: str, size: Size) -> str:
    """Draw what was said against what came."""
    told = "; ".join(f"{tenth.said:.0%} said, {tenth.came:.0%} came" for tenth in found.tenths)
    drawing = Drawing(size, chart, "What came true against what was said", told)
    for part in (0, 0.25, 0.5, 0.75, 1):
        y, x = drawing.up(part), drawing.aside(part)
        drawing.line([(size.left, y), (drawing.right, y)], "grid")
        drawing.line([(x, size.top), (x, drawing.bottom)], "grid")
        drawing.write((size.left - 6, y + 4), f"{part:.0%}", "tick", "end")
        drawing.write((x, drawing.bottom + 16), f"{part:.0%}", "tick", "middle")
    drawing.line([(drawing.aside(0), drawing.up(0)), (drawing.aside(1), drawing.up(1))], "exact")
    places = [(drawing.aside(tenth.said), drawing.up(tenth.came)) for tenth in found.tenths]
    drawing.line(places, "of-slipaway")
    for place, tenth in zip(places, found.tenths, strict=True):
        drawing.dot(place, "of-slipaway" if tenth.answers >= FEW else "of-few", 4)
    drawing.write((2, 10), "came true", "tick")
    drawing.write((drawing.aside(0.5), drawing.bottom + 36), "risk, as said", "axis", "middle")
    return drawing.drawn()


def _bars(log: Log, counts: Sequence[int], size: Size, chart: str, title: str) -> str:
    most = max(counts, default=0)
    begins = [bucket.begin for bucket in log.buckets]
    told = f"From {begins[0]} on" if begins else "Nothing"
    if most:
        told += f"; the most, {most:,}, in the {log.step.value} of {begins[counts.index(most)]}"
    drawing = Drawing(size, chart, title, f"{told}. The table below has every figure.")
    drawing.write((2, 10), title, "tick")
    for tick in ticks(max(most, 1)):
        y = drawing.up(tick / max(most, 1))
        drawing.line([(size.left, y), (drawing.right, y)], "grid")
        drawing.write((size.left - 6, y + 4), _short(tick), "tick", "end")
    width = (drawing.right - size.left) / max(len(counts), 1)
    every = -(-len(counts) // _DATES[size.name])
    for number, (begin, count) in enumerate(zip(begins, counts, strict=True)):
        x, y = size.left + number * width, drawing.up(count / max(most, 1))
        drawing.box((x + width * 0.1, y), width * 0.8, drawing.bottom - y, f"bar of-{chart}")
        if number % every == 0:
            drawing.write((x, drawing.bottom + 16), begin, "tick")
    return drawing.drawn()


def _short(value: float) -> str:
    """Write a count so that it has room beside an axis."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
