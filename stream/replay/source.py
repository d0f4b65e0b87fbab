"""The bytes of a log: a file or standard input, packed or not, counted as they are read.

Compression is told by the first bytes, never by the name: a pipe has no name,
and a file that is called .gz and is not has cost somebody an evening.
"""

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa

from stream.replay.errors import LogError

STANDARD_INPUT: Final = "-"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
OnBytes = Callable[[int], object]
"""Told how many bytes of the (packed) log have been read since it was last told."""

_BUFFER_BYTES = 1 << 20
_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
_MAGIC_BYTES_MAX = 4


class _Counted(io.RawIOBase):
    """A raw file that tells how much of it has been read."""

    def __init__(self, raw: BinaryIO, on_bytes: OnBytes) -> None:
        self._raw = raw
        self._on_bytes = on_bytes

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._raw.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self._on_bytes(len(data))
        return len(data)


@contextmanager
def open_log(file: str, on_bytes: OnBytes) -> Iterator[io.BufferedReader]:
    """Open a log ("-" is standard input) and give its unpacked bytes; trouble is a LogError."""
    try:
        raw: BinaryIO = (
            sys.stdin.buffer if file == STANDARD_INPUT else Path(file).open("rb")  # noqa: SIM115 - closed below, and standard input never
        )
    except OSError as error:
        raise LogError(f"{file}: cannot be opened: {error.strerror}") from error
    try:
        yield _unpacked(io.BufferedReader(_Counted(raw, on_bytes), _BUFFER_BYTES))
    except (EOFError, OSError, pa.ArrowException) as error:
        raise LogError(f"{file}: cannot be read to its end: {error}") from error
    finally:
        if file != STANDARD_INPUT:
            raw.close()


def total_bytes(files: Sequence[str]) -> int | None:
    """Give the size of all files, None if it is not known beforehand."""
    try:
        return sum(Path(file).stat().st_size for file in files)
    except OSError:
        return None  # standard input, or a file whose absence `open_log` reports


def _unpacked(packed: io.BufferedReader) -> io.BufferedReader:
    begins = packed.peek(_MAGIC_BYTES_MAX)
    for codec, magic in _MAGIC.items():
        if begins.startswith(magic):
            stream = pa.CompressedInputStream(pa.PythonFile(packed, "r"), codec)
            return io.BufferedReader(stream, _BUFFER_BYTES)
    return packed
