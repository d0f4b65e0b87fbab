"""The picture: what workers and the broker say, put together for one moment."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from stream.top.lags import Lags
from stream.top.scrape import Partition, Said, Scrape

MINUTE = 60.0
VERSION = 1
"""Of this format."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One partition."""

    topic: str
    partition: int
    owner: str
    """Which of the workers asked has it; empty: none of them."""
    lag: int | None
    """Records behind the end of the log: by the worker, else by the group's offsets."""
    behind_seconds: float | None
    """From its watermark to the moment of the picture."""
    checkpoint_seconds: float | None
    """Since its last transaction."""
    customers: int | None
    here: int | None
    """Of these, those whose visit is under way."""
    restoring: int | None


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One worker."""

    name: str
    url: str
    problem: str
    """Why it says nothing; empty: it does."""
    ready: bool = False
    release: str = ""
    policy: str = ""
    model: str = ""
    partitions: int = 0


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """Everything, at one moment."""

    version: int = VERSION
    at: float
    """Seconds since 1970 UTC."""
    app_id: str
    suspended: bool
    """Alerts are, since use has collapsed."""
    workers: list[Worker]
    partitions: list[Row]
    kafka: str
    """Why the broker says nothing; empty: it does."""
    alerts: dict[str, int]
    """By kind, since the workers started."""
    dead_letters: dict[str, int]
    """By code, likewise."""
    events: dict[str, int]
    """By result, likewise."""
    alerts_per_minute: dict[str, float] | None = None
    """Since the picture before; None: there was none."""
    dead_letters_per_minute: float | None = None
    events_per_second: float | None = None


def picture(
    scrapes: Sequence[Scrape], lags: Lags, at: float, before: Sequence[Scrape] = ()
) -> Picture:
    """Put together what was said; `before` is what the same workers said last time."""
    said = [scrape.said for scrape in scrapes if scrape.said is not None]
    alerts, letters, events = _rates(scrapes, before) or (None, None, None)
    return Picture(
        at=at,
        app_id=next((one.app_id for one in said if one.app_id), ""),
        suspended=any(one.suspended for one in said),
        workers=[_worker(scrape) for scrape in scrapes],
        partitions=_rows(scrapes, lags, at),
        kafka=lags.problem,
        alerts=_sum(one.alerts for one in said),
        dead_letters=_sum(one.dead_letters for one in said),
        events=_sum(one.events for one in said),
        alerts_per_minute=alerts,
        dead_letters_per_minute=letters,
        events_per_second=events,
    )


def _name(url: str) -> str:
    """Give a worker's short name: its host and port."""
    return url.partition("://")[2].partition("/")[0]


def _worker(scrape: Scrape) -> Worker:
    said, name = scrape.said, _name(scrape.url)
    if said is None:
        return Worker(name=name, url=scrape.url, problem=scrape.problem)
    return Worker(
        name=name,
        url=scrape.url,
        problem="",
        ready=said.ready,
        release=said.release,
        policy=said.policy,
        model=said.model,
        partitions=len(said.partitions),
    )


def _rows(scrapes: Sequence[Scrape], lags: Lags, at: float) -> list[Row]:
    """Give every partition that anybody knows of, by topic and number."""
    owned: dict[tuple[str, int], tuple[str, Partition]] = {}
    for scrape in scrapes:
        for where, partition in (scrape.said or Said()).partitions.items():
            owned[where] = _name(scrape.url), partition
    rows = []
    for topic, number in sorted(owned.keys() | lags.lags.keys()):
        owner, partition = owned.get((topic, number), ("", Partition()))
        lag = partition.lag if partition.lag is not None else lags.lags.get((topic, number))
        rows.append(
            Row(
                topic=topic,
                partition=number,
                owner=owner,
                lag=_whole(lag),
                behind_seconds=_since(partition.watermark, at),
                checkpoint_seconds=_since(partition.checkpointed, at),
                customers=_whole(partition.customers),
                here=_whole(partition.here),
                restoring=_whole(partition.restoring),
            )
        )
    return rows


def _rates(
    scrapes: Sequence[Scrape], before: Sequence[Scrape]
) -> tuple[dict[str, float], float, float] | None:
    """Say how much was done between two looks, by workers who answered both times.

    A counter that went back is of a process that began anew: it counts from nought.
    """
    last = {scrape.url: scrape for scrape in before}
    alerts: Counter[str] = Counter()
    letters = events = seconds = 0.0
    for scrape in scrapes:
        earlier = last.get(scrape.url)
        if scrape.said is None or earlier is None or earlier.said is None:
            continue
        seconds = max(seconds, scrape.at - earlier.at)
        alerts.update(_grown(scrape.said.alerts, earlier.said.alerts))
        letters += sum(_grown(scrape.said.dead_letters, earlier.said.dead_letters).values())
        events += sum(_grown(scrape.said.events, earlier.said.events).values())
    if not seconds:
        return None
    by_kind = {kind: round(n / seconds * MINUTE, 1) for kind, n in sorted(alerts.items())}
    return by_kind, round(letters / seconds * MINUTE, 1), round(events / seconds, 1)


def _grown(now: Mapping[str, float], then: Mapping[str, float]) -> dict[str, float]:
    return {
        name: value - then.get(name, 0.0) if value >= then.get(name, 0.0) else value
        for name, value in now.items()
    }


def _sum(counts: Iterable[Mapping[str, float]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for some in counts:
        total.update({name: int(value) for name, value in some.items()})
    return dict(sorted(total.items()))


def _since(moment: float | None, at: float) -> float | None:
    """Give the seconds since a moment; of none, and of the begin of time, nothing."""
    return None if not moment else round(max(0.0, at - moment), 1)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
