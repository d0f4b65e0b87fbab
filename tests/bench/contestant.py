"""The contestant for the peers' rounds: one real worker on the peers' own topic.

    run.sh BOOTSTRAP --command 'cd CHECKOUT && uv run python -m tests.bench.contestant'

The worker is what `slipaway run` starts, with a user's defaults: full detection,
learning in the same process, exactly-once transactions.  The topic is keyed by
customer, so it is the usage topic; its Segment calls are read as they are.
`wall_s` and `cpu_s` (all threads) are for the time from the first event to the
N-th folded; `saved_s` (and `saved_cpu_s`) is from there until all of it is
committed, `drain_s` until the worker has stopped in order, too.

What it does and no peer does: events up to ten seconds late are put in order and
later ones are corrected; a message delivered twice counts once; every customer
has timers for what silence makes due; landmarks are judged by a model that is
trained beside them; alerts, lessons and dead letters are written in the same
transaction as state and position.
"""

import json
import os
import sys


def main() -> int:
    """Work the topic off, and print the line; 1 if not every event was applied."""
    # As the command line does, before anything loads numpy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from tests.bench.watched import work_off, worker_settings  # noqa: PLC0415

    asked = os.environ
    settings = worker_settings(asked["BOOTSTRAP"], asked["TOPIC"], asked["RUN_ID"])
    took = work_off(settings, int(asked["N"]))
    took.pop("checkpoints_s")
    print(json.dumps({"peer": "slipaway", **took}), flush=True)  # noqa: T201 - what is asked for
    return int(took["results"] != {"applied": took["events"]})


if __name__ == "__main__":
    sys.exit(main())
