"""The zone: by whose clock the hours of a week are counted, and which days are holidays there."""

from typing import Final, Protocol


class Zone(Protocol):
    """Where the product's customers live: what their clocks say, and when they are not expected."""

    @property
    def time_zone(self) -> str:
        """Name it."""
        ...

    def offset_ms(self, at: int) -> int:
        """Give how far its clocks are ahead of UTC at a moment (ms)."""
        ...

    def holidays_ms(self, since: int, until: int) -> int:
        """Give how much (ms) of the time from one moment to another was holidays."""
        ...


class Utc:
    """The zone of a product that names none: UTC, without holidays."""

    time_zone = "UTC"

    def offset_ms(self, at: int) -> int:  # noqa: ARG002 - always
        """Give how far its clocks are ahead of UTC at a moment (ms)."""
        return 0

    def holidays_ms(self, since: int, until: int) -> int:  # noqa: ARG002 - ever
        """Give how much (ms) of the time from one moment to another was holidays."""
        return 0


UTC: Final = Utc()
