"""Voice: what is said about customers, collected until somebody asks for it."""

from collections import Counter
from collections.abc import Callable

from models.protocol import RiskModels
from stream.detector import alerts, episodes, notices
from stream.detector.advice import Adviser
from stream.detector.alerts import Alert
from stream.detector.calendar import local_time
from stream.detector.customer import Customer
from stream.detector.episodes import Sign
from stream.detector.features import facts
from stream.detector.horizons import Horizons
from stream.detector.policy import Policy
from stream.detector.reasons import Fall, Reason

_OPENS = (Sign.SILENT, Sign.DECLINED, Sign.WARNED, Sign.STALLED)
"""Signs that may be withheld: what is no guess is said in any case."""


class Voice:
    """Turns signs into alerts, wherever a sign changes anything."""

    def __init__(self, policy: Policy, models: RiskModels, horizons: Horizons) -> None:
        """Speak by this policy, with the model in force at each moment."""
        self._policy = policy
        self._models = models
        self._horizons = horizons
        self.adviser = Adviser(policy)
        self._local = local_time(policy.calendar)
        self._said: list[Alert] = []
        self._withheld: Counter[str] = Counter()
        self.listener: Callable[[Customer, Alert], object] | None = None
        """Hears every alert on a customer as it is said, with the state it is said of; changes
        neither."""

    def move(
        self,
        customer_id: str,
        customer: Customer,
        sign: Sign,
        at: int,
        *,
        cause: str = "",
        fall: Fall | None = None,
        reason: Reason | None = None,
    ) -> bool:
        """Let a sign at `at` (ms) act on the customer's episode, and say what came of it.

        `cause` is the event behind a warning, an ending or an activation, `fall` what shows a
        decline, `reason` the fact itself, where none of these is.  False: it was withheld, and
        may come again.
        """
        if sign in _OPENS and episodes.opens(customer, sign):
            why = self.adviser.withheld(customer, at)
            if why is not None:
                self._withheld[why] += 1
                return False
        change = episodes.move(customer, customer_id, sign, at, self._policy.version)
        if change is None:
            return True
        horizon = self._horizons.of(customer)
        alert = alerts.compose(
            customer_id,
            customer,
            change,
            at=at,
            facts=facts(customer, at, self._local),
            cause=cause,
            fall=fall,
            reason=reason,
            model=self._models.at(at, horizon.key),
            horizon_days=horizon.days,
            policy=self._policy,
            adviser=self.adviser,
            local=self._local,
        )
        self._said.append(alert)
        if self.listener is not None:
            self.listener(customer, alert)
        return True

    def announce(self, at: int, told: int) -> int:
        """Say what is new of everybody at a moment (ms).

        `told` is since when alerts were said to be suspended, 0 if they are not;
        gives what is to be remembered as told from now on.
        """
        model = self._models.at(at)
        since = model.guarded.suspended_since
        if since and not told:
            self._said.append(notices.suspended(model, self._policy))
        elif told and not since:
            self._said.append(notices.resumed(model, self._policy, since=told))
        return since if not told or not since else told

    def collect(self) -> tuple[list[Alert], Counter[str]]:
        """Hand over what has been said since the last call, and what was withheld, by reason."""
        said, self._said = self._said, []
        withheld, self._withheld = self._withheld, Counter()
        return said, withheld
