"""Following a page: its blocks typed in order, in a folder that has what a fresh clone has."""

import difflib
import errno
import io
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from needs import ROOT, lacking
from pages import Block, blocks

BLOCK_SECONDS_MAX = 400
END_SECONDS_MAX = 60
AGAIN_SECONDS = 2.0
ANY = "..."
_DIGEST = re.compile(r"\b[0-9a-f]{10,}\b")


class Follower:
    """Somebody who types what pages say, and looks whether they were right."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], ports: Mapping[str, str]
    ) -> None:
        """Take the folder to type in, and the ports that stand for those of the pages."""
        self.folder = folder
        self._shell = shutil.which("bash") or lacking("bash is not installed")
        self._ports = ports
        self._stack = ExitStack()
        self._environment = {
            **{name: value for name, value in os.environ.items() if name[:9] != "SLIPAWAY_"},
            # `uv run` means this Python and the clone's code, and installs nothing.
            "UV_NO_SYNC": "1",
            "UV_PROJECT_ENVIRONMENT": str(Path(sys.executable).parents[1]),
            "PYTHONPATH": str(folder),
            "PATH": os.pathsep.join([where_uv_is(), os.environ["PATH"]]),
            "TERM": "dumb",
            "COLUMNS": "100",
            **environment,
        }

    def follow(self, page: str, given: Mapping[str, Path] | None = None) -> None:
        """Type the blocks of a page; `given`: files by the names the page fetches them under."""
        pending = list(blocks((self.folder / page).read_text(encoding="utf-8")))
        for name, file in (given or {}).items():
            (self.folder / name).symlink_to(file)
        while pending:
            block = pending.pop(0)
            shown = pending.pop(0) if pending and pending[0].language == "text" else None
            try:
                self._take(page, block, shown)
            except AssertionError as error:
                raise AssertionError(f"{page}:{block.line}: {block.text}\n{error}") from None

    def end(self) -> None:
        """End what stayed."""
        self._stack.close()

    def _take(self, page: str, block: Block, shown: Block | None) -> None:
        if block.mark == "file":
            (self.folder / block.saying).write_text(block.text + "\n", encoding="utf-8")
        elif block.language != "sh" or block.mark in {"given", "parsed"}:
            return
        elif block.mark == "stays":
            self._stack.enter_context(self._staying(f"{page}:{block.line}", block, shown))
        elif block.mark == "until it is so":
            assert shown is not None, "until what is so?"
            deadline = time.monotonic() + BLOCK_SECONDS_MAX
            while not matches(shown.text, printed := self._typed(block)[1]):
                assert time.monotonic() < deadline, difference(shown.text, printed)
                time.sleep(AGAIN_SECONDS)
        else:
            code, printed = self._typed(block)
            assert code == 0, printed
            if shown is not None and shown.mark == "varies":
                assert printed.strip(), "nothing was printed"
            elif shown is not None:
                assert matches(shown.text, printed), difference(shown.text, printed)

    def _typed(self, block: Block) -> tuple[int, str]:
        """Type a block in a shell; return its exit code, and what it printed."""
        master, slave = pty.openpty() if block.mark == "terminal" else os.pipe()
        with io.FileIO(master, "r") as reader:
            try:
                process = self._started(block.text, slave)
            finally:
                os.close(slave)
            killer = threading.Timer(BLOCK_SECONDS_MAX, _kill, [process])
            killer.start()
            try:
                printed = b"".join(_read(reader)).decode()
                return process.wait(), self._untold(printed.replace("\r\n", "\n"))
            finally:
                killer.cancel()

    @contextmanager
    def _staying(self, place: str, block: Block, shown: Block | None) -> Iterator[None]:
        """Keep what stays, from when it has said what the page shows."""
        log = self.folder / (re.sub(r"\W+", "-", place) + ".log")
        with log.open("wb") as file:
            process = self._started(f"exec {block.text}", file.fileno())
        try:
            deadline = time.monotonic() + BLOCK_SECONDS_MAX
            while shown is not None:
                said = self._untold(log.read_text(encoding="utf-8"))
                if matches(f"{ANY}\n{shown.text}\n{ANY}", said):
                    break
                assert process.poll() is None, said
                assert time.monotonic() < deadline, difference(shown.text, said)
                time.sleep(0.1)
            yield
            ended = process.poll()
            assert ended is None, f"{place}: it did not stay\n{log.read_text(encoding='utf-8')}"
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS_MAX)
            finally:
                _kill(process)

    def _started(self, text: str, output: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [self._shell, "-ec", self._told(text)],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # whatever it starts ends with it
        )

    def _told(self, text: str) -> str:
        for theirs, ours in self._ports.items():
            text = text.replace(theirs, ours)
        return text

    def _untold(self, text: str) -> str:
        for theirs, ours in self._ports.items():
            text = text.replace(ours, theirs)
        return text


def matches(shown: str, printed: str) -> bool:
    """Tell whether a page shows what was printed; "..." stands for any number of lines."""
    parts = ["".join(rf"{re.escape(line)}\n" for line in part) for part in _parted(_plain(shown))]
    return (
        re.fullmatch(r"(?:.*\n)*?".join(parts), "".join(f"{x}\n" for x in _plain(printed)))
        is not None
    )


def difference(shown: str, printed: str) -> str:
    """Say how what was printed differs from what a page shows."""
    return "\n".join(
        difflib.unified_diff(_plain(shown), _plain(printed), "shown", "printed", lineterm="")
    )


def fresh_clone(folder: Path) -> Path:
    """Make what a clone of this repository would have, what is not committed yet included."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        lacking("not a git checkout: its files cannot be told from others")
    asked = [str(git), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(asked, cwd=ROOT).decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def where_uv_is() -> str:
    """Return the folder of the uv that pages name."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        lacking("uv is not installed: run the tests by `uv run pytest`")
    return str(Path(str(uv)).parent)


def _plain(text: str) -> list[str]:
    """Leave out what differs from one release to the next: digests, ends of lines."""
    lines = [_DIGEST.sub("#", line.rstrip()) for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _parted(lines: list[str]) -> Iterator[list[str]]:
    """Part lines where a page leaves some out."""
    part: list[str] = []
    for line in lines:
        if line.strip() == ANY:
            yield part
            part = []
        else:
            part.append(line)
    yield part


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a shell, and what it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(reader: io.FileIO) -> Iterator[bytes]:
    """Read to the end; a terminal ends with an error."""
    while True:
        try:
            piece = reader.read(1 << 16)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return
        if not piece:
            return
        yield piece
