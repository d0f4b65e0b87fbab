"""Wording: what the findings say, in sentences for somebody who has to decide.

Terminal and report say the same, by the same words and with the same figures.
"""

from collections.abc import Iterator
from math import log

from stream.backtest.boosting import BOOSTED
from stream.backtest.curve import Difference, Reading
from stream.backtest.findings import (
    BY_DIAL,
    SLIPAWAY,
    Comparison,
    Data,
    DialSetting,
    Findings,
    Fixed,
    Group,
    SegmentDial,
)

TITLES = {
    SLIPAWAY: "slipaway",
    BY_DIAL: "slipaway, by its dial",
    "hiatus": "one silence for all",
    "own_gap": "own rhythm",
    "drop": "drop in use",
    "expected": "expected visits",
    "idle": "idle days",
    BOOSTED: "boosted trees",
}
"""What people call each method."""

MEANINGS = {
    SLIPAWAY: "alerts where one is worth its false alarms, by a threshold that never moves;"
    " which threshold gives which rate is read afterwards, as for the rules",
    BY_DIAL: "the same, by the threshold that the dial sets each day from what was known then,"
    " as a live worker does: no hindsight",
    "hiatus": "alerts on everybody who has been silent for the same number of days",
    "own_gap": "alerts on who has been silent for so many of its own usual gaps",
    "drop": "alerts on who was so much less active in two weeks than in the two before",
    "expected": "alerts on who is expected so seldom within the horizon, by a buy-till-you-die"
    " model (MBG/NBD) refitted every month",
    "idle": "alerts on everybody who has been silent for 30 days, or for 7: as on most dashboards",
    BOOSTED: "no simple rule: gradient-boosted trees, fitted anew every third of a horizon on what"
    " became of earlier silences, and asked every midnight",
}

HINDSIGHT = (
    "Rules and slipaway are compared where both raise equally many false alarms, which nobody"
    " could have set beforehand: their settings are picked in hindsight. The lines by the dial"
    " are what a product gets that sets the dial and lets it run."
)

HELD = (0.5, 1.5)
"""A dial that measures this much of what it was set to has held."""


def days(findings: Data, value: float | None) -> str:
    """Write days, with as many places as the horizon makes sense of."""
    if value is None:
        return "-"
    return f"{value:.1f}" if findings.horizon_days >= 30 else f"{value:.2f}"  # noqa: PLR2004


def share(value: float | None) -> str:
    """Write a share in percent."""
    return "-" if value is None else f"{value:.0%}".replace("%", " %")


def rate(value: float | None) -> str:
    """Write false alarms per customer-month."""
    return "-" if value is None else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"  # noqa: PLR2004


def interval(findings: Data, found: Difference) -> str:
    """Write how far a difference could be chance."""
    return f"{days(findings, found.low)} to {days(findings, found.high)}"


def held(setting: DialSetting | SegmentDial) -> bool | None:
    """Say whether the dial came to about what it was set to; None where it was not set."""
    low, high = HELD
    return None if setting.ratio is None else low <= setting.ratio <= high


def headline_rate(findings: Findings) -> float:
    """Give the rate that is nearest to the policy's own, of those that curves are read at."""
    own = findings.data.dial
    if findings.data.notice_days_per_false_alarm is not None:
        own = next((s.measured for s in findings.dial if s.own and s.measured), own)
    rates = [reading.false_per_customer_month for reading in findings.everybody.methods[0].readings]
    return min(rates, key=lambda rate: abs(log(rate / own)))


def reading_at(group: Group, method: str, at: float) -> Reading:
    """Give what a method comes to in a group, at one of the rates that curves are read at."""
    (readings,) = (found.readings for found in group.methods if found.name == method)
    return next(reading for reading in readings if reading.false_per_customer_month == at)


def best_rule(group: Group, at: float) -> tuple[str, Difference]:
    """Give the earliest simple rule in a group at a rate, and how much later slipaway is."""
    found = [
        (comparison.rule, difference_at(comparison, at))
        for comparison in group.comparisons
        if comparison.rule != BOOSTED
    ]
    return max(found, key=lambda case: case[1].days)


def difference_at(comparison: Comparison, at: float) -> Difference:
    """Give the difference at one of the rates that curves are read at."""
    return next(d for d in comparison.differences if d.false_per_customer_month == at)


def comparisons(findings: Findings) -> int:
    """Count the comparisons of slipaway with a simple rule, in any group and at any rate."""
    return sum(
        len(found.differences)
        for group in (findings.everybody, *findings.groups)
        for found in group.comparisons
        if found.rule != BOOSTED
    )


def summary(findings: Findings) -> Iterator[str]:
    """Say what was found, a sentence at a time."""
    data, at = findings.data, headline_rate(findings)
    mine = reading_at(findings.everybody, SLIPAWAY, at)
    rule, difference = best_rule(findings.everybody, at)
    other = reading_at(findings.everybody, rule, at)
    yield (
        f"From {data.begin[:10]} on, {data.lapses:,} lapses could be noticed: silences of"
        f" {data.horizon_days:g} days, by customers active on three days before."
    )
    yield (
        f"At one false alarm per {1 / at:,.0f} customer-months slipaway noticed a lapse"
        f" {days(data, mine.mean_delay_days)} days after the last activity on average"
        f" ({share(mine.recall)} of them at all; one that was missed counts as"
        f" {data.horizon_days:g} days); the best simple rule there,"
        f' "{TITLES[rule]}", after {days(data, other.mean_delay_days)}.'
    )
    yield _verdict(data, difference, "the rule is")
    yield from _beside_trees(findings, at)
    own = next(setting for setting in findings.dial if setting.own)
    yield from _of_segments(findings)
    if own.measured is not None and own.ratio is not None:
        yield (
            f"The policy's dial, set to {own.dial:g} false alarms per customer-month, came to"
            f" {rate(own.measured)}: {own.ratio:.2f} times what was asked."
        )
    elif own.measured is not None and own.dial is None:
        yield (
            f"The policy's threshold, {data.notice_days_per_false_alarm:g} days of notice for a"
            f" false alarm, came to {rate(own.measured)} false alarms per customer-month."
        )
    yield _two_sided(findings)


def _of_segments(findings: Findings) -> Iterator[str]:
    for found in findings.segments:
        if found.dial is not None and found.measured is not None and found.ratio is not None:
            yield (
                f"The dial of {segment(found)}, set to {found.dial:g}, came to"
                f" {rate(found.measured)}: {found.ratio:.2f} times what was asked."
            )


def segment(found: SegmentDial) -> str:
    """Name the customers of a dial."""
    return found.segment or "everybody else"


def _verdict(data: Data, difference: Difference, others_are: str) -> str:
    which = "later" if difference.days > 0 else "earlier"
    apart = f"That is {days(data, abs(difference.days))} days {which}"
    bounds = f"95 % interval {interval(data, difference)} days"
    if difference.high < 0:
        return f"{apart} ({bounds})."
    if difference.low > 0:
        return f"{apart} ({bounds}): {others_are} the better choice at this rate."
    return f"{apart}, which could be chance ({bounds})."


def _beside_trees(findings: Findings, at: float) -> Iterator[str]:
    data, group = findings.data, findings.everybody
    for comparison in group.comparisons:
        if comparison.rule == BOOSTED:
            other = reading_at(group, BOOSTED, at)
            yield f"Boosted trees took {days(data, other.mean_delay_days)} days there."
            yield _verdict(data, difference_at(comparison, at), "they are")


def _two_sided(findings: Findings) -> str:
    count, of = len(findings.as_good), comparisons(findings)
    if not count:
        return f"In none of {of} comparisons, by group, rate and rule, is a simple rule as early."
    return (
        f"In {count} of {of} comparisons, by group, rate and rule, a simple rule is as early or"
        " earlier."
    )


def declines(findings: Findings) -> Iterator[str]:
    """Say what became of customers who came less, or did fewer things."""
    for found in findings.declining:
        name = {"less": "Coming less", "narrower": "Doing fewer things"}[found.fall]
        known = (
            f"went on so in {share(found.came_true)} of {found.resolved:.0f} cases, where"
            f" {share(found.controls_true)} of {found.controls:.0f} others came to as little"
        )
        if not found.resolved:
            known = "has not been seen for long enough to know what comes of it"
        if found.level_nats is None:
            yield f"{name} {known}: that does not bear out alerts."
            continue
        yield f"{name} {known}. Told of from {found.level_nats:g} nats on: {found.alerts} alerts."
        if found.use_after is not None and found.use_after_of_others is not None:
            yield (
                f"Use in the horizon after them was {found.use_after:.2f} of the one before, of"
                f" customers much the same {found.use_after_of_others:.2f}."
            )


def fixed(findings: Findings, found: Fixed) -> str:
    """Say how a rule with one setting does beside slipaway."""
    data, came_to = findings.data, found.came_to
    said = (
        f"Everybody silent for {came_to.setting:g} days:"
        f" {rate(came_to.false_per_customer_month)} false alarms per customer-month,"
        f" {share(came_to.recall)} noticed, mean delay {days(data, came_to.mean_delay_days)} days"
    )
    if found.slipaway is None or found.difference is None:
        return f"{said}."
    return (
        f"{said}; slipaway at the same rate {days(data, found.slipaway.mean_delay_days)} days"
        f" (difference {days(data, found.difference.days)}, {interval(data, found.difference)})."
    )
