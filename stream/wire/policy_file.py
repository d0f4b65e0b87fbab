"""The policy file: what slipping away means for one product, written by its people.

It is validated as a whole.  Whoever has made four mistakes reads four
sentences, each with its line and what was probably meant, and not the first of
them four times over.
"""

import difflib
import hashlib
import tomllib
from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stream.detector.calendar import local_time
from stream.detector.plays import AccountPlay, Play, Release
from stream.detector.policy import (
    CLASSES,
    Accounts,
    Decline,
    Guard,
    Holdout,
    Identity,
    Policy,
    Retention,
)
from stream.detector.segments import AccountSegment, Segment
from stream.wire import policy_values as values
from stream.wire.calendars import Closing, backwards, calendar_of
from stream.wire.mapping import Mapping
from stream.wire.policy_checks import Given, contradictions
from stream.wire.policy_keys import LISTS, REQUIRED, SECTIONS
from stream.wire.presets import PRESETS
from stream.wire.toml_lines import Path as KeyPath
from stream.wire.toml_lines import key_lines

__all__ = ["LogFormat", "Mapping", "PolicyError", "PolicyErrors", "PolicyFile", "load", "parse"]


class LogFormat(msgspec.Struct, frozen=True, kw_only=True):
    """How a log file is laid out, as far as its name does not say."""

    format: str = ""
    """"csv", "jsonl", "parquet", or empty: by the file's name, else by how it begins."""
    delimiter: str = ""
    """One character, "whitespace", or empty: a comma, and a tab in .tsv files."""


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who looks after customers."""

    name: str
    daily: int
    """Customers that a day has room for."""


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True):
    """All that a policy file says."""

    policy: Policy
    mappings: tuple[Mapping, ...] = ()
    log: LogFormat = LogFormat()
    owners: tuple[Owner, ...] = ()


Made = TypeVar("Made", Segment, Play, Release, Owner, Closing, AccountSegment, AccountPlay)


class PolicyError(msgspec.Struct, frozen=True):
    """One thing its author has to change."""

    line: int
    """Counted from 1; 0 where there is no line to point at."""
    key: str
    message: str

    def __str__(self) -> str:
        """Say where, what and what instead."""
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.key}: {self.message}" if self.key else f"{where}{self.message}"


class PolicyErrors(Exception):  # noqa: N818 - it is all of them at once
    """Everything that is wrong with a policy file: fix it, nothing was applied."""

    def __init__(self, name: str, errors: Iterable[PolicyError]) -> None:
        """Take the file's name and its errors, to be told by line."""
        self.errors = tuple(sorted(errors, key=lambda error: (error.line, error.key)))
        count = len(self.errors)
        head = f"{name}: {count} error{'s' if count > 1 else ''}"
        super().__init__("\n".join([head, *(f"  {error}" for error in self.errors)]))


def load(path: Path) -> PolicyFile:
    """Read and validate the policy file at `path`; raise PolicyErrors with all there is to fix."""
    return parse(read(path), str(path))


def read(path: Path) -> str:
    """Give the text of a policy file; raise PolicyErrors where there is none."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        found = PolicyError(0, "", f"cannot be read: {error.strerror}")
        raise PolicyErrors(str(path), [found]) from error
    except UnicodeDecodeError as error:
        raise PolicyErrors(str(path), [PolicyError(0, "", f"is not UTF-8: {error}")]) from error


def parse(text: str, name: str = "policy") -> PolicyFile:
    """Validate the text of a policy file; raise PolicyErrors (under `name`) with all errors."""
    text = text.replace("\r\n", "\n")
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyErrors(name, [PolicyError(0, "", f"not TOML: {error}")]) from error
    except RecursionError as error:
        raise PolicyErrors(name, [PolicyError(0, "", "nested too deep")]) from error
    reading = _Reading(tree, key_lines(text))
    file = reading.policy_file()
    if reading.errors:
        raise PolicyErrors(name, reading.errors)
    return file


def version_of(policy: Policy) -> str:
    """Hash what the detector obeys: neither comments, nor order, nor mappings count."""
    plain = msgspec.structs.replace(
        policy,
        version="",
        **{name: tuple(sorted(getattr(policy, name))) for name in CLASSES},
    )
    return hashlib.sha256(msgspec.json.encode(plain)).hexdigest()[:12]


def reading_of(file: PolicyFile) -> str:
    """Hash what decides which events can be used: the mappings, and the policy."""
    mapped = hashlib.sha256(msgspec.json.encode(file.mappings)).hexdigest()[:12]
    return f"{file.policy.version}-{mapped}"


class _Reading:
    """One pass over the parsed file, gathering errors as it goes."""

    def __init__(self, tree: dict[str, Any], lines: MappingOf[KeyPath, int]) -> None:
        self.tree = tree
        self.lines = lines
        self.errors: list[PolicyError] = []
        self.unread: set[str] = set()
        """Fields whose values could not be read: nothing is concluded from them."""

    def wrong(self, path: KeyPath, key: str, message: str) -> None:
        """Note an error at the line of `path`, or of the section that holds it."""
        line = 0
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                line = self.lines[path[:length]]
                break
        self.errors.append(PolicyError(line, key, message))

    def policy_file(self) -> PolicyFile:
        for key in self.tree:
            if key not in SECTIONS and key not in LISTS:
                self._unknown_section(key)
        sections = {name: self._section(name) for name in SECTIONS}
        lists = {name: self._list(name) for name in LISTS}
        mappings = [self._mapping(place, *found) for place, found in enumerate(lists["mapping"])]
        decline = Decline(**sections.pop("decline"))
        guard = Guard(**sections.pop("guard"))
        holdout = Holdout(**sections.pop("holdout"))
        accounts = Accounts(**sections.pop("accounts"))
        identity = Identity(**sections.pop("identity"))
        retention = Retention(**sections.pop("retention"))
        log = LogFormat(**sections.pop("log"))
        closings = self._made("holiday", Closing, lists["holiday"])
        calendar = calendar_of(**sections.pop("calendar"), closings=closings)
        for _, read in lists["release"]:
            if isinstance(read.get("at"), values.Local):
                read["at"] = local_time(calendar).moment(read["at"].clock_ms)
        merged = {field: value for section in sections.values() for field, value in section.items()}
        policy = Policy(
            **merged,
            decline=decline,
            guard=guard,
            holdout=holdout,
            accounts=accounts,
            identity=identity,
            retention=retention,
            calendar=calendar,
            segments=self._made("segment", Segment, lists["segment"]),
            plays=self._made("play", Play, lists["play"]),
            releases=self._made("release", Release, lists["release"]),
            account_segments=self._made(
                "account_segment", AccountSegment, lists["account_segment"]
            ),
            account_plays=self._made("account_play", AccountPlay, lists["account_play"]),
        )
        for wrong in contradictions(policy, Given(self.tree, frozenset(self.unread))):
            self.wrong(*wrong)
        if not self.unread.intersection(("holiday", "first", "last")):
            for place, message in backwards(closings):
                self.wrong(("holiday", place, "to"), "[[holiday]] to", message)
        policy = msgspec.structs.replace(policy, version=version_of(policy))
        found = tuple(mapping for mapping in mappings if mapping is not None)
        owners = self._made("owner", Owner, lists["owner"])
        return PolicyFile(policy=policy, mappings=found, log=log, owners=owners)

    def _section(self, name: str) -> dict[str, Any]:
        """Give the fields of a section that are as they should be."""
        table = self.tree.get(name, {})
        if not isinstance(table, dict):
            self.wrong((name,), name, f"expected a section: write [{name}] on a line of its own")
            return {}
        return self._table((name,), f"[{name}]", table, SECTIONS[name])

    def _table(
        self,
        path: KeyPath,
        title: str,
        table: MappingOf[str, object],
        known: MappingOf[str, tuple[str, values.Read]],
    ) -> dict[str, Any]:
        read: dict[str, Any] = {}
        for key, value in table.items():
            if key not in known:
                self.wrong((*path, key), f"{title} {key}", _meant(key, known))
                continue
            field, reader = known[key]
            try:
                read[field] = reader(value)
            except ValueError as error:
                self.unread.add(field)
                self.wrong((*path, key), f"{title} {key}", str(error))
        return read

    def _unknown_section(self, key: str) -> None:
        homes = [_titled(name) for name, known in {**SECTIONS, **LISTS}.items() if key in known]
        if homes:
            message = f"belongs into a section: {' or '.join(homes)}"
        else:
            known = [*SECTIONS, *LISTS]
            close = difflib.get_close_matches(key, known, n=1)
            meant = f": did you mean {_titled(close[0])}?" if close else _listed(known)
            message = "no such section" + meant
        self.wrong((key,), key, message)

    def _list(self, name: str) -> list[tuple[dict[str, object], dict[str, Any]]]:
        """Give the sections of a name that there may be several of: as written, and as read."""
        tables = self.tree.get(name, [])
        if isinstance(tables, dict):
            self.wrong((name,), f"[{name}]", f"there may be several: write [[{name}]]")
            return []
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self.wrong((name,), name, f"expected sections: write [[{name}]]")
            return []
        return [
            (table, self._table((name, place), f"[[{name}]]", table, LISTS[name]))
            for place, table in enumerate(tables)
        ]

    def _made(
        self, name: str, kind: type[Made], found: list[tuple[dict[str, object], dict[str, Any]]]
    ) -> tuple[Made, ...]:
        """Make what sections say, but for those that lack what they cannot do without."""
        made = []
        for place, (table, read) in enumerate(found):
            for key in REQUIRED[name]:
                if key not in table:
                    self.wrong((name, place), f"[[{name}]]", f"{key} is missing")
            if all(LISTS[name][key][0] in read for key in REQUIRED[name]):
                made.append(kind(**read))
            else:
                self.unread.add(name)
        return tuple(made)

    def _mapping(
        self, place: int, table: dict[str, object], read: dict[str, Any]
    ) -> Mapping | None:
        path = ("mapping", place)
        if "event" in read:
            read["event"], read["event_const"] = read["event"]
        if "preset" in table:
            preset = PRESETS.get(read.get("preset", ""))
            return preset and msgspec.structs.replace(preset.mapping, **read)
        missing = [key for key in ("customer", "time", "event") if key not in table]
        for key in missing:
            self.wrong(path, "[[mapping]]", f"{key} is missing: which column holds it?")
        if missing or not {"customer", "time", "event"} <= read.keys():
            return None
        return Mapping(**read)


def _meant(key: str, known: MappingOf[str, object]) -> str:
    """Say of an unknown key what was probably meant."""
    homes = [name for name, keys in {**SECTIONS, **LISTS}.items() if key in keys]
    if homes:
        return f"unknown here: it belongs into {_titled(homes[0])}"
    close = difflib.get_close_matches(key, list(known), n=1)
    if close:
        return f'unknown key: did you mean "{close[0]}"?'
    for name, keys in {**SECTIONS, **LISTS}.items():
        close = difflib.get_close_matches(key, list(keys), n=1)
        if close:
            return f'unknown key: did you mean "{close[0]}" in {_titled(name)}?'
    return "unknown key" + _listed(known)


def _titled(name: str) -> str:
    return f"[[{name}]]" if name in LISTS else f"[{name}]"


def _listed(known: Iterable[str]) -> str:
    return f"; there are {', '.join(known)}"
