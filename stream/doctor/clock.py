"""Clock: whether this machine and the broker agree on the time.

Silence is measured by this machine's clock, and what came too early by the
broker's.  A worker that runs ahead calls customers silent who are not; one that
runs behind is late with every alert.
"""

from collections.abc import Iterator

from stream.doctor.findings import Fault, Finding, failure, ok, warning
from stream.doctor.transaction import Clocks

CHECK = "clock"
APART_MS_MAX = 1_000


def judge(clocks: Clocks | None, future_skew_ms: int) -> Iterator[Finding]:
    """Say how far the clocks are apart; the policy refuses events beyond `future_skew_ms`."""
    if clocks is None:
        yield warning(
            CHECK,
            "the broker did not tell its time: it is older than 3.0, or there is no topic that a"
            " transaction could begin with",
            Fault.BROKER,
            "compare `date` here and there",
        )
        return
    apart, within = clocks.apart_ms, clocks.after - clocks.before
    if abs(apart) <= APART_MS_MAX:
        yield ok(CHECK, f"this machine and the coordinating broker agree within {within} ms")
        return
    words = f"the broker is {abs(apart) / 1000:.1f} s {'ahead of' if apart > 0 else 'behind'} us"
    action = "set both by the same time servers (NTP)"
    if abs(apart) > future_skew_ms:
        allowed = f"the policy's max_future_skew is {future_skew_ms / 1000:.0f} s"
        yield failure(CHECK, f"{words}, and {allowed}", Fault.CLOCK, action)
    else:
        yield warning(CHECK, f"{words}: silences are judged by so much wrong", Fault.CLOCK, action)
