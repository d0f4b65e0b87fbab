"""What the fields of an event may hold, whichever form the event came in.

Ids and names end up as Kafka keys, state keys and alert text: they have to be
short, printable by any platform, and the same text on every machine.
"""

import math
from collections.abc import Sequence
from typing import Final

from stream.detector.errors import BadEvent, Code

TEXT_BYTES_MAX: Final = 512  # larger: ids that are really payloads, kept in the state for ever
VOLUME_MAX: Final = 1e12
SHORT_CHARACTERS: Final = TEXT_BYTES_MAX // 4
"""Text of so few characters fits in any case: UTF-8 needs at most four bytes for one."""

_SHOWN_CHARACTERS = 60


def shown(value: object) -> str:
    """Quote a found value, cut to what a message can hold."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def short(*columns: Sequence[str]) -> bool:
    """Tell whether no text is empty or too long."""
    lengths = [set(map(len, column)) for column in columns]
    return all(min(some) > 0 and max(some) <= SHORT_CHARACTERS for some in lengths)


def short_or_empty(*columns: Sequence[str]) -> bool:
    """Tell whether no text is too long."""
    return all(max(map(len, column)) <= SHORT_CHARACTERS for column in columns)


def customer(value: object, what: str) -> str:
    """Give a customer id: text or an integer, at most 512 bytes."""
    if value is None:
        raise BadEvent(Code.NO_CUSTOMER, f"{what} is missing")
    text = _text(value, what)
    if not text or text.isspace():
        raise BadEvent(Code.NO_CUSTOMER, f"{what} is empty")
    return text


def event(value: object, what: str) -> str:
    """Give an event name: text, at most 512 bytes."""
    if value is None or value == "":
        raise BadEvent(Code.NO_EVENT, f"{what} is missing or empty")
    if not isinstance(value, str):
        raise BadEvent(Code.WRONG_TYPE, f"{what} is {shown(value)}: expected text")
    return _text(value, what)


def optional(value: object, what: str) -> str:
    """Give an id that need not be there (message, account); empty where it is not."""
    return "" if value is None or value == "" else _text(value, what)


def volume(value: object) -> float:
    """Give how much use an event stands for: a plausible number as it is, anything else 1.

    Zero and less are no count of use, and what is no number at all is somebody
    else's property of the same name: neither is worth losing the event.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 1.0
    return float(value) if 0 < value <= VOLUME_MAX else 1.0


def volume_column(value: object, what: str) -> float:
    """Give the volume of a column the policy names: empty is 1, text that is no number refused."""
    if value is None or value == "":
        return 1.0
    try:
        number = float(value)  # type: ignore[arg-type] # what is no number says so itself
    except (TypeError, ValueError, OverflowError) as error:
        found = shown(value)
        raise BadEvent(Code.WRONG_TYPE, f"{what} is {found}: expected a number") from error
    return volume(number)


def _text(value: object, what: str) -> str:
    if isinstance(value, str):
        text = value
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
    elif isinstance(value, float) and math.isfinite(value) and value.is_integer() and _exact(value):
        # A column of whole numbers with gaps is stored as floats by most tools: 17850.0 is 17850.
        text = str(int(value))
    else:
        raise BadEvent(Code.WRONG_TYPE, f"{what} is {shown(value)}: expected text or an integer")
    if len(text) > SHORT_CHARACTERS or not text.isascii():
        _check_bytes(text, what)
    if "\0" in text:
        raise BadEvent(Code.NULL_BYTE, f"{what} is {shown(text)}: it holds a null byte")
    return text


def _exact(value: float) -> bool:
    return abs(value) <= 2**53


def _check_bytes(text: str, what: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise BadEvent(Code.NOT_UTF8, f"{what} is {shown(text)}: not UTF-8") from error
    if size > TEXT_BYTES_MAX:
        raise BadEvent(Code.ID_TOO_LONG, f"{what} is {size} bytes long: at most {TEXT_BYTES_MAX}")
