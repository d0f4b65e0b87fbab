"""Leaving: the one answer to any doubt about what was written.

A worker that is not sure whether its last transaction took place must not go
on: the next one could say a thing twice, or never.  Starting again is always
safe, because everything that counts is in Kafka.  So the process ends at once,
without Faust's orderly stop, which takes up to 14 s after a crash and would
run the very code that is in doubt.
"""

import contextlib
import os
import sys
from collections.abc import Iterable
from enum import IntEnum
from typing import NoReturn

import structlog
from aiokafka import errors as kafka

log = structlog.get_logger("slipaway.engine")


class Exit(IntEnum):
    """The exit codes, after sysexits.h; what a supervisor does next."""

    HUMAN = 70  # our bug, or lost or unreadable data: starting again changes nothing
    TEMPORARY = 75  # broker trouble or a worker that took over: start again


class Fatal(Exception):  # noqa: N818 - it ends the process; most are not errors of this one
    """The reason to leave, in a sentence that ends with what an operator does."""

    def __init__(self, reason: str, code: Exit = Exit.HUMAN) -> None:
        """Say why (`reason`), and whether starting again helps (`code`)."""
        super().__init__(reason)
        self.reason = reason
        self.code = code


# What the broker refuses for good: a restart would be refused again.
_FOR_GOOD = (
    kafka.MessageSizeTooLargeError,
    kafka.RecordTooLargeError,
    kafka.InvalidTopicError,
    kafka.UnsupportedVersionError,
)
_FORBIDDEN = {
    kafka.TopicAuthorizationFailedError: "topic",
    kafka.GroupAuthorizationFailedError: "group",
    kafka.TransactionalIdAuthorizationFailed: "transactional id",
    kafka.ClusterAuthorizationFailedError: "cluster",
}


ALLOW = (
    "Operator action: allow it on the broker, then start again; `slipaway doctor` says which it is,"
    " and `slipaway topics acls` lists all that are needed."
)


def judge(error: BaseException, during: str) -> Fatal:
    """Return `error` as a reason to leave; `during` names what was being done."""
    if isinstance(error, Fatal):
        return error
    for kind, what in _FORBIDDEN.items():
        if isinstance(error, kind):
            return Fatal(f"{during}: a permission on {what} {_named(error)} is missing. {ALLOW}")
    if isinstance(error, _FOR_GOOD):
        action = "Operator action: allow it on the broker, then start again."
        return Fatal(f"{during}: {error!r}. {action}", Exit.HUMAN)
    if isinstance(error, kafka.IllegalOperation):
        # What aiokafka says to the next send once it was fenced: its own state, not our mistake.
        ended = "the transaction ended before we did (ProducerFenced, or its time was up)"
        return Fatal(f"{during}: {error!r}: {ended}. Starting again is safe.", Exit.TEMPORARY)
    if isinstance(error, kafka.KafkaError | TimeoutError | OSError):
        return Fatal(f"{during}: {error!r}. Starting again is safe.", Exit.TEMPORARY)
    return Fatal(f"{during}: {error!r}. Operator action: report this bug.", Exit.HUMAN)


def _named(error: BaseException) -> str:
    """Say what an error is about: a name, or several in a set."""
    about = error.args[0] if error.args else ""
    several = isinstance(about, Iterable) and not isinstance(about, str)
    return ", ".join(sorted(map(str, about))) if several else str(about)


def leave(fatal: Fatal) -> NoReturn:
    """End this process now, with one line that says why."""
    log.critical("leaving", reason=fatal.reason, code=int(fatal.code))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a closed pipe must not keep us here
            stream.flush()
    os._exit(fatal.code)
