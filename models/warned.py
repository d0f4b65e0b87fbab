"""Warnings: how many of those who gave one left, and what that adds to what silence says.

Who looks at the cancel page has just been here, so silence says that it will come back.
What such an event means differs from product to product, and is learned from what came of
earlier ones, by its name.  A horizon after each it is known: the customer left (it said so, or
did not come again in that time), or it did not.

Beside it stands what silence alone had said.  What is left over is taken for a cause of its
own (noisy or: Pearl 1988): of those whom silence would not have lost, the share `adds` leaves
all the same.  So the mean of what is said is the share of those who left, whoever they
were, and a customer who was all but lost already stays so.
"""

from collections.abc import Iterable
from struct import Struct

import msgspec

from models.protocol import Example

WARNED = "warned"
"""Target of the examples that are learned from here."""
FADE_HORIZONS = 4.0
"""Half-life of the record."""
CREDIT = 5.0
"""Warnings that every name is thought to have had, of which as many left as silence said."""
NAMES_MAX = 64
"""Names of events that are told apart; of others nothing is learned."""
_FORGOTTEN = 0.01
"""A record that has faded so far is dropped."""
_CHANCE = Struct(">d")


def freeze(event: str, p_lapse: float) -> bytes:
    """Pack what is learned from: an event's name, and P(lapse) by the silence at its time."""
    return _CHANCE.pack(p_lapse) + event.encode("utf-8", "surrogatepass")


def thaw(packed: bytes) -> tuple[str, float]:
    """Give the name and the chance that `freeze` packed."""
    (p_lapse,) = _CHANCE.unpack_from(packed)
    return packed[_CHANCE.size :].decode("utf-8", "surrogatepass"), p_lapse


class WarningFound(msgspec.Struct, frozen=True, kw_only=True):
    """What the record says of warnings of one name; faded counts."""

    resolved: float
    """Those whose outcome is known."""
    left: float
    """Share of them whose customers left: said so within a horizon, or did not come in it."""
    by_silence: float
    """Share of them of whom the silence alone had said so."""
    adds: float
    """P(leaves) of who would not for silence: what a warning adds, 0 to 1; careful while few are
    known."""

    def p_leaves(self, p_lapse: float) -> float:
        """Give P(leaves) of one of whom silence says P(lapse)."""
        return 1 - (1 - p_lapse) * (1 - self.adds)


class WarningRecord(msgspec.Struct):
    """Of one name, faded: counts, and the chances by silence added up."""

    resolved: float = 0.0
    left: float = 0.0
    by_silence: float = 0.0

    def fade(self, fade: float) -> None:
        """Let everything so far count less."""
        self.resolved *= fade
        self.left *= fade
        self.by_silence *= fade

    def found(self) -> WarningFound:
        """Say what follows; at least one outcome is known."""
        usual = self.by_silence / self.resolved
        careful = (self.left + CREDIT * usual) / (self.resolved + CREDIT)
        return WarningFound(
            resolved=self.resolved,
            left=self.left / self.resolved,
            by_silence=usual,
            adds=max(0.0, 1 - (1 - careful) / (1 - usual)),
        )


class Warnings(msgspec.Struct):
    """The records of one product, by the event's name."""

    horizon_days: float
    records: dict[str, WarningRecord] = msgspec.field(default_factory=dict)

    def turn(self, examples: Iterable[Example]) -> None:
        """Take what became known on one event day in."""
        fade = 0.5 ** (1 / (FADE_HORIZONS * self.horizon_days))
        for record in self.records.values():
            record.fade(fade)
        self.records = {n: r for n, r in self.records.items() if r.resolved >= _FORGOTTEN}
        for example in examples:
            event, p_lapse = thaw(example.inputs)
            if event not in self.records:
                if len(self.records) == NAMES_MAX:
                    continue
                self.records[event] = WarningRecord()
            record = self.records[event]
            record.resolved += 1
            record.left += example.labels[0]
            record.by_silence += p_lapse

    @property
    def found(self) -> dict[str, WarningFound]:
        """Give what the records say."""
        return {name: record.found() for name, record in sorted(self.records.items())}
