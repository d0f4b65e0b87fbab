"""Dials: the policy's, and those that segments have for themselves, over one model.

A segment with a dial of its own has its own record, account and threshold: its
customers' false alarms are its own affair, and nobody else's share.  All others
share the policy's dial.

A few customers make no record.  What a record lacks of the months that a dial
needs to open anything is lent by everybody's, read at the segment's own setting:
so a small segment begins where a population like the whole one would be held to that
setting, and goes its own way as far as it knows its own.  The account is its own
from the first alert on, and corrects the rest.
"""

from collections.abc import Iterable

import msgspec

from models.dial import LEAST_MONTHS, Dial, Record
from models.protocol import Share, Tally
from models.shares import without

Settings = dict[str, tuple[float, float | None]]
"""By segment, the policy's under an empty name: what a dial is set to, in false alarms per
customer-month, and days of notice (None where the rate decides)."""


class Dials(msgspec.Struct):
    """The dials of one model; days are of event time."""

    own: Dial
    """The policy's: of everybody in no segment with a dial of its own."""
    segments: dict[str, Dial] = msgspec.field(default_factory=dict)
    """By name."""

    @property
    def each(self) -> dict[str, Dial]:
        """Give all of them by segment, the policy's under an empty name."""
        return {"": self.own} | self.segments

    def turn(
        self,
        tallies: Iterable[Tally],
        part: float = 1.0,
        days: float = 1.0,
        *,
        renewed: bool = False,
    ) -> None:
        """Take the tallies of one event day in, and set every threshold anew.

        `part` is what silence has of each dial; `renewed`: somebody else answers from now on.
        """
        tallies = list(tallies)
        self.own.observe(tallies, days)
        for name, dial in self.each.items():
            dial.part = part
            dial.observation = self.own.observation
            dial.take(self._of(name, tallies), days)
            if renewed:
                dial.hold()
        records = {name: dial.record for name, dial in self.each.items()}
        if self.segments:
            everybody = _together(list(records.values()))
            records = {name: _filled_up(record, everybody) for name, record in records.items()}
        for name, dial in self.each.items():
            dial.choose(records[name])

    def follow(self, earlier: "Dials") -> "Dials":
        """Give these, going on where earlier ones stood.

        A segment that had none begins at the policy's threshold; one that has none any more
        leaves its record and its account to the policy's.
        """
        own = earlier.own.set_as(self.own)
        segments = {}
        for name, dial in self.segments.items():
            dial.threshold = own.threshold
            segments[name] = earlier.segments.get(name, dial).set_as(dial)
        for name, dial in earlier.segments.items():
            if name not in segments:
                own.absorb(dial)
        return Dials(own, segments)

    @classmethod
    def set_to(cls, horizon_days: float, settings: Settings) -> "Dials":
        """Make dials without a record."""
        each = {name: Dial(rate, horizon_days, days) for name, (rate, days) in settings.items()}
        own = each.pop("")
        for dial in each.values():
            dial.account.few = True
        return cls(own, each)

    def _of(self, name: str, tallies: list[Tally]) -> list[Tally] | list[Share]:
        """Give what of some tallies is of one dial."""
        if name:
            return [tally.segments[name] for tally in tallies if name in tally.segments]
        if not self.segments:
            return tallies
        return [without(tally, self.segments) for tally in tallies]


def _together(records: list[Record]) -> Record:
    """Add records up."""
    above = [sum(column) for column in zip(*(record.above for record in records), strict=True)]
    return Record(
        above,
        sum(record.months for record in records),
        sum(record.months_total for record in records),
        sum(record.crossings_total for record in records),
    )


def _filled_up(record: Record, everybody: Record) -> Record:
    """Let everybody's record lend one what it lacks of enough months."""
    lacks = max(0.0, LEAST_MONTHS - record.months)
    share = min(1.0, lacks / everybody.months) if everybody.months > 0 else 0.0
    return Record(
        [own + share * lent for own, lent in zip(record.above, everybody.above, strict=True)],
        record.months + share * everybody.months,
        everybody.months_total,
        everybody.crossings_total,
    )
