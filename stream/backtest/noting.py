"""Noting: a replay that keeps every alert that opens, as it was said."""

from typing import Any

from stream.detector.alerts import Alert, Kind
from stream.detector.decisions import Decisions
from stream.replay.run import Replay


class NotingReplay(Replay):
    """A replay that can tell afterwards whom it alerted on, when, and why."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Begin with nobody."""
        super().__init__(*arguments, **options)
        self.opened: list[Alert] = []
        """Of all triggers, in the order in which they were decided."""

    def _keep(self, decisions: Decisions) -> None:
        super()._keep(decisions)
        self.opened += [alert for alert in decisions.alerts if alert.kind is Kind.OPENED]
