"""The two sides of a diff: files of alerts, or the topics that they were published to."""

from collections.abc import Iterable, Iterator

from stream.detector.alerts import Alert
from stream.engine.connection import Connection
from stream.engine.exits import Fatal
from stream.engine.present import present
from stream.wire.alerts import decode_alert


async def published(connection: Connection, topics: Iterable[str]) -> list[Alert]:
    """Give the alerts that topics hold, but for those of customers who were erased; or `Fatal`."""
    found: list[Alert] = []
    for topic in topics:
        by_key: dict[bytes | None, list[Alert]] = {}
        async for record in present(connection, topic):
            if record.value is None:
                by_key.pop(record.key, None)
                continue
            try:
                by_key.setdefault(record.key, []).append(decode_alert(record.value))
            except ValueError as error:
                raise Fatal(
                    f"{topic}, partition {record.partition}, offset {record.offset}: is no alert"
                    f" that this release reads: {error}. Operator action: name a topic of alerts."
                ) from error
        found += [alert for alerts in by_key.values() for alert in alerts]
    return found


def between(alerts: Iterable[Alert], since: int | None, until: int | None) -> Iterator[Alert]:
    """Yield the alerts decided from one moment (ms) up to another; None: no limit."""
    for alert in alerts:
        if (since is None or alert.time >= since) and (until is None or alert.time < until):
            yield alert
