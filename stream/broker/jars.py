"""Kafka's own jars, fetched once: what lets a broker run where neither Docker nor Java is.

`kafka.lock` beside this file names every jar and its SHA-256, so nothing is
resolved at run time: resolving took 21 of the 26 seconds that a first fetch
took, and would trust whatever it found.  `jgo` knows where jars are to be had.

To move to another Kafka: change `KAFKA`, run `python -m stream.broker lock`,
read the difference, run the tests.  Faust speaks to 4.3.0 at the newest.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from stream.broker.errors import JarsMissingError

KAFKA = "org.apache.kafka:kafka_2.13:4.1.0"
_LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"  # else it fails without a word

_LOCK = Path(__file__).with_name("kafka.lock")
_SCOPES = {None, "compile", "runtime"}
_FETCHES_AT_ONCE = 8  # more: no faster, and rude to who serves them
_FETCH_TIMEOUT_SECONDS = 60


class Jar(msgspec.Struct, frozen=True, kw_only=True):
    """One jar as it was locked."""

    coordinate: str
    """Group, artifact and version, joined by colons."""
    sha256: str

    @property
    def filename(self) -> str:
        """Name in the cache: artifact names alone may clash between groups."""
        return self.coordinate.replace(":", "_") + ".jar"


def locked() -> list[Jar]:
    """Return what `kafka.lock` names, in its order."""
    lines = _LOCK.read_text(encoding="ascii").splitlines()
    return [
        Jar(coordinate=coordinate, sha256=sha256)
        for coordinate, sha256 in (line.split() for line in lines if not line.startswith("#"))
    ]


def cache_directory() -> Path:
    """Return where this Kafka's jars lie, once fetched: in the user's cache."""
    root = os.environ.get("XDG_CACHE_HOME")
    if root:
        base = Path(root)
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path.home() / ".cache"
    return base / "slipaway" / KAFKA.replace(":", "_")


def fetch(cache: Path | None = None) -> list[Path]:
    """Return every locked jar, all in one folder, fetching those that are missing.

    Any number of processes may call this at the same time: one fetches, the
    others wait.  A jar appears in the folder only whole and with the locked
    SHA-256.  Raises `JarsMissingError` where there is no network.
    """
    folder = (cache or cache_directory()) / "jars"
    if _missing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            _fetch(_missing(folder), folder)
    return [folder / jar.filename for jar in locked()]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes out of `folder` meanwhile; a process that dies lets go."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in folder.glob(".*-*"):  # by a process that died in here
            shutil.rmtree(left)
        yield


def _missing(folder: Path) -> list[Jar]:
    return [jar for jar in locked() if not (folder / jar.filename).exists()]


def _fetch(jars: list[Jar], folder: Path) -> None:
    # jgo writes to the final name as bytes arrive, and takes a torn file for a
    # whole one the next time: hence a scratch folder, a check, and a rename.
    with (
        tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as scratch,
        ThreadPoolExecutor(_FETCHES_AT_ONCE) as pool,
    ):
        for jar, path in zip(
            jars, pool.map(lambda jar: _fetch_one(jar, Path(scratch)), jars), strict=True
        ):
            path.replace(folder / jar.filename)


def _fetch_one(jar: Jar, scratch: Path) -> Path:
    context = _repository(scratch)
    try:
        path: Path = context.create_dependency(jar.coordinate).artifact.resolve()
    except (OSError, RuntimeError) as error:
        raise JarsMissingError(
            f"The local broker needs Kafka's jars, and {jar.coordinate} could not be fetched: "
            f"{error}. They are fetched once, 44 MB, and kept in {cache_directory()}. "
            "Operator action: run this once with access to a Maven repository, copy that folder "
            "from a machine that has it, or point to a broker of your own."
        ) from error
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != jar.sha256:
        raise JarsMissingError(
            f"{jar.coordinate} arrived with SHA-256 {found}, expected {jar.sha256}. "
            "Operator action: try again; if it stays so, who serves it changed it: do not run it."
        )
    return path


def _repository(scratch: Path):  # type: ignore[no-untyped-def]  # noqa: ANN202 - jgo is untyped
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - 0.9 s, only on a fetch

    return MavenContext(
        resolver=PythonResolver(), repo_cache=scratch, timeout=_FETCH_TIMEOUT_SECONDS
    )


def lock() -> None:
    """Resolve Kafka anew and write `kafka.lock`: for whoever moves to another version."""
    with tempfile.TemporaryDirectory(prefix="slipaway-jars-") as scratch:
        context = _repository(Path(scratch))
        # Resolved together, the logger's bill of materials overrules Kafka's own versions.
        asked, transitive = context.resolver.resolve([context.create_dependency(KAFKA)])
        jars = [it.artifact for it in [*asked, *transitive] if it.scope in _SCOPES]
        jars.append(context.create_dependency(_LOGGING).artifact)
        rows = [
            f"{jar.groupId}:{jar.artifactId}:{jar.version} "
            f"{hashlib.sha256(jar.resolve().read_bytes()).hexdigest()}"
            for jar in jars
        ]
    head = f"# {KAFKA} and what it runs on, by `python -m stream.broker lock`"
    _LOCK.write_text("\n".join([head, *sorted(rows), ""]), encoding="ascii")
