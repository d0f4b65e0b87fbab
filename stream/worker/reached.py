"""How far a partition of the usage topic has come, beside its rows: written by who detects."""

import msgspec

from stream.detector.progress import Progress
from stream.wire.state import StateCodec
from stream.worker.failing import Kept
from stream.worker.origins import Origins


class Reached(msgspec.Struct, array_like=True):
    """What a checkpoint holds of a partition besides its rows."""

    detector: Progress
    origins: Origins
    failing: Kept | None = None
    """How much had to be put aside of late; None: nothing, or as by a release that forgot it."""


REACHED = StateCodec(Reached)
