"""Child processes that are copies of the main process: what it has imported is there already, and its memory is shared.

Those of a server are made early, while the main process has but one thread, and wait for their orders. Where that cannot be, and for what is started
again, `children.Child` starts a Python of its own. A command that needs a server beside it makes a `Copy`, which begins at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import importlib
import os
import signal
import socket
import struct
import sys
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TextIO

_LINE = 1 << 20
_MOST = 4
_GIVEN = struct.Struct(f"<{_MOST}i")  # the numbers that its descriptors are to have in the child; -1: none
_OPEN = Path("/proc/self/fd")
_THREADS = Path("/proc/self/task")


class Forked:
    """A child that waits for its orders. Afterwards as `asyncio.subprocess.Process`, as far as that is needed."""

    def __init__(self, pid: int, orders: socket.socket, output: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin: asyncio.Transport | None = None
        self._orders = orders
        self._output = output

    async def begin(self, orders: bytes, descriptors: Sequence[int]) -> asyncio.StreamReader:
        """Give it its orders, and descriptors, which have the same numbers there; its standard output."""
        loop, output = asyncio.get_running_loop(), asyncio.StreamReader(limit=_LINE)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(output), os.fdopen(self._output, "rb", 0))
        with contextlib.suppress(OSError):  # it is dead already, as the end of its output tells
            socket.send_fds(self._orders, [_GIVEN.pack(*[*descriptors, *[-1] * _MOST][:_MOST])], descriptors)
        self._orders.setblocking(False)
        self.stdin, _ = await loop.create_connection(asyncio.Protocol, sock=self._orders)
        self.stdin.write(orders)
        return output

    async def wait(self) -> int:
        """Wait for its end; its exit status."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        handle = os.pidfd_open(self.pid)
        loop.add_reader(handle, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(handle)
            os.close(handle)
        return self._reap()

    def _reap(self) -> int:
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Until it is waited for, its number is nobody else's."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def discard(self) -> None:
        """There are no orders for it: it ends."""
        self._orders.close()
        os.close(self._output)
        self._reap()


class Spares:
    """Children that are made already, by the module that they are to run."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Forked]] = defaultdict(list)

    def take(self, module: str) -> Forked | None:
        """One that runs this module when it has its orders; None: there is none."""
        return self._waiting[module].pop(0) if self._waiting[module] else None

    def make(self, module: str) -> None:
        """Make one."""
        self._waiting[module].append(_fork(module))

    def discard(self) -> None:
        """End those that were not needed."""
        for each in self._waiting.values():
            while each:
                each.pop().discard()


@contextlib.contextmanager
def spares(modules: Sequence[str]) -> Iterator[Spares]:
    """Children for these modules. None at all where this process cannot be copied."""
    made = Spares()
    try:
        if can_be_copied():
            gc.freeze()  # what is here stays, and nobody needs to look at it, which would copy it
            for module in modules:
                made.make(module)
        yield made
    finally:
        made.discard()


def can_be_copied() -> bool:
    """Whether a child that is forked here can go on: no thread is in the middle of something, and all that is needed is there, as it is on Linux."""
    if sys.platform != "linux" or not _OPEN.is_dir() or None in (sys.stdin, sys.stdout, sys.stderr):
        return False
    if (sys.stdout, sys.stderr) != (sys.__stdout__, sys.__stderr__):  # what is written would go elsewhere
        return False
    try:
        if len(os.listdir(_THREADS)) > 1:  # also those of libraries, of which Python's list knows nothing
            return False
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def _fork(module: str) -> Forked:
    here, there = socket.socketpair()
    output, written = os.pipe()

    def run() -> int:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all of us; the main process decides
        _hear_interrupts()
        main = importlib.import_module(module).main
        if not _take_descriptors():
            return 1
        main()
        return 0

    pid = _copy(run, there.fileno(), written)
    there.close()
    os.close(written)
    return Forked(pid, here, output)


class Copy:
    """A copy of this process in a session of its own, with nothing on standard input. As `subprocess.Popen`, as far as that is needed."""

    def __init__(self, run: Callable[[], int]) -> None:
        """`run`: what it does, to its exit status."""

        def alone() -> int:
            os.setsid()
            _hear_interrupts()
            return run()

        gc.freeze()  # what is here stays, and nobody needs to look at it, which would copy it
        nothing = os.open(os.devnull, os.O_RDONLY)
        output, written = os.pipe()
        self._pid = _copy(alone, nothing, written)
        os.close(nothing)
        os.close(written)
        self._status: int | None = None
        self.stdout: TextIO | None = os.fdopen(output, encoding="utf-8", errors="replace")

    def poll(self) -> int | None:
        """Its exit status; None: it runs."""
        return self._reap(os.WNOHANG)

    def wait(self) -> int:
        """Wait for its end; its exit status."""
        status = self._reap(0)
        assert status is not None
        return status

    def terminate(self) -> None:
        """Tell it to stop."""
        if self.poll() is None:  # until it is waited for, its number is nobody else's
            os.kill(self._pid, signal.SIGTERM)

    def _reap(self, options: int) -> int | None:
        if self._status is None and (ended := os.waitpid(self._pid, options))[0]:
            self._status = os.waitstatus_to_exitcode(ended[1])
        return self._status


def _copy(run: Callable[[], int], given: int, output: int) -> int:
    """The number of a copy of this process that runs this, with these descriptors as its standard input and output, and ends.

    It is deaf to SIGINT until it says otherwise: what this process does then is not for it to do.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # or it would be written twice
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    pid = os.fork()
    if pid == 0:
        _be(run, given, output)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _hear_interrupts() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))


def _be(run: Callable[[], int], given: int, output: int) -> NoReturn:
    """In the child: run this, as a Python of its own would. Nothing of the main process's is done at the end."""
    status = 1
    try:
        os.dup2(given, 0, inheritable=False)
        os.dup2(output, 1, inheritable=False)
        for name in os.listdir(_OPEN):
            if int(name) > 2:
                with contextlib.suppress(OSError):  # the listing itself
                    os.close(int(name))
        if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
            del sys.path[0]  # what lies in the user's working directory is no module of ours
        status = run()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def _take_descriptors() -> bool:
    """Wait for what comes with the orders, and give it the numbers that they name; False: there will be no orders."""
    with socket.socket(fileno=os.dup(0)) as main:
        said, given, _, _ = socket.recv_fds(main, _GIVEN.size, _MOST)
    if len(said) < _GIVEN.size:
        return False
    numbers = [number for number in _GIVEN.unpack(said) if number >= 0]
    # Out of the way first: one may have come under the number that another is to have.
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, max(numbers) + 1) for each in given]
    for each in given:
        os.close(each)
    for each, number in zip(moved, numbers, strict=True):
        os.dup2(each, number, inheritable=False)
        os.close(each)
    return True
