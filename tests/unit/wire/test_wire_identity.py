"""Who somebody is, as Segment's and RudderStack's pages show it."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detector.errors import BadEvent, Code
from stream.wire.events import Decoder
from stream.wire.identity import TRAITS_MAX, Alias, Traits, told

ALIAS: dict[str, Any] = {"type": "alias", "previousId": "jen@example.com", "userId": "507f"}
IDENTIFY: dict[str, Any] = {
    "type": "identify",
    "userId": "9798",
    "traits": {"email": "p@example.com", "plan": "premium", "logins": 5, "trial": False},
}
GROUP: dict[str, Any] = {
    "type": "group",
    "userId": "9798",
    "groupId": "0e8c",
    "traits": {"name": "Initech", "employees": 329, "total billed": 830.5},
}


def test_an_alias_is_two_ids_of_one_customer() -> None:
    """The id it is called by from now on is `userId`."""
    assert list(told(ALIAS)) == [Alias("jen@example.com", "507f")]
    assert list(told(ALIAS | {"previousId": None, "anonymousId": "a9"})) == [Alias("a9", "507f")]


def test_an_alias_to_itself_says_nothing() -> None:
    """The shortest of all cycles, and one without a second id."""
    assert list(told(ALIAS | {"previousId": "507f"})) == []
    assert list(told(ALIAS | {"previousId": ""})) == []
    assert list(told(ALIAS | {"userId": None})) == []


def test_traits_are_those_of_the_customer_or_of_the_account() -> None:
    """Plain values as they came."""
    assert list(told(IDENTIFY)) == [Traits("customer", "9798", IDENTIFY["traits"])]
    assert list(told(GROUP)) == [Traits("account", "0e8c", GROUP["traits"])]
    assert list(told(GROUP | {"groupId": None})) == []
    assert list(told({"type": "identify"})) == []


def test_who_signs_in_was_somebody_before() -> None:
    """`identify` ties the anonymous id to the customer's own."""
    found = list(told(IDENTIFY | {"anonymousId": "a9"}))
    assert found == [Alias("a9", "9798"), Traits("customer", "9798", IDENTIFY["traits"])]
    anonymous = IDENTIFY | {"userId": None, "anonymousId": "a9"}
    assert list(told(anonymous)) == [Traits("customer", "a9", IDENTIFY["traits"])]


def test_rudderstacks_traits_stand_in_the_context() -> None:
    """Those of the message itself go first."""
    moved = IDENTIFY | {"traits": None, "context": {"traits": {"plan": "free"}}}
    assert list(told(moved)) == [Traits("customer", "9798", {"plan": "free"})]
    both = IDENTIFY | {"context": {"traits": {"plan": "free"}}}
    assert list(told(both)) == list(told(IDENTIFY))


@pytest.mark.parametrize("small", [True, False])
def test_traits_of_a_megabyte_grow_nobodys_state(small: bool) -> None:  # noqa: FBT001
    """What is plain and short counts, nothing else; what is too large to read is put aside."""
    told_of = {"plan": "team", "essay": "x" * ((1 << 20) - (1_000 if small else 0)), "n": [1] * 9}
    value = orjson.dumps(
        IDENTIFY
        | {"messageId": "m", "timestamp": "2026-01-01T00:00:00Z", "event": "x", "traits": told_of}
    )
    block = Decoder(traits=frozenset({"plan", "essay", "n"})).decode_block([value], [1 << 50])
    if small:
        (event,) = block.events
        assert event.traits == {"plan": "team"}
    else:
        ((_, bad),) = block.others
        assert isinstance(bad, BadEvent)
        assert bad.code is Code.TOO_LARGE


def test_what_is_taken_of_traits_is_bounded() -> None:
    """Nested, endless and strange ones are left where they are."""
    strange = {"address": {"city": "x"}, "list": [1], "bio": "x" * 900, "": 1, "k" * 900: 1}
    strange |= {"inf": float("inf"), "nan": float("nan"), "big": 2**2_000, "nul": "a\0"}
    plain = {"gone": None, "empty": "", "n": 2**60}
    assert list(told(IDENTIFY | {"traits": strange | plain})) == [Traits("customer", "9798", plain)]
    many = {f"t{i}": i for i in range(50_000)}
    (traits,) = told(IDENTIFY | {"traits": many})
    assert isinstance(traits, Traits)
    assert list(traits.values) == [f"t{i}" for i in range(TRAITS_MAX)]


def test_a_message_about_what_was_done_says_nothing_of_who_did_it() -> None:
    """Though it may carry traits for its reader's convenience."""
    assert list(told(IDENTIFY | {"type": "track"})) == []


def test_a_broken_id_is_refused() -> None:
    """It would be the name of a customer."""
    with pytest.raises(BadEvent) as caught:
        list(told(ALIAS | {"previousId": "x" * 600}))
    assert caught.value.code == Code.ID_TOO_LONG


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(["userId", "anonymousId", "previousId", "groupId", "traits", "context"])


@given(st.sampled_from(["alias", "identify", "group"]), st.dictionaries(KEYS, ANY))
def test_arbitrary_messages_are_facts_or_reasons(kind: str, record: dict[str, object]) -> None:
    """And every fact can be written down."""
    try:
        found = list(told(record | {"type": kind}))
    except BadEvent:
        return
    for fact in found:
        assert not isinstance(fact, Traits) or len(orjson.dumps(fact.values, default=str)) < 99_999
