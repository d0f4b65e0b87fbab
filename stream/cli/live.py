"""Commands on what runs: workers, their topics, settings and models."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from stream.cli import words
from stream.cli.errors import WRONG, reported
from stream.cli.given import policy_file_of, settings_of, snapshots_in
from stream.cli.options import AsJson, Assign, Brokers, Config, PolicyPath
from stream.settings import SECRET, SettingsError, knobs, redacted

cli = typer.Typer()
topics_cli = typer.Typer(help="The Kafka topics.", no_args_is_help=True)
config_cli = typer.Typer(help="The settings.", no_args_is_help=True)
model_cli = typer.Typer(help="Model snapshots.", no_args_is_help=True)
cli.add_typer(topics_cli, name="topics")
cli.add_typer(config_cli, name="config")
cli.add_typer(model_cli, name="model")


@cli.command()
def run(
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
    policy: PolicyPath = None,
) -> None:
    """Run a worker until it is stopped.

    slipaway run --policy policy.toml --bootstrap-servers broker:9092

    slipaway run --config slipaway.toml --set topics.sources=events

    Exit codes 70: starting again changes nothing; 75: start again.
    """
    with reported():
        settings = settings_of(config, assign, bootstrap_servers, policy)
        from stream.worker import app

        app.run(settings)


@cli.command()
def demo(
    *,
    seconds: Annotated[float, typer.Option(min=1, help="Length of the show.")] = 60,
    customers: Annotated[int, typer.Option(min=10, help="How many there are.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Another seed, another product.")] = 1,
    broker: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Instead of a local Kafka.")
    ] = None,
    past: Annotated[
        str | None,
        typer.Option(
            metavar="TOPIC",
            help="Only send: two months of the product's past, keyed by customer, for a worker of"
            " yours that is started then.",
        ),
    ] = None,
    present: Annotated[
        str | None,
        typer.Option(metavar="TOPIC", help="Only send: what happens from now on, as it happens."),
    ] = None,
) -> None:
    """Show it: a local Kafka, a simulated product, the real worker, alerts as they fire.

    slipaway demo

    slipaway demo --seconds 120 --customers 5000 --seed 2
    """
    from stream.demo.run import run as show
    from stream.demo.run import traffic
    from stream.demo.traffic import Part

    if topic := past or present:
        with reported():
            bootstrap = broker or settings_of(None, None).bootstrap_servers
        part: Part = "past" if past else "present"
        raise typer.Exit(traffic(topic, part, customers=customers, seed=seed, broker=bootstrap))
    raise typer.Exit(show(seconds=seconds, customers=customers, seed=seed, broker=broker))


@cli.command()
def doctor(
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
    policy: PolicyPath = None,
    *,
    create_topics: Annotated[
        bool, typer.Option("--create-topics", help="Create missing topics first, as a worker does.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that a worker with these settings would work; change nothing on the broker.

    slipaway doctor --policy policy.toml --bootstrap-servers broker:9092

    slipaway doctor --config slipaway.toml --json

    Exit code 1: it would not.
    """
    with reported():
        settings = settings_of(config, assign, bootstrap_servers, policy)
        from stream.doctor.examine import examine
        from stream.doctor.findings import Verdict, as_values, worst
        from stream.doctor.show import show
        from stream.worker.logs import to_stderr

        to_stderr(settings.log_level, settings.log_format)
        findings = asyncio.run(examine(settings, create_topics=create_topics))
        if as_json:
            typer.echo(orjson.dumps(as_values(findings), option=orjson.OPT_INDENT_2))
        else:
            show(findings)
        raise typer.Exit(WRONG if worst(findings) is Verdict.FAILURE else 0)


@topics_cli.command("create")
def topics_create(
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Create the topics that are missing, and check those that are not.

    slipaway topics create --bootstrap-servers broker:9092

    slipaway topics create --config slipaway.toml --json

    Exit code 1: a source does not exist.
    """
    with reported():
        settings = settings_of(config, assign, bootstrap_servers)
        from stream.worker.connection import connection
        from stream.worker.logs import to_stderr
        from stream.worker.topics import ensure, specs

        to_stderr(settings.log_level, settings.log_format)
        counts = asyncio.run(ensure(settings, connection(settings), wait=False))
        partitions = {spec.name: counts[spec.name] for spec in specs(settings, counts)}
        absent = [source for source in settings.topics.sources if source not in counts]
        if as_json:
            found = {"partitions": partitions, "absent_sources": absent}
            typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        else:
            for name, count in partitions.items():
                typer.echo(f"{name} {count}")
        for source in absent:
            typer.echo(f"{source} is a source and does not exist", err=True)
        raise typer.Exit(WRONG if absent else 0)


@topics_cli.command("acls")
def topics_acls(
    *,
    role: Annotated[
        str,
        typer.Option(
            autocompletion=words.roles,
            help="Who connects: worker (doctor, too), deliver, reader, console, sender, operator.",
        ),
    ] = "worker",
    principal: Annotated[
        str, typer.Option(help="Who that is, to the brokers.", metavar="User:NAME")
    ] = "User:slipaway",
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
    policy: PolicyPath = None,
    as_json: AsJson = False,
) -> None:
    """Print the least permissions that a role needs, as kafka-acls commands; ask no broker.

    slipaway topics acls --role deliver --principal User:crm

    slipaway topics acls --role operator --json
    """
    with reported():
        settings = settings_of(config, assign, bootstrap_servers, policy)
        from stream.worker.permissions import Role, commands, needed

        if role not in list(Role):
            raise SettingsError([f"--role: {role}: there is only {', '.join(Role)}"])
        accounts = policy_file_of(settings.policy).policy.accounts.enabled
        found = needed(Role(role), settings, accounts=accounts)
        if as_json:
            typer.echo(orjson.dumps([asdict(one) for one in found], option=orjson.OPT_INDENT_2))
            return
        for command in commands(principal, settings.bootstrap_servers, found):
            typer.echo(command)


@config_cli.command("show")
def config_show(
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
    policy: PolicyPath = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show every setting as it is in force here, secrets left out, as a settings file.

    slipaway config show --config slipaway.toml

    slipaway config show --set clock=event --json
    """
    with reported():
        values = redacted(settings_of(config, assign, bootstrap_servers, policy))
        if as_json:
            typer.echo(orjson.dumps(values, option=orjson.OPT_INDENT_2))
            return
        for line in _as_toml(values):
            typer.echo(line)


@model_cli.command("publish")
def model_publish(
    file: Annotated[Path, typer.Argument(metavar="MODELS.jsonl", help="As --save-model wrote it.")],
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Publish model snapshots to the model topic, for workers to use.

    slipaway model publish models.jsonl --bootstrap-servers broker:9092
    """
    with reported():
        settings = settings_of(config, assign, bootstrap_servers)
        models = snapshots_in(file)
        from stream.worker.feed import publish

        count = asyncio.run(publish(settings, models))
        typer.echo(f"{count} snapshots published to {settings.topics.model}", err=True)


def _as_toml(values: dict[str, Any]) -> Iterator[str]:
    """Write settings as a file that could be read again, each with its words."""
    words = dict(knobs())
    groups = {name: value for name, value in values.items() if isinstance(value, dict)}
    for name, value in {"": values, **groups}.items():
        if name:
            yield f"\n[{name}]"
        for knob, setting in value.items():
            dotted = f"{name}.{knob}" if name else knob
            if dotted not in words:
                continue
            secret = dotted in SECRET
            unset = setting is None or secret
            shown = orjson.dumps(setting).decode() if not unset else "..." if secret else "unset"
            yield f"# {words[dotted]}"
            yield f"# {knob} = {shown}" if unset else f"{knob} = {shown}"
