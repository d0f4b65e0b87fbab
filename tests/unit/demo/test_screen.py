"""What the viewer sees: readable, fair, and quiet where nobody watches."""

import io
from collections import Counter

import said

from stream.demo.screen import Queue, StatusLine, sample
from stream.detector.alerts import Alert, Kind
from stream.detector.events import DAY_MS

NOON_MS = 20_000 * DAY_MS + DAY_MS // 2


def alert(customer_id: str = "mia-0001", at: int = NOON_MS, kind: Kind = Kind.OPENED) -> Alert:
    """Say something about a customer."""
    return said.alert(
        customer_id=customer_id,
        time=at,
        kind=kind,
        alert_id=f"{customer_id}{kind}",
        episode_id=customer_id,
    )


def test_a_sample_is_in_order_and_no_larger_than_asked() -> None:
    """Of few, all are shown."""
    alerts = [alert(f"c{n}", NOON_MS - n) for n in range(5)]

    assert sample(alerts, 9) == alerts[::-1]
    assert len(sample(alerts, 3)) == 3


def test_a_sample_prefers_the_same_customers() -> None:
    """Who was seen slipping is seen coming back."""
    names = [f"c{n}" for n in range(50)]
    first = {a.customer_id for a in sample([alert(n) for n in names], 5)}
    later = {a.customer_id for a in sample([alert(n, kind=Kind.RECOVERED) for n in names], 5)}

    assert first == later


def test_a_burst_is_spread_over_the_time_there_is_to_read() -> None:
    """Thirty: six at once, then three each half second, and six never."""
    queue = Queue(6)
    queue.add([alert(f"c{n}", NOON_MS + n) for n in range(30)])
    counts = [len(queue.take(0.5)) for _ in range(7)]

    assert counts == [6, 3, 3, 3, 3, 3, 3]
    assert queue.take_all() == []


def test_what_still_waits_at_the_end_is_shown() -> None:
    """There is time to read it then."""
    queue = Queue(2)
    queue.add([alert(f"c{n}", NOON_MS + n) for n in range(4)])

    shown = [*queue.take(1.0), *queue.take_all()]
    assert Counter(a.customer_id for a in shown) == Counter(f"c{n}" for n in range(4))


def test_the_status_line_is_silent_where_nobody_watches() -> None:
    """A log file full of carriage returns helps no one."""
    stream = io.StringIO()
    StatusLine(stream).say("so it stands")

    assert not stream.getvalue()


class Terminal(io.StringIO):
    """A stream somebody watches."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_the_status_line_is_rewritten_in_place() -> None:
    """One line, not one a second."""
    stream = Terminal()
    status = StatusLine(stream)
    status.say("so it stands")
    status.clear()

    assert stream.getvalue() == "\r\x1b[2Kso it stands\r\x1b[2K"
