"""A worker of the engine without churn, for the tests to start, kill and freeze.

Two flows in one app, chained.  `ingest` copies raw records to a usage topic, so
that usage is written in transactions and full of gaps; `count` counts usage per
key and publishes each tenth.
"""

# ruff: noqa: D102, D107, FBT001 - the fold protocol documents its methods, and sets their form

import json
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any

import structlog

from stream.engine.connection import Connection
from stream.engine.engine import Engine
from stream.engine.flow import Batch, Flow, Fold, Output, Record, Row, Silent
from stream.engine.settings import EngineSettings

COUNT = struct.Struct(">q")


class Copy(Fold):
    """Ingest: each record goes to the usage topic, by its key; no state but the position."""

    def __init__(self, usage: str) -> None:
        self.usage = usage
        self.outputs: list[Output] = []
        self.copied = 0

    @property
    def pending(self) -> int:
        return len(self.outputs)

    def load(self, key: bytes, value: bytes | None) -> None:
        raise AssertionError(f"no state was ever written, and here is {key!r}: {value!r}")

    def begin(self, progress: bytes | None) -> None:
        self.copied = COUNT.unpack(progress)[0] if progress else 0

    def apply(self, records: Sequence[Record]) -> None:
        self.copied += len(records)
        headers = [("copied", b"yes"), ("null", None)]
        self.outputs += [Output(self.usage, None, r.key, r.value, headers) for r in records]

    def tick(self, now_ms: int, caught_up: bool) -> None:
        """Do nothing: nothing here depends on time."""

    def collect(self) -> Batch:
        outputs, self.outputs = self.outputs, []
        return Batch([], outputs, COUNT.pack(self.copied))


class Tally(Fold):
    """Count records per key, publish each tenth; ticks while caught up are counted apart.

    `drag` holds everything up for so many seconds a record.
    """

    def __init__(self, alerts: str, partition: int, drag: float) -> None:
        self.alerts = alerts
        self.partition = partition
        self.drag = drag
        self.counts: dict[str, int] = {}
        self.touched: set[str] = set()
        self.outputs: list[Output] = []
        self.total = 0
        self.begun = False
        self.quiet_ticks = 0

    @property
    def pending(self) -> int:
        return len(self.touched) + len(self.outputs)

    def load(self, key: bytes, value: bytes | None) -> None:
        assert not self.begun
        assert value is not None
        self.counts[key.decode()] = COUNT.unpack(value)[0]

    def begin(self, progress: bytes | None) -> None:
        self.begun = True
        self.total = COUNT.unpack(progress)[0] if progress else 0
        assert self.total == sum(self.counts.values()), "progress and rows are out of step"

    def apply(self, records: Sequence[Record]) -> None:
        time.sleep(self.drag * len(records))
        for record in records:
            assert record.key is not None
            key = record.key.decode()
            count = self.counts[key] = self.counts.get(key, 0) + 1
            self.touched.add(key)
            if count % 10 == 0:
                name, where = f"{key}:{count}".encode(), f"{record.offset}".encode()
                self.outputs.append(Output(self.alerts, self.partition, name, where))
        self.total += len(records)

    def tick(self, now_ms: int, caught_up: bool) -> None:
        assert now_ms > 0
        self.quiet_ticks = self.quiet_ticks + 1 if caught_up else 0
        if self.quiet_ticks == 5:
            structlog.get_logger().info("quiet", partition=self.partition, total=self.total)

    def collect(self) -> Batch:
        rows: list[Row] = [(key.encode(), COUNT.pack(self.counts[key])) for key in self.touched]
        self.touched.clear()
        outputs, self.outputs = self.outputs, []
        return Batch(rows, outputs, COUNT.pack(self.total))


def work(app: str, bootstrap: str, name: str, options: dict[str, Any]) -> None:
    """Be a worker, until told to stop."""
    structlog.configure(
        processors=[structlog.processors.TimeStamper(), structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    drag = options.pop("drag", 0.0)
    count = Flow(
        f"{app}.usage", f"{app}.state", lambda tp: Tally(f"{app}.alerts", tp.partition, drag)
    )
    ingest = Flow(f"{app}.raw", f"{app}.places", lambda _: Copy(f"{app}.usage"))
    flows = {"both": [ingest, count], "count": [count]}[options.pop("flows", "both")]
    settings = EngineSettings(instance_id=name, **options)
    Engine(app, flows, Connection(bootstrap=bootstrap), settings, observer=Silent()).run()


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))
