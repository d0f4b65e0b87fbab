"""Replay's page: what a replay came to, to be looked at."""

from collections.abc import Iterator

from stream.report.pages import cost_facts, environment, log_charts, reliability_charts
from stream.report.replayed import Replayed
from stream.report.sentences import believed, quality, raised_in_all
from stream.report.words import counted, share

_TEMPLATE = "replay.html.jinja"


def page(found: Replayed) -> str:
    """Write the page; whatever the log and the customers are called, it is text."""
    drawings = log_charts(found.log, found.raised) | reliability_charts(silences=found.reliability)
    return (
        environment()
        .get_template(_TEMPLATE)
        .render(
            found=found,
            answer=" ".join(answer(found)),
            sections=list(_sections(found)),
            quality=list(quality(found.log)),
            raised_in_all=raised_in_all(found.raised, found.log),
            believed=believed(found.reliability) if found.reliability else "",
            drawings=drawings,
            cost=cost_facts(found.cost) if found.cost else [],
        )
    )


def answer(found: Replayed) -> Iterator[str]:
    """Say what came of it, for who reads no more than that."""
    log, raised = found.log, found.raised
    if not log.events:
        yield "There is no event in the log."
        return
    yield (
        f"Over {counted(log.days, 'day')}, {counted(raised.opened, 'alert')} would have been"
        f" raised, on {raised.customers:,} of {log.customers:,} customers"
        f"{_how_often(raised.opened, log.days)}."
    )
    if found.stayed:
        stayed = found.stayed
        yield (
            f"Of {stayed.at_start:,} customers at the start of the last whole {stayed.every},"
            f" {share(stayed.kept / stayed.at_start)} stayed."
        )
    yield f"A customer lapses by being silent for {found.horizon_days:g} days."


def _how_often(opened: int, days: int) -> str:
    if not opened:
        return ""
    return (
        f": about {opened / days:,.0f} a day"
        if opened >= days
        else (f": about one in {days / opened:,.0f} days")
    )


def _sections(found: Replayed) -> Iterator[tuple[str, str]]:
    yield "log", "What was in the log"
    yield "raised", "What was raised, and why"
    yield "reliability", "Is the risk to be believed?"
    if found.cost:
        yield "cost", "What it took"
    yield "not-judged", "What is not said here"
