"""Calibration: what is said held against what comes, tenth by tenth."""

import numpy as np
import pytest

from models.calibration import Calibration


def test_nothing_is_known_before_a_label() -> None:
    """No error is not an error of nought."""
    assert Calibration().error is None


def test_who_is_right_on_average_in_every_tenth_is_calibrated() -> None:
    """Of ten times 0.3, three come; certainty belongs to the last tenth."""
    calibration = Calibration()
    calibration.turn(np.full(10, 0.3), np.array([1.0] * 3 + [0.0] * 7), 1.0)
    calibration.turn(np.ones(4), np.ones(4), 1.0)
    assert calibration.error == pytest.approx(0.0)


def test_errors_in_different_tenths_do_not_make_up_for_each_other() -> None:
    """Right on average over all is not right: too high here and too low there is wrong twice."""
    calibration = Calibration()
    calibration.turn(np.array([0.2, 0.8]), np.array([1.0, 0.0]), 1.0)
    assert calibration.error == pytest.approx(0.8)


def test_what_matured_long_ago_counts_less() -> None:
    """A model that has got better is seen to."""
    calibration = Calibration()
    calibration.turn(np.array([1.0]), np.array([0.0]), 1.0)
    calibration.turn(np.array([1.0]), np.array([1.0]), 0.5)
    assert calibration.labels[-1] == 1.5
    assert calibration.error == pytest.approx(0.5 / 1.5)
