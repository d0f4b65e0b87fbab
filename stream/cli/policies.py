"""Commands on policy files: one is checked, and a first one is proposed."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from stream.cli.errors import UNUSABLE, reported
from stream.cli.given import check_writable, policy_file_of
from stream.cli.options import AsJson, Logs
from stream.cli.progress import Bar, now_ms, say_refused
from stream.settings import SettingsError

if TYPE_CHECKING:
    from stream.wire.policy_file import PolicyFile

cli = typer.Typer()
policy_cli = typer.Typer(help="Policy files.", no_args_is_help=True)
cli.add_typer(policy_cli, name="policy")


@cli.command()
def validate(
    policy: Annotated[Path, typer.Argument(metavar="POLICY.toml", help="The policy file.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Check a policy file; say everything that is wrong with it.

    slipaway validate policy.toml

    slipaway validate policy.toml --json

    Exit code 2: it cannot be used.
    """
    with reported():
        if as_json:
            _validate_in_json(policy)
            return
        product = policy_file_of(policy)
        typer.echo(f"{policy}: valid, version {product.policy.version}")
        from stream.wire.calendars import next_holiday

        upcoming = next_holiday(product.policy.calendar, now_ms())
        if upcoming:
            typer.echo(f"next holiday: {upcoming}", err=True)
        for name, day in _to_come(product).items():
            typer.echo(f"{name} is of {day}: nobody is told of it before", err=True)


def _validate_in_json(policy: Path) -> None:
    """Say what there is to say of a policy for machines; what is wrong is among it."""
    from stream.wire.calendars import next_holiday
    from stream.wire.policy_file import PolicyErrors

    found: dict[str, Any] = {"policy": str(policy), "valid": True, "version": None, "errors": []}
    try:
        product = policy_file_of(policy)
    except PolicyErrors as errors:
        found |= {"valid": False, "errors": [msgspec.structs.asdict(one) for one in errors.errors]}
    else:
        found |= {
            "version": product.policy.version,
            "next_holiday": next_holiday(product.policy.calendar, now_ms()) or None,
            "releases_to_come": _to_come(product),
        }
    typer.echo(msgspec.json.format(msgspec.json.encode(found)))
    if not found["valid"]:
        raise typer.Exit(UNUSABLE)


def _to_come(product: "PolicyFile") -> dict[str, str]:
    """Give the releases that nobody is told of yet, each with its day."""
    from stream.wire.times import iso

    now = now_ms()
    return {r.name: iso(r.at).partition("T")[0] for r in product.policy.releases if r.at > now}


@policy_cli.command("init")
def policy_init(
    logs: Logs,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="POLICY.toml", help="Where it goes. Unset: stdout.")
    ] = None,
) -> None:
    """Write a first policy for your product, with its reasons, from a log of it.

    slipaway policy init events.jsonl.gz --out policy.toml
    """
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
