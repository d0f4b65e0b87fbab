"""Scoring: which moments of a replay are ranked, and what the table of risks says."""

import csv
import io
from pathlib import Path

import pytest

from stream.demo.feed import message
from stream.demo.simulate import simulate
from stream.detector.events import DAY_MS
from stream.replay.errors import LogError
from stream.replay.run import Outputs, replay
from stream.replay.scoring import Question, Ranking, Scoring, read_moment, read_moments
from stream.wire.policy_file import load
from stream.wire.times import iso

POLICY = Path(__file__).parents[3] / "stream" / "demo" / "policy.toml"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a simulated product's events as Segment messages."""
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    events = simulate(customers=40, days=60, seed=5)
    path.write_bytes(b"".join(message(event) + b"\n" for event in events))
    return path


def scored(log: Path, folder: Path, ranking: Ranking) -> list[dict[str, str]]:
    """Replay a log, and read the scores."""
    out = folder / "s.csv"
    replay(
        [str(log)],
        load(POLICY),
        received_at=4_000_000_000_000,
        outputs=Outputs(scores=out),
        ranking=ranking,
    )
    with out.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def asked(ranking: Ranking, begin: int, end: int) -> list[Question]:
    """Give what a ranking asks of a log between two days."""
    heard: list[Question] = []

    def answer(question: Question, _: float | None) -> list[tuple[str, float]]:
        heard.append(question)
        return []

    scoring = Scoring(ranking, io.StringIO(), answer)
    scoring.begin(begin * DAY_MS)
    while scoring.next is not None and scoring.next.at <= end * DAY_MS:
        scoring.score()
    scoring.end(end * DAY_MS)
    return heard


def test_a_ranking_is_of_the_end_unless_a_moment_is_given() -> None:
    """Also of a moment after the end: then time goes on without events."""
    assert asked(Ranking(), 3, 9) == [Question(9 * DAY_MS, None)]
    for day in (5, 12):
        assert asked(Ranking(as_of=day * DAY_MS), 3, 9) == [Question(day * DAY_MS, None)]


def test_weekly_is_every_monday_of_the_log() -> None:
    """1970-01-05 was one; the day the log begins is none."""
    mondays = [question.at // DAY_MS for question in asked(Ranking(weekly=True), 4, 19)]
    assert mondays == [11, 18]


def test_customers_of_one_moment_are_asked_for_together_and_in_time() -> None:
    """Whatever the order of the table."""
    moments = ((20 * DAY_MS, "c"), (5 * DAY_MS, "b"), (5 * DAY_MS, "a"))
    assert asked(Ranking(moments=moments), 3, 9) == [
        Question(5 * DAY_MS, ("a", "b")),
        Question(20 * DAY_MS, ("c",)),
    ]


def test_a_moment_of_its_own_says_what_the_ranking_of_everybody_says_then(
    log: Path, tmp_path: Path
) -> None:
    """One pass for all of them, and who has not been seen yet is left out."""
    weekly = scored(log, tmp_path, Ranking(weekly=True))
    dates = sorted({row["as_of"] for row in weekly})
    assert len(dates) >= 8
    known = {(row["customer_id"], row["as_of"]): row["risk"] for row in weekly}
    of = sorted(known)[:: len(known) // 10]
    moments = tuple((read_moment(date), who) for who, date in of)
    nobody = (read_moment(dates[0]), "nobody")
    own = scored(log, tmp_path, Ranking(moments=(*moments, nobody)))
    assert {(row["customer_id"], row["as_of"]): row["risk"] for row in own} == {
        key: known[key] for key in of
    }
    at = read_moment(dates[2])
    everybody = scored(log, tmp_path, Ranking(as_of=at))
    assert {row["customer_id"]: row["risk"] for row in everybody} == {
        who: risk for (who, date), risk in known.items() if date == iso(at)
    }


def test_a_longer_time_ahead_lowers_every_risk(log: Path, tmp_path: Path) -> None:
    """The same customers, asked about a year instead of the horizon."""
    plain = scored(log, tmp_path, Ranking())
    ahead = scored(log, tmp_path, Ranking(ahead_days=365.0))
    pairs = list(zip(plain, ahead, strict=True))
    assert all(float(far["risk"]) <= float(near["risk"]) for near, far in pairs)
    assert any(float(far["risk"]) < float(near["risk"]) for near, far in pairs)


def test_a_table_of_moments_is_read_and_a_date_is_its_end(tmp_path: Path) -> None:
    """Sorted by moment."""
    path = tmp_path / "m.csv"
    path.write_text("customer_id,time\nb,1970-01-02\na,1970-01-02T00:00:00Z\n", encoding="utf-8")
    assert read_moments(path) == ((DAY_MS, "a"), (2 * DAY_MS, "b"))


@pytest.mark.parametrize("table", ["customer,time\na,1970-01-02\n", "customer_id,time\na,soon\n"])
def test_a_table_that_is_none_of_moments_is_refused(tmp_path: Path, table: str) -> None:
    """With its line, and what belongs there."""
    path = tmp_path / "m.csv"
    path.write_text(table, encoding="utf-8")
    with pytest.raises(LogError, match=r"m\.csv, line 2.*customer_id and time"):
        read_moments(path)
