"""Erase: what is refused before anything is asked, what is shown, and when what remains is gone."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from stream.cli import cli
from stream.detector.cadence import fresh
from stream.detector.customer import Customer, Identity
from stream.detector.decline import Levels
from stream.detector.events import DAY_MS
from stream.erasing import show
from stream.erasing.findings import Customer as Found
from stream.erasing.findings import Findings, Place, Remains, encode
from stream.erasing.lifetimes import gone_by
from stream.erasing.run import moved_to
from stream.wire.customers import CustomerCodec


@pytest.mark.parametrize(
    ("customer", "why"),
    [("x" * 5_000, "5000 bytes long: at most 512"), ("", "is empty"), ("  ", "is empty")],
)
def test_an_id_that_no_customer_can_have_is_refused(customer: str, why: str) -> None:
    """Its events were dead letters; to say "erased" would be to have looked in the wrong place."""
    done = CliRunner().invoke(cli, ["erase", "--yes", "--", customer])
    assert done.exit_code == 2
    assert why in done.output
    assert len(done.output) < 400


def test_a_file_is_read_whole_before_anything_is_asked(tmp_path: Path) -> None:
    """Every line that cannot be meant is named."""
    ids = tmp_path / "ids.txt"
    ids.write_bytes(b"ann\r\n\na\0b\n" + "\N{GRINNING FACE}".encode() * 129 + b"\n")
    done = CliRunner().invoke(cli, ["erase", "--yes", "--file", str(ids)])
    assert done.exit_code == 2
    assert "line 3" in done.output
    assert "null byte" in done.output
    assert "line 4" in done.output
    assert "516 bytes" in done.output
    assert "line 1:" not in done.output


def test_nothing_is_asked_of_nobody_and_without_a_yes() -> None:
    """An empty list is a mistake; so is a return too many."""
    assert CliRunner().invoke(cli, ["erase", "--yes"]).exit_code == 2
    done = CliRunner().invoke(cli, ["erase", "ann"], input="n\n")
    assert done.exit_code == 2
    assert "nothing was done" in done.output


def a_finding(*, erased: bool) -> Findings:
    """Return what became of one customer."""
    place = Place(topic="alerts", records=2, erased=erased, gone_by="2027-01-31T00:00:00.000Z")
    return Findings(
        requested_at="2026-11-22T00:00:00.000Z",
        waited=True,
        customers=[Found(customer_id="a\x1b[2J\n", places=[place])],
        remains=[Remains(where="usage", what="events", gone_by=None)],
    )


def test_ids_cannot_move_the_cursor() -> None:
    """They come from whoever sends events."""
    text = "\n".join(show.lines(a_finding(erased=True)))
    assert "\x1b" not in text
    assert "'a\\x1b[2J\\n': erased" in text
    assert "2 records, and the tombstone behind; deleted by 2027-01-31" in text
    assert "NOT ERASED YET" in "\n".join(show.lines(a_finding(erased=False)))


def test_what_is_complete_is_what_every_topic_says() -> None:
    """A customer of whom no topic could be read is not known to be erased."""
    assert a_finding(erased=True).complete
    assert not a_finding(erased=False).complete
    nowhere = Found(customer_id="a", places=[])
    assert not msgspec.structs.replace(a_finding(erased=True), customers=[nowhere]).complete
    assert '"erased": true' in encode(a_finding(erased=True))


DELETED = {"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS), "segment.ms": str(DAY_MS)}
COMPACTED = {
    "cleanup.policy": "compact",
    "retention.ms": str(7 * DAY_MS),  # of no effect where nothing is deleted by age
    "max.compaction.lag.ms": "3600000",
    "segment.ms": "600000",
}


@pytest.mark.parametrize(
    ("config", "replaced", "days"),
    [
        (DELETED, True, 31),
        (DELETED | {"retention.ms": "-1"}, True, None),
        (DELETED | {"cleanup.policy": "compact,delete"}, True, 31),
        (DELETED | {"cleanup.policy": "compact", "max.compaction.lag.ms": str(2**63 - 1)}, 1, None),
        (COMPACTED, True, 4_200_000 / DAY_MS),
        (COMPACTED, False, None),
        ({}, True, None),
    ],
)
def test_a_record_goes_by_the_settings_of_its_topic(
    config: dict[str, str], replaced: object, days: float | None
) -> None:
    """With the segment it is in: a broker deletes no part of one."""
    found = gone_by(config, 5, replaced=bool(replaced))
    assert found == (None if days is None else 5 + days * DAY_MS)


def test_a_row_says_where_a_customer_has_gone() -> None:
    """An address does; anybody else is its own, and so is who is not known."""
    codec, own = CustomerCodec(), Customer(rhythm=fresh(30.0), levels=Levels())
    address = msgspec.structs.replace(own, identity=Identity(moved_to="u-1"))
    assert moved_to(codec.encode(address)) == "u-1"
    assert moved_to(codec.encode(own)) == ""
    assert moved_to(None) == ""
    assert moved_to(b"\xffnobody knows") == ""


def test_an_id_that_has_gone_over_into_another_one_is_named() -> None:
    """Who asks for the person has to ask for both; who asked for both is done."""
    found = a_finding(erased=True)
    (one,) = found.customers
    moved = msgspec.structs.replace(one, goes_by="u\x1b-1")
    half = msgspec.structs.replace(found, customers=[moved])
    assert half.unnamed == ["u\x1b-1"]
    assert "had gone to 'u\\x1b-1'" in "\n".join(show.lines(half))
    other = msgspec.structs.replace(one, customer_id="u\x1b-1")
    assert msgspec.structs.replace(found, customers=[moved, other]).unnamed == []
    assert found.unnamed == []
