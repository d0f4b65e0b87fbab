"""Garbage: when Python looks for what is unreachable in cycles.

It counts objects made, and looks often while many are; a block of records makes
ten thousand that all live on for a while, and hardly anything here is ever in a
cycle.  By default the looking took a third of a worker's CPU.
"""

import gc

YOUNG_MAX = 100_000  # objects made before the young are looked at; larger: garbage stays longer
OLDER_EVERY = 50  # looks at the young for each at the older, and so on


def look_rarely() -> None:
    """Leave what there is alone for good, and look for garbage among the rest rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, OLDER_EVERY, OLDER_EVERY)
