"""Commands on logs: files in, alerts, risks and figures out; and on policies."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

import asyncio
import importlib
from collections.abc import Mapping
from itertools import chain
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
from stream.cli.options import Assign, Brokers, Config, Logs, PolicyPath
from stream.cli.progress import Bar, now_ms, say_refused
from stream.retention.periods import Every
from stream.settings import Settings, SettingsError

if TYPE_CHECKING:
    from stream.replay.run import Outputs
    from stream.replay.scoring import Ranking
    from stream.wire.policy_file import PolicyFile

cli = typer.Typer()
policy_cli = typer.Typer(help="Policy files.", no_args_is_help=True)
cli.add_typer(policy_cli, name="policy")


@cli.command()
def validate(
    policy: Annotated[Path, typer.Argument(metavar="POLICY.toml", help="The policy file.")],
) -> None:
    """Check a policy file; say everything that is wrong with it."""
    with reported():
        product = policy_file_of(policy)
        typer.echo(f"{policy}: valid, version {product.policy.version}")
        from stream.wire.calendars import next_holiday
        from stream.wire.times import iso

        upcoming = next_holiday(product.policy.calendar, now_ms())
        if upcoming:
            typer.echo(f"next holiday: {upcoming}", err=True)
        for release in product.policy.releases:
            if release.at > now_ms():
                day = iso(release.at).partition("T")[0]
                typer.echo(f"{release.name} is of {day}: nobody is told of it before", err=True)


@policy_cli.command("init")
def policy_init(
    logs: Logs,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="POLICY.toml", help="Where it goes. Unset: stdout.")
    ] = None,
) -> None:
    """Write a first policy for your product, with its reasons, from a log of it."""
    with reported():
        from stream.proposal.propose import propose
        from stream.replay.refusals import Refusals

        if out is not None and out.exists():
            raise SettingsError([f"--out: {out} exists, and would be lost: name another file"])
        check_writable({"--out": out})
        refusals = Refusals()
        with Bar(logs) as bar:
            text = propose(logs, received_at=now_ms(), refusals=refusals, watcher=bar)
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.write_text(text, encoding="utf-8")
        say_refused(refusals)


@cli.command()
def replay(
    logs: Logs,
    *,
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
    to_topic: Annotated[
        str | None,
        typer.Option(metavar="TOPIC", help="Send the log to this usage topic instead."),
    ] = None,
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Replay a log: the same alerts as live, from a file; or send it to Kafka."""
    with reported():
        ranking = _ranking(as_of, ahead, moments, weekly=weekly)
        if to_topic is None:
            from stream.replay.run import Outputs

            written = {"--alerts": alerts, "--accounts": accounts, "--scores": scores}
            check_writable({**written, "--save-model": save_model})
            outputs = Outputs(alerts=alerts, accounts=accounts, scores=scores, snapshots=save_model)
            product = policy_file_of(policy)
            if accounts is not None and not product.policy.accounts.enabled:
                words = "the policy looks at no accounts: set enabled = true in [accounts]"
                raise SettingsError([f"--accounts: {words}"])
            _replay_here(logs, product, outputs, ranking, model)
            return
        results = {
            "alerts": alerts,
            "accounts": accounts,
            "scores": scores,
            "save-model": save_model,
            "as-of": as_of,
        }
        asked = {"ahead": ahead, "moments": moments, "weekly": weekly or None}
        for name, value in {**results, **asked}.items():
            if value is not None:
                raise typer.BadParameter(f"--{name} and --to-topic exclude each other")
        assigned = [*(assign or []), f"topics.usage={to_topic}"]
        settings = settings_of(config, assigned, bootstrap_servers, policy)
        _replay_to_topic(settings, logs, policy_file_of(settings.policy), model)


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
        Path | None, typer.Option("--json", metavar="OUT.json", help="Where every figure goes.")
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
    """Say what alerts on a log would have been worth, beside simple rules; no labels needed."""
    with reported():
        moment = moment_of("--begin", begin)
        check_writable({"--json": as_json, "--report": report})
        if boosting:
            _boostable()
        if against is not None and "-" in logs:
            raise SettingsError(["--against reads the log twice: give a file, not standard input"])
        product = policy_file_of(policy)
        old = None if against is None else policy_file_of(against)
        from stream.backtest.run import backtest as find
        from stream.backtest.terminal import show
        from stream.replay.refusals import Refusals

        refusals = Refusals()
        with Bar(logs) as bar:
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
        if as_json is not None:
            from stream.backtest.findings import encode

            as_json.write_bytes(encode(findings))
        if report is not None:
            from stream.backtest.report import page

            report.write_text(page(findings), encoding="utf-8")
        show(findings)
        say_refused(refusals)


@cli.command()
def retention(
    logs: Logs,
    *,
    policy: PolicyPath = None,
    every: Annotated[Every, typer.Option(help="How long a period is.")] = Every.MONTH,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for machines.")] = False,
) -> None:
    """Say who stayed, left, came new and came back, by period and by cohort."""
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
        found = figures.retention(recorder.spans(), product.policy.horizon_ms, every)
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
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for machines.")] = False,
) -> None:
    """Say what acting on alerts brought: who came back, against customers held out."""
    with reported():
        product = policy_file_of(policy)
        from stream.uplift import figures
        from stream.uplift.episodes import episodes
        from stream.uplift.terminal import show

        found = episodes(alerts_in(alerts), product.policy.horizon_ms)
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


def _replay_here(
    logs: list[str],
    product: "PolicyFile",
    outputs: "Outputs",
    ranking: "Ranking",
    model: Path | None,
) -> None:
    """Replay a log in this process, and say what it came to."""
    from stream.replay.run import load_snapshots, replay

    if model is not None:
        snapshots_in(model)  # says what is wrong with it
    with Bar(logs) as bar:
        garbage.look_rarely()
        summary = replay(
            logs,
            product,
            received_at=now_ms(),
            outputs=outputs,
            ranking=ranking,
            pinned=None if model is None else load_snapshots(model),
            watcher=bar,
        )
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
    if summary.withheld:
        said = ", ".join(f"{reason} {count:,}" for reason, count in summary.withheld.items())
        typer.echo(f"alerts that were due and withheld: {said}", err=True)
    say_refused(summary.refusals)


def say_segments(counts: Mapping[str, int]) -> None:
    """Say how many customers were in which segment, where the policy has any."""
    if len(counts) > 1:
        found = [f"{name or '(none)'} {count:,}" for name, count in counts.items() if count]
        typer.echo(f"customers by segment: {', '.join(found) or 'none'}", err=True)
        for name in (name for name, count in counts.items() if name and not count):
            typer.echo(
                f"nobody was in the segment {name}: do its traits come with the events, under"
                " these names?",
                err=True,
            )


def _replay_to_topic(
    settings: Settings,
    logs: list[str],
    product: "PolicyFile",
    model: Path | None,
) -> None:
    """Send a log to the usage topic, snapshots first."""
    from stream.replay.erasing import without
    from stream.replay.order import in_order
    from stream.replay.read import read_log
    from stream.replay.refusals import Refusals
    from stream.wire.events import Decoder
    from stream.worker.feed import feed

    refusals = Refusals()
    models = [] if model is None else snapshots_in(model)
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
