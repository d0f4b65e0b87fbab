"""Against: two policies over one log, what each would have said, and who is told of by one only."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console
from said import alert
from typer.testing import CliRunner

from stream.backtest import changes
from stream.backtest.against import EXAMPLES, against
from stream.backtest.findings import Against, Findings
from stream.backtest.history import History
from stream.backtest.judging import Court
from stream.backtest.report import page
from stream.backtest.terminal import show
from stream.cli import cli
from stream.demo.feed import message
from stream.demo.simulate import simulate
from stream.detector.alerts import Alert, Trigger
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy
from stream.wire.policy_file import PolicyFile

HORIZON = 10 * DAY_MS
POLICY = PolicyFile(policy=Policy(version="new", horizon_ms=HORIZON))
OLD = PolicyFile(policy=Policy(version="old", horizon_ms=HORIZON))

NEW_TEXT = """
[events]
ignore = ["background_sync"]
warning = ["cancel_page_viewed"]
[slipping]
horizon = "14d"
false_alarms_per_customer_month = 0.3
"""
OLD_TEXT = '[events]\nignore = ["background_sync"]\n[slipping]\nhorizon = "14d"\n'


def court() -> Court:
    """Return one of two customers: both come daily for five days; only the second comes again."""
    days = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 9]
    return Court(
        History(
            customers=["gone", "back"],
            customer=np.array([0] * 5 + [1] * 6),
            time=np.array([100 + day for day in days]) * DAY_MS,
            volume=np.ones(len(days)),
            end=np.array([140, 140]) * DAY_MS,
            horizon=HORIZON,
            horizons=np.full(len(days), HORIZON),
        )
    )


def said(customer: str, day: float, trigger: Trigger = Trigger.SILENCE) -> Alert:
    """Return an alert on a day."""
    return alert(customer_id=customer, time=round((100 + day) * DAY_MS), trigger=trigger)


def test_each_alert_is_held_against_what_came_after() -> None:
    """By the same history, whichever policy raised it."""
    before = [said("back", 6), said("gone", 8)]
    after = [said("gone", 6), said("new", 7), said("gone", 1, Trigger.WARNING)]
    found = against((OLD, before), (POLICY, after), court())
    old, new = found.old.everything, found.new.everything
    assert (old.alerts, old.right, old.false, old.unknown) == (2, 1, 1, 0)
    assert (new.alerts, new.right, new.false, new.unknown) == (3, 1, 0, 2)
    assert old.recall == new.recall == 0.5  # the other's second silence is a lapse, too
    assert old.mean_delay_days == pytest.approx((4 + 10) / 2)
    assert new.mean_delay_days == pytest.approx((2 + 10) / 2)
    assert set(found.new.triggers) == {"silence", "warning"}
    assert found.new.triggers["silence"].alerts == 2
    assert found.both == 1
    assert [case.customer_id for case in found.newly.cases] == ["new"]
    assert [case.customer_id for case in found.no_longer.cases] == ["back"]
    assert found.no_longer.came_to == {"false": 1}


def test_against_itself_nothing_changes() -> None:
    """In whatever order the alerts were decided."""
    alerts = [said("back", 6), said("gone", 8), said("gone", 20)]
    found = against((POLICY, alerts), (POLICY, alerts[::-1]), court())
    assert found.old == found.new
    assert (found.both, found.newly.customers, found.no_longer.customers) == (2, 0, 0)
    assert not list(changes.cases(found))


def test_only_the_first_of_many_are_shown() -> None:
    """The others are counted."""
    many = [said(f"c{number:02}", 5 + number) for number in range(EXAMPLES + 5)]
    found = against((OLD, []), (POLICY, many), court())
    assert found.newly.customers == EXAMPLES + 5
    assert [case.customer_id for case in found.newly.cases] == [f"c{n:02}" for n in range(EXAMPLES)]
    ((words, cases),) = changes.cases(found)
    assert words == f"Newly alerted on, the first of {EXAMPLES + 5}"
    assert len(cases) == EXAMPLES


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Findings, str]:
    """Return what the command says, writes as JSON, and as a page."""
    folder = tmp_path_factory.mktemp("against")
    log, new, old = folder / "events.jsonl", folder / "new.toml", folder / "old.toml"
    new.write_text(NEW_TEXT)
    old.write_text(OLD_TEXT)
    events = simulate(customers=120, days=75, seed=7)
    log.write_bytes(b"".join(message(event) + b"\n" for event in events))
    out, report = folder / "out.json", folder / "out.html"
    given = ("backtest", log, "--policy", new, "--against", old, "--json", out, "--report", report)
    result = CliRunner().invoke(cli, [str(each) for each in given])
    assert result.exit_code == 0, result.output
    findings = msgspec.json.decode(out.read_bytes(), type=Findings)
    return result.stdout, findings, report.read_text(encoding="utf-8")


def beside(findings: Findings) -> Against:
    """Return the comparison, which must be there."""
    assert findings.against is not None
    return findings.against


def test_a_laxer_dial_alerts_on_more_and_a_new_warning_shows(
    compared: tuple[str, Findings, str],
) -> None:
    """Each policy ran by itself: with its own dial, model and record."""
    found = beside(compared[1])
    old, new = found.old, found.new
    assert (old.dial, new.dial) == (0.05, 0.3)
    assert new.everything.alerts > old.everything.alerts
    assert "warning" in new.triggers
    assert "warning" not in old.triggers
    for side in (old, new):
        whole, parts = side.everything, side.triggers.values()
        assert whole.alerts == sum(part.alerts for part in parts)
        assert whole.alerts == whole.right + whole.false + whole.unknown
    assert found.both + found.newly.customers == new.everything.customers
    assert found.both + found.no_longer.customers == old.everything.customers


def test_terminal_and_page_say_the_same(compared: tuple[str, Findings, str]) -> None:
    """Figures, customers and reasons."""
    said, findings, html = compared
    found = beside(findings)
    assert "The policy beside the old one" in said
    assert max(map(len, said.splitlines())) <= 100
    flat = " ".join(said.split())
    for sentence in changes.sentences(findings.data, found):
        assert " ".join(sentence.split()) in flat
        assert sentence in html
    for _, cases in changes.cases(found):
        for case in cases:
            assert case.customer_id in said
            assert case.customer_id in html


def test_ids_are_text_wherever_they_are_shown(compared: tuple[str, Findings, str]) -> None:
    """They come from whoever sends events."""
    findings, found = compared[1], beside(compared[1])
    case = msgspec.structs.replace(found.newly.cases[0], customer_id="<b>\x1b[2J")
    newly = msgspec.structs.replace(found.newly, cases=[case])
    changed = msgspec.structs.replace(findings, against=msgspec.structs.replace(found, newly=newly))
    assert "<b>" not in page(changed)
    console = Console(width=100, record=True, quiet=True)
    show(changed, console)
    assert "\x1b[2J" not in console.export_text()


def test_standard_input_cannot_be_read_twice(tmp_path: Path) -> None:
    """It is said before anything is read."""
    policy = tmp_path / "policy.toml"
    policy.write_text(OLD_TEXT)
    result = CliRunner().invoke(cli, ["backtest", "-", "--against", str(policy)])
    assert result.exit_code == 2
    assert "twice" in result.output


def test_without_another_policy_nothing_is_compared(compared: tuple[str, Findings, str]) -> None:
    """The report is as it was."""
    findings = msgspec.structs.replace(compared[1], against=None)
    assert "beside the old one" not in page(findings)
