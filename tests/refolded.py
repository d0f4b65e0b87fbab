"""The usage topic folded anew, without a worker and without faults, by one policy or several."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from faust.types import TP

from stream.broker import LocalBroker
from stream.detector.customer import Customer
from stream.settings import Settings, load
from stream.wire import policy_file
from stream.wire.customers import CustomerCodec
from stream.worker.app import Worker

EVER = 1 << 62


def settings_of(broker: LocalBroker, names: dict[str, str], raw: str) -> Settings:
    """Return the settings of a worker of `worker_process`."""
    topics = {**names, "sources": [raw]}
    return load({"bootstrap_servers": broker.bootstrap, "topics": topics, "clock": "event"})


def refolded(
    settings: Settings, usage: Iterable[Any], texts: list[str], splits: Iterable[int] = ()
) -> tuple[Counter[tuple[str, bytes | None, bytes | None]], dict[str, Customer]]:
    """Fold the usage topic by one policy after the other; one raw partition feeds it.

    A policy takes over at the first record written at or after its split (ms).
    Gives what is put out (topic, key, value), and the customers.
    """
    partitions: dict[int, list[Any]] = defaultdict(list)
    for record in usage:
        partitions[record.partition].append(record)
    said: Counter[tuple[str, bytes | None, bytes | None]] = Counter()
    known: dict[str, Customer] = {}
    for number, records in partitions.items():
        rows: dict[bytes, bytes | None] = {}
        progress = None
        for text, begin, end in zip(texts, [0, *splits], [*splits, EVER], strict=True):
            work = Worker(settings, policy_file.parse(text))
            work.usage_partitions, work.origins = len(partitions), 1
            flow = next(flow for flow in work.flows() if flow.source == settings.topics.usage)
            fold = flow.make(TP(settings.topics.usage, number))
            for key, value in rows.items():
                fold.load(key, value)
            fold.begin(progress)
            part = [record for record in records if begin <= record.timestamp < end]
            if part:
                fold.apply(part)
            batch = fold.collect()
            rows.update(batch.rows)
            progress = batch.progress
            said.update((out.topic, out.key, out.value) for out in batch.outputs)
        known |= customers(rows.items())
    return said, known


def customers(rows: Iterable[tuple[bytes, bytes | None]]) -> dict[str, Customer]:
    """Give the customers that a state topic's records come to."""
    kept = dict(rows)  # of a key the last one counts
    decode = CustomerCodec().decode
    return {
        key.decode(): decode(row)
        for key, row in kept.items()
        if row is not None and not key.startswith(b"\x00")
    }
