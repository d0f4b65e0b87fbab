"""Drawing: SVG that stands in a page and asks for nothing.

Each chart is drawn for a screen and for a phone, for letters that shrink with their
chart cannot be read.  Colours are classes: the page says what they are, by day
and by night.  Whatever is drawn is said in words, too: in a description, or a table beside it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, log10
from xml.etree.ElementTree import Element, SubElement, tostring

Point = tuple[float, float]
"""From the left, and from the top."""


@dataclass(frozen=True)
class Size:
    """How large a chart is, and the room round it, in pixels."""

    name: str
    width: float
    height: float
    labels: float
    """Room at the right, for the names of the lines."""
    left: float = 44.0
    top: float = 28.0
    bottom: float = 46.0


class Drawing:
    """One drawing, and what is put into it."""

    def __init__(self, size: Size, chart: str, title: str, description: str) -> None:
        """Begin with nothing but its title, and what it shows, for whoever cannot see it."""
        self.size = size
        self.right, self.bottom = size.width - size.labels, size.height - size.bottom
        name = f"{chart}-{size.name}"
        self.root = Element(
            "svg",
            {
                "viewBox": f"0 0 {size.width:g} {size.height:g}",
                "class": f"chart {size.name}",
                "role": "img",
                "aria-labelledby": f"{name}-title {name}-description",
            },
        )
        SubElement(self.root, "title", {"id": f"{name}-title"}).text = title
        SubElement(self.root, "desc", {"id": f"{name}-description"}).text = description

    def line(self, points: Iterable[Point], classes: str) -> None:
        """Draw a line through points."""
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        SubElement(self.root, "polyline", {"points": drawn, "class": f"line {classes}"})

    def area(self, points: Iterable[Point], classes: str) -> None:
        """Fill what points enclose."""
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        SubElement(self.root, "polygon", {"points": drawn, "class": classes})

    def box(self, at: Point, width: float, height: float, classes: str) -> None:
        """Fill a rectangle, given by its upper left corner."""
        x, y = at
        place = {"x": f"{x:.1f}", "y": f"{y:.1f}"}
        extent = {"width": f"{width:.1f}", "height": f"{height:.1f}"}
        SubElement(self.root, "rect", {**place, **extent, "class": classes})

    def dot(self, at: Point, classes: str, radius: float = 3.5) -> None:
        """Mark a point."""
        x, y = at
        place = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{radius:g}"}
        SubElement(self.root, "circle", {**place, "class": f"dot {classes}"})

    def write(self, at: Point, text: str, classes: str = "", anchor: str = "start") -> None:
        """Write at a point."""
        x, y = at
        place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}
        SubElement(self.root, "text", {**place, "class": classes}).text = text

    def up(self, part: float) -> float:
        """Give the place of a part of the height, 0 at the bottom."""
        return self.bottom - part * (self.bottom - self.size.top)

    def aside(self, part: float) -> float:
        """Give the place of a part of the width, 0 at the left."""
        return self.size.left + part * (self.right - self.size.left)

    def drawn(self) -> str:
        """Give the SVG."""
        return tostring(self.root, encoding="unicode")


def ticks(most: int, count: int = 4) -> list[int]:
    """Give round counts from nought up to `most` (at least 1), about so many."""
    power = 10 ** floor(log10(max(most / count, 1)))
    step = next(power * times for times in (1, 2, 5, 10) if most <= power * times * (count + 1))
    return list(range(0, most + 1, step))
