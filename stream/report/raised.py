"""Raised: which alerts a replay came to, and why."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from stream.detector.alerts import Alert, Kind, Trigger
from stream.detector.events import DAY_MS
from stream.report.buckets import Buckets, date_of


class Kin(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of one kind, and what became of them where that was judged."""

    name: str
    """A trigger, a segment (empty: none), or a reason's code."""
    opened: int
    customers: int
    example: str
    """What one of them said."""
    came_to: dict[str, int] = {}
    """How many were "right", "false" or "unknown"; empty where nothing was judged."""


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was raised in the time looked at."""

    since: str
    """ISO 8601: from here on."""
    opened: int
    """Alerts that opened an episode; the first word on it."""
    customers: int
    """On whom one opened."""
    held_out: int
    """Opened, recorded, and not delivered."""
    kinds: dict[str, int]
    """Alerts of the whole log by kind; "opened" are those above and earlier ones."""
    withheld: dict[str, int]
    """Episodes of the whole log that were due and did not open, by reason."""
    severities: dict[str, int]
    triggers: list[Kin]
    """What gave the customer away; the most frequent first, as all that follow."""
    segments: list[Kin]
    """Empty where the policy has none."""
    reasons: list[Kin]
    """The fact that each alert states first."""
    weighed: list[Kin]
    """What weighed most in the model, beside the fact; an alert may name two."""
    busiest: str
    """The day on which most opened, as 2026-01-31; empty: none did."""
    busiest_opened: int
    in_buckets: list[int]
    """How many opened in each of the log's buckets, over the whole log."""


class _Group:
    """Alerts that have a name in common."""

    def __init__(self, example: str) -> None:
        self.opened = 0
        self.customers: set[str] = set()
        self.example = example
        self.came_to: Counter[str] = Counter()

    def add(self, customer_id: str, came_to: str) -> None:
        self.opened += 1
        self.customers.add(customer_id)
        if came_to:
            self.came_to[came_to] += 1

    def kin(self, name: str) -> Kin:
        return Kin(
            name=name,
            opened=self.opened,
            customers=len(self.customers),
            example=self.example,
            came_to=dict(sorted(self.came_to.items())),
        )


class _Groups(dict[str, _Group]):
    """The same by name."""

    def add(self, name: str, example: str, customer_id: str, came_to: str) -> None:
        self.setdefault(name, _Group(example)).add(customer_id, came_to)

    def kin(self) -> list[Kin]:
        ordered = sorted(self.items(), key=lambda item: (-item[1].opened, item[0]))
        return [group.kin(name) for name, group in ordered]


class Recorder:
    """Hears of alerts, and keeps what can be said of them together."""

    def __init__(self, since: int | None = None) -> None:
        """Begin with none; only those from `since` (ms) on are told of one by one."""
        self._since = since
        self._opened = self._held_out = 0
        self._customers: set[str] = set()
        self._severities: Counter[str] = Counter()
        self._triggers, self._segments = _Groups(), _Groups()
        self._reasons, self._weighed = _Groups(), _Groups()
        self._daily: Counter[int] = Counter()
        self._scored: Counter[int] = Counter()

    def take(self, alerts: Iterable[Alert]) -> None:
        """Hear of alerts of any kind, in order of decision."""
        for alert in alerts:
            if alert.kind is Kind.OPENED and alert.trigger is not Trigger.POPULATION:
                self.opened(alert)

    def opened(self, alert: Alert, came_to: str = "") -> None:
        """Hear of one that opened, and of what became of it where that was judged."""
        self._daily[alert.time // DAY_MS] += 1
        if self._since is not None and alert.time < self._since:
            return
        who = alert.customer_id
        self._scored[alert.time // DAY_MS] += 1
        self._opened += 1
        self._held_out += alert.holdout
        self._customers.add(who)
        self._severities[alert.severity.value] += 1
        said = alert.reason_1_text
        self._triggers.add(alert.trigger.value, said, who, came_to)
        self._segments.add(alert.segment, said, who, came_to)
        self._reasons.add(alert.reason_1, said, who, came_to)
        for code, text in (
            (alert.reason_2, alert.reason_2_text),
            (alert.reason_3, alert.reason_3_text),
        ):
            if code:
                self._weighed.add(code, text, who, came_to)

    def raised(
        self,
        buckets: Buckets,
        *,
        since: str,
        kinds: Mapping[str, int],
        withheld: Mapping[str, int],
    ) -> Raised:
        """Say what was raised; `kinds` and `withheld` are the replay's own counts."""
        busiest = max(self._scored, key=lambda day: (self._scored[day], -day), default=None)
        segments = self._segments.kin()
        return Raised(
            since=since,
            opened=self._opened,
            customers=len(self._customers),
            held_out=self._held_out,
            kinds=dict(sorted(kinds.items())),
            withheld=dict(sorted(withheld.items())),
            severities=dict(sorted(self._severities.items())),
            triggers=self._triggers.kin(),
            segments=segments if any(kin.name for kin in segments) else [],
            reasons=self._reasons.kin(),
            weighed=self._weighed.kin(),
            busiest="" if busiest is None else date_of(busiest),
            busiest_opened=0 if busiest is None else self._scored[busiest],
            in_buckets=buckets.sums(self._daily),
        )
