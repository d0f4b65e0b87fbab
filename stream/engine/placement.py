"""Placement: whether what was saved still fits the topics it speaks of.

State speaks of the keys of one partition up to one offset.  Both can be made
untrue from outside, and neither shows by itself: a log may have lost what was
not yet read, and a topic that was given more partitions sends keys to others,
where nothing is known of them and they would start afresh.
"""

from stream.engine.exits import Fatal
from stream.engine.position import Position

_RESTART = (
    "Operator action: to go on without those records, start under a new app id with new state "
    "topics"
)


def check_counts(source: str, partitions: int, state: str, found: int, *, shared: bool) -> None:
    """Raise `Fatal` where a state topic has not as many partitions as its source.

    `shared` by several sources, it may have more.
    """
    if found < partitions or (found > partitions and not shared):
        raise Fatal(
            f"{source} has {partitions} partitions and its state topic {state} has {found}: with "
            "another count, keys live elsewhere. Operator action: put the count back, or replay "
            "into a new app id with new state topics."
        )


def check_whole(where: str, start: int) -> None:
    """Raise `Fatal` where a state topic lost rows: compaction leaves the log's start at 0."""
    if start > 0:
        raise Fatal(
            f"{where}: the first {start} records were deleted from the state topic, and with them "
            "what was known of some keys. Operator action: restore the topic, or start over under "
            "a new app id with new state topics; to keep it from happening again, leave "
            "cleanup.policy at compact."
        )


def check_home(source: str, partitions: int, saved: Position, *, keyed: bool) -> None:
    """Raise `Fatal` where keys were placed among another number of partitions than there are.

    `keyed`: rows were saved beside the position.  Without them nothing is known
    of any key, and a new number does no harm.
    """
    if keyed and saved.partitions not in {0, partitions}:
        raise Fatal(
            f"{source} has {partitions} partitions, and keys were given their places among "
            f"{saved.partitions}: they live elsewhere now, and would start afresh there. Operator "
            "action: replay into a new app id with new state topics. Where this topic itself is "
            "keyed, old records lie by the old count: have them keyed anew, by reading it as a raw "
            "source into a new topic."
        )


def check_offset(where: str, saved: Position, start: int, end: int) -> None:
    """Raise `Fatal` where the log does not hold what follows the saved position."""
    if saved.offset < start:
        raise Fatal(
            f"{where}: the saved position {saved.offset} is below the log's start {start}: "
            f"up to {start - saved.offset} records were deleted before they were read. "
            f"{_RESTART}; to keep it from happening again, raise retention.ms."
        )
    if saved.published > end:
        raise Fatal(
            f"{where}: the saved position {saved.published} is beyond the log's end {end}: the "
            f"topic was truncated or made anew. {_RESTART}."
        )
