"""Two measurements in turns of a tenth of a second, each in a process of its own.

Of two that run one after the other, the one beside which somebody else was at
work looks dearer.  In turns, whoever slows one slows the other alike; and being
processes of their own, they share no memory, no caches of ours, and no
generations of the garbage collector.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.managers import BaseManager
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _Process(BaseManager):
    """A process that holds an object for us."""

    make: Callable[..., Any]


@contextmanager
def apart(kind: Callable[..., T], *arguments: object) -> Iterator[T]:
    """Make an object in a process of its own; its methods are called there."""
    _Process.register("make", kind)
    with _Process(ctx=multiprocessing.get_context("spawn")) as process:
        yield cast(T, process.make(*arguments))
