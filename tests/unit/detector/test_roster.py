"""The roster: who is forgotten leaves no row behind."""

from stream.detector import cadence, decline
from stream.detector.customer import Customer, Identity, Wait
from stream.detector.roster import Roster
from stream.wire.customers import CustomerCodec


def test_who_is_forgotten_is_saved_as_no_row() -> None:
    """And may come back before that."""
    roster = Roster(CustomerCodec())
    for name in ("a", "b"):
        roster.entries[name] = Customer(rhythm=cadence.fresh(30.0), levels=decline.Levels())
        roster.forget(name)
        assert roster.due(name) == 0
    roster.entries["b"] = back = Customer(rhythm=cadence.fresh(30.0), levels=decline.Levels())
    roster.touch("b", back)
    saved = dict(roster.save())
    assert saved["a"] is None
    assert saved["b"] is not None
    assert list(roster) == ["b"]


def test_a_state_that_waits_in_another_is_saved_with_it() -> None:
    """To the last bit: a worker may die while it waits."""
    codec = CustomerCodec()
    inner = Customer(rhythm=cadence.fresh(30.0), levels=decline.Levels(), visits=3)
    waits = [Wait(5, "old", inner), Wait(6, "older")]
    outer = Customer(
        rhythm=cadence.fresh(30.0), levels=decline.Levels(), identity=Identity(waits=waits)
    )
    assert codec.decode(codec.encode(outer)) == outer
