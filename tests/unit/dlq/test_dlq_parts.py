"""Dead letters without a broker: what is a letter, what a mark, and what is said of either."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from stream.detector.errors import BadEvent, Code
from stream.dlq.letters import Letter, Mark, Place, Wanted, read
from stream.dlq.remedies import DELIVER, remedy
from stream.dlq.show import letter_line, letter_lines
from stream.dlq.summary import summary
from stream.dlq.trial import Fate, Trial, Verdict
from stream.wire import policy_file
from stream.wire.dead_letters import (
    Header,
    dead_letter,
    dead_letter_headers,
    original_headers,
    read_headers,
    replay_headers,
    replayed_mark,
)
from stream.wire.times import iso

AT = 1_767_225_600_000


def record(value: bytes | None, headers: list[Header]) -> Any:
    """Return a record of the dead letters, as it is read."""
    return SimpleNamespace(
        partition=3, offset=17, timestamp=AT, key=b"k", value=value, headers=headers
    )


def headers_of(code: Code, *own: Header, topic: str = "raw", before: int = 0) -> list[Header]:
    """Return the headers of a letter, after so many failures before."""
    headers = list(own)
    for _ in range(before + 1):
        letter = dead_letter(
            BadEvent(code, "so\x1b[2J"), topic=topic, partition=1, offset=2, stage="decode",
            failed_at=AT, app_version="0.1.0", headers=headers, timestamp=AT,
        )  # fmt: skip
        headers = dead_letter_headers(letter, headers)
    return headers


def letter(value: bytes | None, code: Code = Code.NO_TIME, **more: Any) -> Letter:
    """Return a letter."""
    found = read(record(value, headers_of(code, **more)))
    assert isinstance(found, Letter)
    return found


def test_a_sender_cannot_mark_other_letters_as_sent() -> None:
    """What has a reason is a letter, whatever headers its sender wrote."""
    assert read(record(None, replayed_mark(12))) == Mark(Place(3, 12))
    assert read(record(b"x", [("other", b"12")])) is None
    assert isinstance(read(record(b"x", headers_of(Code.EMPTY, *replayed_mark(12)))), Letter)


def test_a_replayed_record_says_what_it_is_of_and_its_next_letter_says_it_no_more() -> None:
    """Attempts add up; the sender's headers stay the sender's."""
    first = headers_of(Code.NO_TIME, ("own", b"1"))
    reason = read_headers(first)
    assert reason is not None
    assert reason.timestamp == AT
    again = replay_headers(reason, first, "3:17")
    assert again[-1] == ("slipaway.replay.of", b"3:17")
    assert original_headers(again) == [("own", b"1")]


@pytest.mark.parametrize("text", ["3", "3:", ":17", "a:b", "3:-1", "3:17:1", ""])
def test_a_place_is_a_partition_and_an_offset(text: str) -> None:
    """And nothing that looks nearly like it."""
    assert Place.read("3:17") == Place(3, 17)
    with pytest.raises(ValueError, match="PARTITION:OFFSET"):
        Place.read(text)


@pytest.mark.parametrize("code", list(Code))
def test_of_every_code_it_is_known_whose_fault_it_is(code: Code) -> None:
    """A code that is added needs its remedy."""
    assert remedy(code.value, "decode").fault != remedy("of a newer release", "decode").fault
    assert remedy(code.value, DELIVER).fault == "the receiver's"


def said(customer: str = "c", at: int = AT) -> bytes:
    """Return a Segment message."""
    return b'{"type":"track","userId":"%s","event":"e","timestamp":"%s"}' % (
        customer.encode(),
        iso(at).encode(),
    )


@pytest.mark.parametrize(
    ("found", "fate"),
    [
        (letter(said()), Fate.READ),
        (letter(b"[]"), Fate.REFUSED),
        (letter(said(at=AT + 10**9)), Fate.REFUSED),  # a clock that runs ahead still does
        (letter(said(), topic="alerts"), Fate.ELSEWHERE),
        (letter(said(), code=Code.ALIAS_STORM), Fate.UNDECIDED),
        (letter(said(), before=2), Fate.TRIED),
        (letter(b'{"batch":[' + said() + b',{"type":"track"}]}'), Fate.REFUSED),
        (letter(b'{"batch":[' + said() + b"]}"), Fate.READ),
        (letter(b'{"slipaway":"heartbeat","watermark":%d}' % (AT + 10**9)), Fate.REFUSED),
    ],
)
def test_a_letter_is_tried_as_it_would_be_read(found: Letter, fate: Fate) -> None:
    """By the decoder of the workers, and their patience with clocks."""
    product = policy_file.parse("", "policy.toml")
    trial = Trial(product, ["raw"], now=AT + 1_000, attempts_max=3)
    assert trial.judge(found, AT).fate is fate


def test_nothing_of_a_letter_commands_a_terminal() -> None:
    """Key, headers, reason and value come from outside."""
    evil = "\x1b]0;x\x07\x9b2J\r"
    found = letter(evil.encode(), topic=evil)
    headers = [*found.headers, (evil, evil.encode())]
    found = Letter(
        place=found.place, written_at=AT, key=evil.encode(), value=found.value,
        headers=headers, reason=found.reason,
    )  # fmt: skip
    verdict = Verdict(fate=Fate.REFUSED, message=evil)
    lines = [
        letter_line(found),
        *letter_lines(found, verdict, replayed=False, bytes_max=4_000),
    ]
    assert all(line.isprintable() for line in lines)
    cut = list(letter_lines(letter(b"\xff" * 40), verdict, replayed=True, bytes_max=20))
    assert "20 bytes more" in cut[-1]


async def test_the_latest_letter_is_so_by_its_time_not_by_how_that_is_written() -> None:
    """A whole second is written without its milliseconds, and would sort behind them."""

    async def found() -> AsyncIterator[Letter | Mark]:
        for offset, at in enumerate((AT, AT + 1, AT - 1)):
            yield msgspec.structs.replace(letter(b"{}"), place=Place(0, offset), written_at=at)

    (kind,) = (await summary("dead", found(), Wanted())).kinds
    assert (kind.latest, kind.last, kind.first) == ("0:1", iso(AT + 1), iso(AT - 1))
