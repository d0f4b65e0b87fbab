"""Origins: time is what the slowest source with a backlog has reached."""

import msgspec

from stream.wire.heartbeat import Heartbeat
from stream.worker.origins import Origins


def say(origins: Origins, name: str, at: int, *, busy: bool = True) -> int | None:
    """Let one of two sources speak."""
    return origins.hear(Heartbeat(at, name, 2, busy))


def test_nothing_is_known_before_everybody_has_spoken() -> None:
    """One source alone may be years ahead."""
    origins = Origins(2)
    assert say(origins, "a", 900) is None
    assert say(origins, "b", 100) == 100


def test_the_slowest_with_a_backlog_tells_the_time() -> None:
    """Who has nothing to send holds nobody up."""
    origins = Origins(2)
    say(origins, "a", 900)
    assert say(origins, "b", 100) == 100
    assert say(origins, "b", 100, busy=False) == 900
    assert say(origins, "a", 950, busy=False) == 950


def test_time_does_not_go_back_with_a_source_that_starts_again() -> None:
    """A worker that restarts says hello before it has read anything."""
    origins = Origins(2)
    say(origins, "a", 900)
    say(origins, "b", 800)
    assert say(origins, "a", 0) == 800


def test_events_carry_time_only_where_no_source_has_anything_to_say() -> None:
    """A topic that is fed directly needs no heartbeats; idle sources beside it change nothing."""
    assert not Origins(0).move_time
    origins = Origins(2)
    assert origins.move_time
    say(origins, "a", 0, busy=False)
    say(origins, "b", 0, busy=False)
    assert not origins.move_time
    say(origins, "a", 0)
    assert origins.move_time


def test_what_was_heard_survives_a_restart() -> None:
    """It is part of the checkpoint."""
    origins = Origins(2)
    say(origins, "a", 900)
    restored = msgspec.msgpack.decode(msgspec.msgpack.encode(origins), type=Origins)
    assert say(restored, "b", 800) == 800
