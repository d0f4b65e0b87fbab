"""The guard on real logs: a shop's closures are suspensions, an ordinary log has none."""

import io
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from models.trainer import Trainer
from stream.detector.alerts import Kind
from stream.detector.customer import Customer
from stream.detector.judgement import Judge
from stream.replay.refusals import Refusals
from stream.replay.run import Replay, read_in_order
from stream.wire.alerts import decode_alert
from stream.wire.policy_file import load

EXAMPLES = Path(__file__).parents[3] / "examples"


def suspensions(policy: str, files: list[Path], patch: pytest.MonkeyPatch) -> list[date]:
    """Replay a log for its notices alone, and give the days on which alerts were suspended."""

    def pass_by(_: Judge, __: str, customer: Customer, ___: int) -> None:
        customer.rung += 1

    patch.setattr(Judge, "judge", pass_by)
    patch.setattr(Trainer, "_refit", lambda *_: None)
    said, product = io.BytesIO(), load(EXAMPLES / policy)
    run, last = Replay(product.policy, alerts=said), 0
    now = time.time_ns() // 1_000_000
    names = [str(file) for file in files]
    for batch in read_in_order(names, product, received_at=now, refusals=Refusals()):
        run.take(batch)
        last = int(batch.occurred_at[-1])
    run.finish(last)
    alerts = [decode_alert(line) for line in said.getvalue().splitlines()]
    return [
        datetime.fromtimestamp(alert.time / 1_000, UTC).date()
        for alert in alerts
        if alert.kind is Kind.SUSPENDED
    ]


@pytest.mark.shared
@pytest.mark.timeout(900)
def test_a_wholesaler_closes_five_times(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Christmas, Easter and three long weekends; nothing else in a year."""
    files = [shared_data / "online_retail" / "online_retail.csv.gz"]
    closed = [(2010, 12, 23), (2011, 4, 24), (2011, 5, 1), (2011, 5, 30), (2011, 8, 29)]
    assert suspensions("online-retail.toml", files, monkeypatch) == [date(*day) for day in closed]


@pytest.mark.shared
@pytest.mark.timeout(900)
def test_courses_that_end_are_no_outage(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty-nine of them, each with its own end."""
    files = [shared_data / "kdd2015" / name for name in ("usage.csv.gz", "outcomes.csv.gz")]
    assert suspensions("kdd-courses.toml", files, monkeypatch) == []


@pytest.mark.shared
@pytest.mark.timeout(900)
def test_a_campaign_that_ends_is_no_outage(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody in this log came in its first three months, and most never again."""
    files = [shared_data / "cdnow" / "CDNOW_master.txt.gz"]
    assert suspensions("cdnow.toml", files, monkeypatch) == []
