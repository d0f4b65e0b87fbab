"""Commands that read topics as logs: a replay from one, and a diff of what came of it."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from stream.cli import words
from stream.cli.errors import WRONG, reported
from stream.cli.given import alerts_in, moment_of, settings_of, snapshots_in
from stream.cli.options import AsJson, Assign, Brokers, Config
from stream.cli.progress import Counting, now_ms
from stream.settings import Settings, SettingsError

if TYPE_CHECKING:
    from models.snapshots import Snapshot
    from stream.detector.alerts import Alert
    from stream.detector.batch import EventBatch
    from stream.engine.present import Range
    from stream.wire.policy_file import PolicyFile

cli = typer.Typer()

TOPIC = "topic:"


@cli.command()
def diff(
    then: Annotated[
        str, typer.Argument(metavar="THEN", help="Alerts sent: a file, or topic:NAME[,NAME...].")
    ],
    now: Annotated[str, typer.Argument(metavar="NOW", help="Alerts that would be sent, likewise.")],
    *,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Decided then or later, by event time.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Decided before.")] = None,
    within: Annotated[
        str, typer.Option(metavar="DURATION", help="An alert may have moved by so much.")
    ] = "7d",
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore",
            metavar="FIELD",
            autocompletion=words.alert_fields,
            help="Do not compare it.",
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Compare ids, versions of model and policy, and backfill."),
    ] = False,
    first: Annotated[int, typer.Option(min=0, help="Show so many differences.")] = 20,
    as_json: AsJson = False,
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Compare alerts that were sent with alerts that would be sent now; exit 1 if they differ.

    slipaway replay --from-topic slipaway.usage --policy new.toml --model-topic --alerts now.jsonl

    slipaway diff topic:slipaway.alerts,slipaway.holdout now.jsonl
    """
    with reported():
        from stream.detector.alerts import Alert
        from stream.diff.compare import NAMES, compare
        from stream.diff.show import lines
        from stream.wire.durations import parse_duration

        begin, end = moment_of("--since", since), moment_of("--until", until)
        unknown = sorted(set(ignore or ()) - set(Alert.__struct_fields__))
        if unknown:
            raise SettingsError(
                [f"--ignore: {name}: alerts have no such field" for name in unknown]
            )
        try:
            within_ms = parse_duration(within)
        except ValueError as error:
            raise SettingsError([f"--within: {error}"]) from error
        settings = settings_of(config, assign, bootstrap_servers)
        from stream.diff.sides import between

        found = compare(
            between(_side(settings, then), begin, end),
            between(_side(settings, now), begin, end),
            within_ms=within_ms,
            ignored=[*(ignore or ()), *(() if strict else NAMES)],
            first=first,
        )
        if as_json:
            typer.echo(msgspec.json.format(msgspec.json.encode(found)))
        else:
            for line in lines(found):
                typer.echo(line)
        raise typer.Exit(0 if found.equal else WRONG)


def _side(settings: Settings, given: str) -> "Iterable[Alert]":
    """Read one side."""
    if not given.startswith(TOPIC):
        return alerts_in([Path(given)])
    from stream.diff.sides import published
    from stream.worker.connection import connection
    from stream.worker.logs import to_stderr

    to_stderr(settings.log_level, settings.log_format)
    names = [name for name in given.removeprefix(TOPIC).split(",") if name]
    return asyncio.run(published(connection(settings), names))


def range_of(since: str | None, until: str | None, offsets: str | None) -> "Range":
    """Read which records of a topic are asked for."""
    from stream.engine.present import Range

    if offsets is None:
        return Range(moment_of("--since", since), moment_of("--until", until))
    if since is not None or until is not None:
        raise SettingsError(["--offsets and --since or --until exclude each other"])
    found = {}
    for part in offsets.split(","):
        number, colon, span = part.partition(":")
        begin, dash, end = span.partition("-")
        numbers = [number, begin, *([end] if end else [])]
        if not (colon and dash and all(text.isdecimal() for text in numbers)):
            raise SettingsError(
                [f"--offsets: {part!r}: write PARTITION:FIRST-BEHIND, such as 0:100-500,1:0-"]
            )
        found[int(number)] = (int(begin), int(end) if end else None)
    return Range(offsets=found)


class Reading:
    """A topic, read in the order of its events' times."""

    def __init__(
        self,
        settings: Settings,
        topic: str,
        where: "Range",
        product: "PolicyFile",
    ) -> None:
        """Read `topic` by the policy `product`."""
        from stream.replay.refusals import Refusals
        from stream.rereading.topic import TopicLog
        from stream.wire.events import Decoder
        from stream.worker.connection import connection
        from stream.worker.logs import to_stderr

        to_stderr(settings.log_level, settings.log_format)
        policy = product.policy
        self._settings = settings
        self._until = where.until_ms
        self._whole = not where.offsets
        self._lateness_ms = policy.allowed_lateness_ms
        self.topic = topic
        self.refusals = Refusals()
        self._counting = Counting()
        self._log = TopicLog(
            connection(settings),
            topic,
            where,
            decoder=Decoder(product.mappings, policy.traits, aliases=policy.identity.merge),
            max_future_skew_ms=policy.max_future_skew_ms,
            refusals=self.refusals,
            on_records=self._counting.read,
        )

    def batches(self) -> "Iterator[EventBatch]":
        """Yield the events, but for those of who was erased."""
        from stream.replay.erasing import without
        from stream.replay.order import in_order

        with self._counting:
            yield from without(in_order(self._log.events()), self.refusals.erasures)

    def ends_at(self) -> int | None:
        """Say up to when (ms) time had come for whoever worked on the topic.

        By the wall clock: to where the reading ends, less what decisions wait for; else, and for
        a part by offsets, to where heartbeats say that all is here; None: nobody said.
        """
        if self._settings.clock == "wall" and self._whole:
            return (self._until or now_ms()) - self._lateness_ms
        return self._log.complete_until


def pinned_models(model: Path | None, settings: Settings | None) -> "list[Snapshot] | None":
    """Give the snapshots of a file, or of the settings' model topic; None: learn instead."""
    from models.snapshots import Snapshot
    from stream.wire import snapshots

    if model is not None:
        lines = snapshots_in(model)
    elif settings is not None:
        lines = _models_of(settings)
    else:
        return None
    return [snapshots.decode(line, Snapshot) for line in lines]


def _models_of(settings: Settings) -> list[bytes]:
    """Give the snapshots in the model topic."""
    from stream.rereading.topic import models_in
    from stream.worker.connection import connection

    found = models_in(connection(settings), settings.topics.model)
    if not found:
        raise SettingsError([f"--model-topic: {settings.topics.model} holds no snapshot"])
    return found
