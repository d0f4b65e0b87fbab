"""The grammar of the policy file: which sections there are, which keys, and what reads each."""

from stream.detector.events import DAY_MS, SECOND_MS
from stream.detector.life import Phase
from stream.detector.periods import Every
from stream.detector.policy import CLASSES
from stream.detector.segments import OpenTicket
from stream.detector.stages import AccountTrigger, Kind, Trigger
from stream.wire import policy_values as values
from stream.wire.presets import PRESETS

Keys = dict[str, tuple[str, values.Read]]
"""Key -> (field, reader)."""

YEARS_TEN_MS = 3_653 * DAY_MS

_WHO: Keys = {
    "visits_min": ("visits_min", values.whole(least=1, most=1_000)),
    "own_gaps_min": (
        "own_gaps_min",
        values.number(above=-1e-9, below=100, why="0 or more, and less than 100 usual gaps"),
    ),
}
"""Who can be alerted on: for all, and for a segment by itself."""

_DIAL: Keys = {
    "false_alarms_per_customer_month": (
        "false_alarms_per_customer_month",
        values.number(above=0, below=100, why="more than 0 and less than 100 a month"),
    ),
    "notice_days_per_false_alarm": (
        "notice_days_per_false_alarm",
        values.number(above=0, below=3_653, why="more than 0 and less than 3,653 days"),
    ),
}
"""How many false alarms there may be, or what each is worth: likewise."""

SECTIONS: dict[str, Keys] = {
    "events": {name: (name, values.globs) for name in CLASSES},
    "slipping": {
        "horizon": ("horizon_ms", values.duration(least=DAY_MS, most=YEARS_TEN_MS)),
        **_DIAL,
        **_WHO,
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
    "calendar": {
        "time_zone": ("time_zone", values.time_zone),
        "holidays": ("places", values.holiday_places),
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
    "accounts": {
        "enabled": ("enabled", values.flag),
        "members_min": ("members_min", values.whole(least=2, most=1_000)),
        "seats_ratio": (
            "seats_ratio",
            values.number(above=0, below=1, why="a share of the usual members, between 0 and 1"),
        ),
        "champion_share": (
            "champion_share",
            values.number(above=0, below=1, why="a share of all use, between 0 and 1"),
        ),
        "breadth_share": (
            "breadth_share",
            values.number(above=0, below=1, why="a share of the use of late, between 0 and 1"),
        ),
        "silence_chance": (
            "silence_chance",
            values.number(above=0, below=0.5, why="a share of silences, between 0 and 0.5"),
        ),
        "seats_bought": ("seats_bought", values.trait),
    },
    "identity": {"merge": ("merge", values.flag)},
    "retention": {"every": ("every", values.word_of(Every))},
    "model": {"promote": ("promote", values.flag), "forest": ("forest", values.flag)},
    "log": {
        "format": ("format", values.one_of("csv", "jsonl", "parquet")),
        "delimiter": ("delimiter", values.delimiter),
    },
}
"""Section -> its keys: those that there is one of."""

_MAPPING: Keys = {
    "preset": ("preset", values.one_of(*PRESETS)),
    "customer": ("customer", values.columns),
    "time": ("time", values.columns),
    "time_format": ("time_format", values.time_format),
    "time_of_day": ("time_of_day_ms", values.time_of_day),
    "event": ("event", values.event),
    "volume": ("volume", values.columns),
    "id": ("id", values.columns),
    "account": ("account", values.columns),
    "traits": ("traits", values.names),
    "account_traits": ("account_traits", values.names),
    "ignore": ("ignore", values.ignore),
}

_KIND: Keys = {
    "name": ("name", values.text),
    "where": ("where", values.conditions),
    "eligible": ("eligible", values.flag),
    "value": ("value", values.worth),
    "owner": ("owner", values.owner),
}
"""A kind of customers, or of accounts."""

_SEGMENT: Keys = {
    **_KIND,
    "horizon": ("horizon_ms", values.duration(least=DAY_MS, most=YEARS_TEN_MS)),
    **_WHO,
    **_DIAL,
    "silent_min": ("silent_min_ms", values.duration(least=0, most=YEARS_TEN_MS)),
    "silent_max": ("silent_max_ms", values.duration(least=SECOND_MS, most=YEARS_TEN_MS)),
    "activate_within": ("activate_within_ms", values.duration(least=SECOND_MS, most=YEARS_TEN_MS)),
    "ticket": ("ticket", values.word_of(OpenTicket)),
    "contact_rest": ("contact_rest_ms", values.duration(least=0, most=YEARS_TEN_MS)),
}

_FOR: Keys = {
    "name": ("name", values.text),
    "say": ("say", values.text),
    "segment": ("segments", values.names),
    "kind": ("kinds", values.some_of(Kind)),
    "reason": ("reasons", values.names),
}
"""What to do, and about which alerts, of customers as of accounts."""

_PLAY: Keys = {
    **_FOR,
    "phase": ("phases", values.some_of(Phase)),
    "trigger": ("triggers", values.some_of(Trigger)),
    "ticket": ("ticket", values.flag),
}

_ACCOUNT_PLAY: Keys = {**_FOR, "trigger": ("triggers", values.some_of(AccountTrigger))}

_RELEASE: Keys = {
    "name": ("name", values.text),
    "date": ("at", values.moment),
    "new": ("new", values.text),
    "segment": ("segments", values.names),
}

_OWNER: Keys = {
    "name": ("name", values.text),
    "daily": ("daily", values.whole(least=1, most=1_000_000)),
}

_HOLIDAY: Keys = {
    "name": ("name", values.text),
    "from": ("first", values.day),
    "to": ("last", values.day),
}

LISTS: dict[str, Keys] = {
    "mapping": _MAPPING,
    "segment": _SEGMENT,
    "play": _PLAY,
    "release": _RELEASE,
    "owner": _OWNER,
    "holiday": _HOLIDAY,
    "account_segment": _KIND,
    "account_play": _ACCOUNT_PLAY,
}
"""Section -> its keys: those that there may be several of."""

REQUIRED = {
    "segment": ("name",),
    "play": ("name",),
    "release": ("name", "date"),
    "owner": ("name", "daily"),
    "holiday": ("name", "from"),
    "account_segment": ("name",),
    "account_play": ("name",),
}
"""Of them, the keys without which one says nothing."""
