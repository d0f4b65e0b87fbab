"""What is sent to an endpoint, before it is signed."""

from collections.abc import Callable

import msgspec

from stream.detector.accounts.alerts import AccountAlert
from stream.detector.alerts import Alert


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request about one alert."""

    body: bytes
    """JSON."""
    path: str = ""
    """Behind the endpoint's URL, escaped."""
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "POST"


Template = Callable[[Alert, str], Request | None]
"""Makes the request about an alert, given with the endpoint's event name (empty: the template's
own); None where the receiver has no place for such an alert."""

AccountTemplate = Callable[[AccountAlert, str], Request]
"""The same of an alert on an account."""
