"""The console's book: what is open, what is over, and nothing of who was erased."""

import pytest
from said import alert

from stream.console import book as module
from stream.console.book import Book
from stream.detector.alerts import Kind
from stream.wire.alerts import encode_alert


def told(book: Book, **fields: object) -> None:
    """Take in the record of an alert."""
    said = alert(**fields)
    book.customer(said.customer_id.encode(), encode_alert(said))


def test_an_open_episode_stays_until_it_is_over() -> None:
    """The page is of who is slipping now, not of who once was."""
    book = Book()
    told(book, customer_id="ann", kind=Kind.OPENED)
    told(book, customer_id="ann", kind=Kind.ESCALATED)
    assert book.customers["ann"].kind is Kind.ESCALATED
    told(book, customer_id="ann", kind=Kind.RECOVERED)
    assert not book.customers
    assert [over.customer_id for over in book.over] == ["ann"]


def test_who_is_erased_is_nowhere() -> None:
    """An erasure is told of by a tombstone, and a console that runs has to obey it."""
    book = Book()
    told(book, customer_id="ann", kind=Kind.OPENED)
    told(book, customer_id="bob", kind=Kind.LAPSED)
    book.customer(b"ann", None)
    book.customer(b"bob", None)
    assert not book.customers
    assert not book.over


def test_the_latest_that_are_over_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million endings must not fill the memory; partitions come in no common order."""
    monkeypatch.setattr(module, "OVER_MAX", 2)
    book = Book()
    for moment in (3, 1, 2):
        told(book, customer_id=str(moment), kind=Kind.RECOVERED, time=moment)
    assert [over.time for over in book.over] == [2, 3]


def test_what_is_no_alert_is_counted_and_changes_nothing() -> None:
    """A newer version's record must not end the console, nor hide who is slipping."""
    book = Book()
    told(book, customer_id="ann", kind=Kind.OPENED)
    book.customer(b"ann", b"{")
    book.account(b"acme", b"[]")
    book.snapshot(b"model", b"x")
    assert book.unread == 3
    assert list(book.customers) == ["ann"]


def test_every_change_is_a_new_version() -> None:
    """Open pages look again when the version has changed, and only then."""
    book = Book()
    seen = {book.version}
    told(book, kind=Kind.OPENED)
    seen.add(book.version)
    told(book, kind=Kind.RECOVERED)
    seen.add(book.version)
    assert len(seen) == 3
