"""Report: the findings as one page that opens anywhere, without a network and without scripts."""

import re
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stream.backtest import changes, charts, wording
from stream.backtest.curve import DRAWS, RATES
from stream.backtest.findings import SLIPAWAY, Findings
from stream.backtest.groups import MEANINGS
from stream.retention.terminal import meaning, share_of

_TEMPLATE = "report.html.jinja"
_UNBROKEN = "\N{NO-BREAK SPACE}"


def page(findings: Findings) -> str:
    """Write the page; whatever the log and the policy are called, it is text."""
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["days"] = lambda value: _minus(wording.days(findings.data, value))
    pages.filters["interval"] = lambda found: _minus(
        wording.interval(findings.data, found).replace("to ", f"to{_UNBROKEN}")
    )
    pages.filters["share"] = lambda value: wording.share(value).replace(" ", _UNBROKEN)
    pages.filters["rate"] = wording.rate
    pages.filters["kept"] = share_of
    at = wording.headline_rate(findings)
    return pages.get_template(_TEMPLATE).render(
        findings=findings,
        data=findings.data,
        summary=[_minus(sentence) for sentence in wording.summary(findings)],
        fixed=[_minus(wording.fixed(findings, found)) for found in findings.fixed],
        declines=[_minus(sentence) for sentence in wording.declines(findings)],
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
            [
                # Our own drawings; every text in them went through an XML writer.
                Markup(draw(findings, size))  # noqa: S704
                for size in (charts.WIDE, charts.NARROW)
            ]
            for draw in (charts.curves, charts.dial)
        ],
    )


def _minus(text: str) -> str:
    """Set signs before figures as signs, not as hyphens."""
    return re.sub(r"(?<![^\s(])-(?=\d)", "\N{MINUS SIGN}", text)
