"""The page of the model: dials, how well it does, what weighs most."""

import re
from itertools import pairwise

import msgspec
import numpy as np
import orjson
import pytest
from learned import WEIGHTS, a_model
from said import NOON_MS

from models import challengers, inputs
from models.calibration import Calibration
from models.snapshots import SegmentDial, Snapshot
from stream.console import book as book_module
from stream.console import reliability
from stream.console.book import Book
from stream.console.lines import draw
from stream.console.model import (
    CHAMPION,
    PRIOR,
    better,
    dials,
    progress,
    tenths,
    weighs_most,
)
from stream.detector.events import DAY_MS
from stream.wire import snapshots


def test_the_model_in_force_is_the_last_to_take_effect() -> None:
    """Snapshots come again after a restart of who trains, and in another order from a backup."""
    book = Book()
    first, second, again = a_model(1), a_model(2), a_model(2, population_long=1.0)
    for model in (second, first, again, first):
        book.snapshot(b"model", snapshots.encode(model))
    assert book.models == [first, again]
    assert book.model == again


def test_models_are_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product runs for years."""
    monkeypatch.setattr(book_module, "MODELS_MAX", 2)
    book = Book()
    for day in (1, 2, 3):
        book.snapshot(b"model", snapshots.encode(a_model(day)))
    assert [model.effective_from for model in book.models] == [
        NOON_MS + 2 * DAY_MS,
        NOON_MS + 3 * DAY_MS,
    ]


def test_dials_are_said_in_days_that_a_false_alarm_is_worth() -> None:
    """The threshold is the logarithm of them, which nobody can read."""
    trial = SegmentDial(threshold=None, false_alarms_set=0.2, false_alarms_expected=None)
    found = dials(
        a_model(
            1,
            threshold=0.0,
            false_alarms_set=0.05,
            false_alarms_measured=0.04,
            segments={"trial": trial},
        )
    )
    assert [tuple(dial) for dial in found] == [
        ("", 0.05, None, 0.04, 1.0),
        ("trial", 0.2, None, None, None),
    ]


def test_what_is_said_is_held_against_what_came_by_tenths() -> None:
    """Of the trainer's own sums; a tenth of which nothing is known is no point at nought."""
    record = Calibration()
    record.turn(np.array([0.05, 0.72, 0.78, 0.74, 0.76]), np.array([0.0, 1.0, 1.0, 1.0, 0.0]), 1.0)
    model = a_model(1, reliability=record.told())
    kept = snapshots.decode(snapshots.encode(model), Snapshot)
    low, high = tenths(kept.reliability)
    assert tuple(low) == pytest.approx((1, 0.05, 0))
    assert tuple(high) == pytest.approx((4, 0.75, 0.75))
    drawn = reliability.draw([low, high])
    assert "75 % said, 75 % came" in drawn
    assert drawn.count("<circle") == 2
    assert reliability.draw([]) == ""


def test_who_answers_is_held_against_the_prior() -> None:
    """By the names that the trainer gives them."""
    assert (CHAMPION, PRIOR) == (challengers.CHAMPION, challengers.PRIOR)
    found = better(a_model(1, log_losses={"newton": 0.3, "prior": 0.4}))
    assert found is not None
    assert found.gain == pytest.approx(0.25)
    assert better(a_model(1)) is None


def test_a_model_of_an_earlier_release_is_shown() -> None:
    """What it did not say is not known."""
    text = snapshots.encode(a_model(1))
    body = orjson.loads(text)["body"]
    del body["reliability"], body["false_alarms_measured"]
    old = msgspec.convert(body, Snapshot, strict=False)
    assert tenths(old.reliability) == []
    assert dials(old)[0].measured is None


def test_what_weighs_most_comes_first() -> None:
    """Whatever its sign."""
    assert [(one.name, one.logits) for one in weighs_most(WEIGHTS)][:2] == [
        (inputs.NAMES[1], -2.0),
        (inputs.NAMES[0], 0.1),
    ]
    assert weighs_most(None) == []


def test_losses_are_lines_and_changes_are_named() -> None:
    """One line for whoever answered or might have."""
    models = [
        a_model(day, log_losses={"newton": 0.3 + day / 100, "prior": 0.4}, drifted=("returns",))
        for day in (1, 2)
    ]
    found = progress(models)
    assert [at for at, _ in found.by_name["newton"]] == [m.effective_from for m in models]
    assert found.drifted[0] == (models[0].effective_from, "returns")
    drawn = draw("Losses <now>", found.by_name)
    assert drawn.count("<polyline") == 2
    assert "Losses &lt;now&gt;" in drawn
    assert draw("Nothing", {"newton": [(1, 0.5)]}) == ""


def test_names_of_lines_stand_apart_and_within_the_drawing() -> None:
    """Models are close to each other, most of the time."""
    close = {name: [(1, 0.9), (2, 0.1)] for name in ("newton", "adagrad", "prior")}
    drawn = draw("Losses", close | {"high": [(1, 0.1), (2, 0.9)]})
    ends = [float(y) for y in re.findall(r'<text x="636.0" y="([0-9.]+)"[^>]*class', drawn)]
    assert len(ends) == 4
    assert all(0 < y < 180 for y in ends)
    assert min(b - a for a, b in pairwise(sorted(ends))) > 13
