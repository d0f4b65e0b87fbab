"""The engine's knobs: each with its unit, and what turning it does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How to run; the defaults are measured."""

    # Unique among the workers of an app, and the same after a restart.  Without it every kill
    # stops all partitions of all workers for up to the session time-out.
    instance_id: str | None = None

    # Outputs are published so often, and under load as often as half of the time allows.
    checkpoint_seconds: float = 0.025  # shorter: earlier alerts, more transactions
    # Rows are saved so often.  Longer: fewer rows under load, more to repeat after a kill.
    checkpoint_seconds_max: float = 1.0
    deadline_seconds: float = 15.0  # one checkpoint or one start; longer: slower to give up
    unsaved_max: int = 50_000  # rows and outputs a partition holds before its blocks wait
    tick_seconds: float = 0.1  # shorter: silence is noticed earlier, more CPU when idle
    fresh_seconds: float = 5.0  # a fetch older than this no longer tells where the log ends
    group_commit_seconds: float = 5.0  # for lag tools only; nothing is resumed from it
    stalled_seconds: float = 60.0  # lag without progress for so long: leave
    join_seconds_max: float = 180.0  # without an assignment, and not restoring, so long: leave

    block_records_max: int = 10_000  # larger: fewer fetches, more memory
    # Folded in one turn of the event loop, in which nothing else moves.  Larger: a little faster.
    slice_records_max: int = 1_000
    # The time of a turn; records that take longer are folded fewer at a time, down to one.
    turn_seconds: float = 0.05  # larger: hardly faster, later checkpoints
    turn_seconds_saving: float = 0.005  # while a save is under way: it has dozens of turns itself
    blocks_waiting_max: int = 8  # fetched ahead per flow; more: memory, and no more speed
    fetch_bytes_max: int = 4 << 20  # per partition and fetch; larger: fewer fetches, more memory
    gather_seconds: float = 0.025  # after a small fetch; longer: less CPU, later alerts
    fetch_wait_ms_max: int = 500  # a quiet log answers this late; the stop waits for it
    batch_bytes_max: int = 256 << 10  # per batch written; below the broker's message.max.bytes

    # Topics whose outputs the observer hears of, each with its place: where there are few.
    told_topics: frozenset[str] = frozenset()

    session_seconds: float = 10.0  # a dead worker's partitions idle for so long
    heartbeat_seconds: float = 2.0
    rebalance_seconds: float = 30.0  # a member has so long to save its work and rejoin
    request_seconds: float = 30.0  # at least session_seconds
    producer_request_seconds: float = 10.0
    # After a kill without a restart, readers of our outputs wait so long for the open transaction.
    transaction_seconds: float = 15.0
