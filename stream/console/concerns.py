"""Concerns: what of the work is off at this moment, and what to do: the way to the runbook.

The limits are those of the rules by which people are called (deploy/prometheus/rules.yml).
A rule waits before it calls; here the moment is shown, and whoever looks again sees whether
it lasts.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from stream.console.health import Health, Row
from stream.top.scrape import Said

LAG_MAX: Final = 10_000
"""Records of a topic."""
LATE_SECONDS: Final = 60.0
STUCK_SECONDS: Final = 120.0
UNSAVED_SECONDS: Final = 10.0
DEAD_SHARE: Final = 0.05
MODEL_DAYS: Final = 3
_DAY_SECONDS: Final = 86_400
_MINUTE_SECONDS: Final = 60


class Concern(NamedTuple):
    """One thing that is off."""

    what: str
    do: str
    """In a sentence, what to look at first."""
    runbook: str
    """Its name; empty: there is none for it."""


def concerns(found: Health) -> list[Concern]:
    """List what is off, the worst first."""
    return [*_of_kafka(found), *_of_workers(found), *_of_partitions(found), *_of_letters(found)]


def _of_kafka(found: Health) -> Iterator[Concern]:
    picture, members = found.look.picture, found.look.members
    if picture.kafka:
        yield Concern(
            f"Kafka says nothing of the lag: {picture.kafka}.",
            "Is it up, and is the console allowed DESCRIBE on the group and its topics?"
            " `slipaway topics acls --role console` lists what it needs.",
            "",
        )
    if members is not None and not members.forbidden and not members.members:
        yield Concern(
            f"Nobody works: the group {members.name} has no members.",
            "Start the workers; what comes meanwhile waits in Kafka.",
            "SlipawayNobodyWorks",
        )


def _of_workers(found: Health) -> Iterator[Concern]:
    picture = found.look.picture
    for worker in picture.workers:
        if worker.problem:
            yield Concern(
                f"{worker.name} does not answer: {worker.problem}.",
                "Its partitions go to other workers, if there are any; nothing is lost.",
                "SlipawayDown",
            )
        elif not worker.ready:
            yield Concern(
                f"{worker.name} is not ready.",
                "It restores, waits for partitions, or is behind its logs: worry after half an"
                " hour.",
                "SlipawayNotReady",
            )
    if picture.suspended:
        yield Concern(
            "Use has collapsed: alerts are suspended.",
            "Something of the product's is broken, or closed, or its events do not arrive.",
            "SlipawayAlertsSuspended",
        )
    for scrape, worker in zip(found.look.scrapes, picture.workers, strict=True):
        if scrape.said is not None:
            yield from _of_what_it_says(scrape.said, worker.name, picture.at)


def _of_what_it_says(said: Said, name: str, now: float) -> Iterator[Concern]:
    if said.policy_refused:
        yield Concern(
            f"{name} goes on by an older policy: the file was changed, and refused.",
            "Its log says what is wrong with it; a restart would end there.",
            "SlipawayPolicyRefused",
        )
    old = 0 < said.model_from < now - MODEL_DAYS * _DAY_SECONDS
    if said.clock == "wall" and said.learns and old:
        yield Concern(
            f"{name} judges by a model that is more than {MODEL_DAYS} days old.",
            "A new one comes with every day: does anybody train?",
            "SlipawayModelStale",
        )
    stuck = [
        f"{topic}/{number}"
        for (topic, number), one in sorted(said.partitions.items())
        if one.lag and one.processed and now - one.processed > STUCK_SECONDS
    ]
    if stuck:
        yield Concern(
            f"{_some(stuck)} does not move: records wait, and {name} has applied none for two"
            " minutes.",
            "Look at its log.",
            "SlipawayPartitionStuck",
        )
    unsaved = [
        f"{topic}/{number}"
        for (topic, number), one in sorted(said.partitions.items())
        if one.processed and one.checkpointed and one.processed - one.checkpointed > UNSAVED_SECONDS
    ]
    if unsaved:
        yield Concern(
            f"{_some(unsaved)} is not saved: {name} has applied more than its last transaction"
            " holds.",
            "Are the brokers slow, or do they refuse its transactions?",
            "SlipawayCheckpointFailing",
        )


def _of_partitions(found: Health) -> Iterator[Concern]:
    members = found.look.members
    settled = members is not None and members.state == "Stable"
    unowned = [_name(row) for row in found.rows if not row.owner]
    if unowned and settled:
        yield Concern(
            f"{_some(unowned)}: worked on by nobody.",
            "Its events wait, and nobody notices its customers' silence.",
            "SlipawayPartitionUnowned",
        )
    lags: dict[str, int] = {}
    for row in found.rows:
        lags[row.topic] = lags.get(row.topic, 0) + (row.lag or 0)
    for topic, lag in lags.items():
        if lag > LAG_MAX:
            yield Concern(
                f"{lag:,} records of {topic} wait.",
                "While a log is worked off that is as it should be; if it grows, more workers.",
                "SlipawayLagGrowing",
            )
    late = [row for row in found.rows if (row.late_seconds or 0.0) > LATE_SECONDS]
    if late:
        worst = max(row.late_seconds or 0.0 for row in late)
        yield Concern(
            f"{_some([_name(row) for row in late])} decides late: by"
            f" {worst / _MINUTE_SECONDS:,.0f} minutes.",
            "Alerts of its customers come that much later.",
            "SlipawayFreshnessBurnFast",
        )


def _of_letters(found: Health) -> Iterator[Concern]:
    picture = found.look.picture
    letters, events = picture.dead_letters_per_minute, picture.events_per_second
    if not letters or not events:
        return
    share = letters / (events * _MINUTE_SECONDS)
    if share > DEAD_SHARE:
        yield Concern(
            f"{share:.0%} of the events cannot be used.",
            "Below is what is wrong with them, and whose fault it is. At half of them the worker"
            " stops.",
            "SlipawayDeadLetterBurn",
        )


def _name(row: Row) -> str:
    return f"{row.topic}/{row.partition}"


def _some(names: list[str]) -> str:
    """Name a few of many."""
    shown, more = names[:3], len(names) - 3
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
