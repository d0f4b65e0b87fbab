"""The page of one customer: how it stands, its past, and both as drawings."""

from typing import NamedTuple

from markupsafe import Markup

from stream.console import course, silence, timeline
from stream.console.customer import Episode, Historian, History, episodes
from stream.console.judges import Judges
from stream.console.past import Past
from stream.console.standing import Standing, Unknown, standing
from stream.detector.alerts import Alert
from stream.detector.policy import Policy
from stream.wire.state import StateError


class Person(NamedTuple):
    """What the page shows."""

    current: Alert | None
    """How the open episode stands; None: there is none."""
    episodes: list[Episode]
    history: History
    stands: Standing | None
    why_not: str
    """Why it is not known how the customer stands; empty: it is."""
    moved_to: str
    """The id that goes on in this one's place; empty: none."""
    whole: bool
    """Whether all was looked through that the topics hold."""
    timeline: Markup
    silence: Markup
    silence_said: str
    course: Markup
    """Of the levels of use; empty where the topic no longer tells it."""


def whole(
    customer_id: str,
    past: Past,
    current: Alert | None,
    *,
    historian: Historian,
    judges: Judges,
    policy: Policy,
) -> Person:
    """Put together what is known; `current` is the latest alert of an open episode."""
    found, events = episodes(past.alerts.values), historian.events(past.usage.values)
    history = historian.history(events)
    if current is None and found and found[0].open:
        current = found[0].last
    stands, unknown = _stands(customer_id, past, judges, policy)
    steps = course.course(events, stands, judges, policy) if stands and past.usage.whole else []
    return Person(
        current=current,
        episodes=found,
        history=history,
        stands=stands,
        why_not=unknown.why,
        moved_to=unknown.moved_to,
        whole=past.alerts.whole and past.usage.whole,
        timeline=timeline.draw(history, found, stands),
        silence=silence.draw(stands) if stands else Markup(),
        silence_said=silence.in_words(stands) if stands else "",
        course=course.draw(steps, stands) if stands else Markup(),
    )


def _stands(
    customer_id: str, past: Past, judges: Judges, policy: Policy
) -> tuple[Standing | None, Unknown]:
    """Say how a customer stands, or why nothing is said of it."""
    if past.missing:
        return None, Unknown(past.missing)
    try:
        found = standing(customer_id, past.row, past.reached, judges, policy)
    except StateError as error:
        return None, Unknown(str(error))
    return (None, found) if isinstance(found, Unknown) else (found, Unknown(""))
