"""What each alert rule must call somebody for, and what it must let pass.

Series are in promtool's notation, a value a minute: `0+60x90` is what a clock says,
for time begins at 0 there.
"""

from dataclasses import dataclass

Series = dict[str, str]

NAN = "NaN "
"""Of values that are not known: promtool takes no repetition of it."""

WALL = 'slipaway_settings_info{job="slipaway",instance="a",clock="wall",model="learn"}'
EVENT = 'slipaway_settings_info{job="slipaway",instance="a",clock="event",model="learn"}'
LATENESS = 'slipaway_policy_allowed_lateness_seconds{job="slipaway",instance="a"}'
A0 = 'job="slipaway",instance="a",topic="usage",partition="0"'
A1 = 'job="slipaway",instance="a",topic="usage",partition="1"'
WATERMARK = f"slipaway_watermark_timestamp_seconds{{{A0}}}"
OTHER_WATERMARK = f"slipaway_watermark_timestamp_seconds{{{A1}}}"
DELAYS = 'slipaway_alert_delay_seconds_count{job="slipaway",instance="a"}'
IN_TIME = 'slipaway_alert_delay_seconds_bucket{job="slipaway",instance="a",le="1.0"}'
STARTED = 'process_start_time_seconds{job="slipaway",instance="a"}'
UP = 'up{job="slipaway",instance="a"}'
READY = 'slipaway_ready{job="slipaway",instance="a"}'
LAG = f"slipaway_lag_records{{{A0}}}"
PROCESSED = f"slipaway_last_processed_timestamp_seconds{{{A0}}}"
SAVED = f"slipaway_last_checkpoint_timestamp_seconds{{{A0}}}"
REMAINING = f"slipaway_restore_remaining_records{{{A0}}}"
DEAD = 'slipaway_events_total{job="slipaway",instance="a",topic="raw",result="dead_letter"}'
USED = 'slipaway_events_total{job="slipaway",instance="a",topic="raw",result="ingested"}'
SUSPENDED = 'slipaway_alerts_suspended{job="slipaway",instance="a"}'
SUSPENDED_B = 'slipaway_alerts_suspended{job="slipaway",instance="b"}'
IN_FORCE = 'slipaway_policy_file_in_force{job="slipaway",instance="a"}'
MODEL = 'slipaway_model_effective_timestamp_seconds{job="slipaway",instance="a"}'
DRIFTS = 'slipaway_drifts_total{job="slipaway",instance="a",target="lapse"}'
NEWTON = 'slipaway_matured_log_loss{job="slipaway",instance="a",model="newton"}'
PRIOR = 'slipaway_matured_log_loss{job="slipaway",instance="a",model="prior"}'
OF_A_WEEK = {
    NEWTON.replace("}", ',horizon="7d"}'): "0.32x2000",
    PRIOR.replace("}", ',horizon="7d"}'): "0.30x2000",
}
OF_MONTHS = {
    NEWTON.replace("}", ',horizon="60d"}'): "0.55x2000",
    PRIOR.replace("}", ',horizon="60d"}'): "0.60x2000",
}
MEASURED = 'slipaway_false_alarms_per_customer_month{job="slipaway",instance="a",of="measured"}'
SET = 'slipaway_false_alarms_per_customer_month{job="slipaway",instance="a",of="set"}'
TRIALS = MEASURED.replace("}", ',segment="trials"}')
TRIALS_SET = SET.replace("}", ',segment="trials"}')
DISABLED = 'slipaway_delivery_endpoint_disabled{job="slipaway-deliver",instance="d",endpoint="crm"}'
OLDEST = (
    'slipaway_delivery_oldest_waiting_timestamp_seconds{job="slipaway-deliver",instance="d",'
    'endpoint="crm"}'
)


def topic(role: str, partitions: str) -> str:
    """Return the series of how many partitions a topic has."""
    worker = 'job="slipaway",instance="a"'
    return f'slipaway_topic_partitions{{{worker},topic="{partitions}",role="{role}"}}'


def assigned(name: str, instance: str = "a") -> str:
    """Return the series of how many of them a worker has."""
    return f'slipaway_partitions_assigned{{job="slipaway",instance="{instance}",topic="{name}"}}'


@dataclass(frozen=True, kw_only=True)
class Case:
    """One rule, held against series; both are looked at `at` the same time."""

    at: str
    every: str = "1m"
    """Between evaluations; for rules about days a minute is needlessly close."""
    fires: tuple[Series, ...]
    quiet: tuple[Series, ...]


CASES = {
    "SlipawayDown": Case(
        at="10m",
        fires=(
            {UP: "1x5 0x10"},
            {'up{job="slipaway-deliver",instance="d"}': "1x5 0x10"},
        ),
        quiet=(
            {UP: "1x20"},
            {UP: "1x8 0 1x10"},  # one scrape that failed
            {'up{job="node",instance="a"}': "0x20"},  # somebody else's
        ),
    ),
    "SlipawayNobodyWorks": Case(
        at="20m",
        fires=({UP: "1x30"}, {assigned("usage"): "4x3"}),
        quiet=({assigned("usage"): "4x30"}, {assigned("usage"): "0x30"}),  # a spare one works too
    ),
    "SlipawayRestarting": Case(
        at="30m",
        fires=({STARTED: "0x5 300x5 600x5 900x5 1200x20"},),
        quiet=({STARTED: "0x40"}, {STARTED: "0x15 900x30"}),  # a roll-out
    ),
    "SlipawayNotReady": Case(
        at="45m",
        fires=({READY: "1x5 0x45"},),
        quiet=({READY: "0x10 1x40"},),
    ),
    "SlipawayRestoreTooLong": Case(
        at="15m",
        fires=({REMAINING: "900000-1000x30"},),
        quiet=({REMAINING: "900000 400000 100000 0x30"},),
    ),
    "SlipawayPartitionUnowned": Case(
        at="10m",
        fires=(
            {topic("usage", "usage"): "4x20", assigned("usage"): "2x20"},
            {topic("source", "raw"): "2x20", assigned("raw"): "0x20"},
        ),
        quiet=(
            {
                topic("usage", "usage"): "4x20",
                assigned("usage"): "2x20",
                assigned("usage", "b"): "2x20",
            },
            # A rebalance.
            {topic("usage", "usage"): "4x20", assigned("usage"): "4x6 0x2 4x12"},
            {topic("examples", "lessons"): "1x20", assigned("lessons"): "0x20"},
        ),
    ),
    "SlipawayTrainerGone": Case(
        at="20m",
        fires=({topic("examples", "lessons"): "1x30", assigned("lessons"): "0x30"},),
        quiet=(
            {
                topic("examples", "lessons"): "1x30",
                assigned("lessons"): "0x30",
                assigned("lessons", "b"): "1x30",
            },
            {topic("usage", "usage"): "4x30", assigned("usage"): "0x30"},
        ),
    ),
    "SlipawayFreshnessBurnFast": Case(
        at="60m",
        fires=(
            # It stands still for a quarter of an hour.
            {WALL: "1x90", LATENESS: "10x90", WATERMARK: "0+60x45 2700x45"},
            # One of two partitions does.
            {
                WALL: "1x90",
                LATENESS: "10x90",
                WATERMARK: "0+60x45 2700x45",
                OTHER_WATERMARK: "0+60x90",
            },
        ),
        quiet=(
            {WALL: "1x90", LATENESS: "10x90", WATERMARK: "0+60x90"},
            # It was behind, and is not any more.
            {WALL: "1x90", LATENESS: "10x90", WATERMARK: "0+60x10 600x9 1200+60x70"},
            # The allowed lateness is no lateness.
            {WALL: "1x90", LATENESS: "600x90", WATERMARK: "-600+60x90"},
            # A replay is long ago on purpose.
            {EVENT: "1x90", LATENESS: "10x90", WATERMARK: "0x90"},
        ),
    ),
    "SlipawayFreshnessBurnSlow": Case(
        at="72h",
        every="10m",
        fires=(
            # Behind for twenty-five minutes in every six hours.
            {
                WALL: "1x4400",
                LATENESS: "10x4400",
                WATERMARK: " ".join(
                    f"{start * 60}+60x334 {(start + 334) * 60}x24" for start in range(0, 4320, 360)
                )
                + " 259200+60x60",
            },
        ),
        quiet=(
            {WALL: "1x4400", LATENESS: "10x4400", WATERMARK: "0+60x4400"},
            # A quarter of an hour in three days, which the budget bears.
            {
                WALL: "1x4400",
                LATENESS: "10x4400",
                WATERMARK: "0+60x2000 120000x14 120900+60x2400",
            },
        ),
    ),
    "SlipawayLatencyBurnFast": Case(
        at="90m",
        fires=({DELAYS: "0+60x120", IN_TIME: "0+60x60 3600+30x60"},),
        quiet=(
            {DELAYS: "0+60x120", IN_TIME: "0+60x120"},
            {DELAYS: "0+60x120", IN_TIME: "0+60x30 1800+30x10 2160+60x90"},  # it is over
            {DELAYS: "0x80 1x40", IN_TIME: "0x120"},  # one alert is no trend
        ),
    ),
    "SlipawayLatencyBurnSlow": Case(
        at="73h",
        every="10m",
        fires=({DELAYS: "0+100x4500", IN_TIME: "0+98x4500"},),
        quiet=({DELAYS: "0+1000x4500", IN_TIME: "0+995x4500"},),
    ),
    "SlipawayPartitionStuck": Case(
        at="15m",
        fires=(
            {LAG: "5x30", PROCESSED: "0+60x5 300x25"},
            {LAG: "5x30"},  # nothing was ever applied here
        ),
        quiet=(
            {LAG: "5x30", PROCESSED: "0+60x30"},
            {LAG: "0x30", PROCESSED: "0x30"},  # nothing is sent
        ),
    ),
    "SlipawayLagGrowing": Case(
        at="60m",
        fires=({LAG: "0+1000x90"},),
        quiet=(
            {LAG: "90000-1000x90"},  # a backlog that is worked off
            {LAG: "0+100x90"},  # below what counts
        ),
    ),
    "SlipawayCheckpointFailing": Case(
        at="10m",
        fires=({PROCESSED: "0+60x20", SAVED: "0+60x5 300x15"},),
        quiet=(
            {PROCESSED: "0+60x20", SAVED: "1+60x20"},
            {PROCESSED: "60x20", SAVED: "61x20"},  # nothing is sent, and all is saved
        ),
    ),
    "SlipawayDeadLetterBurn": Case(
        at="60m",
        fires=({DEAD: "0+10x90", USED: "0+100x90"},),
        quiet=(
            {DEAD: "0+2x90", USED: "0+100x90"},
            {DEAD: "0+20x40 800x50", USED: "0+100x90"},  # it is over
        ),
    ),
    "SlipawayAlertsSuspended": Case(
        at="5m",
        fires=({SUSPENDED: "1x10", SUSPENDED_B: NAN * 10},),
        quiet=({SUSPENDED: "0x10", SUSPENDED_B: NAN * 10}, {SUSPENDED_B: NAN * 10}),
    ),
    "SlipawayPolicyRefused": Case(
        at="10m",
        fires=({IN_FORCE: "1x2 0x10"},),
        quiet=({IN_FORCE: "1x12"}, {IN_FORCE: "1x6 0x2 1x4"}),
    ),
    "SlipawayModelStale": Case(
        at="80h",
        every="10m",
        fires=({WALL: "1x5000", MODEL: "1x5000"},),
        quiet=(
            {WALL: "1x5000", MODEL: "86400x5000"},
            {WALL: "1x5000", MODEL: "0x5000"},  # nothing was learned yet
            {EVENT: "1x5000", MODEL: "1x5000"},
        ),
    ),
    "SlipawayModelDrifting": Case(
        at="2h",
        fires=({DRIFTS: "0x60 1x90"},),
        quiet=({DRIFTS: "3x180"},),
    ),
    "SlipawayModelWorseThanPrior": Case(
        at="30h",
        every="10m",
        fires=(
            {NEWTON: "0.62x2000", PRIOR: "0.60x2000"},
            {NEWTON: "0.55x2000", PRIOR: "0.60x2000", **OF_A_WEEK},
        ),
        quiet=(
            {NEWTON: "0.55x2000", PRIOR: "0.60x2000"},
            {NEWTON: "0.605x2000", PRIOR: "0.6x2000"},
            {NEWTON: "0.25x2000", PRIOR: "0.3x2000", **OF_MONTHS},
        ),
    ),
    "SlipawayDialMissed": Case(
        at="30h",
        every="10m",
        fires=(
            {MEASURED: "0.09x2000", SET: "0.05x2000"},
            # A segment's own dial is missed, though less than everybody else's is set to.
            {MEASURED: "0.1x2000", SET: "0.2x2000", TRIALS: "0.09x2000", TRIALS_SET: "0.05x2000"},
        ),
        quiet=(
            {MEASURED: "0.06x2000", SET: "0.05x2000"},
            {MEASURED: "0.2x2000", SET: "0.2x2000", TRIALS: "0.06x2000", TRIALS_SET: "0.05x2000"},
            {MEASURED: "0.09x2000", SET: NAN * 2000},  # the policy sets the threshold itself
        ),
    ),
    "SlipawayEndpointDisabled": Case(
        at="5m",
        fires=({DISABLED: "0x2 1x10"},),
        quiet=({DISABLED: "0x10"},),
    ),
    "SlipawayDeliveryBacklog": Case(
        at="2h",
        fires=({OLDEST: "600x150"},),
        quiet=({OLDEST: NAN * 150}, {OLDEST: "0+60x150"}),
    ),
}
