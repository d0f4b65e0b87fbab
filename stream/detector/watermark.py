"""The watermark: up to where event time is believed to be complete.

It trails the latest event (or the shell's tick) by the allowed lateness and
never goes back.  Every deadline strictly before it is decided; nothing at or
after it is.
"""

import msgspec


class Watermark(msgspec.Struct):
    """One partition's watermark, in milliseconds since 1970 UTC."""

    at: int = 0

    def follow(self, latest: int, allowed_lateness: int) -> int:
        """Move to `latest` less the allowance, if that is ahead; give where it is now."""
        self.at = max(self.at, latest - allowed_lateness)
        return self.at
