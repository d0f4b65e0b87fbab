"""Many JSON objects as lines of one text: typed decoding takes them all in one call.

Nothing may come of it that would not come of each value alone.  A line break
between a closing and an opening brace is never inside of an object, nor is one
inside of a string; so of values that all open and close with braces, none can
lend the next a part.  A value of two objects is one too many: the caller counts.
"""

from collections.abc import Sequence

import numpy as np

_BYTES_MAX = 4_096
"""Longer values are read with care: only they can be deep enough to hurt."""
_BREAK, _CLOSING, _BACKSLASH = b"\n}\\"


def as_lines(values: Sequence[bytes | None], head: bytes = b"{") -> bytes | None:
    """Join values, all but the first of which begin with `head`; None: to the careful way.

    That is wherever one is missing, or `count_lines` does not count each as one.
    """
    try:
        lines = b"\n".join(values)  # type: ignore[arg-type] # what is none says so
    except TypeError:
        return None
    return lines if count_lines(lines, head) == len(values) else None


def count_lines(lines: bytes, head: bytes = b"{") -> int | None:
    """Count lines, all but the first of which begin with `head`; None: to the careful way.

    That is wherever one is long, has no braces round it, or may hold a null
    character, which no text here may.
    """
    if _BACKSLASH in lines and b"\\u0000" in lines:  # a byte is found soonest as a number
        return None
    text = np.frombuffer(lines, np.uint8)
    breaks = np.flatnonzero(text == _BREAK)  # three times as fast as to count them as bytes
    if not len(breaks):
        return 1 if len(lines) <= _BYTES_MAX else None
    if breaks[0] == 0 or breaks[-1] + len(head) >= len(text):
        return None
    ends = np.append(breaks, len(text))
    if ends[0] > _BYTES_MAX or (ends[1:] - breaks).max() > _BYTES_MAX + 1:
        return None
    braced = (text[breaks - 1] == _CLOSING).all() and all(
        (text[breaks + place] == byte).all() for place, byte in enumerate(head, 1)
    )
    return len(breaks) + 1 if braced else None
