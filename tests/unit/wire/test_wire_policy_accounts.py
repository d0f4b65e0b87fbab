"""The policy's words on accounts: what they become, and what is wrong with them."""

import pytest

from stream.detector.policy import Accounts
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
