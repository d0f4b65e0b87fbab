"""What is given on the command line: read, and refused before any work is done."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stream.settings import Settings, SettingsError, load, nested

if TYPE_CHECKING:
    from stream.detector.alerts import Alert
    from stream.wire.policy_file import PolicyFile


def settings_of(
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


def policy_file_of(path: Path | None) -> "PolicyFile":
    """Read a policy file; the built-in policy where none is named."""
    from stream.detector.policy import Policy
    from stream.wire import policy_file

    return policy_file.PolicyFile(policy=Policy()) if path is None else policy_file.load(path)


def snapshots_in(file: Path) -> list[bytes]:
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


def alerts_in(files: Sequence[Path]) -> Iterator["Alert"]:
    """Read files of alerts, one a line, as `replay --alerts` writes them."""
    from stream.wire.alerts import decode_alert

    for file in files:
        try:
            with file.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield _alert(decode_alert, line, f"{file}, line {number}")
        except OSError as error:
            raise SettingsError([f"{file}: cannot be read: {error.strerror}"]) from error


def _alert(decode: Callable[[bytes], "Alert"], line: bytes, where: str) -> "Alert":
    try:
        return decode(line)
    except ValueError as error:
        raise SettingsError([f"{where}: is no alert: {error}"]) from error


def check_writable(outputs: dict[str, Path | None]) -> None:
    """Find out that a result cannot be written before it has been worked out."""
    problems = [
        f"{option}: {path} cannot be written: {path.parent} is no folder, or {path.name} is one"
        for option, path in outputs.items()
        if path is not None and (not path.parent.is_dir() or path.is_dir())
    ]
    if problems:
        raise SettingsError(problems)


def moment_of(option: str, text: str | None) -> int | None:
    """Read a moment given on the command line: milliseconds since 1970 UTC."""
    from stream.wire.times import from_iso

    if text is None:
        return None
    try:
        return from_iso(text)
    except ValueError as error:
        raise SettingsError([f"{option}: {error}; write it as 2026-01-31T00:00:00Z"]) from error


def metrics_of(url: str) -> str:
    """Give the address of a worker's metrics."""
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https") or not rest.strip("/"):
        raise SettingsError([f"URL: {url!r}: write it as http://HOST:PORT"])
    return url if rest.partition("/")[2] else f"{url.rstrip('/')}/metrics"
