"""Many JSON objects as lines of one text: typed decoding takes them all in one call.

Nothing may come of it that would not come of each value alone.  A line break
between a closing and an opening brace is never inside of an object, nor is one
inside of a string; so of values that all open and close with braces, none can
lend the next a part.  A value of two objects is one too many: the caller counts.
"""

from collections.abc import Sequence

_BYTES_MAX = 4_096
"""Longer values are read with care: only they can be deep enough to hurt."""
_BACKSLASH = 0x5C


def as_lines(values: Sequence[bytes | None], head: bytes = b"{") -> bytes | None:
    """Join values, all but the first of which begin with `head`; None: to the careful way.

    That is wherever one is missing, long, breaks lines of its own, has no braces
    round it, or may hold a null character, which no text here may.
    """
    try:
        lines = b"\n".join(values)  # type: ignore[arg-type] # what is none says so
    except TypeError:
        return None
    breaks = len(values) - 1
    if (
        max(map(len, values)) > _BYTES_MAX  # type: ignore[arg-type]
        or lines.count(b"\n") != breaks
        or lines.count(b"}\n" + head) != breaks
        or (_BACKSLASH in lines and b"\\u0000" in lines)  # a byte is found soonest as a number
    ):
        return None
    return lines
