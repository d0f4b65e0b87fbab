"""Times on the wire: ISO 8601 text and epoch numbers, to integer milliseconds and back.

A clock time without a zone is read as UTC: any other guess would depend on the
machine that reads.  A value that is only a date is placed at a time of day the
policy names, because midnight is rarely when the customer was there.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np

from stream.detector.batch import Moments
from stream.detector.errors import BadEvent, Code
from stream.detector.events import DAY_MS, EARLIEST_MS

LATEST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999: beyond it no calendar library follows."""

ISO = "iso"
EPOCH_SECONDS = "epoch"
EPOCH_MS = "epoch_ms"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_MAX = 1e11
"""An epoch number below this counts seconds: as milliseconds it would lie before 1990."""
_FINER = (1_000, 1_000_000)
"""Micro- and nanoseconds in a millisecond.  The year 9999 in one unit is less than 1990 in the
next, so that a number says itself what it counts."""
_DATE_CHARACTERS_MAX = 10
_TEXT_CHARACTERS_MAX = 64
_CLOCK_DIRECTIVES = re.compile(r"%[HIMSfpcXsT]")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")
_EPOCH_TEXT = re.compile(r"[+-]?[0-9]{9,}(?:\.[0-9]*)?|[+-]?[0-9]+\.[0-9]*")
"""Eight digits and no fraction are a date (20111208), not a second of 1970."""
_SECOND_CHARACTERS = len("2026-03-01T09:30:00.")
_THOUSANDTHS = {f"{n:03d}Z": n for n in range(1_000)}
"""What follows a second in the form most senders use: seconds come again, milliseconds do not."""
_FORM = "0000-00-00T00:00:00.000Z"
_FORM_BYTES = np.frombuffer(_FORM.encode(), np.uint8)
_MIDNIGHT = "T00:00:00.000Z"
_ZERO = ord("0")
_DIGITS = np.flatnonzero(_FORM_BYTES == _ZERO)
_DIGITS_MAX = np.zeros(len(_FORM), np.uint8)  # what is no digit has to be as in the form
_DIGITS_MAX[_DIGITS] = [9] * 10 + [5, 9, 5, 9] + [9] * 3  # minutes, seconds: 59
_WEIGHTS = np.zeros((len(_FORM), 2))
_WEIGHTS[_DIGITS[:8], 0] = 10.0 ** np.arange(7, -1, -1)
_WEIGHTS[_DIGITS[8:], 1] = [36e6, 36e5, 6e5, 6e4, 1e4, 1e3, 1e2, 10, 1]
_KNOWN_MAX = 100_000  # larger: fewer times parsed twice, 10 MB per 100,000


def iso(at: int) -> str:
    """Write milliseconds as ISO 8601 UTC ending in Z, with a fraction only if there is one.

    What lies beyond the calendar is written as its last second: an alert about
    a very patient customer is no reason to stop.
    """
    moment = _EPOCH + timedelta(milliseconds=max(0, min(at, LATEST_MS)))
    text = f"{moment:%Y-%m-%dT%H:%M:%S}"
    thousandths = moment.microsecond // 1_000
    return f"{text}.{thousandths:03d}Z" if thousandths else f"{text}Z"


def milliseconds(moment: datetime) -> int:
    """Give the milliseconds since 1970 of a moment (UTC unless it says otherwise)."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = aware - _EPOCH
    return since.days * DAY_MS + since.seconds * 1_000 + since.microseconds // 1_000


def from_iso(text: str) -> int:
    """Read what `iso` wrote; raise ValueError for anything that is no ISO 8601 time."""
    return milliseconds(datetime.fromisoformat(text))


class TimeReader:
    """Reads the times of one column, and remembers the texts it has read: rows share them."""

    def __init__(self, time_format: str = "", time_of_day_ms: int = 0) -> None:
        """Take `time_format` "iso", "epoch", "epoch_ms", a strptime pattern or "" (by value)."""
        self._format = time_format
        self._time_of_day_ms = time_of_day_ms
        self._known: dict[str, int] = {}
        readers: dict[str, Callable[[str], int]] = {
            "": self._any_text,
            ISO: self._iso_text,
            EPOCH_SECONDS: self._number_text,
            EPOCH_MS: self._number_text,
        }
        self._text = readers.get(time_format, self._pattern_text)
        self._in_iso = time_format in ("", ISO)
        self._seconds: dict[str, int] = {}
        self._last_second, self._last_second_at = "", 0  # events often share it
        self._has_clock = bool(_CLOCK_DIRECTIVES.search(time_format))

    def read(self, value: object, what: str = "time") -> int:
        """Give milliseconds since 1970 UTC, from 1990 to the year 9999, or raise BadEvent."""
        if isinstance(value, str):
            thousandths = _THOUSANDTHS.get(value[_SECOND_CHARACTERS:])
            if thousandths is not None:
                text = value[:_SECOND_CHARACTERS]
                if text == self._last_second:
                    return self._last_second_at + thousandths
                second = self._seconds.get(text)
                if second is not None:
                    self._last_second, self._last_second_at = text, second
                    return second + thousandths
            at = self._known.get(value)
            return self._remember(value, what) if at is None else at
        return _plausible(self._untyped(value, what), value, what)

    def read_many(self, texts: Sequence[str], what: str = "time") -> Moments:
        """Give as `read` does the milliseconds of many texts, or raise BadEvent for any of them."""
        in_columns = _split_utc(texts) if self._in_iso else None
        if in_columns is None:
            return np.fromiter((self.read(text, what) for text in texts), np.int64, len(texts))
        days, which, since_midnight = in_columns
        midnights = [
            self.read(f"{day // 10_000:04}-{day // 100 % 100:02}-{day % 100:02}{_MIDNIGHT}", what)
            for day in days.tolist()
        ]
        return np.array(midnights, np.int64)[which] + since_midnight

    def read_ms(self, at: int, what: str) -> int:
        """Give `at` (milliseconds) if it lies from 1990 to the year 9999, or raise BadEvent."""
        return _plausible(at, at, what)

    def _remember(self, text: str, what: str) -> int:
        stripped = text.strip()
        if not stripped:
            raise BadEvent(Code.NO_TIME, f"{what} is empty")
        if len(stripped) > _TEXT_CHARACTERS_MAX:
            raise BadEvent(Code.BAD_TIME, f"{what} is {len(text)} characters long: no time is")
        try:
            at = self._text(stripped)
        except (ValueError, OverflowError) as error:
            raise BadEvent(Code.BAD_TIME, f"{what} is {text!r}: {self._wanted()}") from error
        at = _plausible(at, text, what)
        if len(self._known) + len(self._seconds) >= _KNOWN_MAX:
            self._known.clear()
            self._seconds.clear()
        thousandths = _THOUSANDTHS.get(text[_SECOND_CHARACTERS:])
        if thousandths is None or not self._in_iso:
            self._known[text] = at
        else:
            self._seconds[text[:_SECOND_CHARACTERS]] = at - thousandths
        return at

    def _untyped(self, value: object, what: str) -> int:
        """Read what JSON or Parquet typed already: numbers, date-times, dates."""
        match value:
            case None:
                raise BadEvent(Code.NO_TIME, f"{what} is missing")
            case datetime():
                try:
                    return milliseconds(value)
                except OverflowError as error:
                    raise BadEvent(Code.BAD_TIME, f"{what} is out of range") from error
            case date():
                midnight = datetime(value.year, value.month, value.day, tzinfo=UTC)
                return milliseconds(midnight) + self._time_of_day_ms
            case bool():
                raise BadEvent(Code.WRONG_TYPE, f"{what} is {value}: {self._wanted()}")
            case int() | float() if self._format in ("", EPOCH_SECONDS, EPOCH_MS):
                return self._number(value, what)
            case int() if self._format != ISO:
                return self._remember(str(value), what)  # %Y%m%d, stored as a number
            case _:
                kind = type(value).__name__
                raise BadEvent(Code.WRONG_TYPE, f"{what} is of type {kind}: {self._wanted()}")

    def _number(self, value: float, what: str) -> int:
        if not abs(value) <= LATEST_MS:  # what is no number at all is not, either
            for per_ms in () if self._format else _FINER:
                if EARLIEST_MS * per_ms <= value <= LATEST_MS * per_ms:
                    return round(value / per_ms)
            raise BadEvent(
                Code.BAD_TIME, f"{what} is {value}: beyond any date, in seconds or any part of them"
            )
        in_seconds = self._format == EPOCH_SECONDS or (not self._format and value < _SECONDS_MAX)
        # Rounded, not cut: 1293840000.123 is stored as a hair less than it says.
        return round(value * 1_000) if in_seconds else round(value)

    def _any_text(self, text: str) -> int:
        return self._number_text(text) if _EPOCH_TEXT.fullmatch(text) else self._iso_text(text)

    def _number_text(self, text: str) -> int:
        if not _NUMBER.fullmatch(text):
            raise ValueError(text)
        return self._number(float(text) if "." in text else int(text), "time")

    def _iso_text(self, text: str) -> int:
        at = from_iso(text)
        return at + self._time_of_day_ms if len(text) <= _DATE_CHARACTERS_MAX else at

    def _pattern_text(self, text: str) -> int:
        at = milliseconds(datetime.strptime(text, self._format))  # noqa: DTZ007 - UTC is added
        return at if self._has_clock else at + self._time_of_day_ms

    def _wanted(self) -> str:
        match self._format:
            case "":
                return "expected ISO 8601 such as 2026-03-01T09:30:00Z, or an epoch number"
            case "iso":
                return "expected ISO 8601 such as 2026-03-01T09:30:00Z"
            case "epoch" | "epoch_ms":
                unit = "seconds" if self._format == EPOCH_SECONDS else "milliseconds"
                return f"expected {unit} since 1970"
            case _:
                return f"expected the format {self._format!r}"


def _split_utc(texts: Sequence[str]) -> tuple[Moments, Moments, Moments] | None:
    """Split times like 2026-03-01T09:30:00.000Z; None where any is written otherwise.

    Gives the days there are (20260301), which of them each text has, and its
    milliseconds since midnight.
    """
    if not texts or set(map(len, texts)) != {len(_FORM)}:
        return None
    try:
        characters = np.frombuffer("".join(texts).encode("ascii"), np.uint8)
    except UnicodeEncodeError:
        return None
    digits = characters.reshape(-1, len(_FORM)) ^ _FORM_BYTES  # of any but a digit: more than 9
    if (digits > _DIGITS_MAX).any():
        return None
    read = digits.astype(np.float64) @ _WEIGHTS  # floats, exact here, multiply several times faster
    day, since_midnight = read[:, 0], read[:, 1].astype(np.int64)
    if (since_midnight >= DAY_MS).any():
        return None
    if (day == day[0]).all():
        return day[:1].astype(np.int64), np.zeros(len(day), np.int64), since_midnight
    days, which = np.unique(day, return_inverse=True)
    return days.astype(np.int64), which, since_midnight


def _plausible(at: int, value: object, what: str) -> int:
    if at < EARLIEST_MS:
        raise BadEvent(Code.TOO_OLD, f"{what} is {value!r}: before 1990, a broken clock")
    if at > LATEST_MS:
        raise BadEvent(Code.BAD_TIME, f"{what} is {value!r}: after the year 9999")
    return at
