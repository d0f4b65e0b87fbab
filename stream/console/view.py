"""The view: which open episodes somebody asked for, and in what order; it lives in the address."""

from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import median
from typing import NamedTuple, Self
from urllib.parse import urlencode

import msgspec

from stream.detector.alerts import Alert
from stream.tap.worklist import at_stake

PAGE = 50
"""Episodes on one page: what is shown anew, a browser lays out in one go, and answers nobody
meanwhile (`tests/bench/console.py`)."""
FACETS = ("segment", "trigger", "severity", "owner")
"""What can be chosen from; each is a field of an alert."""
NONE = "-"
"""Stands in an address for a field that is empty: no segment, no owner."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What the address asks for; an empty choice asks for all."""

    segment: str = ""
    trigger: str = ""
    severity: str = ""
    owner: str = ""
    find: str = ""
    """Part of a customer's or an account's id, in any case."""
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """Read an address; what makes no sense in it asks for nothing."""
        number = query.get("page", "")
        page = int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1  # noqa: PLR2004
        chosen = {name: query.get(name, "").strip() for name in (*FACETS, "find")}
        return cls(**chosen, page=max(page, 1))

    def address(self, **changes: str | int) -> str:
        """Give the query of the same view with some of it changed; a change goes to page one."""
        asked = msgspec.structs.asdict(self) | {"page": 1} | changes
        found = urlencode({name: value for name, value in asked.items() if value not in {"", 1}})
        return f"?{found}" if found else "."

    def misses(self, alert: Alert) -> list[str]:
        """Name the choices that leave an alert out."""
        return [
            name
            for name in FACETS
            if (chosen := getattr(self, name)) and chosen != (getattr(alert, name) or NONE)
        ]

    def finds(self, alert: Alert) -> bool:
        """Say whether an alert is about who is looked for."""
        sought = self.find.casefold()
        return (
            not sought
            or sought in alert.customer_id.casefold()
            or sought in alert.account_id.casefold()
        )


class Shown(NamedTuple):
    """One page of a view."""

    alerts: list[Alert]
    """Those of this page, the most at stake first."""
    found: int
    """How many the view has in all."""
    pages: int
    page: int
    facets: dict[str, list[tuple[str, int]]]
    """By choice: its values and how many each would show, the other choices left as they are."""


def show(alerts: Iterable[Alert], view: View) -> Shown:
    """Choose, rank by what is at stake, and cut to a page; a page too far is the last."""
    alerts = list(alerts)
    values = [alert.value for alert in alerts if alert.value is not None]
    usual = median(values) if values else 1.0
    wanted: list[Alert] = []
    counts: dict[str, Counter[str]] = {name: Counter() for name in FACETS}
    for alert in alerts:
        if not view.finds(alert):
            continue
        missed = view.misses(alert)
        if not missed:
            wanted.append(alert)
        # What one choice alone leaves out would be shown by another value of it.
        for name in FACETS if not missed else missed if len(missed) == 1 else ():
            counts[name][getattr(alert, name) or NONE] += 1
    wanted.sort(key=lambda alert: (-at_stake(alert, usual), alert.customer_id))
    pages = max(1, -(-len(wanted) // PAGE))
    page = min(view.page, pages)
    facets = {
        name: sorted(found.items(), key=lambda one: (-one[1], one[0]))
        for name, found in counts.items()
    }
    return Shown(wanted[(page - 1) * PAGE : page * PAGE], len(wanted), pages, page, facets)
