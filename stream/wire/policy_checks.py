"""What only shows when the values of a policy file are read together.

Every check yields what is wrong with which key; nothing is concluded from a value
that could not be read, and a default is no mistake of the author's.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from stream.detector.plays import Play, Release
from stream.detector.policy import CLASSES, Policy
from stream.detector.reasons import CODES
from stream.detector.segments import OpenTicket, Segment
from stream.wire.durations import format_duration
from stream.wire.toml_lines import Path


class Wrong(NamedTuple):
    """One contradiction."""

    path: Path
    key: str
    message: str


class Given(NamedTuple):
    """What the author wrote."""

    tree: Mapping[str, Any]
    unread: frozenset[str]
    """Fields, and lists of sections, that could not be read."""

    def keys(self, section: str) -> set[str]:
        """Name the keys given in a section."""
        table = self.tree.get(section)
        return set(table) if isinstance(table, dict) else set()

    def read(self, *fields: str) -> bool:
        """Tell whether none of these is known to be unreadable."""
        return self.unread.isdisjoint(fields)


HORIZONS_MAX = 4
"""Horizons of segments that are not the policy's: each is a model, with a day's learning."""
DIALS_MAX = 20
"""Segments with a dial of their own: each is a record, an account and three metrics."""


def contradictions(policy: Policy, given: Given) -> Iterator[Wrong]:
    """Yield all that is wrong with values that can be read one by one."""
    yield from _slipping(policy, given)
    yield from _decline(policy, given)
    yield from _guard(policy, given)
    yield from _events(policy, given)
    if given.read("segment"):
        yield from _segments(policy)
        yield from _plays(policy)
        yield from _releases(policy)


def _slipping(policy: Policy, given: Given) -> Iterator[Wrong]:
    if {"notice_days_per_false_alarm", "false_alarms_per_customer_month"} <= given.keys("slipping"):
        yield Wrong(
            ("slipping", "notice_days_per_false_alarm"),
            "[slipping] notice_days_per_false_alarm",
            "sets the threshold, and so does false_alarms_per_customer_month: keep one of them",
        )
    if policy.horizon_ms <= policy.visit_gap_ms and given.read("horizon_ms", "visit_gap_ms"):
        yield Wrong(
            ("slipping", "horizon") if "slipping" in given.tree else ("visits", "gap"),
            "[slipping] horizon",
            "must be longer than [visits] gap: a silence within a visit is no lapse",
        )
    if policy.horizon_ms <= policy.allowed_lateness_ms and given.read(
        "horizon_ms", "allowed_lateness_ms"
    ):
        yield Wrong(
            ("time", "allowed_lateness"),
            "[time] allowed_lateness",
            "must be shorter than [slipping] horizon: no decision would ever be made",
        )


def _decline(policy: Policy, given: Given) -> Iterator[Wrong]:
    decline = policy.decline
    if decline.sharp_ratio >= decline.slow_ratio and given.read("sharp_ratio", "slow_ratio"):
        yield Wrong(
            ("decline", "sharp_ratio"),
            "[decline] sharp_ratio",
            f"must be less than slow_ratio ({decline.slow_ratio}): sharp falls deeper",
        )
    if {"share", "alarm_nats"} <= given.keys("decline"):
        yield Wrong(
            ("decline", "alarm_nats"),
            "[decline] alarm_nats",
            "sets the level, and so does share: keep one of them",
        )


def _guard(policy: Policy, given: Given) -> Iterator[Wrong]:
    guard = policy.guard
    if guard.collapse >= guard.recover and given.read("collapse", "recover"):
        yield Wrong(
            ("guard", "collapse" if "collapse" in given.keys("guard") else "recover"),
            "[guard] collapse",
            f"must be less than recover ({guard.recover}): or it would suspend and resume at once",
        )


def _events(policy: Policy, given: Given) -> Iterator[Wrong]:
    if not policy.engagement:
        yield Wrong(
            ("events", "engagement"),
            "[events] engagement",
            "is empty: nothing would count as use, and everybody as gone",
        )
    seen: dict[str, str] = {}
    for name in CLASSES:
        if name not in given.keys("events"):
            continue
        for glob in getattr(policy, name):
            if glob in seen:
                message = f'"{glob}" is in {seen[glob]} too: an event means one thing'
                yield Wrong(("events", name), f"[events] {name}", message)
            seen.setdefault(glob, name)


def _segments(policy: Policy) -> Iterator[Wrong]:
    names: set[str] = set()
    for place, segment in enumerate(policy.segments):
        path = ("segment", place)
        if segment.name in names:
            yield Wrong((*path, "name"), "[[segment]] name", f'"{segment.name}" is there twice')
        names.add(segment.name)
        if not segment.where and place + 1 < len(policy.segments):
            yield Wrong(
                path,
                "[[segment]]",
                f'"{segment.name}" has no where, so it is everybody, and no segment after it is'
                " ever reached: put it last",
            )
        yield from (
            Wrong((*path, key), f"[[segment]] {key}", said)
            for key, said in _within(segment, policy)
        )
        horizons = dict.fromkeys(
            policy.horizons[each.name]
            for each in policy.segments[: place + 1]
            if each.name in policy.horizons
        )
        if len(horizons) == HORIZONS_MAX + 1 and list(horizons)[-1] == segment.horizon_ms:
            yield Wrong(
                (*path, "horizon"),
                "[[segment]] horizon",
                f'"{segment.name}" has the {len(horizons)}th horizon beside that of [slipping]:'
                f" {HORIZONS_MAX} may be, so give it one that another has",
            )
        dials = [each for each in policy.segments[: place + 1] if each.has_dial]
        if segment.has_dial and len(dials) == DIALS_MAX + 1:
            yield Wrong(
                path,
                "[[segment]]",
                f'"{segment.name}" is the {len(dials)}st with a dial of its own: {DIALS_MAX} may'
                " have one, so let some share that of [slipping]",
            )


def _within(segment: Segment, policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong) of one segment under its policy."""
    yield from _horizon(segment, policy)
    rate, days = segment.false_alarms_per_customer_month, segment.notice_days_per_false_alarm
    if rate is not None and days is not None:
        yield (
            "notice_days_per_false_alarm",
            "sets the threshold, and so does false_alarms_per_customer_month: keep one of them",
        )
    if (rate is not None or days is not None) and not segment.eligible:
        key = "notice_days_per_false_alarm" if rate is None else "false_alarms_per_customer_month"
        yield key, "says nothing where eligible = false: nobody in it is alerted on"
    ceiling = segment.silent_max_ms
    if ceiling is not None and ceiling < max(segment.silent_min_ms, policy.visit_gap_ms):
        yield "silent_max", "must not be shorter than silent_min, nor than [visits] gap"
    for key, asked, events in (
        ("activate_within", segment.activate_within_ms is not None, "activation"),
        ("ticket", segment.ticket is not OpenTicket.IGNORE, "ticket_opened"),
        ("contact_rest", segment.contact_rest_ms > 0, "contact"),
    ):
        if asked and not getattr(policy, events):
            yield key, f"needs [events] {events}: which events are they?"


def _horizon(segment: Segment, policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a segment's horizon, and with what has to lie within it."""
    horizon_ms, of = policy.horizon_of(segment.name), "[slipping] horizon"
    if segment.horizon_ms is not None:
        of = "its horizon"
        if segment.horizon_ms <= policy.visit_gap_ms:
            yield (
                "horizon",
                "must be longer than [visits] gap: a silence within a visit is no lapse",
            )
        if segment.horizon_ms <= policy.allowed_lateness_ms:
            why = "no decision would ever be made"
            yield "horizon", f"must be longer than [time] allowed_lateness: {why}"
    for key, silence_ms in (
        ("silent_min", segment.silent_min_ms),
        ("silent_max", segment.silent_max_ms),
    ):
        if silence_ms is not None and silence_ms >= horizon_ms:
            yield key, f"must be shorter than {of} ({format_duration(horizon_ms)})"


def _plays(policy: Policy) -> Iterator[Wrong]:
    known = [segment.name for segment in policy.segments]
    for place, play in enumerate(policy.plays):
        path = ("play", place)
        yield from _unknown_segments(path, "play", play, known)
        for code in play.reasons:
            if code not in CODES:
                message = f'"{code}" is no reason{_close(code, CODES)}'
                yield Wrong((*path, "reason"), "[[play]] reason", message)
        if play.ticket is not None and not policy.ticket_opened:
            message = "needs [events] ticket_opened: which events are they?"
            yield Wrong((*path, "ticket"), "[[play]] ticket", message)
        others = (play.segments, play.phases, play.kinds, play.triggers, play.reasons)
        if not any(others) and play.ticket is None and place + 1 < len(policy.plays):
            yield Wrong(
                path,
                "[[play]]",
                f'"{play.name}" is for everybody in every case, so no play after it is ever'
                " suggested: put it last",
            )


def _releases(policy: Policy) -> Iterator[Wrong]:
    known = [segment.name for segment in policy.segments]
    for place, release in enumerate(policy.releases):
        yield from _unknown_segments(("release", place), "release", release, known)


def _unknown_segments(
    path: Path, section: str, asking: Play | Release, known: Sequence[str]
) -> Iterator[Wrong]:
    for name in asking.segments:
        if name not in known:
            message = f'there is no segment "{name}"{_close(name, known)}'
            yield Wrong((*path, "segment"), f"[[{section}]] segment", message)


def _close(word: str, known: Sequence[str]) -> str:
    """Say what was probably meant."""
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f': did you mean "{close[0]}"?'
    return f"; there are {', '.join(known)}" if known else "; there are none"
