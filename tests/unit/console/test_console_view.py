"""What an address asks for: chosen, ranked, counted, cut to pages."""

from typing import Any

import pytest
from said import alert

from stream.console.view import NONE, PAGE, View, show
from stream.detector.alerts import Alert, Severity, Trigger

ALERTS = [
    alert(customer_id="a", segment="trial", owner="ann", risk=0.9, value=10.0),
    alert(customer_id="b", segment="trial", owner="bo", risk=0.5, value=100.0),
    alert(customer_id="c", segment="", owner="ann", risk=0.8, value=None, account_id="Acme"),
    alert(
        customer_id="d", segment="team", trigger=Trigger.WARNING, severity=Severity.LOW, risk=1.0
    ),
]


def ids(alerts: list[Alert]) -> list[str]:
    """Return whom they are about."""
    return [one.customer_id for one in alerts]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["d", "b", "c", "a"]),
        ({"segment": "trial"}, ["b", "a"]),
        ({"segment": NONE}, ["c"]),
        ({"owner": "ann", "segment": "trial"}, ["a"]),
        ({"trigger": "warning"}, ["d"]),
        ({"severity": "low"}, ["d"]),
        ({"find": "ACME"}, ["c"]),
        ({"find": "B"}, ["b"]),
        ({"segment": "nobody's"}, []),
    ],
)
def test_a_view_is_chosen_and_ranked_by_risk_times_value(
    asked: dict[str, str], found: list[str]
) -> None:
    """Whose value nobody knows counts as one of the median."""
    assert ids(show(ALERTS, View.of(asked)).alerts) == found


def test_a_choice_says_how_many_each_of_its_values_would_show() -> None:
    """A choice that leads to an empty page is no choice."""
    shown = show(ALERTS, View(segment="trial", owner="ann"))
    assert shown.facets["segment"] == [(NONE, 1), ("trial", 1)]
    assert shown.facets["owner"] == [("ann", 1), ("bo", 1)]
    assert shown.facets["trigger"] == [("silence", 1)]


@pytest.mark.parametrize("name", ["segment", "trigger", "severity", "owner"])
def test_the_counts_are_what_choosing_shows(name: str) -> None:
    """The number beside a value is a promise."""
    facets = show(ALERTS, View(owner="ann")).facets
    for value, count in facets[name]:
        changed: dict[str, Any] = {"owner": "ann", name: value}
        assert show(ALERTS, View(**changed)).found == count


def test_pages_hold_everybody_once() -> None:
    """Nobody falls between two pages."""
    many = [alert(customer_id=f"{number:04}") for number in range(2 * PAGE + 1)]
    pages = [show(many, View(page=number)) for number in (1, 2, 3)]
    assert [len(page.alerts) for page in pages] == [PAGE, PAGE, 1]
    assert sorted(one for page in pages for one in ids(page.alerts)) == [
        one.customer_id for one in many
    ]
    assert show(many, View(page=9)).page == 3


@pytest.mark.parametrize("page", ["0", "-1", "x", "²", "9" * 30, ""])
def test_a_page_that_makes_no_sense_is_the_first(page: str) -> None:
    """An address is typed by hand, too."""
    assert View.of({"page": page}).page == 1


def test_an_address_says_the_view() -> None:
    """A view is sent to a colleague by its address."""
    view = View(segment="a&b", find="x y", page=3)
    assert view.address(page=4) == "?segment=a%26b&find=x+y&page=4"
    assert view.address(owner="bo") == "?segment=a%26b&owner=bo&find=x+y"
    assert View().address() == "."
