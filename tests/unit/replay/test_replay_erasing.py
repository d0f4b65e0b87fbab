"""Erasures in a log: whoever is named by one is as if it had not been there until then."""

import json
from pathlib import Path

import pytest

from stream.detector.events import DAY_MS
from stream.detector.identity import alias_event
from stream.detector.policy import Policy
from stream.replay.order import in_order
from stream.replay.refusals import Refusals
from stream.replay.run import Outputs, read_in_order, replay
from stream.wire.alias import encode_alias, sides
from stream.wire.erasure import Erasure, encode_erasure
from stream.wire.policy_file import PolicyFile
from stream.wire.times import iso

START = 1_700_000_000_000
END = START + 900 * DAY_MS
POLICY = PolicyFile(policy=Policy(warning=("cancel",)))


def use(customer: str, day: float, event: str = "opened") -> bytes:
    """Return an event."""
    at = iso(START + round(day * DAY_MS))
    return json.dumps(
        {"type": "track", "userId": customer, "event": event, "timestamp": at}
    ).encode()


EVENTS = [use(who, day) for day in range(4) for who in ("ann", "bob")]
EVENTS += [use("ann", 4, "cancel"), use("bob", 4, "cancel"), use("ann", 9, "cancel")]


def written(folder: Path, *lines: bytes) -> list[str]:
    """Write a log."""
    log = folder / "log.jsonl"
    log.write_bytes(b"\n".join(lines) + b"\n")
    return [str(log)]


def read(files: list[str]) -> tuple[list[tuple[str, float]], Refusals]:
    """Give who is read of a log, and when, in days."""
    refusals = Refusals()
    batches = read_in_order(files, POLICY, received_at=END, refusals=refusals)
    events = [event for batch in batches for event in batch]
    return [(e.customer_id, (e.occurred_at - START) / DAY_MS) for e in events], refusals


@pytest.mark.parametrize("place", [0, 5, len(EVENTS)])
def test_what_it_covers_is_not_read_wherever_it_stands(tmp_path: Path, place: int) -> None:
    """A log need not be in order, and so neither need its erasures."""
    erasure = encode_erasure(Erasure("ann", START + 4 * DAY_MS))
    found, refusals = read(written(tmp_path, *EVENTS[:place], erasure, *EVENTS[place:]))
    assert [day for who, day in found if who == "ann"] == [9]
    assert len([day for who, day in found if who == "bob"]) == 5
    assert refusals.events == len(EVENTS)
    assert refusals.refused == 0


def test_one_without_a_time_covers_all_there_is(tmp_path: Path) -> None:
    """In a file nothing is behind the end."""
    found, _ = read(written(tmp_path, encode_erasure(Erasure("ann")), *EVENTS))
    assert {who for who, _ in found} == {"bob"}


def test_the_later_of_two_counts(tmp_path: Path) -> None:
    """Repeats do no harm, in whatever order."""
    both = [encode_erasure(Erasure("ann", START + day * DAY_MS)) for day in (10, 2)]
    found, _ = read(written(tmp_path, *EVENTS, *both))
    assert {who for who, _ in found} == {"bob"}


def test_a_replay_names_nobody_who_was_erased(tmp_path: Path) -> None:
    """Of everybody else it says the same, byte for byte, by the same models."""
    said = []
    for number, more in enumerate(([], [encode_erasure(Erasure("ann"))])):
        alerts = tmp_path / f"{number}.jsonl"
        files = written(tmp_path, *EVENTS, *more)
        replay(files, POLICY, received_at=END, outputs=Outputs(alerts=alerts), pinned=[])
        said.append(alerts.read_bytes().splitlines())
    plain, erased = said
    assert any(b'"ann"' in line for line in plain)
    assert erased == [line for line in plain if b'"ann"' not in line]
    assert erased


@pytest.mark.parametrize("gone", ["anon", "ann"])
@pytest.mark.parametrize("apart", [False, True])
def test_an_alias_of_who_was_erased_joins_nobody(tmp_path: Path, gone: str, apart: bool) -> None:  # noqa: FBT001
    """Nor does anybody wait for the other id: what is left is followed as it stands."""
    at = START + 4 * DAY_MS
    alias = alias_event("anon", "ann", at, at)
    told = [encode_alias(side) for side in (sides(alias) if apart else (alias,))]
    before = [use(who, day) for day in range(4) for who in ("anon", "ann")]
    erasure = encode_erasure(Erasure(gone, START + 5 * DAY_MS))
    alerts = tmp_path / "alerts.jsonl"
    files = written(tmp_path, *before, *told, use("bob", 90), erasure)
    replay(files, POLICY, received_at=END, outputs=Outputs(alerts=alerts), pinned=[])
    said = {json.loads(line)["customer_id"] for line in alerts.read_bytes().splitlines()}
    assert said == {"anon", "ann"} - {gone}


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (b'{"slipaway":"erase.v1"}', "customer_id is missing"),
        (b'{"slipaway":"erase.v1","customer_id":"a\\u0000b"}', "null byte"),
        (b'{"slipaway":"erase.v1","customer_id":"a","requested_at":"now"}', "requested_at"),
        (b'{"slipaway":"erase.v1","customer_id":"a","requested_at":-1}', "requested_at"),
    ],
)
def test_a_broken_one_is_refused_with_its_reason(tmp_path: Path, record: bytes, why: str) -> None:
    """It may be somebody's right: it is not passed over in silence."""
    _, refusals = read(written(tmp_path, *EVENTS, record))
    assert [why in refusal.message for refusal in refusals.examples] == [True]


def test_an_empty_log_has_nothing_to_erase(tmp_path: Path) -> None:
    """Nor does it fail."""
    found, refusals = read(written(tmp_path, encode_erasure(Erasure("ann"))))
    assert found == []
    assert len(refusals.erasures) == 1
    assert list(in_order([])) == []
