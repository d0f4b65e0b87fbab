"""What only shows when the values of a policy file are read together.

Every check yields what is wrong with which key; nothing is concluded from a value
that could not be read, and a default is no mistake of the author's.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from stream.detector.accounts import reasons as account_reasons
from stream.detector.plays import AccountPlay, Play
from stream.detector.policy import CLASSES, Policy
from stream.detector.reasons import CODES
from stream.detector.segments import OF_ACCOUNT, AccountSegment, OpenTicket, Segment
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
        yield from _segments(policy, given)
        yield from _plays(policy)
        yield from _releases(policy)
    if given.read("account_segment"):
        yield from _accounts(policy, given)


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


def _segments(policy: Policy, given: Given) -> Iterator[Wrong]:
    yield from _in_order("segment", policy.segments, given)
    for place, segment in enumerate(policy.segments):
        path = ("segment", place)
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


def _in_order(
    section: str, segments: Sequence[Segment | AccountSegment], given: Given
) -> Iterator[Wrong]:
    """Yield what is wrong with segments as those before them are."""
    names: set[str] = set()
    for place, segment in enumerate(segments):
        path = (section, place)
        if segment.name in names:
            message = f'"{segment.name}" is there twice'
            yield Wrong((*path, "name"), f"[[{section}]] name", message)
        names.add(segment.name)
        if not segment.where and place + 1 < len(segments) and given.read("where"):
            yield Wrong(
                path,
                f"[[{section}]]",
                f'"{segment.name}" has no where, so it is everybody, and no segment after it is'
                " ever reached: put it last",
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
        if play.ticket is not None and not policy.ticket_opened:
            message = "needs [events] ticket_opened: which events are they?"
            yield Wrong(("play", place, "ticket"), "[[play]] ticket", message)
    yield from _suggestions("play", policy.plays, known, CODES)


def _suggestions(
    section: str,
    plays: Sequence[Play | AccountPlay],
    known: Sequence[str],
    codes: Sequence[str],
) -> Iterator[Wrong]:
    """Yield what is wrong with plays, whoever they are about; `known` are the segments."""
    for place, play in enumerate(plays):
        path = (section, place)
        yield from _unknown_segments(path, section, play.segments, known)
        for code in play.reasons:
            if code not in codes:
                message = f'"{code}" is no reason{_close(code, codes)}'
                yield Wrong((*path, "reason"), f"[[{section}]] reason", message)
        anything = type(play)(name=play.name, say=play.say)
        if play == anything and place + 1 < len(plays):
            yield Wrong(
                path,
                f"[[{section}]]",
                f'"{play.name}" is for everybody in every case, so no play after it is ever'
                " suggested: put it last",
            )


def _accounts(policy: Policy, given: Given) -> Iterator[Wrong]:
    segments, plays = policy.account_segments, policy.account_plays
    for section in ("account_segment", "account_play"):
        if section in given.tree and not policy.accounts.enabled and given.read("enabled"):
            message = "says nothing while accounts are not looked at: set enabled in [accounts]"
            yield Wrong((section, 0), f"[[{section}]]", message)
    yield from _in_order("account_segment", segments, given)
    for place, segment in enumerate(segments):
        for name in sorted(segment.traits()):
            if name.startswith(OF_ACCOUNT):
                bare = name.removeprefix(OF_ACCOUNT)
                message = f'"{name}": all traits are the account\'s here, so write "{bare}"'
                yield Wrong(("account_segment", place), "[[account_segment]]", message)
    known = [segment.name for segment in segments]
    yield from _suggestions("account_play", plays, known, account_reasons.CODES)


def _releases(policy: Policy) -> Iterator[Wrong]:
    known = [segment.name for segment in policy.segments]
    for place, release in enumerate(policy.releases):
        yield from _unknown_segments(("release", place), "release", release.segments, known)


def _unknown_segments(
    path: Path, section: str, asked: Sequence[str], known: Sequence[str]
) -> Iterator[Wrong]:
    for name in asked:
        if name not in known:
            message = f'there is no segment "{name}"{_close(name, known)}'
            yield Wrong((*path, "segment"), f"[[{section}]] segment", message)


def _close(word: str, known: Sequence[str]) -> str:
    """Say what was probably meant."""
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f': did you mean "{close[0]}"?'
    return f"; there are {', '.join(known)}" if known else "; there are none"
