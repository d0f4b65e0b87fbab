"""Which episodes are judged, and by what."""

from random import Random

import msgspec
import said

from stream.detector.alerts import Alert, Kind, Trigger
from stream.detector.events import DAY_MS
from stream.uplift.episodes import Episode, episodes

H = 30


def alert(
    episode: str, day: float, kind: Kind = Kind.OPENED, trigger: Trigger = Trigger.SILENCE
) -> Alert:
    """Say something; who is held out begins with h."""
    return said.alert(
        customer_id=episode[:1],
        time=int(day * DAY_MS),
        kind=kind,
        alert_id=f"{episode}-{kind}",
        episode_id=episode,
        trigger=trigger,
        holdout=episode.startswith("h"),
    )


LOG = [
    alert("a1", 1),
    alert("a1", 20, Kind.RECOVERED),
    alert("h1", 2),
    alert("h1", 25, Kind.LAPSED),
    alert("h1", 33, Kind.RECOVERED),
    alert("b1", 3, trigger=Trigger.WARNING),
    alert("b1", 4, Kind.ESCALATED, Trigger.WARNING),
    alert("c1", 5),
    alert("c1", 6, Kind.RETRACTED),
    alert("d1", 7, trigger=Trigger.ENDING),
    alert("a2", 30),
    alert("a2", 31, Kind.RECOVERED),
    alert("e1", 31),
    alert("", 59, Kind.SUSPENDED, Trigger.POPULATION),
    alert("f1", 60),
]


def judged(log: list[Alert]) -> list[Episode]:
    """Judge a log."""
    return episodes(log, lambda _: H * DAY_MS)


def test_an_episode_is_judged_a_horizon_after_it_was_opened() -> None:
    """Whoever came back sooner has to wait as well: a2 was opened thirty days before the end."""
    assert judged(LOG) == [
        Episode("a", holdout=False, trigger=Trigger.SILENCE, recovered=True),
        Episode("h", holdout=True, trigger=Trigger.SILENCE, recovered=False),
        Episode("b", holdout=False, trigger=Trigger.WARNING, recovered=False),
        Episode("a", holdout=False, trigger=Trigger.SILENCE, recovered=True),
    ]


def test_order_and_repetition_do_not_matter() -> None:
    """The log of two topics has no order, and deliveries may come twice."""
    shuffled = [*LOG, *LOG]
    Random(1).shuffle(shuffled)
    assert judged(shuffled) == judged(LOG)


def test_a_return_on_the_last_day_counts_and_after_it_does_not() -> None:
    """At the horizon to the millisecond, after a lapse or not."""
    late = [alert("a1", 0), alert("a1", H, Kind.RECOVERED), alert("b1", 0)]
    late += [alert("b1", 20, Kind.LAPSED), alert("b1", H + 0.001, Kind.RECOVERED)]
    assert [episode.recovered for episode in judged([*late, alert("f1", 40)])] == [True, False]
    assert judged([]) == []


def test_who_paused_did_not_come_back() -> None:
    """A call may lead to a pause: who left those out would count only what went well."""
    paused = msgspec.structs.replace(alert("c1", 6, Kind.RETRACTED), reason_1="not_watched")
    (found,) = judged([alert("c1", 5), paused, alert("f1", 60)])
    assert (found.customer_id, found.recovered) == ("c", False)
