"""Who somebody is: what `identify`, `group` and `alias` messages say, beside being events.

An alias says that two ids are one customer; traits say what kind of customer, or
account, it is.  Both come from outside, so what is taken of them is bounded: plain
values, short, and not many.  What is not taken is no fault of the message.
https://segment.com/docs/connections/spec/alias/
https://segment.com/docs/connections/spec/identify/
https://segment.com/docs/connections/spec/group/
https://www.rudderstack.com/docs/event-spec/standard-events/identify/ (traits in the context)
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from stream.detector.segments import OF_ACCOUNT
from stream.wire import fields

TRAITS_MAX: Final = 64  # larger: segments by traits that nobody writes, and larger customers
TELL_IDS: Final = frozenset({"identify", "alias"})
"""The messages that may say that two ids are one customer."""
Value = str | float | bool | None
"""None: the trait is taken back."""


class Alias(msgspec.Struct, frozen=True):
    """Two ids of one customer."""

    previous_id: str
    customer_id: str
    """The id that goes on."""


class Traits(msgspec.Struct, frozen=True):
    """What is known of a customer, or an account, from now on; what is not named stays."""

    of: Literal["customer", "account"]
    id: str
    values: dict[str, Value]


def told(record: Mapping[str, object]) -> Iterator[Alias | Traits]:
    """Yield what a Segment message says of who somebody is, or raise BadEvent for a broken id.

    A message that names both ids of a customer, signed in and before, is an alias too;
    one to itself says nothing.
    """
    kind = record.get("type")
    if kind not in ("identify", "group", "alias"):
        return
    customer_id = fields.optional(record.get("userId"), "userId")
    before = fields.optional(record.get("anonymousId"), "anonymousId")
    if kind == "alias":
        before = fields.optional(record.get("previousId"), "previousId") or before
    if customer_id and before and customer_id != before:
        yield Alias(before, customer_id)
    if kind == "identify" and (customer_id or before):
        context = record.get("context")
        in_context = context.get("traits") if isinstance(context, dict) else None
        yield Traits(
            "customer", customer_id or before, plain_traits(record.get("traits") or in_context)
        )
    account_id = fields.optional(record.get("groupId"), "groupId")
    if kind == "group" and account_id:
        yield Traits("account", account_id, plain_traits(record.get("traits")))


def told_of_customer(record: Mapping[str, object]) -> dict[str, Value]:
    """Give the traits that an `identify` or a `group` message tells of its customer.

    An account's traits are its members' as well, as "account." and their names.
    """
    kind = record.get("type")
    if kind == "identify":
        context = record.get("context")
        in_context = context.get("traits") if isinstance(context, dict) else None
        return plain_traits(record.get("traits") or in_context)
    if kind == "group":
        told = plain_traits(record.get("traits"))
        return {OF_ACCOUNT + name: value for name, value in told.items()}
    return {}


def plain_traits(traits: object) -> dict[str, Value]:
    """Take the plain traits, the first `TRAITS_MAX` of them."""
    plain: dict[str, Value] = {}
    if isinstance(traits, dict):
        for name, value in traits.items():
            if len(plain) == TRAITS_MAX:
                break
            if _short(name) and (value is None or _isplain_traits(value)):
                plain[name] = value
    return plain


def _isplain_traits(value: object) -> bool:
    if isinstance(value, str):
        return not value or _short(value)
    return isinstance(value, int | float) and -(2**63) <= value < 2**63  # NaN is not


def _short(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= fields.SHORT_CHARACTERS and "\0" not in text
