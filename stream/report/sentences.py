"""Sentences: what was in a log and what was raised, for somebody who has to judge by it."""

from collections.abc import Iterator

from stream.detector.stages import Kind
from stream.report.log import FileRead, Log
from stream.report.raised import Raised
from stream.report.reliability import Reliability
from stream.report.words import counted, duration, named, share

_MOST = 0.5
"""Of a file's rows behind a later one: it is in another order, and says nothing of arrival.  Of
days without an event on one weekday: it is closed then."""


def quality(log: Log) -> Iterator[str]:
    """Say how good the log is, a sentence at a time."""
    refused = sum(found.rows for found in log.refused)
    if refused:
        why = ", ".join(f"{found.code} {found.rows:,}" for found in log.refused)
        part = share(refused / log.rows) if refused * 100 >= log.rows else "less than 1 %"
        yield f"{refused:,} of {log.rows:,} rows ({part}) could not be used: {why}."
    else:
        yield f"Every one of {log.rows:,} rows could be read."
    if log.ignored:
        yield f"{counted(log.ignored, 'row')} the policy's mapping leaves out."
    if log.erasures:
        yield (
            f"{counted(log.erasures, 'customer')} asked to be forgotten: what they did is not here."
        )
    if not log.events:
        yield "There is no event in it."
        return
    yield f"{log.used:,} of {log.events:,} events ({share(log.used / log.events)}) count as use."
    yield _repeated(log)
    for file in log.files:
        yield _order(file, log)
    yield _days(log)


def _repeated(log: Log) -> str:
    if not log.with_id:
        return "No event has a message id, so an event that is there twice counts twice."
    said = f"{log.duplicates:,} repeated a message id, and were counted once."
    without = log.events - log.with_id
    if without:
        said += f" {counted(without, 'event')} have none: of these nobody can tell."
    return said


def _order(file: FileRead, log: Log) -> str:
    name = named(file.name)
    if not file.out_of_order:
        return f"The events of {name} stand in the order of their times."
    allowed = duration(log.lateness_seconds)
    behind = (
        f"In {name} {share(file.out_of_order / file.events)} of the events stand behind a"
        f" later one, {file.too_late:,} of them by more than the {allowed} that the policy allows"
    )
    if file.out_of_order >= _MOST * file.events:
        return f"{behind}: the file is in another order, which says nothing of how they arrive."
    return f"{behind}: arriving like that, these would come late. Here all are put in order."


def _days(log: Log) -> str:
    if not log.days_without:
        return f"There is an event on each of {log.days:,} days."
    longest = log.spans_without[0]
    often, count = max(log.weekdays_without.items(), key=lambda item: item[1])
    mostly = f", {count:,} of them a {often}" if count >= _MOST * log.days_without > 1 else ""
    return (
        f"{log.days_without:,} of {log.days:,} days have no event{mostly}; the longest such time"
        f" is {counted(longest.days, 'day')}, from {longest.begin} on."
    )


def raised_in_all(raised: Raised, log: Log) -> str:
    """Say how many alerts opened, on how many customers, and when none could."""
    said = "No alert opened."
    if raised.opened:
        said = (
            f"From {raised.since[:10]} on {counted(raised.opened, 'alert')} opened, on"
            f" {raised.customers:,} of {log.customers:,} customers; the most on"
            f" {raised.busiest}, {raised.busiest_opened:,}."
        )
    suspended = raised.kinds.get(Kind.SUSPENDED.value, 0)
    if suspended:
        said += (
            f" Over the whole log alerts were suspended {counted(suspended, 'time')}: hardly"
            " anybody came for a while, which says nothing of anybody."
        )
    return said


def believed(found: Reliability) -> str:
    """Say how far off risks were."""
    points = counted(round(100 * found.error), "percentage point")
    return f"On average the share that came true lay {points} from what was said."
