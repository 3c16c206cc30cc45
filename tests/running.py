"""The whole program, as a user starts it: `playhead record` with its workers and its recorder, and the commands that read what it recorded."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

import warm
from command_line import PLAYHEAD, Told, in_a_process
from playhead.proxy.commands.child import without_proxies
from playhead.proxy.processes.recorder_process import NAME as RECORDER
from warm import Program

_ADDRESS = re.compile(r"http://([0-9.]+):(\d+)")


def lives(process: psutil.Process, name: str | None = None) -> bool:
    """Whether it is there, has not ended, and is called that. It may end between two questions to it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE and name in (None, process.name())
    except psutil.NoSuchProcess:
        return False


class Running:
    """`playhead record` in front of an upstream, on free ports; drained and gone when the context is left. `before`: runs in its process before it."""

    def __init__(self, data: Path, upstream: str, *flags: str, command: str = "record", before: Callable[[], None] | None = None) -> None:
        self.data = data
        self.last_line = ""
        self._before = before
        self._arguments = [command, "--upstream", upstream, "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0", "--data", str(data), *flags]

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile()
        environ = without_proxies({name: value for name, value in os.environ.items() if not name.startswith("PLAYHEAD_")})
        self._process: Program | subprocess.Popen[bytes]
        self._process = Program(["playhead", *self._arguments], stderr=self._log, env=environ) if self._before is None else self._spawned(environ)
        assert self._process.stdout is not None
        self.ready_line = self._process.stdout.readline().decode()
        assert self.ready_line.startswith("playhead ready"), self.log
        (_, self.port), (_, self.console) = [(host, int(port)) for host, port in _ADDRESS.findall(self.ready_line)][:2]
        self.processes = [psutil.Process(self._process.pid), *psutil.Process(self._process.pid).children(recursive=True)]
        return self

    def _spawned(self, environ: dict[str, str]) -> subprocess.Popen[bytes]:
        command = [*PLAYHEAD, *self._arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, env=environ, preexec_fn=self._before)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdout is not None
        if self._process.poll() is None:
            self.resume_recorder()
            self.stop()
        self._process.stdout.close()
        self._log.close()

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has written to standard error."""
        return os.pread(self._log.fileno(), 1 << 24, 0).decode()

    def metrics(self) -> dict[str, float]:
        """The samples of the console's `/metrics`, by name and labels as they are written there."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{self.console}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        pairs = [line.rpartition(" ") for line in lines if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in pairs}

    def stop(self) -> int:
        """Let it drain and commit; its exit status."""
        self._process.terminate()
        return self._wait()

    def kill(self) -> None:
        """Kill -9 of all its processes at once."""
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        self._wait()
        psutil.wait_procs(self.processes, timeout=10)

    def pause_recorder(self) -> None:
        """From now on what is journalled stays in the journal."""
        recorder = self._recorder()
        assert recorder is not None
        recorder.suspend()

    def resume_recorder(self) -> None:
        """The recorder goes on."""
        recorder = self._recorder()
        if recorder is not None and recorder.status() == psutil.STATUS_STOPPED:
            recorder.resume()

    def _recorder(self) -> psutil.Process | None:
        return next((process for process in self.processes if lives(process, RECORDER)), None)

    def _wait(self) -> int:
        assert self._process.stdout is not None
        status = self._process.wait()  # it has limits of its own for what it waits for
        self.last_line = self._process.stdout.read().decode().rstrip("\n").rpartition("\n")[2]
        self._process.stdout.close()
        return status

    def command(self, *arguments: str) -> Told:
        """Run a command on its recordings."""
        return in_a_process(*arguments, "--data", str(self.data))

    def raw(self, *arguments: str) -> bytes:
        """What such a command writes, which need not be text; it must succeed."""
        return raw_output([*arguments, "--data", str(self.data)])


def raw_output(arguments: Sequence[str]) -> bytes:
    """What a command writes, which need not be text; it must succeed."""
    done = warm.run(["playhead", *arguments])
    done.check_returncode()
    return done.stdout
