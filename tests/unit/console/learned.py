"""Models for tests of the console's page."""

import msgspec
from said import NOON_MS

from models import inputs
from models.snapshots import Snapshot, Weights, cold, name
from stream.detector.events import DAY_MS

WEIGHTS = Weights(
    rows=900,
    means=(0.0,) * len(inputs.NAMES),
    scales=(1.0,) * len(inputs.NAMES),
    weights=(0.1, -2.0, *(0.0,) * (len(inputs.NAMES) - 2)),
    intercept=0.0,
)


def a_model(day: int, **fields: object) -> Snapshot:
    """Return the model of a day."""
    plain = msgspec.structs.replace(cold(30, 2.5), effective_from=NOON_MS + day * DAY_MS)
    return name(msgspec.structs.replace(plain, **fields))
