"""Decisions: what one call of the detector came to."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from models.protocol import Lesson
from stream.detector.alerts import Alert
from stream.detector.errors import BadEvent
from stream.detector.identity import Sent
from stream.detector.members import MemberNews


class Decisions(NamedTuple):
    """What one call of the detector came to."""

    alerts: list[Alert]
    lessons: list[Lesson]
    refused: list[tuple[int, BadEvent]]
    """Index in the batch, and why."""
    counts: Counter[str]
    """Events by result: applied, ignored, duplicate, late, erased, refused, alias, forwarded."""
    withheld: Counter[str]
    """Episodes that were due and did not open, by reason."""
    members: Sequence[MemberNews] = ()
    """What accounts are told, in order of decision; nothing unless the policy looks at them."""
    sent: Sequence[Sent] = ()
    """What is for customers of other partitions."""
    aliases: Sequence[str] = ()
    """What became of each alias that was decided on."""
