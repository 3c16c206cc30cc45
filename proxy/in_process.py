"""A proxy on threads of this process: one with an event loop that serves, and one that records."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop

from playhead.config.errors import StoreError
from playhead.config.settings import HostPort, Settings
from playhead.storage.datadir import DataDir, recorder_lock
from playhead.storage.journal import remove_free, size_of
from playhead.storage.records import DivergenceRecord
from playhead.storage.store import Store

from .faults.due import Faults
from .headway import open_store
from .metrics import Counters
from .pricing.setting import Costing
from .processes.hosting import Host, forwarder_of
from .processes.recorder_loop import Misplaced, RecorderLoop
from .processes.settle import settle
from .recorder import Recorder
from .recorders.tails import Limits
from .recorders.upkeep import Upkeep
from .recordings.rewinding import Rewound
from .server import bind

if TYPE_CHECKING:
    from .cassettes.cassette_recording import CassetteRecording
    from .inserted import Inserted

log = logging.getLogger("playhead")

_T = TypeVar("_T")

_LOCK_SECONDS = 2.0
_STORE_SECONDS = 30.0
_PAUSE = 0.5
_SWITCH_INTERVAL = 0.0005  # beside a loop that is busy a recorder would wait ten times as long for its turn


class InProcess:
    """A running proxy. `start` and `stop` may be called from any thread but its own, each once."""

    def __init__(self, settings: Settings, *, patience: float = _STORE_SECONDS, cassettes: bool = False, recording: CassetteRecording | None = None) -> None:
        """`patience`: seconds that `stop` waits for a store that takes nothing. `cassettes`: what is replayed is put in by `insert`. `recording`: what is
        recorded goes there, in place of the store of the settings."""
        self.settings = settings
        self.cassettes = cassettes
        self.recording = recording
        self.store: Store | None = None  # that of a cassette
        self._patience = patience
        self.port = 0
        self.divergences: list[DivergenceRecord] = []
        self.counters = Counters()
        self.faults = Faults()
        self._run = f"{time.time_ns():x}-{secrets.token_hex(4)}"
        self._stack = ExitStack()
        self._serving: _Serving | None = None

    @property
    def address(self) -> str:
        """HOST:PORT, where clients reach it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.settings.listen.host, self.settings.listen.host)
        return str(HostPort(host, self.port))

    def start(self) -> None:
        """Return when it serves. Raises PlayheadError, OSError; then nothing is left of it."""
        with ExitStack() as stack:
            if self.recording is not None:
                self.settings = stack.enter_context(self.recording.unpacked(self.settings))
            elif self.settings.cassette is not None:
                from .cassettes.cassette_databases import held

                self.settings, self.store = stack.enter_context(held(self.settings, self.settings.cassette))
            if self.settings.mode == "replay" and (missing := settle(self.settings)):
                log.warning("%s", missing)
            listener = bind(self.settings.listen)[0]
            stack.callback(listener.close)
            self.port = listener.getsockname()[1]
            if self.settings.records:
                self._begin_recording(stack)
            serving = _Serving(self, listener)
            serving.start(self._run)
            stack.callback(serving.stop)
            self._serving = serving
            self._stack = stack.pop_all()

    def stop(self) -> None:
        """Return when what was in flight has ended and all is stored. Raises StoreError: the store does not take it, and it waits in the journal."""
        self._stack.close()

    def rewind(self, session: str) -> Rewound:
        """Begin a pass over a session again. Raises RewindError."""
        if self._serving is None:
            raise RuntimeError("it does not serve")
        return self._serving.rewind(session)

    # Cassettes, if they are put in. Each of these returns when it is done.

    def insert(self, session: str, recordings: Store | str | None, rules: tuple[str, ...] = ()) -> None:
        """See `Inserted.insert`: serve this session, from that store if it is one."""

        async def insert(inserted: Inserted) -> None:
            inserted.insert(session, recordings, rules)

        self._called(insert)

    def unserved(self, session: str) -> list[int] | None:
        """See `Inserted.unserved`: exchanges that nothing has asked for; None: nothing was asked at all."""
        return self._called(lambda inserted: inserted.unserved(session))

    def served(self, session: str) -> list[int]:
        """See `Inserted.served`: exchanges that were served."""
        return self._called(lambda inserted: inserted.served(session))

    def moved(self, session: str) -> list[tuple[int, int]]:
        """See `Inserted.moved`: exchanges that were served behind a later one, each with that."""
        return self._called(lambda inserted: inserted.moved(session))

    def eject(self, session: str) -> None:
        """See `Inserted.eject`: forget that session; all that was recorded is in the store. Raises StoreError."""
        self._called(lambda inserted: inserted.eject(session))

    def _called(self, what: Callable[[Inserted], Coroutine[Any, Any, _T]]) -> _T:
        if self._serving is None:
            raise RuntimeError("it does not serve")
        return self._serving.call(what)

    def _begin_recording(self, stack: ExitStack) -> None:
        data = DataDir(self.settings.data, self.settings.key_file)
        if warning := data.ensure():
            log.warning("%s", warning)
        key = data.key()
        stack.callback(recorder_lock(data, _LOCK_SECONDS).release)
        store = _opened(self.settings)
        try:
            store.check_key(key)
        except BaseException:
            store.close()
            raise
        recording = _Recording(self.settings, data, store, self._patience)
        recording.start()
        stack.callback(recording.stop)
        _hurry(stack)


def _hurry(stack: ExitStack) -> None:
    """Let threads take turns faster, until the stack is closed. Of several that want this, the first restores what was before."""
    before = sys.getswitchinterval()
    if before > _SWITCH_INTERVAL:
        sys.setswitchinterval(_SWITCH_INTERVAL)
        ours = sys.getswitchinterval()  # as it reads it back
        stack.callback(lambda: sys.setswitchinterval(before) if sys.getswitchinterval() == ours else None)


def _opened(settings: Settings) -> Store:
    return open_store(settings.store_url, create=True, durability=settings.durability)


class _Serving:
    """The thread that serves."""

    def __init__(self, owner: InProcess, listener: socket.socket) -> None:
        self._owner = owner
        self._listener = listener
        self._unwanted = False
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._work, name="playhead", daemon=True)

    def start(self, run: str) -> None:
        """Return when it serves. Raises what keeps it from that."""
        self._run = run
        self._begun: Future[None] = Future()
        self._thread.start()
        try:
            self._begun.result()
        except BaseException:
            self.stop()
            raise

    def rewind(self, session: str) -> Rewound:
        """Begin a pass over a session again. Raises RewindError."""
        return asyncio.run_coroutine_threadsafe(self._forwarder.rewind(session), self._loop).result()

    def stop(self) -> None:
        """Return when it has ended."""
        self._unwanted = True
        with contextlib.suppress(RuntimeError):  # its loop has ended already
            self._stop()
        self._thread.join()

    def _work(self) -> None:
        try:
            uvloop.run(self._serve())
        except BaseException as error:
            if self._begun.done():
                log.exception("the proxy has ended for a fault of its own")
            else:
                self._begun.set_exception(error)

    def call(self, what: Callable[[Inserted], Coroutine[Any, Any, _T]]) -> _T:
        """Do something with the cassettes, on the thread to which they belong. Raises what it raises."""
        assert self._forwarder.inserted is not None
        return asyncio.run_coroutine_threadsafe(what(self._forwarder.inserted), self._loop).result()

    async def _serve(self) -> None:
        owner, loop, stop = self._owner, asyncio.get_running_loop(), asyncio.Event()
        forwarder = forwarder_of(owner.settings, self._run, diverged=owner.divergences.append, cassettes=owner.cassettes, store=owner.store)
        self._forwarder, self._loop = forwarder, loop
        owner.counters, owner.faults = forwarder.service.counters, forwarder.service.faults
        host = Host(forwarder)
        try:
            self._stop = lambda: loop.call_soon_threadsafe(stop.set)
            await host.open(self._listener)
            self._begun.set_result(None)
            if not self._unwanted:
                await stop.wait()
        finally:
            await host.close()


class _Recording:
    """The thread that records; what it works for, too."""

    def __init__(self, settings: Settings, data: DataDir, store: Store, patience: float) -> None:
        self._settings = settings
        self._patience = patience
        self._data = data
        self._store: Store | None = store
        self._dismissed = threading.Event()
        self._dismissed_at = float("inf")
        self._stored_all = False
        self._thread = threading.Thread(target=self._work, name="playhead recorder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return when everything is stored. Raises StoreError: it is not, and waits in the journal."""
        self._dismissed_at = time.monotonic()
        self._dismissed.set()
        self._thread.join()
        if not self._stored_all:
            left = size_of(self._data.journal_dir)
            raise StoreError(f"the store did not take everything: {left:,} bytes wait in the journal {self._data.journal_dir} for the next start")
        remove_free(self._data.journal_dir, workers=False)

    # As its master.

    @property
    def gone(self) -> bool:
        """Whether it has had enough time."""
        return time.monotonic() >= self._dismissed_at + self._patience

    def wait(self, seconds: float) -> bool:
        """Wait; whether it is dismissed."""
        return self._dismissed.wait(seconds)

    def hear(self, state: dict[str, object]) -> None:
        """Nobody shows it."""

    # In the thread.

    def _work(self) -> None:
        """Record. What fails begins again, as a process would be started again."""
        while True:
            try:
                self._record()
                return
            except Misplaced:
                pass  # it has said so
            except Exception:
                log.exception("recording fails, and is begun again")
            if self._dismissed.wait(_PAUSE) and self.gone:
                return

    def _record(self) -> None:
        store, self._store = self._store or _opened(self._settings), None
        with store:
            store.begin_sessions_with(self._settings.match_rules, self._settings.session)
            recorder = Recorder(
                store,
                self._data.journal_dir,
                reuse=True,
                cost_of=Costing(self._settings),
                label_headers=self._settings.label_header,
                limits=Limits.within(self._settings.journal_limit),
            )
            try:
                RecorderLoop(recorder, store, self, Upkeep(store, self._settings.retention, self._data.journal_dir)).run()
                self._stored_all = recorder.idle
            finally:
                recorder.close()
