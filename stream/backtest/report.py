"""Report: the findings as one page that opens anywhere, without a network and without scripts."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from markupsafe import Markup

from stream.backtest import changes, charts, sentences, wording
from stream.backtest.curve import DRAWS, RATES
from stream.backtest.findings import SLIPAWAY, Findings, Story
from stream.backtest.groups import MEANINGS
from stream.backtest.stories import RULE_DAYS
from stream.report.pages import (
    cost_facts,
    drawn,
    environment,
    log_charts,
    reliability_charts,
)
from stream.report.reliability import Reliability
from stream.report.sentences import believed, quality, raised_in_all
from stream.report.words import minus
from stream.retention.terminal import meaning, share_of

_TEMPLATE = "report.html.jinja"
_UNBROKEN = "\N{NO-BREAK SPACE}"
_Told = tuple[Story, list[str], list[Markup]]


def page(findings: Findings) -> str:
    """Write the page; whatever the log and the policy are called, it is text."""
    pages = environment(Path(__file__).parent)
    pages.filters["days"] = lambda value: minus(wording.days(findings.data, value))
    pages.filters["interval"] = lambda found: minus(
        wording.interval(findings.data, found).replace("to ", f"to{_UNBROKEN}")
    )
    pages.filters["rate"] = wording.rate
    pages.filters["kept"] = share_of
    at = wording.headline_rate(findings)
    return pages.get_template(_TEMPLATE).render(
        findings=findings,
        data=findings.data,
        summary=[minus(sentence) for sentence in wording.summary(findings)],
        fixed=[minus(wording.fixed(findings, found)) for found in findings.fixed],
        declines=[minus(sentence) for sentence in wording.declines(findings)],
        changed=list(changes.sentences(findings.data, findings.against))
        if findings.against
        else [],
        change_rows=list(changes.rows(findings.data, findings.against)) if findings.against else [],
        change_columns=changes.COLUMNS,
        change_cases=list(changes.cases(findings.against)) if findings.against else [],
        change_judged=changes.JUDGED,
        stayed=meaning(findings.retention) if findings.retention else "",
        as_good=sorted(findings.as_good, key=lambda case: -case.days),
        headline=at,
        best_rule=partial(wording.best_rule, at=at),
        reading_at=partial(wording.reading_at, at=at),
        held=wording.held,
        titles=wording.TITLES,
        meanings=wording.MEANINGS,
        groupings=MEANINGS,
        shown={found.name for found in findings.everybody.methods}
        | {found.rule for found in findings.fixed},
        hindsight=wording.HINDSIGHT,
        mine=SLIPAWAY,
        rates=RATES,
        draws=DRAWS,
        charts=[
            drawn(partial(draw, findings), (charts.WIDE, charts.NARROW))
            for draw in (charts.curves, charts.dial, charts.choice)
        ],
        answer=[minus(sentence) for sentence in sentences.answer(findings)],
        sections=list(_sections(findings)),
        drawings=log_charts(findings.log, findings.raised)
        | reliability_charts(silences=findings.silences_believed, alerts=findings.alerts_believed),
        quality=list(quality(findings.log)),
        raised_in_all=raised_in_all(findings.raised, findings.log),
        stories=list(_stories(findings)),
        how_chosen=sentences.HOW_CHOSEN,
        rule_days=f"{RULE_DAYS:g}",
        alerts_believed=_believed(findings.alerts_believed),
        silences_believed=_believed(findings.silences_believed),
        cost=cost_facts(findings.cost) if findings.cost else [],
    )


def _believed(found: Reliability | None) -> str:
    return believed(found) if found else ""


def _stories(findings: Findings) -> Iterator[tuple[str, list[_Told]]]:
    """Give the stories of each kind, under what they are: each with its words and its picture."""
    numbered = list(enumerate(findings.stories))
    for kind, words in sentences.MEANINGS.items():
        yield (
            words,
            [
                (
                    one,
                    list(sentences.story(findings.data, one)),
                    drawn(partial(charts.strip, findings, one, number), charts.STRIPS),
                )
                for number, one in numbered
                if one.came_to == kind
            ],
        )


def _sections(findings: Findings) -> Iterator[tuple[str, str]]:
    """Give what stands in the page: the place, and its name."""
    yield "log", "What was in the log"
    yield "raised", "What was raised, and why"
    yield "stories", "Caught, called in vain, and missed"
    yield "early", "How early, at what price"
    yield "choice", "What another dial would have done"
    yield "dial", "Does the dial hold?"
    yield "whom", "For whom"
    if findings.declining:
        yield "declines", "Who still comes, but less"
    yield "as-good", "Where a simple rule is as good"
    if findings.against:
        yield "against", "The policy beside the old one"
    if findings.retention and findings.retention.periods:
        yield "stayed", "Who stayed"
    yield "reliability", "Is the risk to be believed?"
    if findings.cost:
        yield "cost", "What it took"
    yield "counted", "What was counted"
