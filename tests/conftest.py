"""What every test may ask for: the real broker, names of its own, the real logs.

A machine that lacks something skips the tests that need it, and says why; with
`SLIPAWAY_REQUIRE_ALL=1`, as in CI, lacking something fails them.
"""

import logging
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from needs import ROOT, lacking
from xdist.scheduler import LoadScopeScheduling

from stream.broker import JarsMissingError, LocalBroker

# As the command line does, and before anything loads numpy: so both round alike.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class Together(LoadScopeScheduling):
    """What one side takes as a whole where tests run side by side: `uv run pytest -n 2`.

    A file, since its tests share what they set up; and all faults, so that no two of them crowd
    the machine at once. Each side has a broker of its own.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "faults" if file.startswith("tests/fault/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    """Hand tests out so, in the order of their files: the long ones come first."""
    config.option.loadscopereorder = False
    return Together(config, log)


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """Undo what a command under test does to the logs: they would go to a stream that is closed."""
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    root.handlers[:] = before
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def broker() -> Iterator[LocalBroker]:
    """One real broker for the whole run; whoever kills brokers starts one of their own."""
    try:
        local = LocalBroker.start()
    except JarsMissingError as error:
        lacking(str(error))
        raise
    with local:
        yield local


@pytest.fixture
def unique() -> str:
    """Return a prefix that no other test has: names of topics, groups, transactional ids."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def topic_names(unique: str) -> Callable[[str], str]:
    """Return what turns a plain topic name into one of this test's own."""
    return lambda name: f"{unique}.{name}"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real event logs that may lie beside the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        lacking("the real event logs (shared/data beside the repository) are not here")
    return folder
