"""Groups of customers: by hand."""

from test_judging import H, history_of

from stream.backtest.active_days import ActiveDays
from stream.backtest.groups import BY_CADENCE, BY_TENURE, groups
from stream.detector.events import DAY_MS

BEGIN = 50


def members(visits: dict[str, list[float]]) -> dict[tuple[str, str], set[str]]:
    """Return who is in which group; the customer who ends the log is left out."""
    history = history_of(visits)
    found = groups(history, ActiveDays(history), BEGIN * DAY_MS)
    return {
        (by, name): {history.customers[code] for code in chosen.nonzero()[0]} - {"last"}
        for by, name, chosen in found
    }


def test_customers_are_grouped_by_the_median_of_all_their_gaps() -> None:
    """One who came once has none, and is in no group."""
    found = members(
        {
            "daily": [1, 2, 3, 13],
            "weekly": [1, 8, 15],
            "monthly": [1, 9, 38],
            "rarely": [1, 40],
            "once": [1],
        }
    )
    by_cadence = {name: who for (by, name), who in found.items() if by == BY_CADENCE}
    assert by_cadence == {
        "up to a day and a half": {"daily"},
        "up to a week": {"weekly"},
        "up to a month": {"monthly"},
        "rarer": {"rarely"},
    }


def test_customers_are_grouped_by_how_long_they_are_there_at_the_begin() -> None:
    """To the day: one horizon is not longer than one."""
    found = members({"new": [BEGIN, 60], "young": [BEGIN - H, 60], "old": [BEGIN - H - 1, 60]})
    by_tenure = {name: who for (by, name), who in found.items() if by == BY_TENURE}
    assert by_tenure == {
        "new since then": {"new"},
        "up to one horizon": {"young"},
        "longer": {"old"},
    }
