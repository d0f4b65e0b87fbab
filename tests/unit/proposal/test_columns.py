"""Who, when and what, told by columns' values and names."""

from datetime import UTC, datetime

import pytest

from stream.proposal.columns import NoColumnError, guess

DAYS = [f"2025-01-{day:02}" for day in range(1, 21)]
ONE_OF_FOUR = [f"c{number % 4}" for number in range(20)]
ROWS = [str(number) for number in range(20)]


def test_a_shops_table_is_read_as_its_owner_would() -> None:
    """Who by values that come again and a name; when by values; what is nobody's column."""
    found = guess(
        {
            "InvoiceNo": [str(5_000 + number // 2) for number in range(20)],
            "Country": ["UK"] * 20,
            "InvoiceDate": [f"{day} 08:26:00" for day in DAYS],
            "CustomerID": ["", *ONE_OF_FOUR[1:]],
        }
    )
    assert (found.customer, found.time, found.event) == ("CustomerID", "InvoiceDate", "")
    assert not found.whole_days
    assert found.time_format == ""
    assert found.nobody == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("write", "time_format", "whole_days"),
    [
        ("{:%Y-%m-%d}", "", True),
        ("{:%Y-%m-%dT%H:%M:%SZ}", "", False),
        ("{:%d.%m.%Y}", "%d.%m.%Y", True),
        ("{:%d/%m/%Y %H:%M}", "%d/%m/%Y %H:%M", False),
        ("{:%m/%d/%y %H:%M}", "%m/%d/%y %H:%M", False),
    ],
)
def test_times_are_told_by_what_reads_all_of_them(
    write: str, time_format: str, *, whole_days: bool
) -> None:
    """The thirteenth tells days from months."""
    moments = [datetime(2025, 3, day, 12, 30, tzinfo=UTC) for day in range(1, 21)]
    found = guess({"user": ONE_OF_FOUR, "when": [write.format(m) for m in moments]})
    assert (found.time, found.time_format, found.whole_days) == ("when", time_format, whole_days)


def test_the_event_is_a_column_of_few_kinds_with_a_fitting_name() -> None:
    """An id is called so too, and differs in every row."""
    kinds = ["open", "close"] * 10
    columns = {"user_id": ONE_OF_FOUR, "ts": DAYS, "device_type": kinds, "event": kinds}
    assert guess(columns).event == "event"
    assert guess({**columns, "event": ["open"] * 20}).event == "event"
    many = {"user_id": ONE_OF_FOUR * 20, "ts": DAYS * 20, "event_id": [*map(str, range(400))]}
    assert guess(many).event == ""


def test_the_time_of_the_event_is_preferred_to_any_other() -> None:
    """A birthday is a date, too."""
    columns = {"birthday": DAYS, "customer": ONE_OF_FOUR, "event_time": DAYS}
    assert guess(columns).time == "event_time"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"user": ONE_OF_FOUR, "x": ROWS}, "no column holds times: there are user, x"),
        ({"a": ONE_OF_FOUR, "when": DAYS}, "no column is called what customers are called"),
        ({"user": ROWS, "when": DAYS}, "no column is called what customers are called"),
    ],
)
def test_what_is_not_there_is_said(columns: dict[str, list[str]], words: str) -> None:
    """And a column that differs in every row is no customer's."""
    with pytest.raises(NoColumnError, match=words):
        guess(columns)
