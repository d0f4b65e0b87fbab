"""Who is who, in a log: read from any format, and one customer in the end."""

import csv
import io
from itertools import chain
from pathlib import Path

import orjson
import pytest

from stream.detector.events import UsageEvent
from stream.detector.identity import ALIAS, Handover
from stream.detector.policy import Identity, Policy
from stream.replay.read import read_log
from stream.replay.refusals import Refusals
from stream.replay.run import Outputs, replay
from stream.wire.events import Decoder
from stream.wire.policy_file import LogFormat, PolicyFile
from stream.wire.travel import encode_sent

NOW = 1_790_000_000_000
ROWS = [
    *(
        {
            "type": "track",
            "userId": "",
            "anonymousId": "a",
            "event": "open",
            "timestamp": f"2026-03-{n:02d}",
        }
        for n in range(1, 9)
    ),
    {"type": "identify", "userId": "u", "anonymousId": "a", "event": "", "timestamp": "2026-03-09"},
    {"type": "track", "userId": "u", "anonymousId": "", "event": "open", "timestamp": "2026-03-10"},
]


def as_jsonl(rows: list[dict[str, str]]) -> bytes:
    """Write rows as lines."""
    return b"\n".join(map(orjson.dumps, rows))


def as_csv(rows: list[dict[str, str]]) -> bytes:
    """Write rows as a table."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


WRITTEN = {"log.jsonl": as_jsonl, "log.csv": as_csv}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("merge", [True, False])
def test_a_log_of_two_ids_is_one_customers(tmp_path: Path, name: str, merge: bool) -> None:  # noqa: FBT001
    """Events are counted as they stand in the log: what they say of ids are none."""
    log = tmp_path / name
    log.write_bytes(WRITTEN[name](ROWS))
    product = PolicyFile(policy=Policy(identity=Identity(merge=merge)))
    summary = replay([str(log)], product, received_at=NOW, outputs=Outputs())
    assert summary.events == len(ROWS)
    assert summary.customers == (1 if merge else 2)
    assert summary.aliases == ({"merged": 1} if merge else {})


@pytest.mark.parametrize("name", WRITTEN)
def test_a_broken_id_is_refused_with_its_row(tmp_path: Path, name: str) -> None:
    """The event counts, the alias does not."""
    log = tmp_path / name
    log.write_bytes(WRITTEN[name]([*ROWS, ROWS[8] | {"anonymousId": "x" * 3_000}]))
    refusals = Refusals()
    decoder = Decoder(aliases=True)
    batches = read_log([str(log)], LogFormat(), decoder, received_at=NOW, refusals=refusals)
    events = list(chain.from_iterable(batches))
    assert [event.name for event in events].count("identify") == 2
    assert [event.name for event in events].count(ALIAS) == 1
    assert refusals.refused == 1


def test_what_partitions_said_to_each_other_is_no_part_of_a_log(tmp_path: Path) -> None:
    """A usage topic, written to a file: the aliases in it say it all once more."""
    log = tmp_path / "log.jsonl"
    handover = Handover(previous_id="a", customer_id="u", at=NOW)
    event = UsageEvent("u", "open", NOW, NOW)
    lines = [as_jsonl(ROWS), *(encode_sent(sent, "app")[1] for sent in (handover, event))]
    log.write_bytes(b"\n".join(lines))
    summary = replay([str(log)], PolicyFile(policy=Policy()), received_at=NOW, outputs=Outputs())
    assert (summary.events, summary.refusals.ignored) == (len(ROWS), 2)
