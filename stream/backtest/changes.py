"""Changes: what a changed policy does, in words; terminal and report say the same."""

from collections.abc import Iterator

from stream.backtest import wording
from stream.backtest.findings import Against, Case, Data, Only, Part

COLUMNS = (
    "alerts",
    "customers",
    "right",
    "false",
    "unknown",
    "false rate",
    "noticed",
    "mean delay",
)
"""Of a row."""
JUDGED = (
    "Both are held against what counts as use, and as a lapse, by the new policy. An alert is right"
    " if a lapse followed, whatever it was raised for: one on who still comes seldom is. Unknown:"
    " too near the log's end, or on who had been active on fewer than three days."
)


def rows(data: Data, found: Against) -> Iterator[tuple[str, str, list[str]]]:
    """Give what each policy's alerts came to: of all, then by trigger; (trigger, policy, cells)."""
    for name in ("all", *sorted({*found.old.triggers, *found.new.triggers})):
        for which, side in (("old", found.old), ("new", found.new)):
            part = side.everything if name == "all" else side.triggers.get(name)
            cells = ["-"] * len(COLUMNS) if part is None else _cells(data, part)
            yield name, which, cells


def _cells(data: Data, part: Part) -> list[str]:
    return [
        f"{part.alerts:,}",
        f"{part.customers:,}",
        f"{part.right:,}",
        f"{part.false:,}",
        f"{part.unknown:,}",
        wording.rate(part.false_per_customer_month),
        wording.share(part.recall),
        wording.days(data, part.mean_delay_days),
    ]


def sentences(data: Data, found: Against) -> Iterator[str]:
    """Say what the change does."""
    old, new = found.old, found.new
    if old.policy_version == new.policy_version:
        yield "Both policies mean the same to the detector: only their mappings may differ."
    yield (
        f"Policy {new.policy_version} in place of {old.policy_version}:"
        f" {new.everything.alerts:,} alerts where there were {old.everything.alerts:,}, on"
        f" {new.everything.customers:,} customers where it was {old.everything.customers:,};"
        f" {wording.rate(new.everything.false_per_customer_month)} false alarms per customer-month"
        f" where there were {wording.rate(old.everything.false_per_customer_month)};"
        f" {wording.share(new.everything.recall)} of lapses noticed where it was"
        f" {wording.share(old.everything.recall)}, after"
        f" {wording.days(data, new.everything.mean_delay_days)} days on average where it was"
        f" {wording.days(data, old.everything.mean_delay_days)}."
    )
    if old.horizon_days != new.horizon_days:
        yield (
            f"The horizon was {old.horizon_days:g} days and is {new.horizon_days:g}: what the old"
            " policy alerted on was another silence."
        )
    yield (
        f"{found.both:,} customers are alerted on by both, {_only(found.newly)} only by the new,"
        f" {_only(found.no_longer)} only by the old."
    )


def _only(only: Only) -> str:
    if not only.customers:
        return "none"
    fates = ", ".join(f"{count:,} {came_to}" for came_to, count in only.came_to.items())
    return f"{only.customers:,} ({fates})"


def cases(found: Against) -> Iterator[tuple[str, list[Case]]]:
    """Give the customers shown, under what they are."""
    for words, only in (("Newly alerted on", found.newly), ("No longer", found.no_longer)):
        if only.cases:
            more = only.customers - len(only.cases)
            yield f"{words}{f', the first of {only.customers:,}' if more else ''}", only.cases
