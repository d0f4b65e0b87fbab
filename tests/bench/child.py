"""A measurement in a process of its own.

Memory, caches, imports and the collector's generations carry over from one
measurement to the next; a fresh process has none of them.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.machine import Yardstick

ROOT = Path(__file__).parents[2]
YARDSTICK = "yardstick_us"
_TAIL_LINES = 15
_YARDSTICK_ROUNDS = 10


class ChildFailedError(Exception):
    """A measurement's process failed; the message ends with what it last said."""


def call(function: Callable[..., dict[str, Any]], /, **arguments: object) -> dict[str, Any]:
    """Call a module's function in a fresh process; arguments and answer are plain JSON.

    The answer also says what the yardstick was: while it was taken, or else before and after.
    """
    name = f"{function.__module__}:{function.__name__}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.child", name, json.dumps(arguments)],
        cwd=ROOT,
        # As the command line does, and before anything loads numpy.
        env={"OPENBLAS_NUM_THREADS": "1", **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stderr.splitlines()[-_TAIL_LINES:])
        raise ChildFailedError(f"{name} ended with {done.returncode}:\n{tail}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _main() -> None:
    module, function = sys.argv[1].split(":")
    measure = getattr(importlib.import_module(module), function)
    yardstick = Yardstick()
    for _ in range(_YARDSTICK_ROUNDS):
        yardstick.measure()
    answer = measure(**json.loads(sys.argv[2]))
    for _ in range(_YARDSTICK_ROUNDS):
        yardstick.measure()
    answer.setdefault(YARDSTICK, yardstick.us)
    print(json.dumps(answer), flush=True)  # noqa: T201 - what the caller reads


if __name__ == "__main__":
    _main()
