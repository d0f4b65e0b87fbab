"""What can be wrong with an event, and whose fault it is.

A bad event is the sender's fault: it never stops the stream and is never
dropped in silence.  It is raised as `BadEvent`, and whoever reads the log puts
the original bytes aside as a dead letter under `code`.
"""

from enum import StrEnum


class Code(StrEnum):
    """Why an event could not be used: stable names, for metrics and dead letters."""

    EMPTY = "empty"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    MALFORMED_ROW = "malformed_row"
    UNSUPPORTED_FORMAT = "unsupported_format"
    """A format that is known, and not read: Avro, an older CloudEvents."""
    UNKNOWN_TYPE = "unknown_type"
    AMBIGUOUS = "ambiguous"
    """It may be of two forms, and nobody has said which."""
    WRONG_TYPE = "wrong_type"
    NULL_BYTE = "null_byte"
    NO_CUSTOMER = "no_customer"
    ID_TOO_LONG = "id_too_long"
    NO_EVENT = "no_event"
    NO_TIME = "no_time"
    BAD_TIME = "bad_time"
    TOO_OLD = "too_old"
    FUTURE = "future"
    ALIAS_CYCLE = "alias_cycle"
    """An alias that makes an id, over others, an alias of itself."""
    ALIAS_CHAIN = "alias_chain"
    """More aliases in a row than are followed."""
    ALIAS_STORM = "alias_storm"
    """More ids of one customer in a day than a person has."""
    BAD_HANDOVER = "bad_handover"
    """A customer's state, sent from one partition to another, that cannot be read."""


class BadEvent(Exception):  # noqa: N818 - it names what the sender sent, not an error of ours
    """One event that cannot be used, and what its sender should change."""

    def __init__(self, code: Code, message: str) -> None:
        """Say what is wrong (`code`) and, in a sentence, what was found instead (`message`)."""
        super().__init__(message)
        self.code = code
        self.message = message
