"""A chart: what drawings of the console are made of, as SVG that stands in a page.

Colours are classes, places are attributes: a page that allows no style of its own shows it.
Every text goes through an XML writer.  Moments are written in UTC, and marked, so that the
page puts them into its reader's zone.
"""

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

from stream.wire.times import iso

_DATE = len("2025-03-14")
_MINUTES = len("2025-03-14T09:26")


class Chart:
    """One drawing, as wide and high as it says, in its own units."""

    def __init__(self, name: str, width: float, height: float, said: str) -> None:
        """Begin; `name` is its class, `said` is for who does not see it."""
        self.width, self.height = width, height
        place = {"viewBox": f"0 0 {width:g} {height:g}", "class": f"chart {name}", "role": "img"}
        self._root = Element("svg", place)
        SubElement(self._root, "title").text = said

    def box(self, x: float, y: float, width: float, height: float, name: str) -> Element:
        """Fill a rectangle."""
        sides = {"x": x, "y": y, "width": max(width, 0.0), "height": max(height, 0.0)}
        return SubElement(self._root, "rect", _places(sides) | {"class": name})

    def dot(self, x: float, y: float, radius: float, name: str) -> Element:
        """Mark a point."""
        place = _places({"cx": x, "cy": y, "r": radius})
        return SubElement(self._root, "circle", place | {"class": name})

    def line(self, x1: float, y1: float, x2: float, y2: float, name: str = "") -> None:
        """Draw a line."""
        ends = _places({"x1": x1, "y1": y1, "x2": x2, "y2": y2})
        SubElement(self._root, "line", ends | ({"class": name} if name else {}))

    def curve(self, points: Iterable[tuple[float, float]], name: str) -> None:
        """Draw a line through points."""
        through = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        SubElement(self._root, "polyline", {"points": through, "class": name})

    def write(
        self, x: float, y: float, text: str, anchor: str = "start", name: str = ""
    ) -> Element:
        """Write at a point."""
        place = _places({"x": x, "y": y}) | {"text-anchor": anchor}
        found = SubElement(self._root, "text", place | ({"class": name} if name else {}))
        found.text = text
        return found

    def date(self, x: float, y: float, at: int, anchor: str) -> None:
        """Write the day of a moment (ms since 1970)."""
        found = self.write(x, y, iso(at)[:_DATE], anchor)
        found.set("data-day", iso(at))

    def drawn(self) -> Markup:
        """Give the SVG, for a page."""
        return Markup(tostring(self._root, encoding="unicode"))  # noqa: S704 - ours, and escaped


def at_moment(mark: Element, at: int, said: str) -> None:
    """Say when a mark was (ms since 1970), and what it is."""
    stamp = f"{iso(at)[:_MINUTES].replace('T', ' ')} UTC"
    title = SubElement(mark, "title", {"data-at": iso(at), "data-utc": stamp})
    title.text = f"{stamp}: {said}"


def _places(numbers: dict[str, float]) -> dict[str, str]:
    return {name: f"{number:.1f}" for name, number in numbers.items()}
