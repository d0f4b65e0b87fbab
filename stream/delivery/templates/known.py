"""The templates, by the names that endpoints give them."""

from typing import Final

from stream.delivery.request import Template
from stream.delivery.templates.braze import braze
from stream.delivery.templates.customerio import customerio
from stream.delivery.templates.hubspot import hubspot
from stream.delivery.templates.intercom import intercom
from stream.delivery.templates.plain import plain
from stream.delivery.templates.slack import slack

TEMPLATES: Final[dict[str, Template]] = {
    "plain": plain,
    "slack": slack,
    "customerio": customerio,
    "braze": braze,
    "intercom": intercom,
    "hubspot": hubspot,
}

NEEDS_SECRET = frozenset({"plain"})
"""Nothing else proves to the receiver who it was."""
NEEDS_EVENT = frozenset({"hubspot"})
"""The receiver knows only events that were defined there."""
