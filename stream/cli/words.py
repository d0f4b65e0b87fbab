"""Words that a shell offers when Tab is pressed: of what is closed, every choice there is.

File names are the shell's own affair: where nothing is offered here, it offers those.
"""

# ruff: noqa: PLC0415 - a shell waits for this at every Tab: only what is asked for is imported

from collections.abc import Iterable
from enum import StrEnum

import typer


def kinds(incomplete: str) -> list[str]:
    """Offer the kinds of alerts."""
    from stream.detector.stages import Kind

    return _of(Kind, incomplete)


def triggers(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the triggers, of alerts on accounts where those are asked for."""
    from stream.detector.stages import AccountTrigger, Trigger

    accounts = ctx.params.get("accounts") or ctx.params.get("account")
    return _of(AccountTrigger if accounts else Trigger, incomplete)


def roles(incomplete: str) -> list[str]:
    """Offer the roles."""
    from stream.worker.permissions import Role

    return _of(Role, incomplete)


def codes(incomplete: str) -> list[str]:
    """Offer what may be wrong with an event."""
    from stream.detector.errors import Code

    return _of(Code, incomplete)


def alert_fields(incomplete: str) -> list[str]:
    """Offer the fields of an alert."""
    from stream.detector.alerts import Alert

    return _begin(Alert.__struct_fields__, incomplete)


def assignments(incomplete: str) -> list[str]:
    """Offer the settings, to be followed by a value."""
    from stream.settings import knobs

    return _begin((f"{name}=" for name, _ in knobs()), incomplete)


def _of(words: type[StrEnum], incomplete: str) -> list[str]:
    return _begin((word.value for word in words), incomplete)


def _begin(words: Iterable[str], incomplete: str) -> list[str]:
    """Give those that go on like this."""
    return [word for word in words if word.startswith(incomplete)]
