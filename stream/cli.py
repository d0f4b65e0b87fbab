"""The commands: each reads its settings, starts one shell, and turns the outcome to an exit code.

0 fine, 1 found something wrong, 2 usage or configuration.  Standard output is
data, standard error is talk.  Shells are imported by the command that needs
them: `slipaway --help` must not wait for Kafka's libraries.
"""

# ruff: noqa: PLC0415 - imports inside commands are the point, as said above

import asyncio
import importlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import orjson
import typer

from stream import garbage
from stream.settings import Settings, SettingsError, knobs, load, nested, redacted

if TYPE_CHECKING:
    from stream.replay.refusals import Refusals
    from stream.replay.run import Outputs
    from stream.replay.scoring import Ranking
    from stream.wire.policy_file import PolicyFile

WRONG = 1
UNUSABLE = 2

cli = typer.Typer(
    name="slipaway",
    help="Tells which customers are slipping away, from the usage events already in Kafka.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
topics_cli = typer.Typer(help="The Kafka topics.", no_args_is_help=True)
config_cli = typer.Typer(help="The settings.", no_args_is_help=True)
model_cli = typer.Typer(help="Model snapshots.", no_args_is_help=True)
cli.add_typer(topics_cli, name="topics")
cli.add_typer(config_cli, name="config")
cli.add_typer(model_cli, name="model")

Config = Annotated[
    Path | None,
    typer.Option(help="Settings file (TOML).", envvar="SLIPAWAY_CONFIG", show_default=False),
]
Assign = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any setting, before environment and file: --set topics.usage=events."
        " `slipaway config show` lists them.",
    ),
]
Brokers = Annotated[
    str | None,
    typer.Option("--bootstrap-servers", metavar="HOST:PORT", help="Short for --set of that name."),
]
Logs = Annotated[
    list[str],
    typer.Argument(metavar="LOG...", help='JSONL, CSV or Parquet, also packed; "-": stdin.'),
]
PolicyPath = Annotated[
    Path | None,
    typer.Option("--policy", metavar="POLICY.toml", help="What slipping away means."),
]


# ---------------------------------------------------------------- commands


@cli.command()
def run(
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
    policy: PolicyPath = None,
) -> None:
    """Run a worker until it is stopped."""
    with _reported():
        settings = _settings(config, assign, bootstrap_servers, policy)
        from stream.worker import app

        app.run(settings)


@cli.command()
def validate(
    policy: Annotated[Path, typer.Argument(metavar="POLICY.toml", help="The policy file.")],
) -> None:
    """Check a policy file; say everything that is wrong with it."""
    with _reported():
        product = _policy_file(policy)
        typer.echo(f"{policy}: valid, version {product.policy.version}")


@cli.command()
def replay(
    logs: Logs,
    *,
    policy: PolicyPath = None,
    alerts: Annotated[
        Path | None, typer.Option(metavar="OUT.jsonl", help="Where alerts go, one a line.")
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
    with _reported():
        ranking = _ranking(as_of, ahead, moments, weekly=weekly)
        if to_topic is None:
            from stream.replay.run import Outputs

            _writable({"--alerts": alerts, "--scores": scores, "--save-model": save_model})
            outputs = Outputs(alerts=alerts, scores=scores, snapshots=save_model)
            _replay_here(logs, _policy_file(policy), outputs, ranking, model)
            return
        results = {"alerts": alerts, "scores": scores, "save-model": save_model, "as-of": as_of}
        asked = {"ahead": ahead, "moments": moments, "weekly": weekly or None}
        for name, value in {**results, **asked}.items():
            if value is not None:
                raise typer.BadParameter(f"--{name} and --to-topic exclude each other")
        assigned = [*(assign or []), f"topics.usage={to_topic}"]
        settings = _settings(config, assigned, bootstrap_servers, policy)
        _replay_to_topic(settings, logs, _policy_file(settings.policy), model)


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
) -> None:
    """Say what alerts on a log would have been worth, beside simple rules; no labels needed."""
    with _reported():
        moment = _moment("--begin", begin)
        _writable({"--json": as_json, "--report": report})
        if boosting:
            _boostable()
        product = _policy_file(policy)
        from stream.backtest.run import backtest as find
        from stream.backtest.terminal import show
        from stream.replay.refusals import Refusals

        refusals = Refusals()
        with _Bar(logs) as bar:
            garbage.look_rarely()
            findings = find(
                logs,
                product,
                received_at=_now_ms(),
                begin=moment,
                boosting=boosting,
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
        _say_refused(refusals)


@cli.command()
def demo(
    seconds: Annotated[float, typer.Option(min=1, help="Length of the show.")] = 60,
    customers: Annotated[int, typer.Option(min=10, help="How many there are.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Another seed, another product.")] = 1,
    broker: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Instead of a local Kafka.")
    ] = None,
) -> None:
    """Show it: a local Kafka, a simulated product, the real worker, alerts as they fire."""
    from stream.demo.run import run as show

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
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for machines.")] = False,
) -> None:
    """Check that a worker with these settings would work; change nothing on the broker."""
    with _reported():
        settings = _settings(config, assign, bootstrap_servers, policy)
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
    config: Config = None, assign: Assign = None, bootstrap_servers: Brokers = None
) -> None:
    """Create the topics that are missing, and check those that are not."""
    with _reported():
        settings = _settings(config, assign, bootstrap_servers)
        from stream.worker.connection import connection
        from stream.worker.logs import to_stderr
        from stream.worker.topics import ensure, specs

        to_stderr(settings.log_level, settings.log_format)
        counts = asyncio.run(ensure(settings, connection(settings), wait=False))
        for spec in specs(settings, counts):
            typer.echo(f"{spec.name} {counts[spec.name]}")
        absent = [source for source in settings.topics.sources if source not in counts]
        for source in absent:
            typer.echo(f"{source} is a source and does not exist", err=True)
        raise typer.Exit(WRONG if absent else 0)


@config_cli.command("show")
def config_show(
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
    policy: PolicyPath = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, without words.")] = False,
) -> None:
    """Show every setting as it is in force here, secrets left out, as a settings file."""
    with _reported():
        values = redacted(_settings(config, assign, bootstrap_servers, policy))
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
    """Publish model snapshots to the model topic, for workers to use."""
    with _reported():
        settings = _settings(config, assign, bootstrap_servers)
        models = _snapshots(file)
        from stream.worker.feed import publish

        count = asyncio.run(publish(settings, models))
        typer.echo(f"{count} snapshots published to {settings.topics.model}", err=True)


def main() -> None:
    """Run the command line."""
    # Matrices of forty columns: more threads take longer, and may round differently.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    cli()


# ---------------------------------------------------------------- what they share


def _settings(
    config: Path | None,
    assign: list[str] | None,
    bootstrap_servers: str | None = None,
    policy: Path | None = None,
) -> Settings:
    """Read the settings; the short flags go before --set."""
    flags = nested(assign or [])
    if bootstrap_servers is not None:
        flags["bootstrap_servers"] = bootstrap_servers
    if policy is not None:
        flags["policy"] = str(policy)
    return load(flags, config)


@contextmanager
def _reported() -> Iterator[None]:
    """Turn what a command may raise into words on standard error and an exit code."""
    try:
        yield
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(f"setting {problem}", err=True)
        raise typer.Exit(UNUSABLE) from error
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        typer.echo(str(error), err=True)
        raise typer.Exit(code) from error


def _exit_code(error: Exception) -> int | None:
    """Say the exit code of an error that is not ours; None if it is."""
    # Compared by name: importing the types would import the shells, even where none was started.
    codes: dict[str, int] = {
        "PolicyErrors": UNUSABLE,
        "SnapshotError": UNUSABLE,
        "LogError": WRONG,
        "Fatal": WRONG,
    }
    return next(
        (codes[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in codes), None
    )


def _policy_file(path: Path | None) -> "PolicyFile":
    """Read a policy file; the built-in policy where none is named."""
    from stream.detector.policy import Policy
    from stream.wire import policy_file

    return policy_file.PolicyFile(policy=Policy()) if path is None else policy_file.load(path)


def _writable(outputs: dict[str, Path | None]) -> None:
    """Find out that a result cannot be written before it has been worked out."""
    problems = [
        f"{option}: {path} cannot be written: {path.parent} is no folder, or {path.name} is one"
        for option, path in outputs.items()
        if path is not None and (not path.parent.is_dir() or path.is_dir())
    ]
    if problems:
        raise SettingsError(problems)


def _boostable() -> None:
    """Find out that the library of an extra is not there before it is needed."""
    try:
        importlib.import_module("lightgbm")
    except (ImportError, OSError) as error:  # the library, or one of the system that it needs
        words = "install it by pip install 'slipaway[boosting]', or leave the option out"
        raise SettingsError([f"--boosting: LightGBM cannot be used ({error}): {words}"]) from error


def _snapshots(file: Path) -> list[bytes]:
    """Read a file of snapshots, one a line, and check every one of them."""
    from models.snapshots import Snapshot
    from stream.wire import snapshots

    try:
        lines = [line for line in file.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise SettingsError([f"{file}: cannot be read: {error.strerror}"]) from error
    for number, line in enumerate(lines, 1):
        try:
            snapshots.decode(line, Snapshot)
        except snapshots.SnapshotError as error:
            raise snapshots.SnapshotError(f"{file}, line {number}: {error}") from error
    return lines


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
            secret = knob == "sasl_password"
            unset = setting is None or secret
            shown = orjson.dumps(setting).decode() if not unset else "..." if secret else "unset"
            yield f"# {words[dotted]}"
            yield f"# {knob} = {shown}" if unset else f"{knob} = {shown}"


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
        _snapshots(model)  # says what is wrong with it
    with _Bar(logs) as bar:
        garbage.look_rarely()
        summary = replay(
            logs,
            product,
            received_at=_now_ms(),
            outputs=outputs,
            ranking=ranking,
            pinned=None if model is None else load_snapshots(model),
            watcher=bar,
        )
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(summary.alerts.items()))
    typer.echo(
        f"{summary.events:,} events of {summary.customers:,} customers;"
        f" alerts: {kinds or 'none'}; model {summary.model_version}",
        err=True,
    )
    _say_refused(summary.refusals)


def _replay_to_topic(
    settings: Settings,
    logs: list[str],
    product: "PolicyFile",
    model: Path | None,
) -> None:
    """Send a log to the usage topic, snapshots first."""
    from stream.replay.order import in_order
    from stream.replay.read import read_log
    from stream.replay.refusals import Refusals
    from stream.wire.events import Decoder
    from stream.worker.feed import feed

    refusals = Refusals()
    models = [] if model is None else _snapshots(model)
    with _Bar(logs) as bar:
        events = read_log(
            logs,
            product.log,
            Decoder(product.mappings),
            received_at=_now_ms(),
            max_future_skew_ms=product.policy.max_future_skew_ms,
            refusals=refusals,
            on_bytes=bar.read,
        )
        ordered = chain.from_iterable(in_order(events))
        sent = asyncio.run(feed(settings, ordered, models=models))
    typer.echo(f"{sent.events:,} events sent to {settings.topics.usage}", err=True)
    _say_refused(refusals)


def _say_refused(refusals: "Refusals") -> None:
    """Say which rows could not be used, by example."""
    if not refusals.refused:
        return
    typer.echo(f"{refusals.refused:,} of {refusals.rows:,} rows could not be used:", err=True)
    for code, count in refusals.counts.most_common():
        typer.echo(f"  {code.value} {count:,}", err=True)
        for found in (example for example in refusals.examples if example.code is code):
            typer.echo(f"    {found.file}, row {found.row}: {found.message}", err=True)


class _Bar:
    """A progress bar over what there is to do; on a terminal only, and on standard error."""

    def __init__(self, logs: list[str]) -> None:
        from rich.console import Console
        from rich.progress import Progress

        from stream.replay.source import total_bytes

        console = Console(stderr=True)
        self._bar = Progress(console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task("reading", total=total_bytes(logs))
        self._events = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def read(self, size: int) -> None:
        """Hear that more bytes were read."""
        self._bar.advance(self._task, size)

    def decided(self, events: int, of: int) -> None:
        """Hear that more events are decided."""
        self._events += events
        words = f"{self._events:,} events"
        self._bar.update(self._task, total=of, completed=self._events, description=words)

    def phase(self, words: str, steps: int) -> None:
        """Hear that something else begins."""
        self._bar.reset(self._task, total=steps, description=words)

    def step(self) -> None:
        """Hear that a part of it is done."""
        self._bar.advance(self._task)


def _moment(option: str, text: str | None) -> int | None:
    """Read a moment given on the command line: milliseconds since 1970 UTC."""
    from stream.wire.times import from_iso

    if text is None:
        return None
    try:
        return from_iso(text)
    except ValueError as error:
        raise SettingsError([f"{option}: {error}; write it as 2026-01-31T00:00:00Z"]) from error


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


def _now_ms() -> int:
    """Read the clock: this is a shell."""
    return time.time_ns() // 1_000_000
