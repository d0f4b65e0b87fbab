"""The page of the work: what is off and what to do; letters and names that would harm."""

import asyncio
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from test_console_server import HOSTILE, Book, serving
from typer.testing import CliRunner
from watched import NOW, URL, a_look, said, scraped

from stream.cli import cli
from stream.console import concerns as module
from stream.console import workers
from stream.console.concerns import Concern, concerns
from stream.console.health import ROWS_MAX, Health, health
from stream.console.lately import Lately
from stream.console.letters import BYTES_MAX, TEXT_MAX, Letters, excerpt, sort
from stream.console.pages import age
from stream.console.workers import Look, addresses
from stream.detector.errors import BadEvent, Code
from stream.dlq.letters import Letter, Mark, Place
from stream.doctor.group import GroupFacts, Member
from stream.top.lags import Lags
from stream.top.picture import picture
from stream.top.scrape import Partition, Said
from stream.wire.dead_letters import dead_letter
from stream.worker.metrics import Metrics
from stream.worker.web import Web

REPOSITORY = Path(__file__).parents[3]
NO_LETTERS = Letters([], 0, None, whole=True)
ALONE = GroupFacts(
    "shop", "Stable", "faust", (Member("w0", "10.0.0.1", frozenset({("usage", 0)})),)
)


def found_in(look: Look) -> list[Concern]:
    """Return what is off."""
    return concerns(health(look, NO_LETTERS))


def of_partition(**fields: Any) -> Said:
    """Return what a worker says whose only partition differs in these."""
    return said(partitions={("usage", 0): Partition(**fields)})


def test_where_all_is_well_nothing_is_off() -> None:
    """A page that always warns is read by nobody."""
    assert found_in(a_look(scraped(said()), members=ALONE)) == []


@pytest.mark.parametrize(
    ("look", "runbook", "words"),
    [
        (a_look(scraped(None, "refused")), "SlipawayDown", "w0:8080 does not answer: refused"),
        (a_look(scraped(said(ready=False))), "SlipawayNotReady", "w0:8080 is not ready"),
        (a_look(scraped(said(suspended=True))), "SlipawayAlertsSuspended", "Use has collapsed"),
        (a_look(scraped(said(policy_refused=True))), "SlipawayPolicyRefused", "older policy"),
        (
            a_look(scraped(said(model_from=NOW - 4 * 86_400))),
            "SlipawayModelStale",
            "more than 3 days old",
        ),
        (
            a_look(scraped(of_partition(lag=5, processed=NOW - 130, checkpointed=NOW - 130))),
            "SlipawayPartitionStuck",
            "usage/0 does not move",
        ),
        (
            a_look(scraped(of_partition(processed=NOW, checkpointed=NOW - 11))),
            "SlipawayCheckpointFailing",
            "usage/0 is not saved",
        ),
        (
            a_look(scraped(of_partition(watermark=NOW - 10 - 180))),
            "SlipawayFreshnessBurnFast",
            "usage/0 decides late: by 3 minutes",
        ),
        (
            a_look(lags=Lags(lags={("usage", 0): 9_000, ("usage", 1): 2_000})),
            "SlipawayLagGrowing",
            "11,000 records of usage wait",
        ),
        (
            a_look(lags=Lags(lags={("usage", 0): 0, ("usage", 1): 0}), members=ALONE),
            "SlipawayPartitionUnowned",
            "usage/1: worked on by nobody",
        ),
        (a_look(members=GroupFacts("shop", "Empty")), "SlipawayNobodyWorks", "has no members"),
        (a_look(lags=Lags(problem="kafka:9092 does not answer")), "", "kafka:9092 does not"),
    ],
)
def test_what_is_off_is_said_with_its_runbook(look: Look, runbook: str, words: str) -> None:
    """By the same limits as the rules that call people."""
    (found,) = found_in(look)
    assert (found.runbook, words in found.what, bool(found.do)) == (runbook, True, True), found


@pytest.mark.parametrize(
    "look",
    [
        a_look(scraped(said(clock="event", model_from=1.0))),  # a replay's time is long ago
        a_look(scraped(said(learns=False, model_from=1.0))),  # pinned is meant to be old
        a_look(scraped(of_partition(watermark=NOW - 10 - 59))),
        a_look(scraped(of_partition(lag=0, processed=NOW - 9_000, checkpointed=NOW - 9_000))),
        a_look(lags=Lags(lags={("usage", 0): 0, ("usage", 1): 0})),  # nobody knows who works
        a_look(
            lags=Lags(lags={("usage", 1): 0}),
            members=GroupFacts("shop", "PreparingRebalance", members=ALONE.members),
        ),
        a_look(members=GroupFacts("shop", forbidden=True)),
    ],
)
def test_what_only_looks_so_is_not_off(look: Look) -> None:
    """A false alarm costs the trust in the next one."""
    assert found_in(look) == []


def test_a_burst_of_dead_letters_is_off() -> None:
    """By what the worker counted between two looks."""
    before = scraped(said(events={"applied": 100.0}, dead_letters={"no_time": 0.0}))
    now = scraped(said(events={"applied": 190.0}, dead_letters={"no_time": 10.0}))
    now = workers.Scrape(url=URL, at=NOW + 4, said=now.said)
    found = picture([now], Lags(), NOW + 4, [before])
    (burst,) = found_in(Look(picture=found, scrapes=[now], members=None))
    assert (burst.runbook, burst.what) == (
        "SlipawayDeadLetterBurn",
        "11% of the events cannot be used.",
    )


def test_every_runbook_that_is_named_is_there() -> None:
    """A link that leads nowhere is found at night."""
    named = re.findall(r'"(Slipaway\w+)"', Path(module.__file__).read_text())
    assert len(named) > 10
    for name in named:
        assert (REPOSITORY / "deploy" / "runbooks" / f"{name}.md").exists()


def test_the_limits_are_those_of_the_rules() -> None:
    """Or the page and the pager would disagree."""
    rules = (REPOSITORY / "deploy" / "prometheus" / "rules.yml").read_text()
    for words in (
        f"> bool {module.LATE_SECONDS:g}",
        f"sum > {module.LAG_MAX}",
        f"< {module.STUCK_SECONDS:g}",
        f"> {module.UNSAVED_SECONDS:g}\n",
        f"ratio_rate1h > {module.DEAD_SHARE:g}",
        f"> {module.MODEL_DAYS} * 86400",
    ):
        assert words in rules, words


def test_the_brokers_know_who_works_where_no_worker_was_asked() -> None:
    """By its own name, or its address."""
    lags = Lags(lags={("usage", 0): 3, ("usage", 1): 4})
    nameless = Member("", "10.0.0.2", frozenset({("usage", 1)}))
    members = GroupFacts("shop", "Stable", "faust", (*ALONE.members, nameless))
    found = health(a_look(lags=lags, members=members), NO_LETTERS)
    assert [(row.owner, row.lag, row.decided) for row in found.rows] == [
        ("w0", 3, None),
        ("10.0.0.2", 4, None),
    ]
    assert (found.lag, found.told) == (7, False)


def test_of_many_partitions_those_that_need_somebody_are_shown() -> None:
    """A thousand rows help nobody at night."""
    lags = Lags(lags={("usage", number): number for number in range(ROWS_MAX + 50)})
    found = health(a_look(lags=lags), NO_LETTERS)
    assert (len(found.rows), found.more, found.rows[0].partition) == (ROWS_MAX, 50, 50)
    assert found.lag == sum(range(ROWS_MAX + 50))


async def test_of_workers_behind_one_name_each_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A headless service leads to all; a machine of two kinds of addresses is one machine."""
    loop = asyncio.get_running_loop()
    known = {
        "all": [(socket.AF_INET, "10.0.0.2"), (socket.AF_INET, "10.0.0.1")],
        "one": [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")],
        "new": [(socket.AF_INET6, "fd00::2"), (socket.AF_INET6, "fd00::1")],
    }

    async def names(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        if host not in known:
            raise socket.gaierror
        return [(kind, 1, 6, "", (address, port)) for kind, address in known[host]]

    monkeypatch.setattr(loop, "getaddrinfo", names)
    assert await addresses("http://all:8080/metrics") == [
        "http://10.0.0.1:8080/metrics",
        "http://10.0.0.2:8080/metrics",
    ]
    assert (await addresses("http://new:1/m"))[0] == "http://[fd00::1]:1/m"
    for url in ("http://one:8080/metrics", "http://gone:1/metrics", "https://all/metrics"):
        assert await addresses(url) == [url]


async def test_workers_that_want_a_token_are_given_it() -> None:
    """Theirs, not the console's."""
    web = Web(
        host="127.0.0.1",
        port=0,
        registry=Metrics().registry,
        unready=lambda: "",
        token="sesame",  # noqa: S106
    )
    await web.start()
    try:
        url = f"http://127.0.0.1:{web.address[1]}/metrics"
        (let_in,) = await workers.answers([url], "sesame", NOW)
        (refused,) = await workers.answers([url], "", NOW)
    finally:
        await web.stop()
    assert let_in.said is not None
    assert (refused.said, refused.problem) == (None, "status 401")


def a_letter(
    offset: int, value: bytes | None, code: Code = Code.NOT_JSON, message: str = "no"
) -> Letter:
    """Return a dead letter."""
    reason = dead_letter(
        BadEvent(code, message), topic="raw", partition=0, offset=offset, stage="decode",
        failed_at=1_000, app_version="1",
    )  # fmt: skip
    return Letter(
        place=Place(0, offset),
        written_at=1_000 + offset,
        key=None,
        value=value,
        headers=(),
        reason=reason,
    )


async def test_letters_are_put_together_by_what_is_wrong() -> None:
    """The latest of each sort stands for the others, whatever order partitions are read in."""
    letters = [a_letter(7, b"{"), a_letter(3, b"["), a_letter(4, None, Code.EMPTY)]
    found = await sort("dead", [*letters, Mark(Place(0, 3))], whole=False)
    first, second = found.sorts
    assert (first.kind.code, first.kind.letters, first.kind.replayed) == ("not_json", 2, 1)
    assert (first.value, first.kind.latest, first.latest) == ("{", "0:7", 1_007)
    assert first.remedy.fault == "the sender's"
    assert second.value == ""
    assert (found.looked, found.since, found.whole) == (3, 1_003, False)


async def test_of_what_was_sent_the_beginning_is_shown() -> None:
    """Ten megabytes of it would show nobody anything."""
    assert excerpt("é".encode() * 1_000) == ("é" * TEXT_MAX, 2 * (1_000 - TEXT_MAX))
    assert excerpt(b"\xff" * 100) == ("0x" + "ff" * BYTES_MAX, 100 - BYTES_MAX)
    assert excerpt(None) == ("", 0)
    (long,) = (await sort("dead", [a_letter(1, b"", message="x" * 5_000)], whole=True)).sorts
    assert long.message == "x" * TEXT_MAX


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_could_not_be_used_is_shown_as_text(text: str) -> None:
    """It came from outside, and somebody may have meant it to be seen here."""
    letters = await sort("dead", [a_letter(1, text.encode(), message=f"saw {text}")], whole=True)
    look = a_look(scraped(None, text), scraped(said(release=text, policy=text)))
    work = health(look, letters)
    async with (
        serving(Book(), work=work) as (_, address, session),
        session.get(f"{address}/health") as answer,
    ):
        page = await answer.text()
        assert answer.status == 200
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "\u202e" not in page
        assert "not_json" in page


def worked(**fields: Any) -> Health:
    """Return the health of one worker that says this."""
    return health(a_look(scraped(said(**fields)), members=ALONE), NO_LETTERS)


async def test_the_page_says_how_the_work_goes() -> None:
    """Who has which partition, how far it is, and that nothing is off."""
    async with (
        serving(Book(), work=worked()) as (_, address, session),
        session.get(f"{address}/health") as answer,
    ):
        page = await answer.text()
    assert "Nothing, as far as can be seen from here" in page
    assert "w0:8080" in page
    assert "1 of 1" in page
    assert 'datetime="2027-01-15T07:59:50' in page
    assert "late" not in page.partition("Partitions</h2>")[2]


async def test_what_takes_a_while_is_asked_once_for_all() -> None:
    """Twenty people look at the page when it burns."""
    asked, now = 0, 0.0

    async def find() -> int:
        nonlocal asked
        await asyncio.sleep(0)
        asked += 1
        return asked

    lately = Lately(find, 4.0, lambda: now)
    assert await asyncio.gather(*(lately.get() for _ in range(20))) == [1] * 20
    now = 3.9
    assert await lately.get() == 1
    now = 4.0
    assert await lately.get() == 2


@pytest.mark.parametrize(
    ("words", "said_of_it"),
    [
        (["--worker", "w0:8080"], "write it as http://HOST:PORT"),
        (["--runbooks", "javascript:alert(1)"], "write it as http://HOST/PATH"),
    ],
)
def test_addresses_that_lead_nowhere_are_refused_before_anything_is_asked(
    words: list[str], said_of_it: str
) -> None:
    """A link that runs is worse than none."""
    ended = CliRunner().invoke(cli, ["console", *words])
    assert ended.exit_code != 0
    assert said_of_it in ended.output


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (119.4, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 d")],
)
def test_how_long_ago_is_a_number_that_one_can_read(seconds: float, words: str) -> None:
    """Not 10,000 s, and not 0.1 days."""
    assert age(seconds).replace("\N{NO-BREAK SPACE}", " ") == words
