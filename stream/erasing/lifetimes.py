"""Lifetimes: when a record that nobody needs any more is deleted, by its topic's settings.

A broker deletes, and compacts, whole segments, and never the one it writes to:
so a record may stay as long as a segment is written to beyond its own time.
"""

from collections.abc import Mapping

FOREVER_MS = 1 << 62
"""More than anybody waits."""


def gone_by(config: Mapping[str, str], written_at: int, *, replaced: bool) -> int | None:
    """Give by when (ms) a record written at a moment is deleted; None: nobody has set a time.

    `replaced`: a tombstone of its key is written.
    """
    policies = config.get("cleanup.policy", "").split(",")
    limits = []
    if "delete" in policies:
        limits.append(_number(config, "retention.ms"))
    if "compact" in policies and replaced:
        limits.append(_number(config, "max.compaction.lag.ms"))
    least = min((limit for limit in limits if 0 <= limit < FOREVER_MS), default=None)
    segment = _number(config, "segment.ms")
    if least is None or not 0 <= segment < FOREVER_MS:
        return None
    return written_at + least + segment


def _number(config: Mapping[str, str], name: str) -> int:
    try:
        return int(config[name])
    except (KeyError, ValueError):
        return -1
