"""One line an alert, for people: when, who, what, how sure, and why in words.

Ids and event names come from outside.  What a terminal would obey instead of
show is written as its escape.
"""

from typing import Final

from rich.text import Text

from stream.detector.accounts.alerts import AccountAlert
from stream.detector.alerts import Alert, Kind, Trigger
from stream.wire.times import iso

KIND_STYLE: Final = {
    Kind.OPENED: "bold yellow",
    Kind.ESCALATED: "bold red",
    Kind.RECOVERED: "green",
    Kind.LAPSED: "magenta",
    Kind.RETRACTED: "dim",
    Kind.SUSPENDED: "bold red",
    Kind.RESUMED: "green",
}
SEVERITY_STYLE: Final = {"low": "dim", "medium": "", "high": "bold"}
_MINUTES_OF_ISO = len("2025-03-14T09:26")


def line(alert: Alert) -> Text:
    """Say an alert in one line that is safe to show."""
    reasons = (alert.reason_1_text, alert.reason_2_text, alert.reason_3_text)
    why = shown(" ".join(reason for reason in reasons if reason))
    kind = (f"{alert.kind.value:<10}", KIND_STYLE.get(alert.kind, ""))
    if alert.trigger is Trigger.POPULATION:
        return Text.assemble(when(alert.time), ("everybody    ", "cyan"), kind, why)
    return Text.assemble(
        when(alert.time),
        (f"{shown(alert.customer_id):<13}", "cyan"),
        kind,
        f"{alert.trigger.value:<11}",
        (f"{alert.severity.value:<7}", SEVERITY_STYLE[alert.severity.value]),
        f"risk {alert.risk:.2f}  ",
        why,
        (f"  → {shown(play_of(alert))}" if alert.play else "", "green"),
    )


def when(moment: int) -> tuple[str, str]:
    """Give a moment (ms) as it begins a line, and its style."""
    return iso(moment)[:_MINUTES_OF_ISO].replace("T", " ") + "  ", "dim"


def play_of(alert: Alert | AccountAlert) -> str:
    """Give what an alert suggests, in the policy's words, or by its name where it has none."""
    return alert.play_text or alert.play


def shown(text: str) -> str:
    r"""Give text in which nothing commands a terminal: `\x1b` for an escape, and so on."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
