"""The policy's words on accounts: what they become, and what is wrong with them."""

import orjson
import pytest

from stream.detector.policy import Accounts
from stream.detector.segments import FromTrait, account_segment_of
from stream.detector.stages import AccountTrigger
from stream.wire.events import Decoder
from stream.wire.policy_file import PolicyErrors, parse

WHOLE = """
[accounts]
enabled = true
members_min = 5
seats_ratio = 0.6
champion_share = 0.25
breadth_share = 0.9
silence_chance = 0.001
"""


def test_every_word_is_obeyed() -> None:
    """And unless it says so, a policy looks at no accounts."""
    assert parse(WHOLE).policy.accounts == Accounts(
        enabled=True,
        members_min=5,
        seats_ratio=0.6,
        champion_share=0.25,
        breadth_share=0.9,
        silence_chance=0.001,
    )
    assert not parse("").policy.accounts.enabled
    assert parse(WHOLE).policy.version != parse("").policy.version


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("members_min = 1", "1 is out of range: from 2"),
        ("seats_ratio = 1.5", "a share of the usual members"),
        ("silence_chance = 0.7", "between 0 and 0.5"),
        ('enabled = "yes"', "neither true nor false"),
        ("champion = 0.3", 'did you mean "champion_share"'),
    ],
)
def test_what_is_wrong_is_said_with_its_line(line: str, words: str) -> None:
    """As of every section."""
    with pytest.raises(PolicyErrors, match="line 2") as caught:
        parse(f"[accounts]\n{line}")
    assert words in str(caught.value)


KINDS = """
[accounts]
enabled = true
seats_bought = { trait = "seats" }

[[account_segment]]
name = "partners"
where = { plan = ["partner", "internal"], seats = ">= 5" }
eligible = false

[[account_segment]]
name = "paying"
value = { trait = "mrr" }
owner = "dana"

[[account_play]]
name = "call"
segment = ["paying"]
kind = ["opened"]
trigger = ["seats", "champion"]
reason = ["members_active"]
say = "Call."

[[account_play]]
name = "look"
"""


def test_kinds_of_accounts_and_plays_for_them_are_read() -> None:
    """As those of customers; and events are asked for their traits."""
    policy = parse(KINDS).policy
    assert policy.accounts.seats_bought == FromTrait("seats")
    partners, paying = policy.account_segments
    assert (partners.eligible, paying.value, paying.owner) == (False, FromTrait("mrr"), "dana")
    assert account_segment_of(policy.account_segments, {"plan": "partner", "seats": 5}) == partners
    assert account_segment_of(policy.account_segments, {"plan": "partner"}) == paying
    call, look = policy.account_plays
    assert call.triggers == (AccountTrigger.SEATS, AccountTrigger.CHAMPION)
    assert (call.say, look.segments) == ("Call.", ())
    assert policy.traits == {"account.seats", "account.plan", "account.mrr"}
    assert parse("").policy.traits == frozenset()


def test_everything_wrong_with_kinds_of_accounts_is_said_at_once() -> None:
    """Each with its line, and what was meant."""
    text = """[accounts]
enabled = true
seats_bought = "seats"
[[account_segment]]
name = "all"
where = { "account.plan" = "x" }
[[account_segment]]
name = "rest"
visits_min = 3
[[account_segment]]
name = "rest"
value = "much"
[[account_segment]]
owner = "dana"
[[account_play]]
name = "call"
[[account_play]]
name = "look"
segment = ["al"]
trigger = ["decline"]
reason = ["seats_lost"]
"""
    with pytest.raises(PolicyErrors) as caught:
        parse(text)
    said = [(error.line, error.message) for error in caught.value.errors]
    for line, words in (
        (3, "expected the trait that says it"),
        (9, "unknown here: it belongs into [slipping]"),
        (12, "expected a number, or the trait with it"),
        (13, "name is missing"),
        (20, "decline"),
    ):
        assert any(at == line and words in message for at, message in said), (line, words)
    fixed = text.replace('[[account_segment]]\nowner = "dana"\n', "")
    with pytest.raises(PolicyErrors) as caught:
        parse(fixed)
    said = [(error.line, error.message) for error in caught.value.errors]
    for line, words in (
        (4, 'all traits are the account\'s here, so write "plan"'),
        (7, "no segment after it is ever reached"),
        (11, "is there twice"),
        (13, "no play after it is ever suggested"),
        (17, 'did you mean "all"?'),
        (19, "is no reason"),
    ):
        assert any(at == line and words in message for at, message in said), (line, words)


def test_kinds_of_accounts_say_nothing_where_none_is_looked_at() -> None:
    """Whoever wrote them wants alerts on accounts."""
    with pytest.raises(PolicyErrors) as caught:
        parse(KINDS.replace("enabled = true", "enabled = false"))
    keys = [error.key for error in caught.value.errors]
    assert keys == ["[[account_segment]]", "[[account_play]]"]
    assert "set enabled in [accounts]" in str(caught.value)


def test_nothing_is_concluded_from_conditions_that_cannot_be_read() -> None:
    """They are not "no conditions"."""
    for section in ("segment", "account_segment"):
        text = f'[accounts]\nenabled = true\n[[{section}]]\nname = "a"\nwhere = 3\n'
        with pytest.raises(PolicyErrors) as caught:
            parse(text + f'[[{section}]]\nname = "b"\n')
        assert len(caught.value.errors) == 1


def test_a_mapping_tells_what_an_account_is_like() -> None:
    """By paths, and an object of several; what nobody asks for is not kept."""
    mapping = """
[[mapping]]
customer = "who"
time = "at"
event = "did"
account = "account.id"
traits = ["region"]
account_traits = ["account.seats", "account.details"]
"""
    product = parse(KINDS + mapping)
    decoder = Decoder(product.mappings, product.policy.traits)
    account = {"id": "acme", "seats": 50, "details": {"mrr": 7, "region": "north"}}
    event = {"who": "ann", "at": 1_700_000_000, "did": "open", "plan": "x", "account": account}
    value = orjson.dumps(event)
    read = decoder.decode(value, 1_800_000_000_000)
    assert (read.account_id, read.traits) == ("acme", {"account.seats": 50, "account.mrr": 7})
