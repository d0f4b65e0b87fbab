"""The words of an episode: how far it has come, what it is about, what is said of it."""

from enum import StrEnum


class Trigger(StrEnum):
    """What gave the customer away."""

    SILENCE = "silence"
    DECLINE = "decline"
    WARNING = "warning"
    ONBOARDING = "onboarding"
    """Not activated in the time that its segment gives."""
    ENDING = "ending"
    POPULATION = "population"
    """Everybody at once: no customer's episode."""


class AccountTrigger(StrEnum):
    """What gave an account away."""

    SILENCE = "silence"
    """Nobody comes."""
    CHAMPION = "champion"
    """Whoever used it most does not come, or has left."""
    SEATS = "seats"
    """Fewer members come than is usual."""
    BREADTH = "breadth"
    """One member carries nearly all of it, where there were several."""


class Stage(StrEnum):
    """How far an episode has come; a customer without one is steady."""

    STEADY = "steady"
    SLIPPING = "slipping"
    ESCALATED = "escalated"
    LAPSED = "lapsed"


class Kind(StrEnum):
    """A stage of an episode; one alert each."""

    OPENED = "opened"
    ESCALATED = "escalated"
    RECOVERED = "recovered"
    LAPSED = "lapsed"
    RETRACTED = "retracted"
    SUSPENDED = "suspended"
    """Of everybody: the guard's."""
    RESUMED = "resumed"
