"""The file of endpoints: who gets which alerts, where, and in which form.

Secrets are never in the file: "env:NAME" is an environment variable, "file:PATH" a
file, as Docker and Kubernetes mount secrets.  Everything that is wrong is said at
once, with its line.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from stream.delivery.about import About, Said
from stream.delivery.request import AccountTemplate, Request, Template
from stream.delivery.signing import read_secret
from stream.delivery.templates.known import NEEDS_EVENT, NEEDS_SECRET, TEMPLATES
from stream.delivery.templates.of_accounts import ACCOUNT_TEMPLATES
from stream.detector.alerts import Kind
from stream.wire.policy_file import PolicyError, PolicyErrors
from stream.wire.toml_lines import key_lines

SECTION = "endpoint"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,50}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
_KINDS = [kind.value for kind in Kind]
_OURS = ("webhook-", "content-", "host", "transfer-encoding")


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One place that alerts are delivered to."""

    name: str
    """Names its consumer group, too: under another name it begins anew."""
    url: str
    template: Template | AccountTemplate
    """For whom it is about."""
    about: About = About.CUSTOMERS
    event: str = ""
    """How the receiver calls the event; empty: as the template does."""
    secrets: tuple[bytes, ...] = ()
    """The first is the new one while two are in use."""
    kinds: frozenset[Kind] = frozenset(Kind)
    headers: tuple[tuple[str, str], ...] = ()
    backfill: bool = False
    """Alerts that were decided while a log was worked off are wanted, too."""
    private: bool = False
    """Private addresses, and plain HTTP, are allowed."""

    def wants(self, alert: Said) -> bool:
        """Say whether an alert is for this endpoint; one on the holdout is for nobody's."""
        wanted = alert.kind in self.kinds and (self.backfill or not alert.backfill)
        return wanted and not alert.holdout

    def request(self, alert: Said) -> Request | None:
        """Make the request about an alert; None where the receiver has no place for it."""
        return self.template(alert, self.event)  # type: ignore[arg-type] # it is for such alerts

    def __repr__(self) -> str:
        """Name it, and nothing that is secret: neither its URL nor its headers."""
        return f"Endpoint({self.name!r})"


class EndpointErrors(PolicyErrors):
    """Everything that is wrong with a file of endpoints: nothing was delivered."""


def load(path: Path, environment: Mapping[str, str] = os.environ) -> list[Endpoint]:
    """Read a file of endpoints; raise `EndpointErrors` with all that is wrong."""
    try:
        return parse(path.read_text(encoding="utf-8"), environment, str(path))
    except OSError as error:
        said = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        said = "is not UTF-8"
    raise EndpointErrors(str(path), [PolicyError(0, "", said)])


def parse(text: str, environment: Mapping[str, str], name: str = "endpoints") -> list[Endpoint]:
    """Read endpoints from TOML; raise `EndpointErrors` with all that is wrong."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EndpointErrors(name, [PolicyError(0, "", f"this is not TOML: {error}")]) from None
    reading = _Reading(document, key_lines(text), environment)
    endpoints = reading.endpoints()
    if reading.errors:
        raise EndpointErrors(name, reading.errors)
    return endpoints


class _Reading:
    """One reading of a file."""

    def __init__(
        self,
        document: dict[str, Any],
        lines: Mapping[tuple[str | int, ...], int],
        environment: Mapping[str, str],
    ) -> None:
        self.errors: list[PolicyError] = []
        self._document = document
        self._lines = lines
        self._environment = environment
        self._place: tuple[str | int, ...] = ()

    def endpoints(self) -> list[Endpoint]:
        """Read them all."""
        for key in self._document.keys() - {SECTION}:
            self._place = (key,)
            self._wrong("", f"there is no such section; endpoints are [[{SECTION}]]")
        sections = self._document.get(SECTION, [])
        if not isinstance(sections, list) or not sections:
            self._place = (SECTION,)
            self._wrong("", f"there is no endpoint: write [[{SECTION}]]")
            return []
        found = []
        for index, section in enumerate(sections):
            self._place = (SECTION, index)
            before = len(self.errors)
            fields = dict(self._fields(section))
            if len(self.errors) == before:
                found.append(Endpoint(**fields))
        names = [endpoint.name for endpoint in found]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self._place = (SECTION,)
            self._wrong("name", f"{name} is there twice; each has a consumer group of its own")
        return found

    def _fields(self, section: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """Give the fields of one endpoint."""
        known = Endpoint.__struct_fields__
        for key in section:
            if key not in known:
                close = get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"there is {', '.join(known)}"
                self._wrong(key, f"there is no such key; {hint}")
        template = section.get("template", "plain")
        about = self._about(section.get("about", About.CUSTOMERS.value))
        yield "name", self._name(section.get("name"))
        yield "url", self._url(section.get("url"), private=section.get("private") is True)
        yield "about", about
        yield "template", self._template(template, about)
        yield "event", self._event(section.get("event", ""), template)
        yield "secrets", self._secrets(section.get("secrets", []), template)
        yield "kinds", self._kinds(section.get("kinds"))
        yield "headers", self._headers(section.get("headers", {}))
        for flag in ("backfill", "private"):
            value = section.get(flag, False)
            if not isinstance(value, bool):
                self._wrong(flag, f"{value!r} is neither true nor false")
            yield flag, value

    def _name(self, value: object) -> str:
        if isinstance(value, str) and _NAME.fullmatch(value):
            return value
        self._wrong("name", "it has to have a name of letters, digits, - and _, at most 50")
        return ""

    def _url(self, value: object, *, private: bool) -> str:
        url = self._resolved("url", value, "https://... or env:NAME or file:PATH")
        if not url:
            return ""
        try:
            parts = urlsplit(url)
            usable = bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            usable = False
            parts = urlsplit("")
        # Never with the URL in the message: of Slack's, all of it is secret.
        if not usable or parts.scheme not in {"https", "http"}:
            self._wrong("url", "it is no URL of HTTPS")
        elif parts.username or parts.password or parts.fragment:
            self._wrong("url", "it may have neither a user nor a fragment: see headers")
        elif parts.scheme == "http" and not private:
            self._wrong("url", "plain HTTP is only allowed with private = true")
        return url

    def _about(self, value: object) -> About:
        words = [about.value for about in About]
        if value in words:
            return About(value)
        self._wrong("about", f"{value!r}: there is {', '.join(words)}")
        return About.CUSTOMERS

    def _template(self, value: object, about: About) -> Template | AccountTemplate:
        if about is About.ACCOUNTS:
            if isinstance(value, str) and value in ACCOUNT_TEMPLATES:
                return ACCOUNT_TEMPLATES[value]
            known = ", ".join(ACCOUNT_TEMPLATES)
            self._wrong("template", f"{value!r}: of accounts there is {known}")
            return ACCOUNT_TEMPLATES["plain"]
        if isinstance(value, str) and value in TEMPLATES:
            return TEMPLATES[value]
        self._wrong("template", f"{value!r}: there is {', '.join(TEMPLATES)}")
        return TEMPLATES["plain"]

    def _event(self, value: object, template: object) -> str:
        if not isinstance(value, str):
            self._wrong("event", f"{value!r}: expected text in quotes")
            return ""
        if not value and template in NEEDS_EVENT:
            self._wrong("event", f"{template} knows only events that were defined there: name one")
        return value

    def _secrets(self, value: object, template: object) -> tuple[bytes, ...]:
        if not isinstance(value, list):
            self._wrong("secrets", 'expected a list, such as ["env:CRM_SECRET"]')
            return ()
        if not value and template in NEEDS_SECRET:
            self._wrong("secrets", f'{template} is signed: name one, as ["env:CRM_SECRET"]')
        secrets = []
        for item in value:
            if not isinstance(item, str) or not item.startswith(("env:", "file:")):
                self._wrong("secrets", "a secret is never in this file: env:NAME or file:PATH")
                continue
            text = self._resolved("secrets", item, "")
            try:
                secrets += [read_secret(text)] if text else []
            except ValueError as error:
                self._wrong("secrets", f"{item}: {error}")
        return tuple(secrets)

    def _kinds(self, value: object) -> frozenset[Kind]:
        if value is None:
            return frozenset(Kind)
        unknown = [item for item in value if item not in _KINDS] if isinstance(value, list) else [0]
        if unknown or not value:
            self._wrong("kinds", f"expected a list of {', '.join(_KINDS)}")
            return frozenset()
        assert isinstance(value, list)
        return frozenset(Kind(item) for item in value)

    def _headers(self, value: object) -> tuple[tuple[str, str], ...]:
        if not isinstance(value, dict):
            self._wrong("headers", 'expected {Authorization = "env:NAME"}')
            return ()
        headers = []
        for name, item in value.items():
            if not _HEADER.fullmatch(name) or name.lower().startswith(_OURS):
                self._wrong("headers", f"{name} is not for you to set")
            text = self._resolved("headers", item, "text, or env:NAME, or file:PATH")
            if not text.isprintable():
                self._wrong("headers", f"{name} holds what no header may")
            headers.append((name, text))
        return tuple(headers)

    def _resolved(self, key: str, value: object, expected: str) -> str:
        """Give text, or what the environment or a file has in its place."""
        if not isinstance(value, str) or not value:
            self._wrong(key, f"expected {expected}")
            return ""
        where, colon, name = value.partition(":")
        if colon and where == "env":
            text = self._environment.get(name, "")
        elif colon and where == "file":
            try:
                text = Path(name).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, ValueError):
                text = ""
        else:
            return value
        if not text:
            self._wrong(key, f"{value}: there is nothing there, or it cannot be read")
        return text

    def _wrong(self, key: str, message: str) -> None:
        """Note what is wrong, at the line of the key, or of its section."""
        place = (*self._place, key) if key else self._place
        line = self._lines.get(place) or self._lines.get(self._place) or 0
        shown = ".".join(str(part) for part in place if isinstance(part, str))
        self.errors.append(PolicyError(line, shown, message))
