"""Text: a policy file with its reasons, to be read, changed and kept."""

import json
from collections.abc import Iterator

from stream.proposal.columns import Columns
from stream.proposal.use import LATE_RETURNS, Kind, Use, is_hesitating, is_leaving
from stream.proposal.use import is_without_customer as is_nobody
from stream.wire.durations import format_duration

_LISTED = 40
"""Names of events that are shown."""
_ALWAYS_IGNORED = ("identify", "group", "alias")
_CLEAR = 0.9
"""Of days after which nothing came: from where on an event is worth a look."""
_NOBODY_LEAST = 0.001


def mapping_text(columns: Columns) -> Iterator[str]:
    """Write which columns are read."""
    yield "[[mapping]]"
    yield f"customer = {_quoted(columns.customer)}"
    yield f"time = {_quoted(columns.time)}"
    if columns.time_format:
        yield f"time_format = {_quoted(columns.time_format)}"
    if columns.whole_days:
        yield 'time_of_day = "12:00:00" # dates only: placed at midday'
    if columns.event:
        yield f"event = {_quoted(columns.event)}"
    else:
        yield 'event = { const = "use" } # no column says what was done: every row is use'
    if columns.nobody >= _NOBODY_LEAST:
        yield f"# {columns.nobody:.1%} of the rows name no customer."
        yield f'ignore = {{ {_quoted(columns.customer)} = "" }}'


def policy_text(
    file: str, found: Use, columns: Columns | None, delimiter: str = ""
) -> Iterator[str]:
    """Write the whole file."""
    yield f"# What slipping away means here: a proposal, from {found.events:,} events of"
    yield f"# {found.customers:,} customers over {found.days:.0f} days in {file}."
    yield "# Read it, change it: `slipaway validate` checks it, `slipaway backtest` tells what it"
    yield "# would have been worth."
    yield ""
    yield from _events(found)
    yield ""
    yield from _slipping(found)
    yield ""
    yield "[visits]"
    yield "# Events closer than this are one visit: fewest gaps are about as long."
    yield f"gap = {_quoted(format_duration(found.visit_gap_ms))}"
    if delimiter:
        yield ""
        yield "[log]"
        yield f"delimiter = {_quoted(delimiter)}"
    if columns is not None:
        yield ""
        yield from mapping_text(columns)


def _events(found: Use) -> Iterator[str]:
    """Say what counts as use, and what else was seen."""
    nobody = [kind.name for kind in found.kinds if is_nobody(kind.name)]
    endings = [kind.name for kind in found.kinds if is_leaving(kind.name)]
    warnings = [kind.name for kind in found.kinds if is_hesitating(kind.name)]
    yield "[events]"
    yield "# There are (events, customers, and of a customer's days with it the share after which"
    yield f"# nothing came for a horizon; of all days: {found.gone:.0%}):"
    for kind in found.kinds[:_LISTED]:
        yield f"#   {_line(kind)}"
    if len(found.kinds) > _LISTED:
        yield f"#   and {len(found.kinds) - _LISTED} more"
    yield "# What counts as use. Everything does, but for what is named below."
    yield 'engagement = ["*"]'
    yield "# Sent without the customer, by the look of their names."
    yield f"ignore = {_list([*_ALWAYS_IGNORED, *nobody])}"
    if endings:
        yield "# Says that the customer has left, by the look of its name."
        yield f"ending = {_list(endings)}"
    if warnings:
        yield "# Worth an alert at once, by the look of its name."
        yield f"warning = {_list(warnings)}"
    named = {*nobody, *endings, *warnings, *_ALWAYS_IGNORED}
    last = [
        kind.name
        for kind in found.kinds
        if kind.gone is not None and kind.gone >= max(_CLEAR, 2 * found.gone)
        if kind.name not in named
    ]
    if last:
        yield "# Hardly anybody came back after these: does one of them end it?"
        yield f"# ending = {_list(last)}"


def _slipping(found: Use) -> Iterator[str]:
    """Say what a lapse is, and how many false alarms are allowed."""
    yield "[slipping]"
    if found.usual_gap_days is None:
        yield "# Nobody came twice: this is a guess. Give a longer log."
    else:
        yield (
            f"# Half of all visits follow the one before within {found.usual_gap_days:.1f} days;"
            f" {found.late_returns:.0%}"
        )
        yield f"# come after more than {found.horizon_days}: silent for so long is lapsed."
    if not found.covered:
        yield f"# The log is too short to be sure: over {LATE_RETURNS:.0%} of visits come later,"
        yield f"# or its {found.days:.0f} days are less than two horizons."
    yield f'horizon = "{found.horizon_days}d"'
    yield "# The dial: one false alarm per customer who stays, every twenty months."
    yield "false_alarms_per_customer_month = 0.05"


def _line(kind: Kind) -> str:
    gone = "" if kind.gone is None else f", {kind.gone:.0%}"
    return f"{_quoted(kind.name)}: {kind.events:,}, {kind.customers:,}{gone}"


def _list(names: list[str]) -> str:
    return "[" + ", ".join(map(_quoted, names)) + "]"


def _quoted(text: str) -> str:
    """Write a string of TOML: JSON's are."""
    return json.dumps(text).replace("\x7f", "\\u007f")
