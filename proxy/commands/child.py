"""A recording proxy as a child of this process: for `record -- COMMAND` and for the demo."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from playhead.config.settings import HostPort

from ..cli import run
from ..processes.forking import Copy, can_be_copied

READY = "playhead ready"
_LOOPBACK = "127.0.0.1,localhost,::1"
_PR_SET_PDEATHSIG = 1


class ChildFailedError(Exception):
    """The proxy ended before it was ready; it has said why on standard error. `status`: its exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the proxy ended with status {status}")
        self.status = status


class Child:
    """`playhead ARGUMENTS...` in a process of its own, ready when the context is entered, drained and gone when it is left.

    Its standard error is ours. It is in a session of its own, so that Ctrl-C reaches whatever talks to it first, and the proxy is stopped after that.
    Where that can be it is a copy of this process, which has imported much of what it needs.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self.ready_line = ""
        self.last_line = ""
        """What it said last on standard output, once it has been stopped."""

    def __enter__(self) -> Self:
        self.start()
        self.wait_until_ready()
        return self

    def start(self) -> None:
        """Have it begin. This waits for nothing."""
        self._process: Copy | subprocess.Popen[str] = Copy(self._serve) if can_be_copied() else self._spawned()

    def _serve(self) -> int:
        """In the copy: what `playhead` does with these arguments."""
        _die_with_parent()
        os.environ |= without_proxies(os.environ)
        return run(self._arguments)

    def _spawned(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "playhead.proxy", *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env=without_proxies(os.environ),
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )

    def wait_until_ready(self) -> None:
        """Wait until it serves. Raises ChildFailedError."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(READY):
                self.ready_line = line.strip()
                return
        raise ChildFailedError(self._process.wait())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Where clients reach it, without `/v1`."""
        match = re.search(r"http://\S+?(?=[/,;]?(?:\s|$))", self.ready_line)
        assert match is not None
        address = HostPort.parse(match[0].removeprefix("http://").rstrip("/").removesuffix("/v1"))
        return f"http://{HostPort(reachable(address.host), address.port)}"

    def stop(self) -> int:
        """Let it drain and commit; its exit status. Idempotent."""
        if self._process.poll() is None:
            self._process.terminate()
        if self._process.stdout is not None and not self._process.stdout.closed:
            self.last_line = (self._process.stdout.read().strip().splitlines() or [""])[-1]
            self._process.stdout.close()
        return self._process.wait()


def reachable(host: str) -> str:
    """The address by which this machine reaches what is bound to `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def without_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, with this machine reached directly whatever HTTP proxy is set."""
    listed = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    direct = f"{listed},{_LOOPBACK}" if listed else _LOOPBACK
    return {**environ, "NO_PROXY": direct, "no_proxy": direct}


def _die_with_parent() -> None:
    # Runs in the child, at once: if this program is killed with -9, the kernel stops the proxy, which then drains.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
