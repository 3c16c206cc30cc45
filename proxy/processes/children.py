"""The processes behind a server: how they are started, ordered and heard."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ctypes
import json
import logging
import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from playhead.config.settings import Settings

from .forking import Forked

_PAUSE = 0.5
_MAX_PAUSE = 4.0


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_PR_SET_NAME = 15  # prctl.h, of Linux; elsewhere the C library does not know prctl
_KEPT_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Orders:
    """What a child process is told at its start. `run` names this start of the server; descriptors are those of the child.

    `again`: one before it was at work and died.
    """

    settings: Settings
    run: str
    listen_fd: int = -1
    lock_fd: int = -1
    again: bool = False


def read_orders() -> Orders:
    """In a child: its orders, from the first line of standard input. Files that it makes are its user's alone."""
    os.umask(0o077)
    line = b""
    while not line.endswith(b"\n"):  # unbuffered: what follows, the end of the file, is for the event loop to see
        piece = os.read(sys.stdin.fileno(), 1)
        if not piece:
            raise SystemExit(1)
        line += piece
    orders = pickle.loads(base64.b64decode(line))
    assert isinstance(orders, Orders)
    return orders


def start_logging(level: str) -> None:
    """Write our own log lines to standard error, and of libraries only what warns."""
    logging.basicConfig(level=logging.WARNING, format="playhead: %(message)s", stream=sys.stderr)
    logging.getLogger("playhead").setLevel(level.upper())


def keep_memory() -> None:
    """Have the C library keep freed memory for what comes next (glibc's mallopt): big bodies would be paid for in page faults each time anew."""
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def be_called(name: str) -> None:
    """Have the system's lists of processes show this name, of at most 15 characters, beside the command line."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def report(state: dict[str, Any]) -> None:
    """In a child: tell the main process; nothing happens if it is gone."""
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), json.dumps(state).encode() + b"\n")


class ChildGoneError(Exception):
    """It does not run, and answers nothing."""


class Child:
    """A child process that is started again when it dies.

    `state` is the newest report, by key. `problem` is set when it could not even start.
    """

    def __init__(self, module: str, orders: Orders, *, forked: Forked | None = None, on_change: Callable[[], None] = lambda: None) -> None:
        """`forked`: what becomes its first process; every other one is a Python of its own."""
        self.state: dict[str, Any] = {}
        self.restarts = 0
        self._ended: list[dict[str, Any]] = []
        self.ready = asyncio.Event()
        self._module = module
        self._orders = orders
        self._on_change = on_change
        self._forked = forked
        self._process: asyncio.subprocess.Process | Forked | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False
        self._dismissed = False
        self._attempts = 3  # to end its work after it was dismissed
        self._serving = False  # the process that runs now has said that it is ready
        self._starts = 0  # how many have
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}  # what it has not answered yet
        self._questions = 0

    @property
    def up(self) -> bool:
        """Whether it runs and has said that it is ready."""
        return self._serving and self._process is not None and self._process.returncode is None

    def reports(self) -> list[dict[str, Any]]:
        """The newest report, and the last ones of the processes before, which had died."""
        return [*self._ended, self.state]

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """What it answers to a question. Raises ChildGoneError."""
        process = self._process
        if not self.up or process is None or process.stdin is None:
            raise ChildGoneError
        self._questions += 1
        number = self._questions
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            process.stdin.write(json.dumps({"number": number, **question}).encode() + b"\n")
            told: dict[str, Any] = await answer
            return told
        finally:
            del self._asked[number]

    async def start(self) -> str | None:
        """Start it and wait until it is ready; what it says if it cannot."""
        self._keeper = asyncio.ensure_future(self._keep())
        waiting = asyncio.ensure_future(self.ready.wait())
        try:
            await asyncio.wait((waiting, self._keeper), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        return None if self.ready.is_set() else str(self.state.get("problem") or "a process of playhead ended before it was ready")

    @property
    def owes(self) -> bool:
        """Whether it was told to end when its work is done, and ended otherwise: what it leaves is for another one."""
        return self._dismissed and self._process is not None and self._process.returncode not in (0, None)

    async def _keep(self) -> None:
        pause = _PAUSE
        while not self._stopping or (self.owes and self._attempts):
            self._attempts -= self._stopping
            began, before = asyncio.get_running_loop().time(), self._starts
            await self._run()
            if not self.ready.is_set() or (self._stopping and not self.owes):
                return
            self.restarts += 1
            self._ended.append(dict(self.state))
            self._on_change()
            # One that dies at once would die again: not more than two starts a second, and fewer of one that does not even become ready.
            pause = _PAUSE if self._starts > before else min(2 * pause, _MAX_PAUSE)
            await asyncio.sleep(max(0.0, pause - (asyncio.get_running_loop().time() - began)))

    async def _run(self) -> None:
        orders = base64.b64encode(pickle.dumps(replace(self._orders, again=self.restarts > 0))) + b"\n"
        fds = [fd for fd in (self._orders.listen_fd, self._orders.lock_fd) if fd >= 0]
        process, output = await self._begin(orders, fds)
        if self._stopping and process.stdin is not None:  # told to stop while it was being started again
            process.stdin.close()
        async for line in output:
            self._heard(line)
        await process.wait()
        self._serving = False
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ChildGoneError())

    async def _begin(self, orders: bytes, fds: Sequence[int]) -> tuple[asyncio.subprocess.Process | Forked, asyncio.StreamReader]:
        forked, self._forked = self._forked, None
        if forked is not None:
            self._process = forked
            return forked, await forked.begin(orders, fds)
        # -P: what lies in the user's working directory is no module of ours.
        self._process = spawned = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", self._module, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, pass_fds=fds, limit=1 << 20
        )
        assert spawned.stdin is not None
        assert spawned.stdout is not None
        spawned.stdin.write(orders)
        return spawned, spawned.stdout

    def _heard(self, line: bytes) -> None:
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            if (answered := said.pop("answer", None)) is not None:
                answer = self._asked.get(answered.pop("number"))
                if answer is not None and not answer.done():
                    answer.set_result(answered)
            self.state.update(said)
            if said.get("ready"):
                self._serving = True
                self._starts += 1
                self.ready.set()
        self._on_change()

    def terminate(self) -> None:
        """Tell it to stop by SIGTERM; it is not started again."""
        self._stopping = True
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def dismiss(self) -> None:
        """Tell it to stop when its work is done, by ending its standard input; it is started again only if it dies before that."""
        self._stopping = self._dismissed = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def join(self, timeout: float) -> bool:
        """Wait for its end, and kill it if that does not come; False if it had to be killed."""
        if self._keeper is None:
            return True
        done, _ = await asyncio.wait((self._keeper,), timeout=timeout)
        if done:
            return True
        self._attempts = 0
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        await asyncio.wait((self._keeper,), timeout=5)
        return False
