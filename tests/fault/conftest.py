"""The fault suite's length and seed, its clusters, and the table it ends with.

The options are known where the suite is run by itself (`just fault --rounds 50
--seed 3`); with everything else it runs short, and by the default seed.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cluster import RAW_PARTITIONS, Cluster, Launch
from scoreboard import Scoreboard
from traffic import Traffic

from stream.broker import LocalBroker

SHORT_ROUNDS = 10
SHORT_SOAK_SECONDS = 20.0

_SCOREBOARD = pytest.StashKey[Scoreboard]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run be longer than CI's."""
    group = parser.getgroup("faults")
    group.addoption(
        "--rounds", type=int, default=SHORT_ROUNDS, help="kills at random; other rows: a tenth"
    )
    group.addoption("--seed", type=int, default=1, help="of the input and of the plan of faults")
    group.addoption(
        "--soak-seconds", type=float, default=SHORT_SOAK_SECONDS, help="of twice the load"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give longer runs longer time-outs."""
    longer = max(1.0, config.getoption("--rounds") / SHORT_ROUNDS)
    seconds = 600 * longer + 20 * config.getoption("--soak-seconds")
    for item in items:
        if item.get_closest_marker("fault") and item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(seconds))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print what every row came to."""
    scoreboard = config.stash.get(_SCOREBOARD, None)
    if scoreboard is not None and scoreboard.entries:
        terminalreporter.section(f"faults survived, seed {scoreboard.seed}")
        for line in scoreboard.table():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> int:
    """Return how many workers are killed at random."""
    return int(request.config.getoption("--rounds"))


@pytest.fixture(scope="session")
def times(rounds: int) -> int:
    """Return how often the other faults come."""
    return max(1, rounds // SHORT_ROUNDS)


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    """Return the seed of everything drawn by lot."""
    return int(request.config.getoption("--seed"))


@pytest.fixture
def dice(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """Return this test's own dice: what another test draws changes nothing here."""
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture(scope="session")
def scoreboard(request: pytest.FixtureRequest, seed: int) -> Scoreboard:
    """Return the one table of this run."""
    return request.config.stash.setdefault(_SCOREBOARD, Scoreboard(seed))


@pytest.fixture
def launch(
    broker: LocalBroker, unique: str, tmp_path: Path, seed: int, scoreboard: Scoreboard
) -> Launch:
    """Return what starts a cluster for one row of the table, and enters how it went."""

    @asynccontextmanager
    async def launch(
        row: int,
        fault: str,
        *,
        rounds: int = 1,
        on: LocalBroker | None = None,
        customers: int = 200,
        poison_share: float = 0.0,
        raw_partitions: int = RAW_PARTITIONS,
        failpoints: tuple[str, ...] = (),
        **options: Any,
    ) -> AsyncIterator[Cluster]:
        traffic = Traffic(
            seed, partitions=raw_partitions, customers=customers, poison_share=poison_share
        )
        cluster = Cluster((on or broker).bootstrap, unique, tmp_path, traffic, **options)
        cluster.failpoints.extend(failpoints)
        with scoreboard.row(row, fault, rounds) as entry:
            entry.cluster = cluster
            async with cluster:
                yield cluster

    return launch
