"""The how-tos, typed in the order in which one needs them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from following import Follower, fresh_clone
from needs import lacking
from pages import FOLLOWED
from started import free_ports

from stream.broker import JarsMissingError, LocalBroker
from stream.demo.feed import message
from stream.demo.simulate import simulate

FILES = ("define-your-policy", "connect-your-events", "change-the-policy", "tune-the-dial")
"""What can be done with a log and a policy alone, each with what those before it left."""
RULES = ("watch-accounts", "measure-the-effect")
"""Nothing to type that a test can: their commands are parsed."""
LIVE = (
    *("go-live", "subscribe", "handle-dead-letters", "erase-a-customer", "upgrade"),
    "backfill",  # last: what it sends is from after now
)
"""What is done to a worker that runs: the one of the first page, which stays."""


def test_every_how_to_is_followed() -> None:
    """A page that nobody follows is wrong before anybody knows."""
    names = {f"docs/how-to/{name}.md" for name in (*FILES, *RULES, *LIVE)}
    assert names == {name for name in FOLLOWED if "how-to" in name}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Follower]:
    """Give a reader with a fresh clone and a log of Segment messages; ports are free ones."""
    kafka, web = free_ports(2)
    folder = tmp_path / "slipaway"
    folder.mkdir()
    follower = Follower(
        fresh_clone(folder),
        {
            "SLIPAWAY_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka}",
            "SLIPAWAY_WEB_PORT": str(web),
        },
        {"--port 9092": f"--port {kafka}", ":9092": f":{kafka}", ":8080": f":{web}"},
    )
    events = [message(event) for event in simulate(100, 60, seed=3)]
    (folder / "events.jsonl").write_bytes(b"\n".join(events) + b"\n")
    try:
        yield follower
    finally:
        follower.end()


@pytest.mark.timeout(600)
def test_what_is_done_with_a_log(reader: Follower) -> None:
    """Policies are proposed, checked, tried and changed as the pages say."""
    for name in (*FILES, *RULES):
        reader.follow(f"docs/how-to/{name}.md")


@pytest.mark.integration
@pytest.mark.timeout(1200)
def test_what_is_done_with_a_worker(reader: Follower) -> None:
    """Events go in, alerts come out, and a consumer of the page's reads them."""
    try:
        LocalBroker.prepare()
    except JarsMissingError as error:
        lacking(str(error))
    for name in LIVE:
        reader.follow(f"docs/how-to/{name}.md")
