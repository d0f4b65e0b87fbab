"""One broker that asks who is there, for all tests of this folder."""

from collections.abc import Callable, Iterator

import pytest
from needs import lacking
from secured_broker import SecuredBroker, secured_broker
from worker_process import TOPICS

from stream.broker import JarsMissingError


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """Return a broker with TLS, passwords, tokens and access control."""
    running = secured_broker(tmp_path_factory.mktemp("secured"))
    try:
        broker = running.__enter__()
    except JarsMissingError as error:
        lacking(str(error))
        raise
    try:
        yield broker
    finally:
        running.__exit__(None, None, None)


@pytest.fixture
def names(topic_names: Callable[[str], str]) -> dict[str, str]:
    """Return this test's own topics."""
    return {name: topic_names(name) for name in TOPICS}
