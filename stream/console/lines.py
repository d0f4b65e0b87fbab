"""Lines over time, drawn as SVG: colours are classes, and every text goes through an XML writer."""

from collections.abc import Callable, Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from stream.wire.times import iso

WIDTH, HEIGHT = 720.0, 180.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 90.0, 12.0, 24.0
_DATE = len("2025-03-14")
_APART = 14.0


def draw(
    title: str,
    lines: Mapping[str, Sequence[tuple[int, float]]],
    write: Callable[[float], str] = "{:.3f}".format,
    *,
    from_zero: bool = False,
) -> str:
    """Draw lines of (ms since 1970, value), each named at its end; nothing where none has two.

    `write` writes a value.
    """
    drawn = {name: points for name, points in lines.items() if len(points) > 1}
    if not drawn:
        return ""
    moments = [at for points in drawn.values() for at, _ in points]
    values = [value for points in drawn.values() for _, value in points]
    first, last, low, high = min(moments), max(moments), min(values), max(values)
    low = 0.0 if from_zero else low
    span, height = max(last - first, 1), (high - low) or 1.0

    def place(at: int, value: float) -> tuple[float, float]:
        x = _LEFT + (WIDTH - _LEFT - _RIGHT) * (at - first) / span
        return x, _TOP + (HEIGHT - _TOP - _BOTTOM) * (high - value) / height

    root = Element("svg", {"viewBox": f"0 0 {WIDTH:g} {HEIGHT:g}", "class": "lines", "role": "img"})
    SubElement(root, "title").text = title
    for value in (low, high):
        _, y = place(first, value)
        SubElement(
            root,
            "line",
            {"x1": f"{_LEFT:g}", "x2": f"{WIDTH - _RIGHT:g}", "y1": f"{y:.1f}", "y2": f"{y:.1f}"},
        )
        _write(root, (_LEFT - 6, y + 4), write(value), "end")
    for at, anchor in ((first, "start"), (last, "end")):
        _write(root, (place(at, low)[0], HEIGHT - 6), iso(at)[:_DATE], anchor)
    for number, points in enumerate(drawn.values()):
        through = " ".join("{:.1f},{:.1f}".format(*place(at, value)) for at, value in points)
        SubElement(root, "polyline", {"points": through, "class": f"line-{number}"})
    names = sorted(
        (place(*points[-1])[1], number, name) for number, (name, points) in enumerate(drawn.items())
    )
    free = -HEIGHT
    for below, (end, number, name) in zip(range(len(names) - 1, -1, -1), names, strict=True):
        y = max(min(end, HEIGHT - _BOTTOM - _APART * below), free)  # none on another, none outside
        _write(root, (WIDTH - _RIGHT + 6, y + 4), name, "start", f"line-{number}")
        free = y + _APART
    return tostring(root, encoding="unicode")


def _write(root: Element, at: tuple[float, float], text: str, anchor: str, name: str = "") -> None:
    x, y = at
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}
    SubElement(root, "text", place | ({"class": name} if name else {})).text = text
