"""The trial: a dead letter read anew, by today's policy and the code that reads live.

A policy is put right faster than it is known to be right.  So nothing is sent
before it is known what would become of it.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from stream.detector.errors import BadEvent, Code
from stream.detector.events import UsageEvent
from stream.detector.watermark import check_not_ahead
from stream.dlq.letters import Letter
from stream.wire.dead_letters import original_headers
from stream.wire.erasure import Erasure
from stream.wire.events import Bundle, Decoded, Decoder, Heartbeat
from stream.wire.policy_file import PolicyFile

_DECIDED = frozenset((Code.ALIAS_CYCLE, Code.ALIAS_CHAIN, Code.ALIAS_STORM, Code.BAD_HANDOVER))


class Fate(StrEnum):
    """What would become of a letter, were it sent again."""

    READ = "read"
    IGNORED = "ignored"
    """Today's policy calls it no event."""
    REFUSED = "refused"
    """It would be a dead letter again."""
    UNDECIDED = "undecided"
    """It can be read; what refused it is known of the customers alone."""
    ELSEWHERE = "elsewhere"
    """It came from a topic that these settings do not read."""
    TRIED = "tried"
    """It has failed often enough."""
    REPLAYED = "replayed"
    """It has been sent again."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One letter's fate."""

    fate: Fate
    code: str = ""
    """What is wrong with it today, where it is refused."""
    message: str = ""
    late: bool = False
    """Some event of it is from longer ago than decisions wait for stragglers."""
    bundle: bool = False
    """It holds many events, of which some may have been used before."""


class Trial:
    """Reads letters by one policy, as of one moment."""

    def __init__(
        self, product: PolicyFile, topics: Sequence[str], *, now: int, attempts_max: int
    ) -> None:
        """Try letters from `topics`; those that failed `attempts_max` times are passed over."""
        policy = product.policy
        self._decoder = Decoder(product.mappings, policy.traits, aliases=policy.identity.merge)
        self._skew_ms = policy.max_future_skew_ms
        self._decided = now - policy.allowed_lateness_ms
        self._topics = frozenset(topics)
        self._attempts_max = attempts_max

    def judge(self, letter: Letter, sent_at: int) -> Verdict:
        """Say what would become of a letter that is sent with the time `sent_at` (ms)."""
        reason = letter.reason
        if reason.topic not in self._topics:
            return Verdict(fate=Fate.ELSEWHERE)
        if reason.attempt >= self._attempts_max:
            return Verdict(fate=Fate.TRIED, code=reason.code, message=reason.message)
        if reason.code in _DECIDED:
            return Verdict(fate=Fate.UNDECIDED, code=reason.code, message=reason.message)
        try:
            decoded = self._decoder.decode(letter.value, sent_at, original_headers(letter.headers))
            return self._of(decoded, sent_at)
        except BadEvent as bad:
            return Verdict(fate=Fate.REFUSED, code=bad.code.value, message=bad.message)

    def _of(self, decoded: Decoded, sent_at: int) -> Verdict:
        """Judge what was read, or raise BadEvent."""
        bundle = isinstance(decoded, Bundle)
        if isinstance(decoded, Bundle) and decoded.bad:
            raise decoded.bad
        if isinstance(decoded, Heartbeat):
            check_not_ahead(decoded.watermark, sent_at, self._skew_ms)
        if isinstance(decoded, Erasure):
            check_not_ahead(decoded.requested_at or 0, sent_at, self._skew_ms)
        events = decoded.events if isinstance(decoded, Bundle) else (decoded,)
        times = [event.occurred_at for event in events if isinstance(event, UsageEvent)]
        for at in times:
            check_not_ahead(at, sent_at, self._skew_ms)
        if decoded is None or (bundle and not times):
            return Verdict(fate=Fate.IGNORED, bundle=bundle)
        late = any(at < self._decided for at in times)
        return Verdict(fate=Fate.READ, late=late, bundle=bundle)
