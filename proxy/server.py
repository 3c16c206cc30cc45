"""The main process of a server: starts the workers, the recorder and the console, watches over them, and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import secrets
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from playhead.config.errors import StoreError
from playhead.config.settings import HostPort, Settings
from playhead.storage.costing.costs import dollars
from playhead.storage.datadir import DataDir, recorder_lock
from playhead.storage.journal import segments, size_of

from .processes.children import Child, ChildGoneError, Orders, start_logging
from .processes.forking import Spares, spares
from .processes.lag import Lag
from .recorders.progress import read_progress
from .recordings.rewinding import RewindError, Rewound

if TYPE_CHECKING:
    from .pricing.budget_watch import BudgetWatch

log = logging.getLogger("playhead")
WORKER, RECORDER = "playhead.proxy.processes.worker", "playhead.proxy.processes.recorder_process"
_LOCK_SECONDS = 5.0
_LAG_SECONDS = 60.0  # above it the recorder hangs, or the store is too slow for the traffic
_BACKLOG = 4096
_RECORDER_SECONDS = 60.0


MakeConsole = Callable[["Supervisor", HostPort, str | None], web.Application]


def serve(settings: Settings, make_console: MakeConsole) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit status; raises PlayheadError if it cannot start.

    `make_console`: from what it shows, where it is bound, and its token.
    """
    start_logging(settings.log_level)
    with spares(_needed(settings)) as made:
        return asyncio.run(Supervisor(settings, make_console, made).run())


def _needed(settings: Settings) -> list[str]:
    """The modules that children run, one for each child. What several processes need is imported here, once."""
    importlib.import_module(WORKER)
    return [*[RECORDER] * settings.records, *[WORKER] * settings.workers]


def bind(address: HostPort, count: int = 1) -> list[socket.socket]:
    """Sockets bound to one address, one for each worker; nobody can connect before they listen. Raises StoreError."""
    sockets: list[socket.socket] = []
    try:
        family, _, _, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # Sharing a port would also let a second playhead slip in unseen: the first socket asks for it alone.
        for number in range(count):
            listener = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if number == 0:
                listener.bind(where)
                where = listener.getsockname()
                if count > 1:
                    listener.close()
                    sockets[0] = listener = socket.socket(family, socket.SOCK_STREAM)
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if count > 1:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                listener.bind(where)
    except OSError as error:
        for listener in sockets:
            listener.close()
        raise StoreError(f"cannot listen on {address}: {error.strerror}") from None
    return sockets


class _StoppedError(Exception):
    """Whoever started the server wants it no more, before it is ready."""


class Supervisor:
    """What the main process does; also what the console asks."""

    def __init__(self, settings: Settings, make_console: MakeConsole, spares: Spares) -> None:
        self._settings = settings
        self._spares = spares
        self._make_console = make_console
        self._run_id = f"{time.time_ns():x}-{secrets.token_hex(4)}"
        self._workers: list[Child] = []
        self._recorder: Child | None = None
        self._data = DataDir(settings.data, settings.key_file)
        self._lag = Lag()
        self._spent: BudgetWatch | None = None
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Start everything, say so, and stop it when told."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        async with contextlib.AsyncExitStack() as stack:
            sockets = bind(self._settings.listen, self._settings.workers)
            for listener in sockets:
                stack.callback(listener.close)
            console = bind(self._settings.console)[0]
            stack.callback(console.close)
            try:
                if self._settings.mode == "replay":
                    await self._settle()
                if self._settings.records:
                    await self._start_recorder(stack)
                problem = self._listen(sockets, console) or await self._start_workers(sockets)
            except _StoppedError:
                await self._shut()
                return 0
            if problem is None:
                self._watch_budgets(stack)
                await self._start_console(stack, console)
                self._say_ready(sockets[0], console)
                await self._stop.wait()
            for listener in sockets:
                listener.close()
            stopped = await self._shut()
            if problem is not None:
                raise StoreError(problem)
            if self._settings.mode == "replay":
                print(summary(self._workers[0].reports()), flush=True)
        return 0 if stopped else 3

    async def _settle(self) -> None:
        """A replay sees all that was recorded before it started. Raises StoreError."""
        from .processes.settle import settle

        try:
            missing = await asyncio.to_thread(settle, self._settings, stopped=self._stop.is_set)
        except StoreError:
            if self._stop.is_set():
                raise _StoppedError from None
            raise
        if missing:
            log.warning("%s", missing)

    async def _ready(self, child: Child) -> str | None:
        """Start it; what it says if it cannot. Who is told to stop before it is ready, as an old store that is brought up to date takes long, ends it at once:
        it serves nobody, and what it has begun in the store is undone there. Raises _StoppedError then."""
        starting, stopping = asyncio.ensure_future(child.start()), asyncio.ensure_future(self._stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if starting.done():
            return starting.result()
        starting.cancel()
        child.terminate()
        await child.join(0)
        raise _StoppedError

    async def _start_recorder(self, stack: contextlib.AsyncExitStack) -> None:
        """Raises StoreError if another one records here, or the store cannot be used."""
        if warning := self._data.ensure():
            log.warning("%s", warning)
        self._data.key()
        lock = await asyncio.to_thread(recorder_lock, self._data, _LOCK_SECONDS)
        stack.callback(lock.release)
        orders = Orders(self._settings, self._run_id, lock_fd=lock.fileno())
        recorder = Child(RECORDER, orders, forked=self._spares.take(RECORDER))
        problem = await self._ready(recorder)
        if problem is not None:
            recorder.dismiss()
            raise StoreError(problem)
        self._recorder = recorder

    def _listen(self, sockets: list[socket.socket], console: socket.socket) -> str | None:
        """Here, not in the workers, so that what connects while one is started again waits. What is wrong, if they cannot: a port may be bound twice."""
        places = [(self._settings.listen, listener) for listener in sockets] + [(self._settings.console, console)]
        for address, listener in places:
            try:
                listener.listen(_BACKLOG)
            except OSError as error:
                return f"cannot listen on {address}: {error.strerror}"
        return None

    async def _start_workers(self, sockets: list[socket.socket]) -> str | None:
        for listener in sockets:
            listener.set_inheritable(True)
            orders = Orders(self._settings, self._run_id, listen_fd=listener.fileno())
            self._workers.append(Child(WORKER, orders, forked=self._spares.take(WORKER), on_change=self._follow_journals))
        if self._settings.mode == "replay":  # it has one, which reads the store; others take no time
            return await self._ready(self._workers[0])
        problems = await asyncio.gather(*(worker.start() for worker in self._workers))
        return next((problem for problem in problems if problem is not None), None)

    def _watch_budgets(self, stack: contextlib.AsyncExitStack) -> None:
        if self._settings.budgets and self._recorder is not None:
            from .pricing.budget_watch import BudgetWatch

            self._spent = BudgetWatch(self._settings)
            task = asyncio.ensure_future(self._spent.run())

            async def end() -> None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

            stack.push_async_callback(end)

    def _follow_journals(self) -> None:
        """A worker has reported."""
        ends = [end for worker in self._workers if (end := worker.state.get("metrics", {}).get("journal_end"))]
        progress = read_progress(self._data.journal_dir) if ends else {}
        for writer, segment, offset in ends:
            self._lag.wrote(writer, (segment, offset), progress, time.monotonic())

    async def _start_console(self, stack: contextlib.AsyncExitStack, listener: socket.socket) -> None:
        token = self._settings.console_token
        app = self._make_console(self, self._settings.console, token.get_secret_value() if token else None)
        logging.getLogger("aiohttp.server").addFilter(_is_ours)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listener).start()

    def _say_ready(self, listener: socket.socket, console: socket.socket) -> None:
        settings = self._settings
        mode = "auto" if settings.mode == "replay" and settings.records else settings.mode
        parts = [f"playhead ready {mode} {_url(listener)}", f"console {_url(console)}"]
        if settings.mode != "replay" or settings.on_miss != "fail":
            parts.append(f"upstream {settings.upstream}")
        if settings.mode != "forward":
            parts += [f"session {settings.session}", f"data {settings.data}" if settings.cassette is None else f"cassette {settings.cassette}"]
        print("  ".join(parts), flush=True)

    async def _shut(self) -> bool:
        """Drain the workers, then the recorder; False if something had to be killed."""
        for worker in self._workers:
            worker.terminate()
        limit = self._settings.drain_timeout + 5
        drained = all(await asyncio.gather(*(worker.join(limit) for worker in self._workers)))
        if self._recorder is not None:
            self._recorder.dismiss()
            if not await self._recorder.join(_RECORDER_SECONDS) or self._recorder.owes:
                drained = False
                log.error("the store did not take everything: %d bytes wait in the journal for the next start", size_of(self._data.journal_dir))
        return drained

    # What the console asks.

    def ready(self) -> list[str]:
        """What is not as it should be; empty if everything is."""
        problems = [f"worker {number} is down" for number, worker in enumerate(self._workers) if not worker.up]
        problems += [str(text) for worker in self._workers if (text := worker.state.get("metrics", {}).get("journal_problem"))]
        if self._recorder is not None:
            if not self._recorder.up:
                problems.append("the recorder is down")
            if text := self._recorder.state.get("metrics", {}).get("problem"):
                problems.append(str(text))
            if (lag := self._journal_lag()) > _LAG_SECONDS:
                problems.append(f"the recorder is {lag:.0f} s behind the workers")
        return problems

    def _journal_lag(self) -> float:
        journal = self._data.journal_dir
        return self._lag.seconds(segments(journal), read_progress(journal), time.monotonic())

    async def rewind(self, session: str) -> Rewound:
        """Begin a pass over a session again. Raises RewindError."""
        try:
            return Rewound.of(await self._workers[0].ask({"rewind": session}))
        except ChildGoneError:
            raise RewindError("shutting_down", "The worker does not run at the moment: try again.") from None

    def metrics(self) -> Mapping[str, Any]:
        """The newest reports: `workers` (a list), `recorder` (or None), `journal_bytes`, `journal_lag`, `budgets` (a list of what was spent)."""
        recorder = self._recorder
        return {
            "workers": [{**worker.state.get("metrics", {}), "up": worker.up} for worker in self._workers],
            "recorder": {**recorder.state.get("metrics", {}), "up": recorder.up} if recorder else None,
            "journal_bytes": size_of(self._data.journal_dir) if recorder else 0,
            "journal_lag": self._journal_lag() if recorder else 0.0,
            "budgets": self._spent.spendings if self._spent else (),
        }


def summary(reports: Iterable[Mapping[str, Any]]) -> str:
    """What a replay did, as the launcher reads it: the last line on standard output. `reports`: of its worker, and of those that died before."""
    counted: Counter[str] = Counter()
    last: Mapping[str, Any] = {}
    for report in reports:
        last = report.get("metrics", {}).get("account", {})
        found = report.get("metrics", {})
        names = ("replayed", "live", "faults", "ruled")
        missed = found.get("missed", {})
        counted.update({name: found.get(name, 0) for name in names}, diverged=sum(missed.values()), without=missed.get("session_not_found", 0))
    parts = [f"{name} {counted[name]}" for name in ("replayed", "diverged", "live", "faults", "ruled")]
    parts += [f"without {counted['without']}"] if counted["without"] else []  # in sessions that nobody recorded: these are in no list
    parts += [f"saved {dollars(last['saved'])}"] if last.get("saved") else []
    parts += [f"{name} {last[name]}" for name in ("unpriced", "unused") if last.get(name) and (name != "unpriced" or last.get("saved"))]
    return "playhead " + "  ".join([*parts, *(f"first {id_}" for id_ in last.get("first", ()))])


def _is_ours(record: logging.LogRecord) -> bool:
    """What somebody sends to the console that is no HTTP is answered, and no fault of ours to log; it may hold what no log should."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{HostPort(host, port)}"
