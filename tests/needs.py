"""What a test needs that a machine may lack, and what happens then."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def lacking(reason: str) -> None:
    """Skip the test that asked, or fail it where everything is required."""
    if os.environ.get("SLIPAWAY_REQUIRE_ALL") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
