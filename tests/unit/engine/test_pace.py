"""The pace of checkpoints: often where there is time, seldom where there is none."""

import time
from unittest.mock import Mock

import pytest

from stream.engine.connection import Connection
from stream.engine.engine import Engine
from stream.engine.flow import Flow


@pytest.mark.parametrize(
    ("was_at_leisure", "folding", "saving", "share", "at_leisure"),
    [
        (False, 0.0, 0.1, 0.5, True),  # idle
        (False, 0.5, 0.1, 0.25, True),
        (False, 0.9, 0.1, 0.1, False),  # behind
        (True, 0.5, 0.1, 0.25, True),
        (True, 0.5, 0.48, 0.25, False),  # a slow broker: all of the time that was left to it
    ],
)
async def test_saving_takes_half_of_what_folding_leaves(
    was_at_leisure: bool,  # noqa: FBT001
    folding: float,
    saving: float,
    share: float,
    at_leisure: bool,  # noqa: FBT001
) -> None:
    """And folding waits for saves only where it can afford to."""
    engine = Engine("app", [Flow("usage", "state", Mock())], Connection(bootstrap="nowhere:9092"))
    membership = engine.membership
    engine._looked = time.monotonic() - 1.0, 0.0
    membership.folding_seconds, engine._checkpoint_seconds = folding, saving
    membership.at_leisure = was_at_leisure
    assert engine._checkpoint_share() == pytest.approx(share, abs=0.02)
    assert membership.at_leisure is at_leisure
