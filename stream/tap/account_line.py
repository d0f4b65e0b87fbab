"""One line an alert on an account, for people, in which nothing commands a terminal."""

from rich.text import Text

from stream.detector.accounts.alerts import AccountAlert
from stream.tap.line import KIND_STYLE, SEVERITY_STYLE, play_of, shown, when


def account_line(alert: AccountAlert) -> Text:
    """Say an alert in one line that is safe to show."""
    reasons = (alert.reason_1_text, alert.reason_2_text, alert.reason_3_text)
    worth = f"worth {alert.value:g}" if alert.value is not None else ""
    about = [one for one in (alert.segment, worth, alert.owner) if one]
    return Text.assemble(
        when(alert.time),
        (f"{shown(alert.account_id):<13}", "cyan"),
        (f"{alert.kind.value:<10}", KIND_STYLE.get(alert.kind, "")),
        f"{alert.trigger.value:<9}",
        (f"{alert.severity.value:<7}", SEVERITY_STYLE[alert.severity.value]),
        shown(" ".join(reason for reason in reasons if reason)),
        (f"  ({shown(' · '.join(about))})" if about else "", "dim"),
        (f"  → {shown(play_of(alert))}" if alert.play else "", "green"),
    )
