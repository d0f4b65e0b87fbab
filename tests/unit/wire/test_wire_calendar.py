"""Calendars in a policy file: which zone, whose holidays, and what a wrong one is told."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli import cli
from stream.detector.calendar import Calendar, Holiday
from stream.detector.policy import Policy
from stream.wire import holiday_dates, policy_file
from stream.wire.policy_file import PolicyErrors, parse

CALENDAR = """
[calendar]
time_zone = "Europe/London"
holidays = "GB-ENG"
[[holiday]]
name = "Christmas closing"
from = 2026-12-24
to = 2027-01-03
[[holiday]]
name = "moving house"
from = 2026-07-01
[[release]]
name = "boards"
date = 2026-07-01
[[release]]
name = "exports"
date = 2026-07-01T09:00:00
[[release]]
name = "maps"
date = 2026-07-01T09:00:00Z
"""


def error(text: str) -> str:
    """Give what is wrong with a policy file."""
    with pytest.raises(PolicyErrors) as caught:
        parse(text)
    return str(caught.value)


def test_a_policy_that_says_nothing_counts_days_of_utc_and_no_holidays() -> None:
    """Its version is that of one that says UTC."""
    said = parse('[calendar]\ntime_zone = "UTC"').policy
    assert parse("").policy.calendar == Calendar() == said.calendar
    assert parse("").policy.version == said.version


def test_zone_holidays_and_own_days_are_in_force_as_dates() -> None:
    """The public ones, the observed ones, and a product's own, in order."""
    calendar = parse(CALENDAR).policy.calendar
    days = {holiday.name: holiday for holiday in calendar.holidays}
    of_2026 = {
        (date(1970, 1, 1) + timedelta(days=one.first)).isoformat(): one.name
        for one in calendar.holidays
        if datetime.fromtimestamp(one.first * 86_400, UTC).year == 2026
    }
    assert of_2026["2026-04-03"] == "Good Friday"
    assert of_2026["2026-12-28"].startswith("Boxing Day")
    closing = days["Christmas closing"]
    assert closing.last - closing.first == 10
    assert days["moving house"].first == days["moving house"].last
    assert list(calendar.holidays) == sorted(calendar.holidays, key=lambda one: one.first)
    assert calendar.time_zone == "Europe/London"
    assert len(calendar.offsets) > 100


def test_a_release_begins_with_the_local_day_unless_it_says_utc() -> None:
    """The first of July begins at eleven in the evening before, in London."""
    moments = [release.at // 1_000 for release in parse(CALENDAR).policy.releases]
    written = [datetime.fromtimestamp(at, UTC).isoformat()[:16] for at in moments]
    assert written == ["2026-06-30T23:00", "2026-07-01T08:00", "2026-07-01T09:00"]


def test_the_dates_in_force_are_in_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer release of the calendars that moves a holiday is another policy, and says so."""
    before = parse(CALENDAR).policy.version
    assert parse(CALENDAR).policy.version == before
    assert parse(CALENDAR.replace("2027-01-03", "2027-01-04")).policy.version != before
    known = holiday_dates.holidays_of("GB-ENG")
    moved = (Holiday(known[0].name, known[0].first + 1, known[0].last + 1), *known[1:])
    monkeypatch.setattr("stream.wire.calendars.holidays_of", lambda _: moved)
    assert parse(CALENDAR).policy.version != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('time_zone = "Europe/Londn"', 'did you mean "Europe/London"?'),
        ('time_zone = "europe/london"', 'did you mean "Europe/London"?'),
        ('time_zone = "Kathmandu"', 'did you mean "Asia/Kathmandu"?'),
        ('time_zone = "../../../etc/passwd"', "is no time zone"),
        ('time_zone = "GMT+25"', "is no time zone"),
        ("time_zone = 1", "expected text"),
        ('holidays = "gb"', 'did you mean "GB"?'),
        ('holidays = "England"', "write its two letters"),
        ('holidays = "GB-LON"', "there are GB-ENG, GB-NIR, GB-SCT, GB-WLS"),
        ('holidays = "SG-1"', 'write "SG"'),
        ("holidays = []", "expected a list"),
        ('zone = "UTC"', 'did you mean "time_zone"?'),
        ("[[holiday]]\nfrom = 2026-01-01", "name is missing"),
        ('[[holiday]]\nname = "a"', "from is missing"),
        ('[[holiday]]\nname = "a"\nfrom = "2026-01-01"', "without quotes"),
        ('[[holiday]]\nname = "a"\nfrom = 2026-01-01T09:00:00', "without quotes"),
        ('[[holiday]]\nname = "a"\nfrom = 1989-01-01', "from 1990 to 2060"),
        ('[[holiday]]\nname = "a"\nfrom = 2026-01-02\nto = 2026-01-01', "is before from"),
        ('[[holiday]]\nname = "a"\nfrom = 2026-01-02\nto = 2027-01-03', "367 days"),
    ],
)
def test_what_is_wrong_with_a_calendar_is_said_with_what_was_meant(text: str, said: str) -> None:
    """And only that."""
    found = error(f"[calendar]\n{text}")
    assert said in found
    assert "1 error" in found


def test_validate_says_which_holiday_comes_next(tmp_path: Path) -> None:
    """Whoever reads it sees whether the right country was named."""
    file = tmp_path / "policy.toml"
    file.write_text('[calendar]\nholidays = "GB-ENG"\n')
    result = CliRunner().invoke(cli, ["validate", str(file)])
    assert result.exit_code == 0, result.output
    assert "valid" in result.output
    assert "next holiday: " in result.output
    file.write_text('[slipping]\nhorizon = "30d"\n')
    assert "holiday" not in CliRunner().invoke(cli, ["validate", str(file)]).output


def test_a_policy_keeps_its_calendar_as_plain_values() -> None:
    """Frozen, and equal where it says the same: nothing is looked up later."""
    assert parse(CALENDAR).policy == parse(CALENDAR).policy
    assert hash(parse(CALENDAR).policy.calendar) == hash(parse(CALENDAR).policy.calendar)
    assert policy_file.version_of(Policy()) == parse("").policy.version
