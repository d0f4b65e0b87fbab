"""The tutorial, word for word: a newcomer's quarter of an hour on a fresh clone."""

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from following import Follower, fresh_clone
from needs import lacking
from pages import all_blocks
from started import free_ports

from stream.broker import JarsMissingError, LocalBroker

pytestmark = [pytest.mark.integration, pytest.mark.shared, pytest.mark.timeout(1800)]

KEY = ("customer_id", "time")
COLUMNS = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


@pytest.fixture
def retail(shared_data: Path, tmp_path: Path) -> Path:
    """Give the log as UCI has it: other columns, in another order, with months first in dates."""
    file = tmp_path / "as-uci-has-it.csv"
    ours = shared_data / "online_retail" / "online_retail.csv.gz"
    with gzip.open(ours, "rt", newline="") as rows, file.open("w", newline="") as theirs:
        writer = csv.DictWriter(theirs, COLUMNS.split(","), restval="")
        writer.writeheader()
        for row in csv.DictReader(rows):
            date, _, clock = row["InvoiceDate"].partition(" ")
            year, month, day = map(int, date.split("-"))
            hour, minute, _ = map(int, clock.split(":"))
            writer.writerow(row | {"InvoiceDate": f"{month}/{day}/{year} {hour}:{minute:02}"})
    return file


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Follower]:
    """Give somebody who has just cloned the repository; ports are free ones of this machine."""
    try:
        LocalBroker.prepare()
    except JarsMissingError as error:
        lacking(str(error))
    kafka, web, console = free_ports(3)
    folder = tmp_path / "slipaway"
    folder.mkdir()
    follower = Follower(
        fresh_clone(folder),
        {
            "SLIPAWAY_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka}",
            "SLIPAWAY_WEB_PORT": str(web),
        },
        {
            "--port 9092": f"--port {kafka}",
            ":9092": f":{kafka}",
            "slipaway console": f"slipaway console --port {console}",
            ":8080": f":{web}",
            ":8090": f":{console}",
        },
    )
    try:
        yield follower
    finally:
        follower.end()


def test_the_tutorial_does_what_it_says(newcomer: Follower, retail: Path) -> None:
    """Every command in order, every output that is the same for all; README's alert, too."""
    newcomer.follow("docs/tutorial.md", {"retail.csv": retail})
    (shown,) = [block for _, block in all_blocks("README.md") if block.language == "json"]
    explained = json.loads(shown.text.replace(", ...", ""))
    lines = (newcomer.folder / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    alerts = [json.loads(line) for line in lines]
    (said,) = [alert for alert in alerts if all(alert[key] == explained[key] for key in KEY)]
    without = {"policy_version", "model_version"}  # a release's
    assert explained == {key: said[key] for key in explained} | {
        key: explained[key] for key in without
    }
