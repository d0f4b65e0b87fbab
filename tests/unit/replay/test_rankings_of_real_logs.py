"""The rankings of real logs, by an independent scorer: what was reached stays reached."""

import csv
import importlib
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from stream.replay.run import Outputs, replay
from stream.replay.scoring import Ranking, read_moment
from stream.wire.policy_file import load

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def scorer(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the independent scorer."""
    monkeypatch.syspath_prepend(str(shared_data.parent / "eval"))
    sys.modules.pop("score_ranking", None)
    return importlib.import_module("score_ranking")


def risks(files: list[Path], policy: str, out: Path, ranking: Ranking) -> list[dict[str, str]]:
    """Replay a log, and give its scores."""
    replay(
        [str(file) for file in files],
        load(EXAMPLES / policy),
        received_at=time.time_ns() // 1_000_000,
        outputs=Outputs(scores=out),
        ranking=ranking,
    )
    with out.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.shared
@pytest.mark.timeout(900)
def test_online_retail(shared_data: Path, scorer: ModuleType, tmp_path: Path) -> None:
    """Asked for the hundred days that its outcome covers."""
    files = [shared_data / "online_retail" / "online_retail.csv.gz"]
    ranking = Ranking(as_of=read_moment("2011-08-31"), ahead_days=100.0)
    said = risks(files, "online-retail.toml", tmp_path / "s.csv", ranking)
    figures = scorer.score(
        {row["customer_id"]: float(row["risk"]) for row in said}, scorer.load("online_retail")
    )["all"]
    assert figures["roc_auc"] >= 0.745
    assert figures["log_loss"] <= 0.58


@pytest.mark.shared
@pytest.mark.timeout(900)
def test_courses_early_in_their_windows(
    shared_data: Path, scorer: ModuleType, tmp_path: Path
) -> None:
    """Each enrolment as of its own seventh and fourteenth day, and at its end."""
    log = scorer.load("kdd2015")
    cuts = {day: log.cut(day) for day in (7, 14, 30)}
    at = {
        day: [
            (log.customers[c], (int(t) + 1) * 1_000)
            for c, t in zip(cut.customers, cut.time, strict=True)
        ]
        for day, cut in cuts.items()
    }
    moments = {(t, c) for asked in at.values() for c, t in asked}
    files = [shared_data / "kdd2015" / name for name in ("usage.csv.gz", "outcomes.csv.gz")]
    ranking = Ranking(moments=tuple(sorted(moments)))
    said = {
        (row["customer_id"], row["as_of"]): float(row["risk"])
        for row in risks(files, "kdd-courses.toml", tmp_path / "s.csv", ranking)
    }
    for day, (auc, log_loss) in {7: (0.78, 0.48), 14: (0.81, 0.41), 30: (0.874, 0.285)}.items():
        known = {
            c: said[c, datetime.fromtimestamp(t / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")]
            for c, t in at[day]
        }
        figures = scorer.score(known, log, day)["all"]
        assert figures["roc_auc"] >= auc, day
        assert figures["log_loss"] <= log_loss, day
