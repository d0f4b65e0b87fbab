"""The verdict's arithmetic, on customers few enough to count by hand."""

import msgspec
import pytest
import said
from rich.console import Console

from stream.demo.simulate import Fate, Truth
from stream.demo.verdict import MONTH_MS, Verdict, episodes, judge, table
from stream.detector.alerts import Alert, Kind, Severity, Trigger
from stream.detector.events import DAY_MS, HOUR_MS
from stream.detector.policy import Policy

START = 1_000 * DAY_MS
POLICY = Policy(horizon_ms=20 * DAY_MS, visits_min=2, false_alarms_per_customer_month=0.05)


def day(number: float) -> int:
    """Return the time so many days after the start."""
    return START + round(number * DAY_MS)


def alert(
    customer_id: str,
    at: float,
    kind: Kind = Kind.OPENED,
    trigger: Trigger = Trigger.SILENCE,
    episode: str = "1",
) -> Alert:
    """Say something about a customer."""
    return said.alert(
        customer_id=customer_id,
        time=day(at),
        kind=kind,
        alert_id=f"{customer_id}{episode}{kind}",
        episode_id=customer_id + episode,
        severity=Severity.LOW,
        trigger=trigger,
        risk=0.5,
    )


def stayer(customer_id: str = "s", visits: tuple[float, ...] = (0, 10, 20, 30)) -> Truth:
    """Return a customer who comes every ten days."""
    return Truth(
        customer_id=customer_id,
        fate=Fate.STAYS,
        rhythm="weekly",
        visits_at=tuple(day(v) for v in visits),
    )


def leaver(customer_id: str = "l", fades: float | None = None) -> Truth:
    """Return a customer who left on day 10."""
    return Truth(
        customer_id=customer_id,
        fate=Fate.LEAVES,
        rhythm="weekly",
        visits_at=(day(0), day(5), day(10)),
        left_at=day(10),
        fades_at=None if fades is None else day(fades),
    )


def judged(truths: list[Truth], alerts: list[Alert], ends: float = 40) -> Verdict:
    """Judge from the start on."""
    return judge(truths, alerts, POLICY, counted_from=START, ends_at=day(ends))


def test_a_leaver_is_caught_before_the_horizon_runs_out() -> None:
    """Called on the sixth silent day of twenty: fourteen days earlier than the idle rule."""
    verdict = judged([leaver()], [alert("l", 16)])

    assert (verdict.leavers_caught, verdict.leavers) == (1, 1)
    assert 14.0 == verdict.days_earlier_mean == verdict.days_earlier_median
    assert verdict.caught_by == {Trigger.SILENCE: 1}
    assert verdict.false_alarms == 0


@pytest.mark.parametrize(
    "said",
    [
        [],
        [alert("l", 30, Kind.LAPSED)],
        [alert("l", 30.5)],
        [alert("l", 6), alert("l", 8, Kind.RECOVERED)],
        [alert("l", 12), alert("l", 12, Kind.RETRACTED)],
        [alert("other", 16)],
    ],
    ids=["nothing", "lapse only", "too late", "closed before", "retracted", "somebody else"],
)
def test_a_leaver_is_missed(said: list[Alert]) -> None:
    """What says no more than the idle rule does not count as caught, and counts as 0 days."""
    verdict = judged([leaver()], said)

    assert (verdict.leavers_caught, verdict.leavers, verdict.days_earlier_mean) == (0, 1, 0.0)


def test_an_episode_that_stands_when_the_leaver_leaves_has_caught_it() -> None:
    """Declined on day 8, left on day 10: the whole horizon is won, but not more."""
    verdict = judged([leaver()], [alert("l", 8, trigger=Trigger.DECLINE)])

    assert verdict.caught_by == {Trigger.DECLINE: 1}
    assert verdict.days_earlier_mean == 20.0


def test_a_leaver_whose_horizon_ends_after_the_simulation_is_left_out() -> None:
    """It might still be caught."""
    assert judged([leaver()], [], ends=29).leavers == 0


def test_a_cancellation_is_no_guess() -> None:
    """It begins as a lapse, and by the customer's own word."""
    verdict = judged([leaver()], [alert("l", 10, Kind.LAPSED, Trigger.ENDING)])

    assert verdict.caught_by == {Trigger.ENDING: 1}


def test_an_alert_on_who_stays_is_false() -> None:
    """The customer came back two days later."""
    verdict = judged([stayer()], [alert("s", 18)])

    assert verdict.false_alarms == 1


def test_an_alert_before_a_lapse_is_true_whoever_comes_back_later() -> None:
    """Twenty silent days are a lapse by the policy, even if the customer returns."""
    verdict = judged([stayer(visits=(0, 1, 30))], [alert("s", 10)])

    assert verdict.false_alarms == 0


def test_an_alert_on_a_fading_leaver_is_early_not_false() -> None:
    """It came once more, but it was leaving."""
    verdict = judged([leaver(fades=4)], [alert("l", 8), alert("l", 10, Kind.RECOVERED)])

    assert (verdict.false_alarms, verdict.foreseen) == (0, 1)


def test_what_is_said_before_the_count_begins_costs_nothing() -> None:
    """The model was cold."""
    truths = [stayer()]
    verdict = judge(truths, [alert("s", 18)], POLICY, counted_from=day(19), ends_at=day(40))

    assert verdict.false_alarms == 0


def test_exposure_is_eligible_time_with_silence_within_the_horizon() -> None:
    """From the second visit (day 10) to the end (40), and 20 of the 35 days after day 5."""
    stays, leaves = stayer(), stayer("x", visits=(0, 5))

    assert (
        pytest.approx((30 + 20) * DAY_MS / MONTH_MS) == judged([stays, leaves], []).customer_months
    )


def test_the_rate_is_false_alarms_by_exposure() -> None:
    """The figure that stands beside the dial."""
    verdict = judged([stayer()], [alert("s", 18)])

    assert pytest.approx(MONTH_MS / (30 * DAY_MS)) == verdict.false_alarms_per_customer_month
    assert POLICY.false_alarms_per_customer_month == verdict.dial


def test_a_decliner_is_caught_after_the_decline_began() -> None:
    """Earlier alerts are about something else."""
    truth = Truth(
        customer_id="d",
        fate=Fate.DECLINES,
        rhythm="daily",
        visits_at=tuple(day(v) for v in range(40)),
        declines_at=day(20),
    )
    verdict = judged(
        [truth], [alert("d", 10), alert("d", 26, trigger=Trigger.DECLINE, episode="2")]
    )

    assert (
        verdict.decliners_caught,
        verdict.decliners,
        verdict.days_to_decline_median,
    ) == (1, 1, 6.0)


@pytest.mark.parametrize(("after_hours", "answered"), [(0, 1), (0.9, 1), (2, 0)])
def test_a_warning_is_answered_within_the_hour(after_hours: float, answered: int) -> None:
    """Immediacy is what a warning is for."""
    truth = Truth(
        customer_id="w",
        fate=Fate.STAYS,
        rhythm="daily",
        visits_at=(day(0), day(10)),
        warned_at=day(10),
    )
    said = alert("w", 10 + after_hours * HOUR_MS / DAY_MS, trigger=Trigger.WARNING)
    verdict = judged([truth], [said])

    assert (answered, 1) == (verdict.warnings_answered, verdict.warnings)
    assert verdict.false_alarms == 0


def test_the_idle_rule_is_the_shortest_that_is_no_more_often_wrong() -> None:
    """Gaps of 10 days: 9 idle days are false alarms, 10 are not, and win ten days of twenty."""
    rule = judged([stayer(), leaver()], []).idle_rule

    assert (rule.days, rule.days_earlier_mean, rule.false_alarms) == (10, 10.0, 0)


def test_the_idle_rule_may_be_wrong_as_often_as_the_alerts() -> None:
    """Three to spend: then also the leaver's own gap of five days may not be one."""
    allowed = [alert("s", at, episode=str(at)) for at in (12, 22, 32)]
    rule = judged([stayer(), leaver()], allowed).idle_rule

    assert (rule.days, rule.false_alarms) == (5, 3)


def test_who_warned_is_left_out_of_the_comparison_with_the_idle_rule() -> None:
    """The warning wins the whole horizon, which no rule about silence could; that is no merit."""
    warned = msgspec.structs.replace(leaver("w"), warned_at=day(10))
    said = [alert("w", 10, trigger=Trigger.WARNING), alert("l", 16)]
    verdict = judged([leaver(), warned], said)

    assert verdict.days_earlier_mean == 17.0
    assert (verdict.unwarned, verdict.unwarned_days_earlier_mean) == (1, 14.0)


def test_an_episode_is_read_in_the_order_of_its_times() -> None:
    """Partitions are read in any order."""
    (episode,) = episodes(
        [alert("l", 20, Kind.RECOVERED), alert("l", 15), alert("l", 17, Kind.ESCALATED)]
    )

    assert (day(15), day(20), True) == (episode.opened_at, episode.closed_at, episode.foretold)


def test_the_table_can_be_printed_of_nothing() -> None:
    """A showing that was cut short still ends in order."""
    console = Console(record=True, width=200)
    console.print(table(judged([], [])))

    assert "0 of 0" in console.export_text()


def test_the_table_names_the_dial_and_what_came_of_it() -> None:
    """They belong beside each other."""
    console = Console(record=True, width=200)
    console.print(table(judged([stayer(), leaver()], [alert("s", 18), alert("l", 16)])))
    text = console.export_text()

    assert "the dial is set to 0.05" in text
    assert "1 of 1 (100%) before 20 idle days" in text
