"""Reading a log of JSON lines: by the text where it is faultless, by the line where it is not.

Making a line of every event takes longer than reading what stands in it.  So a
quarter of a megabyte is read at a time, and only where something in it is not an
event that can be used are its lines made and numbered, to name each fault by its
line.  The lines on trial, a file's first, are always made.
"""

import io
from collections.abc import Iterator
from operator import itemgetter

import numpy as np

from stream.detector.batch import EventBatch
from stream.detector.watermark import ahead
from stream.replay.refusals import TRIAL_ROWS, FileTrial, Refusals
from stream.replay.source import BYTE_ORDER_MARK
from stream.wire.erasure import Erasure
from stream.wire.events import Block, Decoder, Heartbeat, Travelled
from stream.wire.json_object import BYTES_MAX

_CHUNK_BYTES = 1 << 18  # larger: more to be read again where a line is faulty, and no faster


class JsonLines:
    """Reads the events of one file."""

    def __init__(
        self,
        decoder: Decoder,
        received_at: int,
        max_future_skew_ms: int,
        trial: FileTrial,
        refusals: Refusals,
    ) -> None:
        """Take the file's trial; `received_at` (ms) is when all of its lines were received."""
        self._decoder = decoder
        self._received_at = received_at
        self._limit = received_at + max_future_skew_ms
        self._trial = trial
        self._refusals = refusals
        self._rows = 0
        self._tried = False

    def events(self, stream: io.BufferedReader) -> Iterator[EventBatch]:
        """Yield the events of the file's unpacked bytes, or raise LogError after the trial."""
        first = 1
        try:
            for text in _texts(stream):
                events = self._faultless(text) if self._tried else None
                if events is not None:
                    first += len(events)
                    self._rows += len(events)
                    yield events
                    continue
                lines = text.split(b"\n")
                lines[0] = lines[0][: BYTES_MAX + 1]
                for begin in range(0, len(lines), TRIAL_ROWS):
                    events = self._numbered(first + begin, lines[begin : begin + TRIAL_ROWS])
                    if events:
                        yield events
                    if self._rows >= TRIAL_ROWS and not self._tried:
                        self._judge()
                first += len(lines)
            if not self._tried:
                self._judge()
        finally:
            self._refusals.rows += self._rows

    def _judge(self) -> None:
        self._tried = True
        self._trial.judge(self._rows)

    def _faultless(self, text: bytes) -> EventBatch | None:
        """Read lines that are all events which can be used; None where one is not."""
        events = self._decoder.decode_text(text, self._received_at)
        return None if events is None or (events.occurred_at > self._limit).any() else events

    def _numbered(self, first: int, lines: list[bytes]) -> EventBatch:
        """Read lines, of which the first has this number, and refuse what cannot be used."""
        events, _, others = self._believed(lines)
        self._rows += len(events) + len(others)
        for place, other in others:
            if isinstance(other, Heartbeat):
                self._refusals.heartbeats += 1
            elif isinstance(other, Erasure):
                self._refusals.erasures.append(other)
            elif other is None or isinstance(other, Travelled):
                self._refusals.ignored += 1
            elif lines[place] and not lines[place].isspace():
                self._trial.refuse(first + place, other, lines[place])
            else:
                self._rows -= 1
        return events

    def _believed(self, lines: list[bytes]) -> Block:
        """Decode lines, and refuse those whose clock runs ahead."""
        block = self._decoder.decode_block(lines, [self._received_at] * len(lines))
        moments = block.events.occurred_at
        too_far = moments > self._limit
        if not too_far.any():
            return block
        refused = [
            (block.place(number), ahead(int(moments[number]), self._received_at))
            for number in np.flatnonzero(too_far).tolist()
        ]
        kept = np.flatnonzero(~too_far)
        others = sorted([*block.others, *refused], key=itemgetter(0))
        return Block(block.events.taken(kept), block.places[kept], others)


def _texts(stream: io.BufferedReader) -> Iterator[bytes]:
    """Yield whole lines, many at a time, without the end of the last one.

    Of a line that no event may have, only the begin is kept.
    """
    rest = stream.read(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)
    while chunk := stream.read(_CHUNK_BYTES):
        text = rest + chunk
        end = text.rfind(b"\n")
        rest = text[end + 1 :][: BYTES_MAX + 1]
        if end >= 0:
            yield text[:end]
    yield rest
