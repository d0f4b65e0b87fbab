"""Populations that several tests look at: replayed once."""

import numpy as np
import pytest
from simulated import HORIZON, POLICY, Story, lived, steady

DIALS = (0.05, 0.10, 0.20)


@pytest.fixture(scope="session")
def steady_stories() -> list[Story]:
    """Give seven horizons of two products whose logs begin with the detector."""
    return [
        lived(steady(np.random.default_rng(seed), "c", 400, 7 * HORIZON), POLICY, DIALS)
        for seed in (1, 2)
    ]
