"""Sentences: the answer for who reads no more than that, and customers told as stories."""

from collections.abc import Iterator

from stream.backtest import wording
from stream.backtest.curve import Difference
from stream.backtest.findings import Answer, Data, Findings, Fixed, Story
from stream.backtest.stories import CAUGHT, IN_VAIN, MISSED, RULE_DAYS
from stream.report.words import counted, share
from stream.tap.line import shown

MEANINGS = {
    CAUGHT: "Caught: an alert opened, and the customer stayed away.",
    IN_VAIN: "In vain: an alert opened, and the customer came back within a horizon after it.",
    MISSED: "Missed: the customer stayed away, and nothing was said in the horizon.",
}
HOW_CHOSEN = (
    "Nobody picked these: those caught are put in order by how late, those called in vain by how"
    " long they stayed away after it, those missed by on how many days they had come; shown are"
    " those at a quarter, at half and at three quarters of each."
)

_FEW_DAYS = 10
"""Fewer are written with a place behind the point."""


def answer(findings: Findings) -> Iterator[str]:
    """Say what the policy would have done, first in a sentence for somebody in a hurry."""
    data, found = findings.data, findings.answer
    yield _first(data, found)
    yield from _beside_one_silence(data, found)
    yield from _beside_the_common_rule(findings)


def _first(data: Data, found: Answer) -> str:
    left = (
        f"Of the {found.lapses:,} times that a customer left (a silence of {data.horizon_days:g}"
        f" days), {found.named:,} were named in that time ({share(found.named / found.lapses)})"
    )
    if found.named_after_days is not None:
        left += (
            f", on average {wording.days(data, found.named_after_days)} days after the last visit"
        )
    if found.false_per_customer_month:
        price = f"one false alarm per {1 / found.false_per_customer_month:,.0f} customer-months"
    else:
        price = "no false alarm"
    return f"{left}, at {price}."


def _beside_one_silence(data: Data, found: Answer) -> Iterator[str]:
    """Hold it against a number of idle days, the same for all, that costs as much."""
    difference, rule = found.difference, found.rule
    if difference is None or rule is None:
        return
    which = (
        f"calling everybody after {found.rule_idle_days:.0f} idle days"
        if found.rule_idle_days is not None
        else "calling so few after any one number of idle days"
    )
    days = wording.days(data, abs(difference.days))
    missed = f"a lapse that is missed counts as {data.horizon_days:g} days"
    as_many = f"With as many false alarms, {which}"
    bounds = _bounds(data, difference)
    if difference.high < 0:
        yield f"{as_many} would have been {days} days later on average ({bounds}; {missed})."
    elif difference.low > 0:
        yield (
            f"{as_many} would have been {days} days earlier on average ({bounds}; {missed}): the"
            " better choice here."
        )
    else:
        yield f"{as_many} would have done about as well ({bounds}; {missed})."


def _bounds(data: Data, difference: Difference) -> str:
    """Write an interval in the direction of what is said, or in both where it could be either."""
    low, high = difference.low, difference.high
    near, far = sorted((abs(low), abs(high)))
    if low <= 0 <= high:
        return (
            f"95 % interval: slipaway {wording.days(data, -low)} days earlier to"
            f" {wording.days(data, high)} later"
        )
    return f"95 % interval {wording.days(data, near)} to {wording.days(data, far)} days"


def _beside_the_common_rule(findings: Findings) -> Iterator[str]:
    """Hold slipaway, turned up to its false alarms, against the rule that most people have."""
    data = findings.data
    common = next((f for f in findings.fixed if f.came_to.setting == RULE_DAYS), None)
    if common is None:
        return
    if data.horizon_days <= RULE_DAYS:
        yield f"The common rule of {RULE_DAYS:g} idle days is no earlier than the horizon itself."
        return
    yield from _turned_up(data, common)


def _turned_up(data: Data, common: Fixed) -> Iterator[str]:
    if common.difference is None:
        return
    days = wording.days(data, abs(common.difference.days))
    which = "earlier" if common.difference.days < 0 else "later"
    rate = common.came_to.false_per_customer_month
    yield (
        f"The common rule of {RULE_DAYS:g} idle days raises a false alarm every"
        f" {1 / rate:,.1f} customer-months; turned up to as many, slipaway is {days} days {which}"
        f" than it ({_bounds(data, common.difference)})."
    )


def story(data: Data, found: Story) -> Iterator[str]:
    """Tell a customer's silence, a sentence at a time."""
    usual = ""
    if found.usual_gap_days is not None:
        usual = f", usually {_days(found.usual_gap_days)} apart"
    yield (
        f"Came on {counted(found.active_days, 'day')} from {found.first[:10]} on{usual}; on"
        f" {found.last[:10]} for the last time before the silence."
    )
    if found.alerted is not None and found.silent_days is not None:
        yield (
            f"Named on {found.alerted[:10]}, after {_days(found.silent_days)}, with a risk of"
            f" {share(found.risk)}: {shown(' '.join(found.reasons))}"
        )
    else:
        yield f"Nothing was said in the {data.horizon_days:g} days after that."
    yield _after(found)
    yield from _by_the_rule(data, found)


def _after(found: Story) -> str:
    if found.back is None:
        return f"Not seen again in the {_days(found.away_days)} that the log goes on."
    back = f"Back on {found.back[:10]}, after {_days(found.away_days)}"
    if found.came_to == IN_VAIN and found.silent_days is not None:
        return f"{back}: {_days(found.away_days - found.silent_days)} after the alert."
    return f"{back}."


def _by_the_rule(data: Data, found: Story) -> Iterator[str]:
    """Say what the rule that most people have would have done."""
    if data.horizon_days <= RULE_DAYS:
        return
    rule = f"The rule of {RULE_DAYS:g} idle days"
    if found.away_days <= RULE_DAYS:
        yield f"{rule} would have said nothing."
    elif found.silent_days is None:
        yield f"{rule} would have named this one on the {RULE_DAYS:g}th day."
    else:
        later = RULE_DAYS - found.silent_days
        which = "later" if later > 0 else "earlier"
        yield f"{rule} would have said so {_days(abs(later))} {which}."


def _days(value: float) -> str:
    """Write some days of one customer, with a place where they are few."""
    few = value < _FEW_DAYS and value % 1
    return f"{value:.1f} days" if few else counted(round(value), "day")
