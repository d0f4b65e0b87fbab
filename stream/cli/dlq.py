"""Commands on dead letters: what could not be used, counted, looked at, and sent again."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

import asyncio
import base64
import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from stream.cli import words
from stream.cli.errors import UNUSABLE, WRONG, reported
from stream.cli.given import moment_of, policy_file_of, settings_of
from stream.cli.options import AsJson, Assign, Brokers, Config, PolicyPath
from stream.cli.progress import now_ms
from stream.settings import Settings, SettingsError

if TYPE_CHECKING:
    from stream.dlq.letters import Letter, Wanted
    from stream.dlq.replaying import Replay, Report
    from stream.dlq.trial import Trial, Verdict

cli = typer.Typer()
dlq_cli = typer.Typer(help="Dead letters: what could not be used.", no_args_is_help=True)
cli.add_typer(dlq_cli, name="dlq")

ATTEMPTS = 3

Codes = Annotated[
    list[str] | None,
    typer.Option(
        "--code", metavar="CODE", autocompletion=words.codes, help="no_time, not_json ... only."
    ),
]
From = Annotated[
    list[str] | None, typer.Option("--topic", metavar="TOPIC", help="That came from it only.")
]
Partitions = Annotated[
    list[int] | None,
    typer.Option("--partition", min=0, metavar="N", help="That came from this partition only."),
]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Put aside then or later: 2026-01-31T00:00:00Z.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Put aside before.")]


@dlq_cli.command("list")
def dlq_list(
    *,
    code: Codes = None,
    topic: From = None,
    partition: Partitions = None,
    since: Since = None,
    until: Until = None,
    each: Annotated[bool, typer.Option("--each", help="A line each, not counted.")] = False,
    as_json: AsJson = False,
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Count dead letters by what is wrong with them.

    slipaway dlq list --since 2026-01-31

    slipaway dlq list --each --code no_customer
    """
    with reported():
        settings = settings_of(config, assign, bootstrap_servers)
        wanted = _wanted(code, topic, partition, since, until)
        from stream.dlq.letters import letters
        from stream.dlq.summary import summary
        from stream.worker.connection import connection

        _talk(settings)
        name = settings.topics.dead_letters
        found = letters(connection(settings), name, since=wanted.since)
        if each:
            asyncio.run(_each(found, wanted, as_json=as_json))
            return
        counted = asyncio.run(summary(name, found, wanted))
        if as_json:
            typer.echo(msgspec.json.format(msgspec.json.encode(counted)))
            return
        from stream.dlq.show import summary_lines

        for line in summary_lines(counted):
            typer.echo(line)


@dlq_cli.command("show")
def dlq_show(
    place: Annotated[
        str, typer.Argument(metavar="PARTITION:OFFSET", help="Its place, as `dlq list` says it.")
    ],
    *,
    policy: PolicyPath = None,
    bytes_max: Annotated[
        int, typer.Option("--bytes", min=1, metavar="N", help="Show so many of its bytes.")
    ] = 4_000,
    raw: Annotated[
        bool, typer.Option("--raw", help="Only its bytes, as they came, into a file or a pipe.")
    ] = False,
    as_json: AsJson = False,
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Show one dead letter, its reason, and what to do.

    slipaway dlq show 3:17

    slipaway dlq show 3:17 --raw > letter.bin

    Exit code 1: there is none at this place, or no longer.
    """
    with reported():
        if raw and sys.stdout.isatty():
            raise SettingsError(["--raw: not to a terminal, which may obey it: name a file"])
        settings = settings_of(config, assign, bootstrap_servers, policy)
        from stream.dlq.letters import Place, letter_at
        from stream.dlq.show import letter_lines
        from stream.worker.connection import connection

        _talk(settings)
        try:
            where = Place.read(place)
        except ValueError as error:
            raise SettingsError([str(error)]) from error
        name = settings.topics.dead_letters
        letter, replayed = asyncio.run(letter_at(connection(settings), name, where))
        if letter is None:
            typer.echo(f"{name} has no dead letter at {where}, or no longer", err=True)
            raise typer.Exit(WRONG)
        if raw:
            sys.stdout.buffer.write(letter.value or b"")
            return
        at = letter.reason.timestamp
        verdict = _trial(settings, ATTEMPTS).judge(letter, letter.written_at if at is None else at)
        if as_json:
            typer.echo(
                msgspec.json.format(msgspec.json.encode(_plain(letter, verdict, replayed=replayed)))
            )
            return
        for line in letter_lines(letter, verdict, replayed=replayed, bytes_max=bytes_max):
            typer.echo(line)


@dlq_cli.command("replay")
def dlq_replay(
    *,
    policy: PolicyPath = None,
    code: Codes = None,
    topic: From = None,
    partition: Partitions = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Send so many at most.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what still cannot be used, or was tried often.")
    ] = False,
    attempts: Annotated[
        int, typer.Option(min=1, help="Pass over what has failed so often.")
    ] = ATTEMPTS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would become of them.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    as_json: AsJson = False,
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Send dead letters again to where they came from, each once.

    Key, bytes, headers, partition and time are the sender's. Only what can be used by today's
    policy is sent, and marked in the same transaction: killed or run twice, nothing is sent twice.

    slipaway dlq replay --dry-run --policy policy.toml

    slipaway dlq replay --code no_customer --since 2026-01-31 --yes

    Exit code 1: some were not taken by the broker.
    """
    with reported():
        settings = settings_of(config, assign, bootstrap_servers, policy)
        wanted = _wanted(code, topic, partition, since, until)
        from stream.dlq.replaying import Replay

        _talk(settings)

        def replay() -> "Replay":
            return Replay(
                settings,
                wanted,
                _trial(settings, attempts),
                now=now_ms(),
                limit=limit,
                everything=everything,
            )

        if not (dry_run or yes):
            before = asyncio.run(replay().look())
            _say(before, as_json=False, err=True)
            _confirm(settings, before)
        report = asyncio.run(replay().look() if dry_run else replay().send())
        _say(report, as_json=as_json, err=False)
        if report.not_taken:
            raise typer.Exit(WRONG)


def _wanted(
    codes: list[str] | None,
    topics: list[str] | None,
    partitions: list[int] | None,
    since: str | None,
    until: str | None,
) -> "Wanted":
    """Read which letters are asked for."""
    from stream.dlq.letters import Wanted

    return Wanted(
        codes=frozenset(codes or ()),
        topics=frozenset(topics or ()),
        partitions=frozenset(partitions or ()),
        since=moment_of("--since", since),
        until=moment_of("--until", until),
    )


def _talk(settings: Settings) -> None:
    from stream.worker.logs import to_stderr

    to_stderr(settings.log_level, settings.log_format)


def _trial(settings: Settings, attempts: int) -> "Trial":
    """Give the trial by the policy of the settings."""
    from stream.dlq.replaying import sources_of
    from stream.dlq.trial import Trial

    product = policy_file_of(settings.policy)
    return Trial(product, sources_of(settings), now=now_ms(), attempts_max=attempts)


async def _each(found: Any, wanted: "Wanted", *, as_json: bool) -> None:
    """Write a line a letter."""
    from stream.dlq.letters import Letter
    from stream.dlq.show import letter_line

    async for one in found:
        if isinstance(one, Letter) and wanted(one):
            line = msgspec.json.encode(_heading(one)).decode() if as_json else letter_line(one)
            typer.echo(line)


def _heading(letter: "Letter") -> dict[str, object]:
    """Give what is said of a letter, without what it was."""
    from stream.wire.times import iso

    reason = msgspec.structs.asdict(letter.reason)
    for name in ("first_failed_at", "timestamp"):
        reason[name] = None if reason[name] is None else iso(reason[name])
    return {"place": str(letter.place), "written_at": iso(letter.written_at), **reason}


def _plain(letter: "Letter", verdict: "Verdict", *, replayed: bool) -> dict[str, object]:
    """Give a letter for machines: bytes in base64, since they may be anything."""
    from stream.dlq.remedies import remedy
    from stream.wire.dead_letters import original_headers

    def packed(value: bytes | None) -> str | None:
        return None if value is None else base64.b64encode(value).decode()

    fault, action = remedy(letter.reason.code, letter.reason.stage)
    return {
        **_heading(letter),
        "fault": fault,
        "what_to_do": action,
        "replayed": replayed,
        "now": verdict,
        "key_base64": packed(letter.key),
        "value_base64": packed(letter.value),
        "headers_base64": [[n, packed(v)] for n, v in original_headers(letter.headers)],
    }


def _say(report: "Report", *, as_json: bool, err: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report)))
        return
    from stream.dlq.show import report_lines

    for line in report_lines(report):
        typer.echo(line, err=err)


def _confirm(settings: Settings, report: "Report") -> None:
    """Ask whether it is meant."""
    where = f"{settings.app_id} at {settings.bootstrap_servers}"
    try:
        meant = report.sent > 0 and typer.confirm(f"Send them to {where}?", err=True)
    except typer.Abort:
        meant = False
    if report.sent == 0:
        raise typer.Exit(0)
    if not meant:
        typer.echo("Not confirmed: nothing was sent. (--yes confirms.)", err=True)
        raise typer.Exit(UNUSABLE)
