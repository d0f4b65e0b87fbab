"""The command that explains: why a customer is alerted on, or is not, by the numbers."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from stream import garbage
from stream.cli.errors import reported
from stream.cli.given import policy_file_of, settings_of
from stream.cli.options import AsJson, Assign, Brokers, Config, PolicyPath
from stream.cli.progress import Bar, Counting, now_ms, say_refused
from stream.cli.reread import Reading, pinned_models
from stream.settings import Settings, SettingsError

if TYPE_CHECKING:
    from stream.explain.explanation import Explanation
    from stream.explain.replayed import Replayed
    from stream.wire.policy_file import PolicyFile

cli = typer.Typer()


@cli.command()
def explain(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Id, as in the events.")],
    *,
    alert: Annotated[
        str | None,
        typer.Option(metavar="ALERT_ID", help='That alert, or the "last". Unset: how it stands.'),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(metavar="LOG", help="Of a log that is replayed; several: each by --log."),
    ] = None,
    from_topic: Annotated[
        str | None, typer.Option(metavar="TOPIC", help="Of a topic of events that is replayed.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="As it stood then; a date: its end. Unset: now."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="PINNED.jsonl", help="In a replay: these snapshots, not learning."),
    ] = None,
    model_topic: Annotated[
        bool, typer.Option("--model-topic", help="In a replay: those in the model topic.")
    ] = False,
    policy: PolicyPath = None,
    as_json: AsJson = False,
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Say why a customer is alerted on, or is not: the arithmetic, to be done again by hand.

    Of the live state, unless a log or a topic is named to replay.

    slipaway explain c-1007

    slipaway explain c-1007 --alert last --log events.jsonl.gz --policy policy.toml

    slipaway explain c-1007 --from-topic slipaway.usage --model-topic --as-of 2026-01-31 --json

    Exit code 1: there is no such customer, or no such alert.
    """
    with reported():
        _check_id(customer)
        moment = _moment(alert, as_of)
        settings = None
        if from_topic or model_topic or not log:
            settings = settings_of(config, assign, bootstrap_servers, policy)
            policy = settings.policy
        _check(log, from_topic, model, model_topic=model_topic)
        product = policy_file_of(policy)
        if not (log or from_topic):
            assert settings is not None
            found = _standing(settings, product, customer, alert, moment)
        else:
            pinned = pinned_models(model, settings if model_topic else None)
            from stream.explain.replayed import Replayed

            replayed = Replayed(product.policy, customer, pinned)
            if log:
                _replay_log(replayed, log, product, moment)
            else:
                assert settings is not None
                assert from_topic is not None
                _replay_topic(replayed, settings, from_topic, product, moment)
            found = replayed.moment() if alert is None else replayed.alert(alert)
        if as_json:
            typer.echo(msgspec.json.format(msgspec.json.encode(found)))
        else:
            from stream.explain.show import show

            show(found)


def _check_id(customer_id: str) -> None:
    """Refuse an id that no customer can have."""
    from stream.detector.errors import BadEvent
    from stream.wire import fields

    try:
        fields.customer(customer_id, "it")
    except BadEvent as bad:
        raise SettingsError([f"CUSTOMER: no customer can have this id: {bad.message}"]) from bad


def _moment(alert: str | None, as_of: str | None) -> int | None:
    """Read the moment asked of (ms)."""
    from stream.replay.scoring import read_moment

    if as_of is None:
        return None
    if alert is not None:
        raise SettingsError(["--as-of: an alert has its own time: leave it out, or --alert"])
    try:
        return read_moment(as_of)
    except ValueError as error:
        raise SettingsError([f"--as-of: {error}; write it as 2026-01-31T00:00:00Z"]) from error


def _check(
    log: list[str] | None, from_topic: str | None, model: Path | None, *, model_topic: bool
) -> None:
    """Refuse what contradicts itself."""
    problems = []
    if log and from_topic:
        problems.append("--log and --from-topic exclude each other")
    if model is not None and model_topic:
        problems.append("--model and --model-topic exclude each other")
    if not (log or from_topic) and (model is not None or model_topic):
        problems.append(
            "--model, --model-topic: they are of a replay: name a --log or --from-topic"
        )
    if problems:
        raise SettingsError(problems)


def _replay_log(
    replayed: "Replayed", log: list[str], product: "PolicyFile", as_of: int | None
) -> None:
    """Replay files."""
    from stream.replay.refusals import Refusals
    from stream.replay.run import read_in_order

    refusals = Refusals()
    with Bar(log) as bar:
        garbage.look_rarely()
        batches = read_in_order(
            log,
            product,
            received_at=now_ms(),
            refusals=refusals,
            watcher=bar,
            aliases=product.policy.identity.merge,
        )
        replayed.replay(batches, as_of)
    say_refused(refusals)


def _replay_topic(
    replayed: "Replayed",
    settings: Settings,
    topic: str,
    product: "PolicyFile",
    as_of: int | None,
) -> None:
    """Replay a topic."""
    from stream.engine.present import Range

    reading = Reading(settings, topic, Range(), product)
    garbage.look_rarely()
    replayed.replay(reading.batches(), as_of, reading.ends_at)
    say_refused(reading.refusals)


def _standing(
    settings: Settings,
    product: "PolicyFile",
    customer: str,
    alert: str | None,
    as_of: int | None,
) -> "Explanation":
    """Explain how a customer stands by the workers' own state."""
    from models.snapshots import Snapshot
    from stream.explain.standing import Standing
    from stream.rereading.topic import models_in
    from stream.wire import snapshots
    from stream.worker.connection import connection
    from stream.worker.logs import to_stderr

    to_stderr(settings.log_level, settings.log_format)
    standing = Standing(settings, product.policy, customer)
    with Counting() as counting:
        asyncio.run(standing.read(counting.read))
    if standing.decided_by not in ("", product.policy.version):
        typer.echo(
            f"The workers decide by policy {standing.decided_by}; explained is what"
            f" {product.policy.version} would say. (--policy)",
            err=True,
        )
    lines = models_in(connection(settings), settings.topics.model)
    known = [snapshots.decode(line, Snapshot) for line in lines]
    if alert is not None:
        return standing.alert(known, alert)
    return standing.moment(known, now_ms(), as_of)
