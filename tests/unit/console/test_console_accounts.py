"""The console's page of accounts: what each is, what is at stake, and what to do."""

import msgspec
from test_console_server import serving

from stream.console.book import Book
from stream.contract.account_examples import account_examples
from stream.detector.alerts import Kind
from stream.wire.account_alerts import encode_account_alert

OPENED = account_examples()[Kind.OPENED]


def a_book(**values: float | None) -> Book:
    """Return a book in which accounts worth so much are slipping."""
    book = Book()
    for name, value in values.items():
        said = msgspec.structs.replace(OPENED, account_id=name, value=value, owner="<b>dana</b>")
        book.account(name.encode(), encode_account_alert(said))
    return book


async def test_accounts_stand_by_what_is_at_stake() -> None:
    """Value times what has gone quiet; who has no known value is as usual."""
    book = a_book(small=10.0, unknown=None, usual=20.0, large=1_500.0)
    async with serving(book) as (_, address, session), session.get(f"{address}/accounts") as answer:
        text = await answer.text()
    places = [text.index(f"/accounts?id={name}") for name in ("large", "unknown", "usual", "small")]
    assert places == sorted(places)
    for words in ("1,500", "of 5 seats bought", "paying", "43\N{NO-BREAK SPACE}% quiet"):
        assert words in text
    assert "Call whoever signed, before the renewal does." in text
    assert "for <bdi>&lt;b&gt;dana&lt;/b&gt;</bdi>" in text
