"""Signatures, schedules, answers, addresses, standings: the parts of delivery that only compute."""

from base64 import b64encode
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from stream.delivery import standing
from stream.delivery.answers import Answer, Meaning, meaning
from stream.delivery.pace import FAILURES_DOWN, PAUSE_MAX_MS, Pace
from stream.delivery.schedule import ALL_OF_IT_MS, asked_ms, next_delay_ms
from stream.delivery.signing import read_secret, signed
from stream.delivery.targets import PrivateTargetError, guarded_socket, public

NOW_MS = 1_770_000_000_000


def test_a_signature_is_the_specifications() -> None:
    """Made by their library from the same parts."""
    secret = bytes(range(24))
    at = datetime.fromtimestamp(NOW_MS // 1000, UTC)
    theirs = Webhook(secret).sign("msg_1", at, '{"a":1}')
    ours = dict(signed("msg_1", NOW_MS // 1000, b'{"a":1}', [secret, b"x" * 32]))
    assert ours["webhook-signature"].split(" ")[0] == theirs
    assert len(ours["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("c2VjcmV0", "begin"),
        ("whsec_not base64!", "base64"),
        ("whsec_" + b64encode(b"short").decode(), "5 bytes"),
        ("whsec_" + b64encode(b"x" * 65).decode(), "65 bytes"),
    ],
)
def test_a_secret_that_is_none_is_refused_without_being_shown(text: str, problem: str) -> None:
    """The message goes to a log."""
    with pytest.raises(ValueError, match=problem) as raised:
        read_secret(text)
    assert text not in str(raised.value)


def test_a_secret_is_what_the_library_takes_it_for() -> None:
    """The same bytes, so the same signatures."""
    text = "whsec_" + b64encode(bytes(range(32))).decode()
    assert read_secret(text) == Webhook(text)._whsecret


def test_there_are_ten_attempts_in_three_days() -> None:
    """The specification's table; the longest it can take is a fifth more."""
    delays = [next_delay_ms(failures, 0, 0.0) for failures in range(1, 11)]
    assert delays[-1] is None
    known = [delay for delay in delays if delay is not None]
    assert sum(known) == (75 * 3600 + 35 * 60 + 5) * 1000
    late = [next_delay_ms(failures, 0, 1.0) for failures in range(1, 10)]
    assert late == [round(delay * 1.2) for delay in known]


def test_restarts_do_not_keep_an_alert_for_ever() -> None:
    """Whoever deploys every day would start its schedule anew every day."""
    old = ALL_OF_IT_MS + 1
    assert [next_delay_ms(failures, old, 0.0) for failures in (1, 2, 3)] == [5_000, 300_000, None]


@pytest.mark.parametrize(
    ("header", "wait_ms"),
    [
        (None, 0),
        ("", 0),
        ("120", 120_000),
        (" 7 ", 7_000),
        ("-5", 0),
        ("soon", 0),
        ("1e3", 0),
        ("9" * 400, 86_400_000),
        ("Mon, 02 Feb 2026 02:41:40 GMT", 100_000),
        ("Mon, 02 Feb 1926 02:41:40 GMT", 0),
        ("Mon, 02 Feb 2926 02:41:40 GMT", 86_400_000),
        ("Mon, 02 Feb 99999 02:41:40 GMT", 0),
    ],
)
def test_a_pause_that_is_asked_for_is_kept_within_reason(header: str | None, wait_ms: int) -> None:
    """Seconds or a date; what is neither asks for nothing, and nobody for more than a day."""
    assert asked_ms(header, NOW_MS) == wait_ms


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (200, Meaning.DELIVERED),
        (204, Meaning.DELIVERED),
        (301, Meaning.REFUSED),
        (400, Meaning.REFUSED),
        (404, Meaning.REFUSED),
        (410, Meaning.GONE),
        (429, Meaning.LATER),
        (500, Meaning.LATER),
        (503, Meaning.LATER),
        (0, Meaning.LATER),
    ],
)
def test_only_2xx_is_a_success(status: int, means: Meaning) -> None:
    """And a redirect is none."""
    assert meaning(Answer(status)) is means


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - the address itself, not a place to listen
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe",
        "2001:db8::1",
    ],
)
def test_an_address_that_is_not_the_internets_is_private(address: str) -> None:
    """In every form that stands for one."""
    assert not public(address)
    with pytest.raises(PrivateTargetError, match="no public address"):
        guarded_socket((10 if ":" in address else 2, 1, 6, "", (address, 443)))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    """A guard that lets nobody through would pass the tests above."""
    assert public(address)
    guarded_socket((10 if ":" in address else 2, 1, 6, "", (address, 443))).close()


def test_an_endpoint_that_fails_is_tried_ever_less() -> None:
    """One attempt at a time, and pauses from five seconds to five minutes."""
    pace = Pace(at_once=8)
    assert pace.room(0, 3) == 5
    for _ in range(FAILURES_DOWN - 1):
        pace.failed(0, 0, 0.0)
    assert pace.room(0, 0) == 8
    pauses = []
    for _ in range(12):
        pace.failed(0, 0, 0.0)
        pauses.append(pace.quiet_until)
        assert pace.room(pace.quiet_until - 1, 0) == 0
        assert pace.room(pace.quiet_until, 0) == 1
        assert pace.room(pace.quiet_until, 1) == 0
    assert pauses[:3] == [5_000, 10_000, 20_000]
    assert pauses[-1] == PAUSE_MAX_MS
    assert pace.took() is True
    assert pace.took() is False
    assert pace.room(0, 0) == 8


def test_a_standing_speaks_of_one_url_and_does_not_show_it() -> None:
    """Another URL is another chance; Slack's are secrets."""
    found = standing.disabled("crm", "https://hooks.example/secret", "status 410", NOW_MS)
    read = standing.decode(standing.encode(found))
    assert read == found
    assert b"secret" not in standing.encode(found)
    assert standing.speaks_of(read, "https://hooks.example/secret")
    assert not standing.speaks_of(read, "https://hooks.example/other")
    with pytest.raises(ValueError, match="Expected `object`"):
        standing.decode(b"[]")
