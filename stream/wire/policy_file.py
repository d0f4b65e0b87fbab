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
from typing import Any

import msgspec

from stream.detector.events import DAY_MS, SECOND_MS
from stream.detector.policy import Decline, Guard, Holdout, Identity, Policy
from stream.wire import policy_values as values
from stream.wire.mapping import Mapping
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


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True):
    """All that a policy file says."""

    policy: Policy
    mappings: tuple[Mapping, ...] = ()
    log: LogFormat = LogFormat()


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


_YEARS_TEN_MS = 3_653 * DAY_MS
_EVENT_CLASSES = ("ending", "unobserved", "warning", "ignore", "engagement")

_SECTIONS: dict[str, dict[str, tuple[str, values.Read]]] = {
    "events": {name: (name, values.globs) for name in _EVENT_CLASSES},
    "slipping": {
        "horizon": ("horizon_ms", values.duration(least=DAY_MS, most=_YEARS_TEN_MS)),
        "false_alarms_per_customer_month": (
            "false_alarms_per_customer_month",
            values.number(above=0, below=100, why="more than 0 and less than 100 a month"),
        ),
        "notice_days_per_false_alarm": (
            "notice_days_per_false_alarm",
            values.number(above=0, below=3_653, why="more than 0 and less than 3,653 days"),
        ),
        "visits_min": ("visits_min", values.whole(least=1, most=1_000)),
        "own_gaps_min": (
            "own_gaps_min",
            values.number(above=-1e-9, below=100, why="0 or more, and less than 100 usual gaps"),
        ),
        "escalate_at_risk": (
            "escalate_at_risk",
            values.number(above=0, below=1, why="a probability between 0 and 1"),
        ),
        "warning_cleared_by_visits": (
            "warning_cleared_by_visits",
            values.whole(least=1, most=1_000),
        ),
    },
    "visits": {"gap": ("visit_gap_ms", values.duration(least=SECOND_MS, most=365 * DAY_MS))},
    "time": {
        "allowed_lateness": ("allowed_lateness_ms", values.duration(least=0, most=30 * DAY_MS)),
        "max_future_skew": ("max_future_skew_ms", values.duration(least=0, most=30 * DAY_MS)),
    },
    "decline": {
        "enabled": ("enabled", values.flag),
        "sharp_ratio": (
            "sharp_ratio",
            values.number(above=0, below=1, why="a share of the own rate, between 0 and 1"),
        ),
        "slow_ratio": (
            "slow_ratio",
            values.number(above=0, below=1, why="a share of the own rate, between 0 and 1"),
        ),
        "share": (
            "share",
            values.number(above=0, below=1, why="a share of the dial, between 0 and 1"),
        ),
        "alarm_nats": (
            "alarm_nats",
            values.number(above=0, below=100, why="more than 0 and less than 100 nats"),
        ),
        "visits_min": ("visits_min", values.whole(least=2, most=10_000)),
    },
    "guard": {
        "enabled": ("enabled", values.flag),
        "collapse": (
            "collapse",
            values.number(above=0, below=1, why="a share of the usual returns, between 0 and 1"),
        ),
        "recover": (
            "recover",
            values.number(above=0, below=1, why="a share of the usual returns, between 0 and 1"),
        ),
    },
    "holdout": {
        "share": (
            "share",
            values.number(above=0, below=1, why="a share of the customers, between 0 and 1"),
        ),
        "salt": ("salt", values.text),
    },
    "identity": {"merge": ("merge", values.flag)},
    "model": {"promote": ("promote", values.flag), "forest": ("forest", values.flag)},
    "log": {
        "format": ("format", values.one_of("csv", "jsonl", "parquet")),
        "delimiter": ("delimiter", values.delimiter),
    },
}
"""Section -> key -> (field, reader): the whole grammar, but for [[mapping]]."""

_MAPPING_KEYS: dict[str, tuple[str, values.Read]] = {
    "preset": ("preset", values.one_of(*PRESETS)),
    "customer": ("customer", values.columns),
    "time": ("time", values.columns),
    "time_format": ("time_format", values.time_format),
    "time_of_day": ("time_of_day_ms", values.time_of_day),
    "event": ("event", values.event),
    "volume": ("volume", values.columns),
    "id": ("id", values.columns),
    "account": ("account", values.columns),
    "ignore": ("ignore", values.ignore),
}


def load(path: Path) -> PolicyFile:
    """Read and validate the policy file at `path`; raise PolicyErrors with all there is to fix."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        found = PolicyError(0, "", f"cannot be read: {error.strerror}")
        raise PolicyErrors(str(path), [found]) from error
    except UnicodeDecodeError as error:
        raise PolicyErrors(str(path), [PolicyError(0, "", f"is not UTF-8: {error}")]) from error
    return parse(text, str(path))


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
        **{name: tuple(sorted(getattr(policy, name))) for name in _EVENT_CLASSES},
    )
    return hashlib.sha256(msgspec.json.encode(plain)).hexdigest()[:12]


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
            if key not in _SECTIONS and key != "mapping":
                self._unknown_section(key)
        sections = {name: self._section(name) for name in _SECTIONS}
        mappings = self._mappings()
        decline = Decline(**sections.pop("decline"))
        guard = Guard(**sections.pop("guard"))
        holdout = Holdout(**sections.pop("holdout"))
        identity = Identity(**sections.pop("identity"))
        log = LogFormat(**sections.pop("log"))
        merged = {field: value for section in sections.values() for field, value in section.items()}
        policy = Policy(**merged, decline=decline, guard=guard, holdout=holdout, identity=identity)
        if {"notice_days_per_false_alarm", "false_alarms_per_customer_month"} <= merged.keys():
            self.wrong(
                ("slipping", "notice_days_per_false_alarm"),
                "[slipping] notice_days_per_false_alarm",
                "sets the threshold, and so does false_alarms_per_customer_month: keep one of them",
            )
        self._together(policy)
        policy = msgspec.structs.replace(policy, version=version_of(policy))
        return PolicyFile(policy=policy, mappings=mappings, log=log)

    def _section(self, name: str) -> dict[str, Any]:
        """Give the fields of a section that are as they should be."""
        table = self.tree.get(name, {})
        if not isinstance(table, dict):
            self.wrong((name,), name, f"expected a section: write [{name}] on a line of its own")
            return {}
        return self._table((name,), f"[{name}]", table, _SECTIONS[name])

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
        homes = [name for name, known in _SECTIONS.items() if key in known]
        if homes:
            message = f"belongs into a section: [{'] or ['.join(homes)}]"
        else:
            known = [*_SECTIONS, "mapping"]
            close = difflib.get_close_matches(key, known, n=1)
            title = "[[mapping]]" if close == ["mapping"] else f"[{(close or [''])[0]}]"
            message = "no such section" + (f": did you mean {title}?" if close else _listed(known))
        self.wrong((key,), key, message)

    def _mappings(self) -> tuple[Mapping, ...]:
        tables = self.tree.get("mapping", [])
        if isinstance(tables, dict):
            self.wrong(("mapping",), "[mapping]", "there may be several: write [[mapping]]")
            return ()
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self.wrong(("mapping",), "mapping", "expected sections: write [[mapping]]")
            return ()
        mappings = [self._mapping(i, table) for i, table in enumerate(tables)]
        return tuple(mapping for mapping in mappings if mapping is not None)

    def _mapping(self, index: int, table: dict[str, object]) -> Mapping | None:
        path = ("mapping", index)
        read = self._table(path, "[[mapping]]", table, _MAPPING_KEYS)
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

    def _together(self, policy: Policy) -> None:
        """Check what only shows when values are read together."""
        if policy.horizon_ms <= policy.visit_gap_ms and self._read("horizon_ms", "visit_gap_ms"):
            self.wrong(
                ("slipping", "horizon") if "slipping" in self.tree else ("visits", "gap"),
                "[slipping] horizon",
                "must be longer than [visits] gap: a silence within a visit is no lapse",
            )
        if policy.horizon_ms <= policy.allowed_lateness_ms and self._read(
            "horizon_ms", "allowed_lateness_ms"
        ):
            self.wrong(
                ("time", "allowed_lateness"),
                "[time] allowed_lateness",
                "must be shorter than [slipping] horizon: no decision would ever be made",
            )
        decline = policy.decline
        if decline.sharp_ratio >= decline.slow_ratio and self._read("sharp_ratio", "slow_ratio"):
            self.wrong(
                ("decline", "sharp_ratio"),
                "[decline] sharp_ratio",
                f"must be less than slow_ratio ({policy.decline.slow_ratio}): sharp falls deeper",
            )
        if {"share", "alarm_nats"} <= self._given("decline"):
            self.wrong(
                ("decline", "alarm_nats"),
                "[decline] alarm_nats",
                "sets the level, and so does share: keep one of them",
            )
        guard = policy.guard
        if guard.collapse >= guard.recover and self._read("collapse", "recover"):
            self.wrong(
                ("guard", "collapse" if "collapse" in self.tree["guard"] else "recover"),
                "[guard] collapse",
                f"must be less than recover ({guard.recover}): or it would suspend and resume at"
                " once",
            )
        if not policy.engagement:
            self.wrong(
                ("events", "engagement"),
                "[events] engagement",
                "is empty: nothing would count as use, and everybody as gone",
            )
        self._in_two_classes(policy)

    def _given(self, section: str) -> set[str]:
        table = self.tree.get(section)
        return set(table) if isinstance(table, dict) else set()

    def _read(self, *fields: str) -> bool:
        return self.unread.isdisjoint(fields)

    def _in_two_classes(self, policy: Policy) -> None:
        given = self.tree.get("events")
        seen: dict[str, str] = {}
        for name in _EVENT_CLASSES:
            if not isinstance(given, dict) or name not in given:
                continue  # a default is no mistake of the author's
            for glob in getattr(policy, name):
                if glob in seen:
                    message = f'"{glob}" is in {seen[glob]} too: an event means one thing'
                    self.wrong(("events", name), f"[events] {name}", message)
                seen.setdefault(glob, name)


def _meant(key: str, known: MappingOf[str, object]) -> str:
    """Say of an unknown key what was probably meant."""
    homes = [name for name, keys in _SECTIONS.items() if key in keys]
    if homes:
        return f"unknown here: it belongs into [{homes[0]}]"
    close = difflib.get_close_matches(key, list(known), n=1)
    if close:
        return f'unknown key: did you mean "{close[0]}"?'
    for name, keys in _SECTIONS.items():
        close = difflib.get_close_matches(key, list(keys), n=1)
        if close:
            return f'unknown key: did you mean "{close[0]}" in [{name}]?'
    return "unknown key" + _listed(known)


def _listed(known: Iterable[str]) -> str:
    return f"; there are {', '.join(known)}"
