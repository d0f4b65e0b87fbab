"""The label buffer against River's delayed progressive validation: same rows, same score.

Compared is the log-loss of P(lapse) as it was said at each landmark.  On our side a
landmark waits in its customer, its label is released at the horizon, the trainer turns at
the midnight after, and the snapshot in force at the next landmark answers.  On River's
side `progressive_val_score` asks its model at the moment of the row and teaches it after
the delay.  With one landmark a day a day's mini-batch is one row, so that nothing but
rounding may differ.
"""

import random
from datetime import UTC, datetime, timedelta
from math import inf

import pytest
from river import evaluate, metrics

from models import inputs, trainer
from models.dial import Dial
from models.online import OnlineModel
from models.snapshots import cold
from models.timeline import Timeline
from models.trainer import Trainer
from stream.detector import outcomes
from stream.detector.cadence import fresh
from stream.detector.customer import Customer
from stream.detector.decline import Levels
from stream.detector.events import DAY_MS, HOUR_MS
from stream.detector.horizons import Horizons
from stream.detector.landmarks import Landmark
from stream.detector.policy import Policy

POLICY = Policy()
HORIZON = POLICY.horizon_ms
DAYS = 120
Row = tuple[int, bytes, int]
"""A landmark: its moment, its frozen inputs, whether the customer lapsed."""


def rows() -> list[Row]:
    """Give a landmark a day, at some hour; the first two inputs tell of the outcome."""
    chance = random.Random(4)
    made = []
    for day in range(1, DAYS + 1):
        values = [chance.gauss(0, 1) for _ in inputs.NAMES]
        values[inputs.SILENCE_SHARE] = 0.5
        offset = chance.gauss(0, 1)
        push = offset + values[0] - values[1] + chance.gauss(0, 1)
        frozen = inputs.freeze(values, (offset, 0.0, 0.0))
        made.append((day * DAY_MS + chance.randrange(1, 24) * HOUR_MS, frozen, int(push > 0)))
    return made


def by_our_buffer() -> float:
    """Give the log-loss of what the snapshots said at the landmarks."""
    horizons, learner = Horizons(POLICY), Trainer(Dial(0.1, HORIZON / DAY_MS))
    timeline = Timeline(OnlineModel(cold(HORIZON / DAY_MS, 1.0)))
    waiting: list[Customer] = []
    score = metrics.LogLoss()
    for at, frozen, lapsed in rows():
        midnight = at // DAY_MS * DAY_MS
        for customer in waiting:
            for lesson in outcomes.release(customer, "c", midnight - 1, horizons):
                learner.learn(lesson)
        timeline.add(OnlineModel(learner.turn(midnight)))
        weights = timeline.at(at).snapshot.lapse  # type: ignore[attr-defined]
        score.update(lapsed, said(frozen, weights))
        returned = 0 if lapsed else at + DAY_MS
        landmark = Landmark(at, at - DAY_MS, 0, frozen, returned)
        waiting.append(Customer(rhythm=fresh(30.0), levels=Levels(), landmarks=[landmark]))
    return float(score.get())


def said(frozen: bytes, weights: trainer.Weights | None) -> float:
    """Give P(lapse) of frozen inputs."""
    table = inputs.thaw(frozen)
    logit = table[len(inputs.NAMES)]
    if weights is not None:
        terms = zip(table, weights.means, weights.scales, weights.weights, strict=False)
        logit += weights.intercept + sum(
            w * max(-inputs.LIMIT, min(inputs.LIMIT, (x - m) / s if s else 0.0))
            for x, m, s, w in terms
        )
    return 1 / (1 + pow(2.718281828459045, -logit))


def by_river(delay_ms: int = HORIZON) -> float:
    """Give the log-loss of River's loop over the same pipeline; labels wait for midnight, too."""
    dataset = []
    for at, frozen, lapsed in rows():
        table = inputs.thaw(frozen)
        x = dict(zip(inputs.NAMES, table, strict=False))
        dataset.append(({**x, "offset": table[len(inputs.NAMES)], "at": at}, bool(lapsed)))

    def until_midnight(x: dict[str, float], _: bool) -> timedelta:  # noqa: FBT001 - River's
        due = int(x["at"]) + delay_ms
        return moment({"at": (due // DAY_MS + 1) * DAY_MS}) - moment(x)

    def moment(x: dict[str, float]) -> datetime:
        return datetime.fromtimestamp(x["at"] / 1000, UTC)

    model = trainer._pipeline("lapse")
    blind = trainer.compose.Discard("at") | model
    score = evaluate.progressive_val_score(
        dataset, blind, metrics.LogLoss(), moment=moment, delay=until_midnight
    )
    return float(score.get())


def test_rivers_delayed_validation_gives_our_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same rows, same estimator, same delay: the label buffer is neither early nor late."""
    monkeypatch.setattr(trainer, "WARM_ROWS", 1)
    monkeypatch.setattr(trainer, "WARM_OF_EACH", -inf)
    ours = by_our_buffer()
    assert ours == pytest.approx(by_river(), rel=1e-6)
    assert ours != pytest.approx(by_river(HORIZON - DAY_MS), rel=1e-6)
    assert ours < 0.62
