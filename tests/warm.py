"""Programs that are started by copying a process that has imported what they need: a Python of their own would spend most of its time on that.

Each is a process like any other, with arguments, environment, working directory and descriptors of its own, and does the same to its exit status.
Tests of how a program is started start a Python (`command_line.PLAYHEAD`).
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import marshal
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import copied

_PLACE = "TESTS_WARM"
_SHIM = f"""#!{sys.executable} -IS
import _socket, marshal, os, signal, struct, sys
line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
line.connect(os.environ["{_PLACE}"])
asked = marshal.dumps(([os.path.basename(sys.argv[0]), *sys.argv[1:]], os.getcwd(), dict(os.environ)))
line.sendmsg([asked], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("3i", 0, 1, 2))])
program = int(line.recv({copied.MOST}))
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda given, _: os.kill(program, given))
status = int(line.recv({copied.MOST}))
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


class Program:
    """A program that runs: `playhead ...`, `pytest ...`, `python FILE ...` or `python -c TEXT ...`. As `subprocess.Popen`, as far as that is needed."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        stdin: IO[bytes] | None = None,
        stderr: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """`stdin` is nothing, the others are ours, unless they are given."""
        self._status: int | None = None
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.connect(_place())
        output, written = os.pipe()
        self.stdout = os.fdopen(output, "rb")
        asked = marshal.dumps((list(arguments), str(cwd or Path.cwd()), dict(os.environ if env is None else env)))
        with open(os.devnull, "rb") as nothing, open(written, "wb") as there:
            socket.send_fds(self._line, [asked], [(stdin or nothing).fileno(), there.fileno(), 2 if stderr is None else stderr.fileno()])
            self.pid = int(self._line.recv(copied.MOST))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stdout.close()
        self.wait()

    def poll(self) -> int | None:
        """Its exit status; None: it runs."""
        with contextlib.suppress(BlockingIOError):
            self._listen(wait=False)
        return self._status

    def wait(self) -> int:
        """Wait for its end; its exit status."""
        self._listen(wait=True)
        assert self._status is not None
        return self._status

    def _listen(self, *, wait: bool) -> None:
        if self._status is None:
            self._line.setblocking(wait)
            self._status = int(self._line.recv(copied.MOST))
            self._line.close()

    def send_signal(self, number: int) -> None:
        """Until it has ended, its number is nobody else's."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended now
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Tell it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def run(arguments: Sequence[str], *, stdin: str = "", env: Mapping[str, str] | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        given.write(stdin.encode())
        given.seek(0)
        with Program(arguments, stdin=given, stderr=errors, env=env, cwd=cwd) as program:
            out = program.stdout.read()
        return subprocess.CompletedProcess([*arguments], program.wait(), out, os.pread(errors.fileno(), 1 << 24, 0))


def on_path(directory: Path) -> dict[str, str]:
    """What an environment needs so that shells find the programs, which are put there."""
    for name in ("playhead", "pytest", "python"):
        (directory / name).write_text(_SHIM, encoding="utf-8")
        (directory / name).chmod(0o755)
    return {_PLACE: _place(), "PATH": f"{directory}{os.pathsep}{os.environ['PATH']}"}


@cache
def _place() -> str:
    """Where the process is asked that is copied: one for the whole run, begun by the first worker of xdist that needs it. It ends with the run."""
    run = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    directory = Path(tempfile.gettempdir()) / f"playhead-warm-{os.environ.get('PYTEST_XDIST_TESTRUNUID', run)}"
    directory.mkdir(mode=0o700, exist_ok=True)
    place = directory / "socket"
    with open(directory / "lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            _start(place, run)
    return str(place)


def _start(place: Path, run: int) -> None:
    """Return when it can be asked there."""
    process = subprocess.Popen([sys.executable, __file__, place, str(run)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    process.returncode = 0  # nobody waits for it: it is not for Python to complain that it goes on
    assert process.stdout is not None
    with process.stdout as output:
        assert output.readline() == b"ready\n"


def preload() -> None:
    """Import what programs need. Modules of ours keep no state, so that a copy begins as one that has imported them itself."""
    for name in ("openai", "pytest", "genai_prices.data", *modules(["playhead.config", "playhead.storage", "playhead.proxy"])):
        importlib.import_module(name)
    doors = importlib.import_module("playhead.proxy.models.doors")  # not above: tests do not need them
    for kind in ("responses", "chat.completions"):
        for text in (b"{}", b'{"model":0,"id":0}'):  # what is wrong is parsed by another parser
            doors.parse_request(kind, text), doors.parse_body(kind, text), doors.event_door(kind)(text)


def modules(packages: Iterable[str]) -> Iterator[str]:
    """All modules of these packages but those that are imported by who asks for them alone."""
    for package in packages:
        yield package
        found = [*pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}.")]
        yield from (each.name for each in found if not each.ispkg and each.name.rpartition(".")[2] not in ("__main__", "pytest_plugin"))
        yield from modules(each.name for each in found if each.ispkg and each.name.rpartition(".")[2] not in ("testing", "migrations"))


if __name__ == "__main__":
    preload()
    copied.serve(Path(sys.argv[1]), int(sys.argv[2]))
