"""Commands on logs: files in, alerts, risks and figures out."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

import asyncio
import importlib
from collections.abc import Mapping
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from stream import garbage
from stream.cli.errors import reported
from stream.cli.given import (
    alerts_in,
    check_writable,
    moment_of,
    policy_file_of,
    settings_of,
    snapshots_in,
)
from stream.cli.options import AsJson, Assign, Brokers, Config, Logs, PolicyPath, SomeLogs
from stream.cli.progress import Bar, now_ms, say_refused
from stream.cli.reports import Reports, Stopwatch, TimedBar
from stream.cli.reread import Reading, pinned_models, range_of
from stream.detector.periods import Every
from stream.settings import Settings, SettingsError

if TYPE_CHECKING:
    from models.snapshots import Snapshot
    from stream.engine.present import Range
    from stream.replay.run import Outputs, Summary
    from stream.replay.scoring import Ranking
    from stream.wire.policy_file import PolicyFile

cli = typer.Typer()

STDOUT = Path("-")
"""What others call `--json` as a switch: the figures, in place of the tables."""


@cli.command()
def replay(
    logs: SomeLogs = None,
    *,
    from_topic: Annotated[
        str | None,
        typer.Option(metavar="TOPIC", help="Read this topic of events, raw or keyed, instead."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Of a topic: records of then or later; cold before."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Of a topic: records from before.")
    ] = None,
    offsets: Annotated[
        str | None,
        typer.Option(metavar="P:FIRST-BEHIND,...", help="Of a topic: by partition, these."),
    ] = None,
    model_topic: Annotated[
        bool,
        typer.Option("--model-topic", help="Use the snapshots in the model topic, as workers did."),
    ] = False,
    policy: PolicyPath = None,
    alerts: Annotated[
        Path | None, typer.Option(metavar="OUT.jsonl", help="Where alerts go, one a line.")
    ] = None,
    accounts: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.jsonl", help="Where alerts on accounts go ([accounts] in the policy)."
        ),
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(metavar="OUT.csv", help="Where every customer's risk goes.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Moment of the scores; a date: its end. Unset: the end."),
    ] = None,
    weekly: Annotated[
        bool, typer.Option("--weekly", help="Scores of every Monday instead.")
    ] = False,
    moments: Annotated[
        Path | None,
        typer.Option(
            metavar="MOMENTS.csv", help="Scores of each customer_id as of its own time instead."
        ),
    ] = None,
    ahead: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Risk of no visit for so long. Unset: the horizon."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="PINNED.jsonl", help="Use these snapshots instead of learning."),
    ] = None,
    save_model: Annotated[
        Path | None, typer.Option(metavar="OUT.jsonl", help="Where snapshots learned here go.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="OUT.html", help="Where a page about it goes: one file, no links."),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(metavar="OUT.json", help="Where the figures of that page go.")
    ] = None,
    to_topic: Annotated[
        str | None,
        typer.Option(metavar="TOPIC", help="Send the log to this usage topic instead."),
    ] = None,
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Replay a log: the same alerts as live, from a file or a topic; or send it to Kafka.

    slipaway replay events.jsonl.gz --policy policy.toml --alerts alerts.jsonl

    slipaway replay --from-topic slipaway.usage --policy new.toml --model-topic --alerts now.jsonl

    slipaway replay --from-topic events --since 2026-01-01 --to-topic again.usage
    """
    with reported():
        ranking = _ranking(as_of, ahead, moments, weekly=weekly)
        where = range_of(since, until, offsets)
        source = _source(logs, from_topic, to_topic, where, model, model_topic=model_topic)
        assigned = [*(assign or []), *([f"topics.usage={to_topic}"] if to_topic else [])]
        settings = None
        if from_topic or to_topic or model_topic:
            settings = settings_of(config, assigned, bootstrap_servers, policy)
            policy = settings.policy
        if to_topic is None:
            from stream.replay.run import Outputs

            written = {"--alerts": alerts, "--accounts": accounts, "--scores": scores}
            check_writable({**written, "--save-model": save_model})
            check_writable({"--report": report, "--figures": figures})
            reports = Reports(report, figures, Stopwatch("reading and deciding"))
            outputs = Outputs(alerts=alerts, accounts=accounts, scores=scores, snapshots=save_model)
            product = policy_file_of(policy)
            if accounts is not None and not product.policy.accounts.enabled:
                words = "the policy looks at no accounts: set enabled = true in [accounts]"
                raise SettingsError([f"--accounts: {words}"])
            pinned = pinned_models(model, settings if model_topic else None)
            if settings is None or from_topic is None:
                _replay_here(source, product, outputs, ranking, pinned, reports=reports)
            else:
                reading = Reading(settings, from_topic, where, product)
                _replay_topic(reading, product, outputs, ranking, pinned, reports=reports)
            return
        results = {
            "alerts": alerts,
            "accounts": accounts,
            "scores": scores,
            "save-model": save_model,
            "as-of": as_of,
            "report": report,
            "figures": figures,
        }
        asked = {"ahead": ahead, "moments": moments, "weekly": weekly or None}
        for name, value in {**results, **asked}.items():
            if value is not None:
                raise typer.BadParameter(f"--{name} and --to-topic exclude each other")
        assert settings is not None
        product = policy_file_of(settings.policy)
        models = [] if model is None else snapshots_in(model)
        if from_topic is None:
            _replay_to_topic(settings, source, product, models)
        else:
            _topic_to_topic(settings, Reading(settings, from_topic, where, product), models)


@cli.command()
def backtest(
    logs: Logs,
    *,
    policy: PolicyPath = None,
    begin: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="Score from this time on. Unset: the later half of the log's time."
        ),
    ] = None,
    as_json: Annotated[
        Path | None,
        typer.Option("--json", metavar="OUT.json", help='For every figure; "-": stdout.'),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="OUT.html", help="Where a page with curves goes: one file, no links."),
    ] = None,
    boosting: Annotated[
        bool, typer.Option("--boosting", help="Beside boosted trees, too (needs LightGBM).")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(metavar="OLD.toml", help="Beside another policy: what the change would do."),
    ] = None,
) -> None:
    """Say what alerts on a log would have been worth, beside simple rules; no labels needed.

    slipaway backtest events.jsonl.gz --policy policy.toml --report report.html

    slipaway backtest events.jsonl.gz --policy new.toml --against old.toml --json -
    """
    with reported():
        moment = moment_of("--begin", begin)
        to_stdout = as_json == STDOUT
        check_writable({"--json": None if to_stdout else as_json, "--report": report})
        if boosting:
            _boostable()
        if against is not None and "-" in logs:
            raise SettingsError(["--against reads the log twice: give a file, not standard input"])
        product = policy_file_of(policy)
        old = None if against is None else policy_file_of(against)
        from stream.backtest.run import backtest as find
        from stream.backtest.terminal import show
        from stream.replay.refusals import Refusals

        refusals, watch = Refusals(), Stopwatch("reading and deciding")
        with TimedBar(logs, watch) as bar:
            garbage.look_rarely()
            findings = find(
                logs,
                product,
                received_at=now_ms(),
                begin=moment,
                boosting=boosting,
                old=old,
                refusals=refusals,
                watcher=bar,
            )
        findings = msgspec.structs.replace(findings, cost=watch.cost(findings.data.events))
        if as_json is not None:
            from stream.backtest.findings import encode

            if to_stdout:
                typer.echo(encode(findings))
            else:
                as_json.write_bytes(encode(findings))
        if report is not None:
            from stream.backtest.report import page
            from stream.report.pages import written

            report.write_bytes(written(page(findings)))
        if not to_stdout:
            show(findings)
        say_refused(refusals)


@cli.command()
def retention(
    logs: Logs,
    *,
    policy: PolicyPath = None,
    every: Annotated[
        Every | None, typer.Option(help="How long a period is. Unset: as in the policy.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say who stayed, left, came new and came back, by period and by cohort.

    slipaway retention events.jsonl.gz --policy policy.toml --every quarter

    slipaway retention events.jsonl.gz --json
    """
    with reported():
        product = policy_file_of(policy)
        from stream.replay.refusals import Refusals
        from stream.replay.run import read_in_order
        from stream.retention import figures
        from stream.retention.spans import Recorder
        from stream.retention.terminal import show

        refusals, recorder = Refusals(), Recorder(product.policy)
        with Bar(logs) as bar:
            garbage.look_rarely()
            for batch in read_in_order(
                logs, product, received_at=now_ms(), refusals=refusals, watcher=bar
            ):
                recorder.take(batch)
        rules = product.policy
        found = figures.retention(
            recorder.spans(), rules.horizon_ms, every or rules.retention.every
        )
        if as_json:
            typer.echo(msgspec.json.format(msgspec.json.encode(found)))
        else:
            show(found)
        say_refused(refusals)


@cli.command()
def uplift(
    alerts: Annotated[
        list[Path],
        typer.Argument(metavar="ALERTS.jsonl...", help="Alerts, one a line: of both topics."),
    ],
    *,
    policy: PolicyPath = None,
    as_json: AsJson = False,
) -> None:
    """Say what acting on alerts brought: who came back, against customers held out.

    slipaway uplift alerts.jsonl held-out.jsonl --policy policy.toml
    """
    with reported():
        product = policy_file_of(policy)
        from stream.uplift import figures
        from stream.uplift.episodes import episodes
        from stream.uplift.terminal import show

        found = episodes(alerts_in(alerts), product.policy.horizon_of)
        everybody, triggers = figures.uplift(found), figures.by_trigger(found)
        if as_json:
            encoded = msgspec.json.encode({"all": everybody, "by_trigger": triggers})
            typer.echo(msgspec.json.format(encoded))
        else:
            show(everybody, triggers)


def _ranking(
    as_of: str | None, ahead: str | None, moments: Path | None, *, weekly: bool
) -> "Ranking":
    """Read what a ranking is asked for on the command line."""
    from stream.detector.events import DAY_MS
    from stream.replay.scoring import Ranking, read_moment, read_moments
    from stream.wire.durations import parse_duration

    if (as_of is not None) + weekly + (moments is not None) > 1:
        raise SettingsError(["--as-of, --weekly and --moments exclude each other"])
    try:
        at = None if as_of is None else read_moment(as_of)
    except ValueError as error:
        raise SettingsError([f"--as-of: {error}; write it as 2026-01-31T00:00:00Z"]) from error
    try:
        ahead_ms = None if ahead is None else parse_duration(ahead)
    except ValueError as error:
        raise SettingsError([f"--ahead: {error}"]) from error
    try:
        own = () if moments is None else read_moments(moments)
    except OSError as error:
        raise SettingsError([f"--moments: {moments} cannot be read: {error.strerror}"]) from error
    days = None if ahead_ms is None else ahead_ms / DAY_MS
    return Ranking(as_of=at, weekly=weekly, moments=own, ahead_days=days)


def _boostable() -> None:
    """Find out that the library of an extra is not there before it is needed."""
    try:
        importlib.import_module("lightgbm")
    except (ImportError, OSError) as error:  # the library, or one of the system that it needs
        words = "install it by pip install 'slipaway[boosting]', or leave the option out"
        raise SettingsError([f"--boosting: LightGBM cannot be used ({error}): {words}"]) from error


def _source(
    logs: list[str] | None,
    from_topic: str | None,
    to_topic: str | None,
    where: "Range",
    model: Path | None,
    *,
    model_topic: bool,
) -> list[str]:
    """Give the logs to read, none if a topic is; refuse what contradicts itself."""
    problems = []
    if (from_topic is None) == (not logs):
        problems.append("LOG: name a log, or a topic by --from-topic: one of them")
    if from_topic is None and (any(where[:2]) or where.offsets):
        problems.append("--since, --until, --offsets: they are of a topic: name it by --from-topic")
    if from_topic is not None and from_topic == to_topic:
        problems.append("--to-topic: it is the topic that is read: name another one")
    if model_topic and (model is not None or to_topic is not None):
        problems.append("--model-topic: it excludes --model and --to-topic")
    if problems:
        raise SettingsError(problems)
    return logs or []


def _replay_topic(
    reading: Reading,
    product: "PolicyFile",
    outputs: "Outputs",
    ranking: "Ranking",
    pinned: "list[Snapshot] | None",
    *,
    reports: Reports,
) -> None:
    """Replay a topic in this process, and say what it came to."""
    from stream.replay.run import Summary, replay_events

    summary, hearing = Summary(refusals=reading.refusals), reports.hearing(product.policy)
    garbage.look_rarely()
    replay_events(
        reading.batches(),
        product,
        summary,
        outputs=outputs,
        ranking=ranking,
        pinned=pinned,
        ends_at=reading.ends_at,
        audience=hearing,
    )
    reports.write([reading.topic], summary, hearing)
    _say(summary, outputs, product)


def _topic_to_topic(settings: Settings, reading: Reading, models: list[bytes]) -> None:
    """Send what a topic holds to another usage topic, in the order of its events' times."""
    from stream.worker.feed import feed

    batches = reading.batches()
    first = list(islice(batches, 1))  # with it all is read: no loop runs within the other's
    refusals = reading.refusals
    ordered = chain.from_iterable(chain(first, batches))
    sent = asyncio.run(feed(settings, ordered, models=models, erasures=refusals.erasures))
    typer.echo(f"{sent.events:,} events sent to {settings.topics.usage}", err=True)
    say_refused(refusals)


def _replay_here(
    logs: list[str],
    product: "PolicyFile",
    outputs: "Outputs",
    ranking: "Ranking",
    pinned: "list[Snapshot] | None",
    *,
    reports: Reports,
) -> None:
    """Replay a log in this process, and say what it came to."""
    from stream.replay.run import replay

    hearing = reports.hearing(product.policy)
    with Bar(logs) as bar:
        garbage.look_rarely()
        summary = replay(
            logs,
            product,
            received_at=now_ms(),
            outputs=outputs,
            ranking=ranking,
            pinned=pinned,
            watcher=bar,
            audience=hearing,
        )
    reports.write(logs, summary, hearing)
    _say(summary, outputs, product)


def _say(summary: "Summary", outputs: "Outputs", product: "PolicyFile") -> None:
    """Say what a replay came to."""
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(summary.alerts.items()))
    if outputs.accounts is not None:
        of_accounts = sorted(summary.account_alerts.items())
        said = ", ".join(f"{kind} {count:,}" for kind, count in of_accounts)
        typer.echo(f"alerts on accounts: {said or 'none'}", err=True)
    aliases = ", ".join(f"{what} {count:,}" for what, count in sorted(summary.aliases.items()))
    typer.echo(
        f"{summary.events:,} events of {summary.customers:,} customers;"
        f" alerts: {kinds or 'none'}; {f'aliases: {aliases}; ' if aliases else ''}"
        f"model {summary.model_version}",
        err=True,
    )
    say_segments(summary.segments)
    say_segments(summary.account_segments, "accounts")
    if summary.retained is not None:
        counts = summary.retained
        typer.echo(
            f"retention, the last whole {product.policy.retention.every.value}:"
            f" {counts.kept / counts.at_start:.1%} of {counts.at_start:,} customers",
            err=True,
        )
    if summary.withheld:
        said = ", ".join(f"{reason} {count:,}" for reason, count in summary.withheld.items())
        typer.echo(f"alerts that were due and withheld: {said}", err=True)
    say_refused(summary.refusals)


def say_segments(counts: Mapping[str, int], whom: str = "customers") -> None:
    """Say how many customers, or accounts, were in which segment, where the policy has any."""
    if len(counts) > 1:
        found = [f"{name or '(none)'} {count:,}" for name, count in counts.items() if count]
        typer.echo(f"{whom} by segment: {', '.join(found) or 'none'}", err=True)
        kind = "segment" if whom == "customers" else "account segment"
        for name in (name for name, count in counts.items() if name and not count):
            typer.echo(
                f"nobody was in the {kind} {name}: do its traits come with the events, under"
                " these names?",
                err=True,
            )


def _replay_to_topic(
    settings: Settings,
    logs: list[str],
    product: "PolicyFile",
    models: list[bytes],
) -> None:
    """Send a log to the usage topic, snapshots first."""
    from stream.replay.erasing import without
    from stream.replay.order import in_order
    from stream.replay.read import read_log
    from stream.replay.refusals import Refusals
    from stream.wire.events import Decoder
    from stream.worker.feed import feed

    refusals = Refusals()
    with Bar(logs) as bar:
        events = read_log(
            logs,
            product.log,
            Decoder(
                product.mappings,
                product.policy.traits,
                aliases=product.policy.identity.merge,
            ),
            received_at=now_ms(),
            max_future_skew_ms=product.policy.max_future_skew_ms,
            refusals=refusals,
            on_bytes=bar.read,
        )
        ordered = chain.from_iterable(without(in_order(events), refusals.erasures))
        sent = asyncio.run(feed(settings, ordered, models=models, erasures=refusals.erasures))
    typer.echo(f"{sent.events:,} events sent to {settings.topics.usage}", err=True)
    say_refused(refusals)
