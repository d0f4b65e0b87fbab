"""Looks at the work, for tests of the console's page of it."""

from typing import Any

from stream.console.workers import Look
from stream.doctor.group import GroupFacts
from stream.top.lags import Lags
from stream.top.picture import picture
from stream.top.scrape import Partition, Said, Scrape

NOW = 1_800_000_000.0
URL = "http://w0:8080/metrics"


def said(**fields: Any) -> Said:
    """Return what a worker says to whom nothing is wrong, with whatever is said anew."""
    fresh = Partition(
        lag=0, watermark=NOW - 10, processed=NOW - 1, checkpointed=NOW - 1, customers=5
    )
    plain: dict[str, Any] = {
        "ready": True,
        "clock": "wall",
        "learns": True,
        "allowed_lateness": 10.0,
        "model_from": NOW - 3_600,
        "partitions": {("usage", 0): fresh},
    }
    return Said(**plain | fields)


def a_look(*scrapes: Scrape, lags: Lags | None = None, members: GroupFacts | None = None) -> Look:
    """Return a look at these workers."""
    found = picture(scrapes, lags or Lags(), NOW)
    return Look(picture=found, scrapes=list(scrapes), members=members)


def scraped(what: Said | None, problem: str = "") -> Scrape:
    """Return the scrape of a worker."""
    return Scrape(url=URL, at=NOW, said=what, problem=problem)
