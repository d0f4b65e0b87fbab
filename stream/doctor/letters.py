"""Letters: what was put aside of late, and why.

Their number says that something is wrong, their codes whose it is; so the latest
are read, a few of each partition.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from stream.doctor.findings import Fault, Finding, ok, warning
from stream.engine.connection import Connection
from stream.engine.rows import reader
from stream.engine.settings import EngineSettings
from stream.wire.dead_letters import read_headers

CHECK = "dead letters"
RECENT_MS = 3_600_000
DELIVERY = "deliver"  # the stage of alerts that no endpoint took: their receivers' affair
READ_MAX = 100  # of a partition: enough to tell what is most of it


@dataclass(frozen=True, slots=True)
class Letters:
    """The dead letters of the last hour."""

    offsets: int = 0
    """How many at most: what marks the end of a transaction takes an offset, too."""
    codes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Of the latest: code and source topic."""
    words: dict[str, str] = field(default_factory=dict)
    """What one of each code says."""


async def ask(
    connection: Connection, engine: EngineSettings, topic: str, partitions: int, now_ms: int
) -> Letters:
    """Read the latest dead letters."""
    consumer = reader(connection, engine)
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for partition in range(partitions)]
        ends = await consumer.end_offsets(places)
        found = await consumer.offsets_for_times(dict.fromkeys(places, now_ms - RECENT_MS))
        offsets, letters = 0, Letters()
        for place, first in found.items():
            if first is None:
                continue
            offsets += ends[place] - first.offset
            consumer.assign([place])
            consumer.seek(place, max(first.offset, ends[place] - READ_MAX))
            while await consumer.position(place) < ends[place]:
                fetched = await consumer.getmany(place, timeout_ms=500)
                for record in fetched.get(place, []):
                    letter = read_headers(record.headers)
                    if letter is not None and letter.stage != DELIVERY:
                        letters.codes[letter.code, letter.topic] += 1
                        letters.words[letter.code] = letter.message
    finally:
        await consumer.stop()
    return Letters(offsets, letters.codes, letters.words)


def judge(letters: Letters) -> Iterator[Finding]:
    """Say what most of them are, and whose."""
    if not letters.codes:
        yield ok(CHECK, "none in the last hour")
        return
    read = letters.codes.total()
    most = letters.codes.most_common(3)
    shares = ", ".join(f"{code} of {topic} {count / read:.0%}" for (code, topic), count in most)
    (code, _), _ = most[0]
    yield warning(
        CHECK,
        f"{read} or more in the last hour: {shares}; {code}: {letters.words[code]}"
        if letters.offsets > read
        else f"{read} in the last hour: {shares}; {code}: {letters.words[code]}",
        Fault.SENDER,
        "correct the policy's [[mapping]], or have the sender corrected; the letters keep every"
        " event as it came",
    )
