"""The report: one page, whole, and harmless whatever the log is called."""

import io
import re
import xml.etree.ElementTree as ET
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import msgspec
import pytest
from rich.console import Console

from stream.backtest import charts, wording
from stream.backtest.charts import NARROW, WIDE, RatesSize
from stream.backtest.curve import RATES, Difference, Reading
from stream.backtest.findings import (
    BY_DIAL,
    SLIPAWAY,
    Answer,
    AsGood,
    Comparison,
    Data,
    Declining,
    DialSetting,
    Findings,
    Fixed,
    Group,
    Method,
    SegmentDial,
    Setting,
    Story,
)
from stream.backtest.report import page
from stream.backtest.run import as_good
from stream.backtest.terminal import show
from stream.detector.periods import Every
from stream.report.buckets import Step
from stream.report.cost import Cost
from stream.report.log import Band, Bucket, FileRead, Log, Name, Refused, Span
from stream.report.raised import Kin, Raised
from stream.report.reliability import Reliability, Tenth
from stream.retention.figures import Period, Retention

HOSTILE = '<script>alert("1")</script>&"\'.csv'
VOID = {"meta", "br", "hr", "img", "link", "input"}


def reading(rate: float, delay: float) -> Reading:
    """Return what a curve may come to."""
    return Reading(
        false_per_customer_month=rate, recall=0.5, recall_by_half_horizon=0.4, mean_delay_days=delay
    )


def setting(rate: float, delay: float) -> Setting:
    """Return what a setting may come to."""
    return Setting(
        setting=30.0,
        false_per_customer_month=rate,
        recall=0.5,
        recall_by_half_horizon=0.4,
        mean_delay_days=delay,
    )


def group(name: str, by: str = "", *, days: float = -5.0) -> Group:
    """Return a group in which slipaway is so much later than the rule."""
    methods = [
        Method(
            name=method,
            settings=[setting(rate, delay + number) for number, rate in enumerate((0.5, 0.01))],
            readings=[reading(rate, delay) for rate in RATES],
        )
        for method, delay in ((SLIPAWAY, 40.0), (BY_DIAL, 40.5), ("hiatus", 40.0 - days))
    ]
    differences = [
        Difference(false_per_customer_month=rate, days=days, low=days - 1, high=days + 2)
        for rate in RATES
    ]
    return Group(
        by=by,
        name=name,
        customers=9,
        lapses=40,
        customer_months=80.0,
        methods=methods,
        comparisons=[Comparison(rule="hiatus", differences=differences)],
    )


def declining(fall: str, **known: float) -> Declining:
    """Return what became of a fall: nothing is known of it, but for `known`."""
    facts: dict[str, float | None] = {
        "level_nats": None,
        "alerts_per_customer_month": 0.01,
        "resolved": 0.0,
        "came_true": 0.8,
        "controls_true": 0.2,
        "use_after": None,
        "use_after_of_others": None,
    }
    counts = {"alerts": 12, "controls": 400.0, "compared": 11}
    return Declining(fall=fall, **counts, **(facts | known))  # type: ignore[arg-type]


def segment_dial(name: str, dial: float | None) -> SegmentDial:
    """Return what a segment's dial might have come to."""
    return SegmentDial(
        segment=name,
        dial=dial,
        notice_days_per_false_alarm=None if dial else 12.0,
        customers=7,
        customer_months=30.0,
        lapses=9,
        measured=0.16,
        ratio=1.6 if dial else None,
        recall=0.5,
        precision=0.4,
        mean_delay_days=42.5,
        warm_up_measured=None,
        warm_up_ratio=None,
    )


def answer(*, days: float = -5.0) -> Answer:
    """Return an answer in which slipaway is so much later than one silence for all."""
    return Answer(
        lapses=40,
        customers_lapsed=38,
        named=20,
        named_after_days=12.3,
        mean_delay_days=51.2,
        right=16,
        false=4,
        false_per_customer_month=0.05,
        rule_idle_days=61.2,
        rule=reading(0.05, 56.2),
        difference=Difference(
            false_per_customer_month=0.05, days=days, low=days - 1, high=days + 2
        ),
    )


def story(came_to: str, name: str) -> Story:
    """Return a silence of a customer."""
    missed = came_to == "missed"
    return Story(
        came_to=came_to,
        customer_id=name,
        first="2025-02-01T00:00:00Z",
        active_days=4,
        usual_gap_days=3.0,
        last="2025-08-01T00:00:00Z",
        alerted=None if missed else "2025-08-13T00:00:00Z",
        silent_days=None if missed else 12.0,
        risk=None if missed else 0.7,
        reasons=[] if missed else [f"Saw {name}."],
        back="2025-09-20T00:00:00Z" if came_to == "in vain" else None,
        away_days=50.0 if came_to == "in vain" else 150.0,
        days=[-9, -6, -3, 0],
    )


def log(name: str) -> Log:
    """Return what might have been in a log."""
    return Log(
        files=[FileRead(name=name, events=1000, out_of_order=3, too_late=1)],
        rows=1001,
        events=1000,
        used=900,
        ignored=0,
        heartbeats=0,
        erasures=0,
        refused=[Refused(code="not_json", rows=1, examples=[f"{name}, row 3: no JSON"])],
        with_id=0,
        duplicates=0,
        lateness_seconds=3600,
        first="2025-01-01T00:00:00Z",
        last="2025-12-31T00:00:00Z",
        days=365,
        days_without=2,
        weekdays_without={"Sunday": 2},
        spans_without=[Span(begin="2025-03-02", days=1), Span(begin="2025-03-09", days=1)],
        customers=10,
        bands=[Band(name="rarer", customers=10)],
        names=[Name(name=name, events=1000, means="engagement")],
        other_names=0,
        step=Step.WEEK,
        buckets=[Bucket(begin="2024-12-30", events=1000, customers=10, new=10)],
    )


def raised(name: str) -> Raised:
    """Return what might have been raised."""
    some = Kin(name=name, opened=40, customers=9, example=name, came_to={"right": 16, "false": 24})
    return Raised(
        since="2025-07-01T00:00:00Z",
        opened=40,
        customers=9,
        held_out=1,
        kinds={"opened": 50},
        withheld={"resting": 2},
        severities={"high": 40},
        triggers=[some],
        segments=[some],
        reasons=[some],
        weighed=[some],
        busiest="2025-08-13",
        busiest_opened=3,
        in_buckets=[50],
    )


RELIABILITY = Reliability(
    tenths=[Tenth(said=0.44, came=0.5, answers=3.0), Tenth(said=0.7, came=0.72, answers=60.0)],
    error=0.03,
)


def findings(name: str = "log.csv", *, days: float = -5.0, own: float | None = 0.05) -> Findings:
    """Return findings as a backtest might have them."""
    dial = DialSetting(
        dial=own,
        own=True,
        measured=0.06,
        ratio=None if own is None else 1.2,
        recall=0.5,
        precision=0.4,
        mean_delay_days=41.0,
        right=16,
        false=24,
        warm_up_measured=0.0,
        warm_up_ratio=None if own is None else 0.0,
    )
    return Findings(
        data=Data(
            files=[name],
            policy_version=name,
            horizon_days=90.0,
            dial=0.05,
            notice_days_per_false_alarm=None if own is not None else 12.0,
            events=1000,
            customers=10,
            first="2025-01-01T00:00:00Z",
            last="2025-12-31T00:00:00Z",
            begin="2025-07-01T00:00:00Z",
            lapses=40,
            customer_months=80.0,
            rows=1001,
            refused={"not_json": 1},
        ),
        answer=answer(days=days),
        log=log(name),
        raised=raised(name),
        stories=[story(came_to, name) for came_to in ("caught", "in vain", "missed")],
        silences_believed=RELIABILITY,
        alerts_believed=RELIABILITY,
        cost=Cost(
            seconds=61.0,
            phases={"rules": 6.0},
            events_per_second=16.4,
            peak_memory_bytes=200_000_000,
            cpus=2,
        ),
        everybody=group("everybody", days=days),
        fixed=[
            Fixed(
                rule="idle",
                came_to=setting(0.3, 30.0),
                slipaway=reading(0.3, 20.0),
                difference=Difference(false_per_customer_month=0.3, days=-10, low=-12, high=-8),
            ),
            Fixed(rule="idle", came_to=setting(0.0, 90.0), slipaway=None, difference=None),
        ],
        dial=[dial],
        groups=[group(name, "usual gap", days=3.0)],
        left_out=[name],
        as_good=[
            AsGood(group=name, rule="hiatus", false_per_customer_month=0.02, days=3, low=2, high=5)
        ],
        declining=[
            declining(
                "less", level_nats=3.0, resolved=41.3, use_after=0.5, use_after_of_others=0.9
            ),
            declining("narrower"),
        ],
        segments=[segment_dial(name, 0.1), segment_dial("", None)],
    )


class Tags(HTMLParser):
    """Reads a page, and notes its tags, its links and what is not closed."""

    def __init__(self) -> None:
        """Begin with nothing open."""
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.seen.add(tag)
        self.links |= {value or "" for name, value in attrs if name == "href"}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that is closed already."""
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened last."""
        assert self.open.pop() == tag


def parsed(drawing: str) -> ET.Element:
    """Read a drawing, which is well-formed by itself."""
    return ET.fromstring(drawing)  # noqa: S314 - our own


@pytest.mark.parametrize("name", ["log.csv", HOSTILE])
def test_a_page_is_whole_and_asks_for_nothing(name: str) -> None:
    """Every tag is closed; no script, no address; links lead to places in it; names are text."""
    written = page(findings(name))
    tags = Tags()
    tags.feed(written)
    assert tags.open == []
    assert "script" not in tags.seen
    assert tags.attributes.isdisjoint({"src", "onload", "onclick"})
    assert tags.links
    assert {link.removeprefix("#") for link in tags.links} <= set(tags.ids)
    assert len(tags.ids) == len(set(tags.ids))
    assert re.search(r"https?:|//[a-z]|url\(|@import", written) is None


def test_names_are_text() -> None:
    """Of files, of policies, of groups."""
    written = page(findings(HOSTILE))
    assert "<script" not in written
    assert written.count("&lt;script&gt;") >= 5


def test_a_page_says_what_the_terminal_says() -> None:
    """The summary, word for word."""
    found = findings()
    said = unescape(page(found))
    for sentence in wording.summary(found):
        assert sentence.replace(" -", " \N{MINUS SIGN}") in said


@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize("draw", [charts.curves, charts.dial, charts.choice])
def test_a_chart_can_be_heard(draw: charts.Draw, size: RatesSize) -> None:
    """It has a title and a description, and names them."""
    root = parsed(draw(findings(), size))
    title, description = root[0], root[1]
    assert (title.tag, description.tag) == ("title", "desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text
    assert description.text


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_every_line_is_named_and_no_name_covers_another(size: RatesSize) -> None:
    """Though two of them end at the same height."""
    root = parsed(charts.curves(findings(), size))
    names = {
        text.text: float(text.get("y") or 0)
        for text in root.iter("text")
        if text.text in wording.TITLES.values()
    }
    assert set(names) == {"slipaway", "slipaway, by its dial", "one silence for all"}
    places = sorted(names.values())
    assert min(below - above for above, below in pairwise(places)) >= 14


def test_nothing_is_drawn_outside_a_chart() -> None:
    """Whatever the figures are."""
    found = findings()
    dial = [msgspec.structs.replace(found.dial[0], measured=7.0, warm_up_measured=1e-6)]
    for draw in (charts.curves, charts.dial, charts.choice):
        root = parsed(draw(msgspec.structs.replace(found, dial=dial), WIDE))
        for line in root.iter("polyline"):
            points = [point.split(",") for point in (line.get("points") or "").split()]
            assert all(0 <= float(x) <= WIDE.width for x, _ in points)
            assert all(0 <= float(y) <= WIDE.height for _, y in points)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (-5.0, "That is 5.0 days earlier (95 % interval -6.0 to -3.0 days)."),
        (-1.0, "That is 1.0 days earlier, which could be chance (95 % interval -2.0 to 1.0 days)."),
        (4.0, "the rule is the better choice at this rate."),
    ],
)
def test_the_summary_takes_nobodys_side(days: float, said: str) -> None:
    """Better, worse, and what nobody knows."""
    assert said in " ".join(wording.summary(findings(days=days)))


def test_the_headline_is_read_near_the_policys_own_rate() -> None:
    """The dial, or what its threshold came to."""
    assert wording.headline_rate(findings()) == 0.05
    assert "1.20 times what was asked" in " ".join(wording.summary(findings()))
    fixed = findings(own=None)
    (own,) = fixed.dial
    loose = msgspec.structs.replace(fixed, dial=[msgspec.structs.replace(own, measured=0.3)])
    assert wording.headline_rate(loose) == 0.2
    assert "12 days of notice" in " ".join(wording.summary(loose))


def test_a_dial_has_held_within_half_of_what_was_set() -> None:
    """And an unset one cannot."""
    (setting,) = findings().dial
    ratios = (0.49, 0.5, 1.5, 1.51, None)
    held = [wording.held(msgspec.structs.replace(setting, ratio=ratio)) for ratio in ratios]
    assert held == [False, True, True, False, None]


def test_an_interval_stands_on_one_line_of_a_terminal() -> None:
    """Beside four others, and the longest name of a rule."""
    written = io.StringIO()
    show(findings(days=-30.0), Console(file=written, width=100))
    (line,) = (line for line in written.getvalue().splitlines() if line.count("-31.0 to -28.0") > 1)
    assert line.count("-31.0 to -28.0") == len(RATES)


@pytest.mark.parametrize(("days", "named"), [(-0.1, 0), (0.0, len(RATES)), (2.0, len(RATES))])
def test_a_rule_that_is_just_as_early_is_named(days: float, named: int) -> None:
    """At every rate; a tie is not a win."""
    assert len(list(as_good(group("everybody", days=days)))) == named


def test_it_says_what_became_of_who_came_less() -> None:
    """And why nobody is told of where nothing is known; nothing where it was not looked for."""
    less, use, narrower = wording.declines(findings())
    assert less == (
        "Coming less went on so in 80 % of 41 cases, where 20 % of 400 others came to as little."
        " Told of from 3 nats on: 12 alerts."
    )
    assert "was 0.50 of the one before, of customers much the same 0.90" in use
    assert narrower.endswith("to know what comes of it: that does not bear out alerts.")
    assert "Who still comes, but less" in page(findings())
    without = msgspec.structs.replace(findings(), declining=[])
    assert "Who still comes, but less" not in page(without)


def test_who_stayed_is_shown_where_the_log_has_a_whole_period() -> None:
    """On the page and the terminal, the segments of the last period with it."""
    period = Period(
        begin="2026-02-01",
        at_start=1_000,
        new=40,
        back=7,
        lapsed=180,
        ended=20,
        at_end=847,
        retention=0.8,
        churn=0.2,
    )
    hostile = msgspec.structs.replace(period, segment=HOSTILE, retention=None, churn=None)
    found = Retention(
        every=Every.MONTH, horizon_days=30.0, periods=(period,), segments=(hostile,), cohorts=()
    )
    whole = msgspec.structs.replace(findings(), retention=found)
    html, out = page(whole), io.StringIO()
    show(whole, Console(file=out, width=120))
    for said in (html, out.getvalue()):
        assert "Who stayed" in said
        assert "80.0%" in said
        assert "20.0%" in said
        assert "1,000" in said
    assert HOSTILE not in html
    assert "Who stayed" not in page(findings())
    nothing = msgspec.structs.replace(found, periods=(), segments=())
    assert "Who stayed" not in page(msgspec.structs.replace(whole, retention=nothing))
