"""Show: dead letters for people, in which nothing commands a terminal.

What was put aside came from outside and is wrong: it may hold anything.  Text is
shown with its escapes written out, everything else as numbers.
"""

from collections.abc import Iterator

from stream.dlq.letters import Letter
from stream.dlq.remedies import remedy
from stream.dlq.replaying import Report
from stream.dlq.summary import Kind, Summary
from stream.dlq.trial import Fate, Verdict
from stream.tap.line import shown
from stream.wire.dead_letters import original_headers
from stream.wire.times import iso

_ROW_BYTES = 16
_SECONDS = len("2026-03-01T09:30:00")


def summary_lines(found: Summary) -> Iterator[str]:
    """Give the table of all kinds, and what to do about them."""
    if not found.kinds:
        yield f"No dead letters in {found.topic}, of those asked for."
        return
    head = ("letters", "replayed", "code", "stage", "from", "first", "last", "latest")
    rows = [head, *(_row(kind) for kind in found.kinds)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if number < 2 else cell.ljust(width)  # noqa: PLR2004 - two counts
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _row(kind: Kind) -> tuple[str, ...]:
    return (
        f"{kind.letters:,}",
        f"{kind.replayed:,}",
        shown(kind.code),
        shown(kind.stage),
        shown(kind.topic),
        kind.first[:_SECONDS],
        kind.last[:_SECONDS],
        kind.latest,
    )


def letter_line(letter: Letter) -> str:
    """Give one letter as a line."""
    reason = letter.reason
    where = f"{shown(reason.topic)}:{reason.partition}:{reason.offset}"
    return (
        f"{letter.place!s:<10}  {iso(letter.written_at)[:_SECONDS]}  {shown(reason.code):<18}"
        f"  {where}  {shown(reason.message)}"
    )


def letter_lines(
    letter: Letter, verdict: Verdict, *, replayed: bool, bytes_max: int
) -> Iterator[str]:
    """Give one letter whole: where, why, whose fault, what to do, and what it was."""
    reason = letter.reason
    fault, action = remedy(reason.code, reason.stage)
    yield f"letter       {letter.place}, put aside {iso(letter.written_at)}"
    where = f"partition {reason.partition}, offset {reason.offset}"
    yield f"came from    {shown(reason.topic)}, {where}"
    if reason.timestamp is not None:
        yield f"sent         {iso(reason.timestamp)}"
    tried = f"attempt {reason.attempt}, first failed {iso(reason.first_failed_at)}"
    yield f"failed at    {shown(reason.stage)}: {tried}, release {shown(reason.app_version)}"
    yield f"reason       {shown(reason.code)}: {shown(reason.message)}"
    yield f"fault        {fault}"
    yield f"what to do   {action}"
    yield f"now          {_now(verdict, replayed=replayed)}"
    yield f"key          {_inline(letter.key)}"
    for name, value in original_headers(letter.headers):
        yield f"header       {shown(name)} = {_inline(value)}"
    yield from _value(letter.value, bytes_max)


def report_lines(report: Report) -> Iterator[str]:
    """Give what became of the letters, or would."""
    of = f"{report.sent:,} of {report.letters:,} letters"
    yield f"{of} {'would be' if report.dry_run else 'were'} sent again."
    for topic, count in report.topics.most_common():
        yield f"  {count:,} to {shown(topic)}"
    if report.late:
        yield (
            f"  {report.late:,} of them hold events older than decisions wait for: where a customer"
            " was judged past them they come late. They take back (retracted) the silence they"
            " disprove; of a customer seen since, only their volume counts."
        )
    if report.bundles:
        yield (
            f"  {report.bundles:,} hold many events: those that were used before come again, and"
            " are known by their message ids, if they have any and are among the customer's last."
        )
    if report.restamped:
        yield (
            f"  {report.restamped:,} with the present time as their records' time: the topic would"
            " delete them by their own before anybody reads them."
        )
    for fate, count in sorted(report.fates.items()):
        if words := _LEFT.get(Fate(fate)):
            yield f"{count:,} {words}"
    for code, count in report.wrong.most_common():
        yield f"  {shown(code)} {count:,}, such as {shown(report.examples[code])}"
    for place, answer in report.not_taken.items():
        yield f"  the broker does not take {place}: {shown(answer)}"


_LEFT = {
    Fate.REFUSED: "still cannot be used:",
    Fate.IGNORED: "are no events by today's policy (its ignore); --all sends them.",
    Fate.UNDECIDED: "can be read; the state of their customers refused them; --all sends them.",
    Fate.ELSEWHERE: "came from topics that these settings do not read events from: not sent.",
    Fate.TRIED: "have failed too often (--attempts); --all sends them.",
    Fate.REPLAYED: "were sent again before: not a second time.",
}


def _now(verdict: Verdict, *, replayed: bool) -> str:
    """Say what would become of a letter today."""
    if replayed:
        return "sent again; what became of it is no letter, or a later one"
    words = {
        Fate.READ: "can be used: `slipaway dlq replay` sends it",
        Fate.IGNORED: "by today's policy it is no event",
        Fate.UNDECIDED: "can be read; whether it is refused again, its customers' state says",
        Fate.ELSEWHERE: "not tried: it came from no topic that these settings read events from",
        Fate.TRIED: "not tried: it has failed too often",
    }
    return words.get(verdict.fate) or f"still {verdict.code}: {shown(verdict.message)}"


def _inline(value: bytes | None) -> str:
    """Give bytes in one line."""
    if value is None:
        return "(none)"
    text = _text(value)
    return f"0x{value.hex()}" if text is None else shown(text)


def _value(value: bytes | None, bytes_max: int) -> Iterator[str]:
    """Give what the sender sent: as text where it is text, else as numbers."""
    if value is None:
        yield "value        (none)"
        return
    yield f"value        {len(value):,} bytes"
    text = _text(value)
    some = value[:bytes_max]
    if text is not None:
        for line in some.decode(errors="ignore").splitlines():
            yield f"  {shown(line)}"
    else:
        for begin in range(0, len(some), _ROW_BYTES):
            row = some[begin : begin + _ROW_BYTES]
            letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)  # noqa: PLR2004 - what ASCII shows
            yield f"  {begin:08x}  {row.hex(' '):<47}  {letters}"
    if len(value) > bytes_max:
        yield f"  ... {len(value) - bytes_max:,} bytes more (--bytes, or --raw into a file)"


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
