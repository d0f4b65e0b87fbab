"""Show: a comparison for people: a table by kind, the first differences, whom they are of."""

from collections.abc import Iterator

import msgspec

from stream.diff.compare import Comparison, Counts, Difference
from stream.tap.line import shown

_SHOWN = 40
_COLUMNS = Counts.__struct_fields__


def lines(found: Comparison) -> Iterator[str]:
    """Give what is said, line by line."""
    yield f"{found.then:,} alerts then, {found.now:,} now."
    rows = [("", *_COLUMNS)]
    rows += [(kind, *_cells(counts)) for kind, counts in found.by_kind.items()]
    rows += [("all", *_cells(found.all))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        numbers = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        yield "  ".join([name.ljust(widths[0]), *numbers])
    if found.equal:
        return
    if found.fields:
        fields = ", ".join(f"{name} {count:,}" for name, count in found.fields.most_common())
        yield f"Changed in: {fields}."
    most = ", ".join(
        f"{shown(who) or '(everybody)'} {count:,}" for who, count in found.most.items()
    )
    yield f"Of {found.customers:,} customers; most of: {most}."
    yield "The first differences:"
    for difference in found.differences:
        yield from _difference(difference)


def _cells(counts: Counts) -> list[str]:
    return [f"{count:,}" for count in msgspec.structs.astuple(counts)]


def _difference(one: Difference) -> Iterator[str]:
    who = shown(one.customer_id) or "(everybody)"
    yield f"  {one.time}  {who:<13} {one.what.value:<8} {one.kind} ({one.trigger})"
    for field in one.fields:
        yield f"      {field.name}: {_value(field.then)} -> {_value(field.now)}"


def _value(value: object) -> str:
    text = shown(str(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
