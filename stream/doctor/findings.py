"""Findings: what was looked at, what was found, whose it is, and what to do about it.

A check that only says "failed" sends its reader to the source.  So a finding is
a sentence, and one that is not good names who can change it, and how.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

_ACTION = "Operator action:"  # where errors of the worker turn from what is to what to do


class Verdict(StrEnum):
    """How good it is, worst last."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


class Fault(StrEnum):
    """Where the cause lies, and with it who can remove it."""

    NOBODY = ""
    SETTINGS = "these settings"
    POLICY = "the policy file"
    ADDRESS = "the address, the network, or the broker"
    CREDENTIALS = "the credentials"
    TOPIC = "the topic's configuration"
    BROKER = "the brokers' configuration"
    PERMISSION = "permissions on the broker"
    CLOCK = "the clock of this machine, or of the broker"
    WORKER = "another member of the group"
    SENDER = "the sender of the events, or the policy's [[mapping]]"
    SAVED = "what was saved, or deleted, before"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to."""

    check: str
    """What was looked at."""
    verdict: Verdict
    reason: str
    """What was found, and why that is good or not."""
    fault: Fault = Fault.NOBODY
    action: str = ""
    """What an operator does; empty where there is nothing to do."""


def ok(check: str, reason: str) -> Finding:
    """Find nothing wrong."""
    return Finding(check, Verdict.OK, reason)


def warning(check: str, reason: str, fault: Fault, action: str) -> Finding:
    """Find what works now, and may not for long."""
    return Finding(check, Verdict.WARNING, reason, fault, action)


def failure(check: str, reason: str, fault: Fault, action: str) -> Finding:
    """Find what a worker would end by, wait for without end, or do wrong."""
    return Finding(check, Verdict.FAILURE, reason, fault, action)


def quoted(check: str, words: str, fault: Fault) -> Finding:
    """Find what the worker itself would say as it ends: its reason, and its action."""
    reason, _, action = words.partition(_ACTION)
    return failure(check, reason.strip(), fault, action.strip().rstrip("."))


def worst(findings: Iterable[Finding]) -> Verdict:
    """Say how good it is all in all."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.OK)


def as_values(findings: list[Finding]) -> dict[str, Any]:
    """Return findings as plain values, for machines."""
    return {"verdict": worst(findings), "findings": [asdict(finding) for finding in findings]}
