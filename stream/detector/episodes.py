"""Episodes: the life of an alert, as a table a reader can check.

A customer is steady, slipping, escalated or lapsed.  Signs move it along; what
the table does not list changes nothing.  So there is at most one open episode a
customer, and one alert for each of its stages.
"""

from enum import Enum, auto
from hashlib import blake2b

from stream.detector.customer import Customer, Episode
from stream.detector.stages import Kind, Stage, Trigger


class Sign(Enum):
    """What moves an episode."""

    SILENT = auto()
    """The silence is worth an alert."""
    DECLINED = auto()
    """Comes less, by the CUSUM."""
    WARNED = auto()
    """The policy's warning event."""
    STALLED = auto()
    """Not activated in the time its segment gives."""
    SEVERE = auto()
    """P(lapse) passed the policy's second threshold."""
    BACK = auto()
    """A visit after a silence."""
    CLEARED = auto()
    """The decline or the warning has worn off, or the customer has got going."""
    GONE = auto()
    """Silent for the whole horizon."""
    ENDED = auto()
    """The policy's ending event."""
    EXEMPT = auto()
    """Is of a kind from now on of which nobody is alerted on, or watched no longer."""
    DISPROVED = auto()
    """A late event shows that the episode's silence never was."""


_OPEN = (Stage.SLIPPING, Stage.ESCALATED)

TRANSITIONS: dict[tuple[Stage, Sign], tuple[Stage, Kind]] = {
    (Stage.STEADY, Sign.SILENT): (Stage.SLIPPING, Kind.OPENED),
    (Stage.STEADY, Sign.DECLINED): (Stage.SLIPPING, Kind.OPENED),
    (Stage.STEADY, Sign.WARNED): (Stage.SLIPPING, Kind.OPENED),
    (Stage.STEADY, Sign.STALLED): (Stage.SLIPPING, Kind.OPENED),
    (Stage.STEADY, Sign.GONE): (Stage.LAPSED, Kind.LAPSED),
    (Stage.STEADY, Sign.ENDED): (Stage.LAPSED, Kind.LAPSED),
    (Stage.SLIPPING, Sign.SILENT): (Stage.ESCALATED, Kind.ESCALATED),
    (Stage.SLIPPING, Sign.SEVERE): (Stage.ESCALATED, Kind.ESCALATED),
    (Stage.SLIPPING, Sign.WARNED): (Stage.ESCALATED, Kind.ESCALATED),
    **{(stage, Sign.BACK): (Stage.STEADY, Kind.RECOVERED) for stage in (*_OPEN, Stage.LAPSED)},
    **{(stage, Sign.CLEARED): (Stage.STEADY, Kind.RECOVERED) for stage in _OPEN},
    **{(stage, Sign.GONE): (Stage.LAPSED, Kind.LAPSED) for stage in _OPEN},
    **{(stage, Sign.ENDED): (Stage.LAPSED, Kind.LAPSED) for stage in _OPEN},
    **{(stage, Sign.EXEMPT): (Stage.STEADY, Kind.RETRACTED) for stage in _OPEN},
    **{(stage, Sign.DISPROVED): (Stage.STEADY, Kind.RETRACTED) for stage in (*_OPEN, Stage.LAPSED)},
}

TRIGGERS = {
    Sign.SILENT: Trigger.SILENCE,
    Sign.SEVERE: Trigger.SILENCE,
    Sign.GONE: Trigger.SILENCE,
    Sign.DECLINED: Trigger.DECLINE,
    Sign.WARNED: Trigger.WARNING,
    Sign.STALLED: Trigger.ONBOARDING,
    Sign.ENDED: Trigger.ENDING,
}
"""What the episode is about from this sign on; the others leave it as it was."""


def stage(customer: Customer) -> Stage:
    """Say where the customer stands."""
    return customer.episode.stage if customer.episode else Stage.STEADY


def is_open(episode: Episode | None) -> bool:
    """Tell whether an episode is neither over nor counts as a loss."""
    return episode is not None and episode.stage in _OPEN


def opens(customer: Customer, sign: Sign) -> bool:
    """Tell whether a sign would open an episode, or name a lapse that none had announced."""
    return customer.episode is None and (Stage.STEADY, sign) in TRANSITIONS


def move(
    customer: Customer, customer_id: str, sign: Sign, at: int, policy_version: str
) -> tuple[Kind, Episode] | None:
    """Let a sign at `at` (ms) act on the customer; give the stage reached, None if it changed none.

    The episode given is as of the change, also when the change ended it.
    """
    change = TRANSITIONS.get((stage(customer), sign))
    if change is None:
        return None
    reached, kind = change
    episode = customer.episode
    if episode is None:
        episode = Episode(
            episode_id=_identify(customer_id, at, policy_version),
            opened_at=at,
            trigger=TRIGGERS[sign],
            stage=reached,
            changed_at=at,
        )
        customer.episode = episode
    else:
        episode.stage = reached
        episode.trigger = TRIGGERS.get(sign, episode.trigger)
        episode.changed_at = at
    episode.visits_since = 0
    if reached is Stage.STEADY:
        customer.episode = None
    return kind, episode


def _identify(customer_id: str, opened_at: int, policy_version: str) -> str:
    """Name an episode by what it is, so that a repeated run names it alike."""
    text = f"{customer_id}\0{opened_at}\0{policy_version}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
