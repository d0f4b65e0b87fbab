"""A stale block is dropped whatever it holds: what row 13 found, once in twenty rebalances.

Between an assignment and its seek the consumer stands where the group's offsets
say, and those are committed late: a block drained there starts below the end of
the block before it.  It is stale, so nothing is wrong with it.
"""

from types import SimpleNamespace
from typing import Any

from faust.types import TP
from packed_batches import packed

from stream.engine.checkpoint import Holding
from stream.engine.connection import Connection
from stream.engine.flow import Flow, Silent
from stream.engine.membership import Membership
from stream.engine.settings import EngineSettings
from stream.engine.transport import Block

HERE = TP("events", 0)


async def test_a_stale_block_may_start_anywhere() -> None:
    """It once ended the worker, as a bug that somebody should report."""
    fold: Any = SimpleNamespace(pending=0)
    flow = Flow("events", "state", lambda _: fold)
    app: Any = SimpleNamespace(consumer_generation_id=2)
    membership = Membership(
        app,
        [flow],
        connection=Connection(bootstrap="nowhere:9092"),
        settings=EngineSettings(),
        observer=Silent(),
    )
    holding = Holding(HERE, flow, generation=2)
    holding.position = 100
    membership.epoch = holding.epoch = 2
    membership.live[HERE] = holding
    await membership.apply(Block(HERE, 1, 100, 42, [packed(40, [40, 41], 42)]))
    assert holding.position == 100
