"""Voice: what is said about customers, collected until somebody asks for it."""

from models.protocol import RiskModels
from stream.detector import alerts, episodes, notices
from stream.detector.alerts import Alert
from stream.detector.customer import Customer
from stream.detector.episodes import Sign
from stream.detector.features import facts
from stream.detector.policy import Policy
from stream.detector.reasons import Fall


class Voice:
    """Turns signs into alerts, wherever a sign changes anything."""

    def __init__(self, policy: Policy, models: RiskModels) -> None:
        """Speak by this policy, with the model in force at each moment."""
        self._policy = policy
        self._models = models
        self._said: list[Alert] = []

    def move(
        self,
        customer_id: str,
        customer: Customer,
        sign: Sign,
        at: int,
        *,
        cause: str = "",
        fall: Fall | None = None,
    ) -> None:
        """Let a sign at `at` (ms) act on the customer's episode, and say what came of it.

        `cause` is the event behind a warning or an ending, `fall` what shows a decline.
        """
        change = episodes.move(customer, customer_id, sign, at, self._policy.version)
        if change is None:
            return
        alert = alerts.compose(
            customer_id,
            customer.account_id,
            change,
            at=at,
            facts=facts(customer, at),
            cause=cause,
            fall=fall,
            model=self._models.at(at),
            policy=self._policy,
        )
        self._said.append(alert)

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

    def collect(self) -> list[Alert]:
        """Hand over what has been said since the last call."""
        said, self._said = self._said, []
        return said
