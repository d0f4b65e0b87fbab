"""Answer: what the policy, as it is set, would have done, in the few figures that come first.

No hindsight is in it: the dial sets its threshold day by day.  What it is held against
has all of it: of all silences that could be the same for everybody, the one that
would have disturbed as many customers in vain.
"""

from collections.abc import Sequence

import numpy as np

from stream.backtest.curve import Curve
from stream.backtest.findings import Answer
from stream.backtest.judging import Alerts, Court


def answer(court: Court, own: Alerts, rule: Curve, idle_days: Sequence[float]) -> Answer:
    """Hold the policy's own alerts on silence against one silence for all.

    `rule` is the curve of that, one setting for each of `idle_days`.
    """
    found, score = court.judge(own), court.score(own)
    noticed = ~np.isnan(found.delay)
    mine, rate = Curve.of(court, [own]), score.false_per_customer_month
    return Answer(
        lapses=score.lapses,
        customers_lapsed=len(np.unique(court.lapsed)),
        named=int(noticed.sum()),
        named_after_days=float(found.delay[noticed].mean()) if noticed.any() else None,
        mean_delay_days=score.mean_delay_days,
        right=score.true,
        false=score.false,
        false_per_customer_month=rate,
        rule_idle_days=_setting_at(rule, idle_days, rate) if rate else None,
        rule=rule.read([rate])[0] if rate else None,
        difference=mine.against(rule, [rate])[0] if rate else None,
    )


def _setting_at(rule: Curve, idle_days: Sequence[float], rate: float) -> float | None:
    """Say which silence comes to a rate of false alarms; None: none that was tried is as strict."""
    rates = [point.false_per_customer_month for point in rule.points()]
    if rate < min(rates):
        return None
    by_rate = np.argsort(rates, kind="stable")
    return float(np.interp(rate, np.array(rates)[by_rate], np.array(idle_days)[by_rate]))
