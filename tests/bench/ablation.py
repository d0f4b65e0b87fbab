"""What each part brings: `python -m tests.bench.ablation LOG ... --policy P`, one JSON line a part.

The same detector on the same log, taught less and less.  A trainer that hears
of no examples fits the prior and no regression; one that hears of no customers
either leaves the prior as it starts out.  So nothing is switched off in the
product: what a part does not hear of, it has not learned.

Later time is scored, as `slipaway backtest` does, by fixed thresholds at equal
false alarms, and by the dial.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from models.dial import Dial
from models.dials import Dials
from models.protocol import Example, Hour, Lesson, Sighting, Tally
from stream.backtest.curve import RATES, Curve, Difference, Reading
from stream.backtest.history import Recorder
from stream.backtest.judging import Alerts, Court, Score
from stream.backtest.run import NOTICE_SHARES
from stream.backtest.sweep import Sweep, SweptReplay
from stream.detector.decisions import Decisions
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy
from stream.replay.refusals import Refusals
from stream.replay.run import read_in_order
from stream.wire.policy_file import PolicyFile, load

DIALS = (0.05, 0.10, 0.20, 0.50)
"""False alarms per customer-month."""
PARTS: dict[str, tuple[type[Lesson], ...]] = {
    "prior as it starts out": (Tally, Hour),
    "prior, refitted": (Tally, Hour, Sighting),
    "all": (Tally, Hour, Sighting, Example),
}
"""What the trainer hears of."""


class TaughtReplay(SweptReplay):
    """A replay whose trainer hears of some lessons only."""

    def __init__(self, policy: Policy, *, sweep: Sweep, hears: tuple[type[Lesson], ...]) -> None:
        """Teach the trainer what it `hears` of."""
        super().__init__(policy, alerts=None, sweep=sweep)
        self._hears = hears

    def _keep(self, decisions: Decisions) -> None:
        heard = [lesson for lesson in decisions.lessons if isinstance(lesson, self._hears)]
        super()._keep(decisions._replace(lessons=heard))


class ByDial(msgspec.Struct, frozen=True):
    """What one setting of the dial came to."""

    dial: float
    false_per_customer_month: float | None
    mean_delay_days: float | None


class Brought(msgspec.Struct, frozen=True):
    """What a part came to, and how much later it is than all of it."""

    log: str
    part: str
    readings: list[Reading]
    later: list[Difference]
    dials: list[ByDial]


def ablate(
    files: Sequence[str], policy_file: PolicyFile, parts: Sequence[str] = tuple(PARTS)
) -> Iterator[Brought]:
    """Replay a log once for each part, the last of `parts` being what the others are held against.

    LogError: the log cannot be read.
    """
    whole: Curve | None = None
    for part in reversed(parts):
        court, sweep = _followed(files, policy_file, PARTS[part])
        codes = {customer_id: code for code, customer_id in enumerate(court.history.customers)}
        said = [Alerts(customer, at) for customer, at in sweep.alerts(codes)]
        curve = Curve.of(court, said[: len(NOTICE_SHARES)])
        whole = whole or curve
        by_dial = [court.score(alerts) for alerts in said[len(NOTICE_SHARES) :]]
        yield Brought(
            log=Path(files[0]).name,
            part=part,
            readings=curve.read(),
            later=curve.against(whole, RATES),
            dials=[_by_dial(dial, score) for dial, score in zip(DIALS, by_dial, strict=True)],
        )


def _followed(
    files: Sequence[str], policy_file: PolicyFile, hears: tuple[type[Lesson], ...]
) -> tuple[Court, Sweep]:
    """Replay the log; give what alerts are held against, and what was said at every setting."""
    policy = policy_file.policy
    days = policy.horizon_ms / DAY_MS
    own = policy.false_alarms_per_customer_month
    dials = [Dial(own, days, days * share) for share in NOTICE_SHARES]
    dials += [Dial(target, days) for target in DIALS]
    sweep = Sweep([{0: Dials(dial)} for dial in dials], policy)
    run, recorder, last = TaughtReplay(policy, sweep=sweep, hears=hears), Recorder(policy), 0
    now = time.time_ns() // 1_000_000
    for batch in read_in_order(files, policy_file, received_at=now, refusals=Refusals()):
        run.take(batch)
        recorder.take(batch)
        last = int(batch.occurred_at[-1])
    run.finish(last)
    history = recorder.history()
    return Court(history, (history.start + int(history.end.max()) + 1) // 2), sweep


def _by_dial(dial: float, score: Score) -> ByDial:
    return ByDial(dial, score.false_per_customer_month, score.mean_delay_days)


def main() -> None:
    """Print what was asked for, as it comes."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ablation", description=__doc__)
    parser.add_argument("logs", metavar="LOG", nargs="+")
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--part", action="append", choices=list(PARTS), help="all of them unless")
    asked: Any = parser.parse_args()
    for found in ablate(asked.logs, load(asked.policy), asked.part or tuple(PARTS)):
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
