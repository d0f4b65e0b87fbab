"""A soak: twice what the workers can sustain, for a time, and then the way back.  Row 14."""

import time

import pytest
from cluster import PATIENCE_SECONDS, Launch

pytestmark = pytest.mark.fault

PROBE_MESSAGES = 10_000
SLICES = 10  # of the soak; memory is looked at after each
GROWTH_MEGABYTES_MAX = 60.0  # between the halves: buffers fill, and then no more


async def test_twice_the_sustainable_load_costs_time_and_nothing_else(
    launch: Launch, pytestconfig: pytest.Config
) -> None:
    """The lag grows and drains again; memory does not follow it."""
    seconds = pytestconfig.getoption("--soak-seconds")
    async with launch(14, f"twice the load for {seconds:.0f} s", customers=2_000) as cluster:
        await cluster.settled()
        began = time.monotonic()
        await cluster.feed(PROBE_MESSAGES)
        await cluster.drained()
        sustainable = PROBE_MESSAGES / (time.monotonic() - began)
        cluster.injected += 1
        held = []
        for _ in range(SLICES):
            await cluster.feed(int(2 * sustainable * seconds / SLICES), seconds / SLICES)
            held.append(max(worker.resident_megabytes for worker in cluster.workers))
        await cluster.drained(PATIENCE_SECONDS + 10 * seconds)
        await cluster.finish()
        early, late = max(held[: SLICES // 2]), max(held[SLICES // 2 :])
        assert late < early + GROWTH_MEGABYTES_MAX, f"megabytes over the soak: {held}"
        assert not cluster.codes, "a soak kills nobody"
