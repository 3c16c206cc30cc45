"""The servers of one pytest process: each is started when a test first wants it, and goes on for all that want the same."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from playhead.config.errors import ConfigError, PlayheadError
from playhead.config.faults import Fault, parse_faults
from playhead.config.loading import load_settings
from playhead.config.settings import Settings
from playhead.storage.carrying.cassette_store import CassetteStore
from playhead.storage.records import DivergenceRecord
from playhead.storage.store import Store

from ..cassettes.cassette_files import check_ours, keep_file, version_of
from ..in_process import InProcess
from ..pricing.setting import entries_for
from ..replay.account import Worth, worth
from .accepting import accept
from .cassettes import Known, Stores, add, content, known_of
from .front import Front
from .telling import Unused
from .wanted import Accept, Act

if TYPE_CHECKING:
    from ..pricing.entries import Entries

Kind = Literal["replay", "live", "forward"]

KINDS: Mapping[Act, Kind] = {"replay": "replay", "auto": "live", "record": "live", "forward": "forward"}
_MODES: Mapping[Kind, Mapping[str, Any]] = {
    "replay": {"mode": "replay", "on_miss": "fail"},
    "live": {"mode": "replay", "on_miss": "record"},
    "forward": {"mode": "forward"},
}
_OURS = (
    *("data", "store", "session", "cassette", "listen", "take", "workers", "on_miss"),
    *("key_file", "replay_token", "console", "console_token", "drain_timeout"),
)
"""Settings that are for servers of another life: what they are for tests, nobody chooses."""

_NO_ONE = "no-test"  # the session of requests that name none, while no test is running


@dataclass(frozen=True, slots=True)
class Order:
    """What a test wants of a server. `test`: what pytest calls it. `missing`: what a request is told where there is no cassette to replay."""

    act: Act
    test: str
    session: str
    cassette: Path
    rules: Sequence[str] = ()
    faults: Sequence[str] = ()
    allow: Sequence[str] = ()
    settings: tuple[tuple[str, Any], ...] = ()
    missing: str = ""


class Servers:
    """Close it: then everything it has written but the cassettes is gone. `cwd`: where a settings file is looked for."""

    def __init__(self, cwd: Path) -> None:
        self._cwd = cwd
        self._directory = Path(tempfile.mkdtemp(prefix="playhead-"))
        self.stores = Stores(self._directory)
        self._running: dict[tuple[Kind, tuple[tuple[str, Any], ...]], InProcess] = {}
        self._newest: InProcess | None = None  # that of the running test
        self._front: Front | None = None
        self._opened: dict[str, Store] = {}
        self._names = count(1)
        self._busy: set[str] = set()
        self._entries: Entries | None = None
        self._written: dict[Path, set[str]] = {}

    def written(self, cassette: Path, test: str) -> bool:
        """Whether other tests have recorded this cassette in this run, but not this one: what it lacks is added then."""
        return test not in self._written.get(cassette.resolve(), {test})

    def wrote(self, order: Order) -> None:
        """A test has recorded its cassette."""
        whole = order.act == "record"
        self._written[order.cassette.resolve()] = {order.test, *(() if whole else self._written.get(order.cassette.resolve(), ()))}

    def begin(self, order: Order) -> Served:
        """Serve a test. Raises PlayheadError: the cassette is damaged, a setting is wrong, ..."""
        server = self.server(KINDS[order.act], order.settings)
        session, number = order.session, 1
        while session in self._busy:  # a live server keeps what it has recorded; a test may run again
            number += 1
            session = f"{order.session}-{number}"
        self._busy.add(session)
        self._newest = server
        if self._front is not None:
            self._front.turn(server.port)
        served = Served(self, server, order, session)
        served.insert(self.stores)
        return served

    def front(self, kind: Kind) -> str:
        """HOST:PORT for the whole run, behind which is the server of the running test, and before the first test one of that kind. Raises PlayheadError."""
        if self._front is None:
            self._front = Front((self._newest or self.server(kind)).port)
        return self._front.address

    def server(self, kind: Kind, settings: tuple[tuple[str, Any], ...] = ()) -> InProcess:
        """The server of that kind, started if it is not running. Raises PlayheadError."""
        found = self._running.get((kind, settings))
        if found is None:
            found = InProcess(self._settings(kind, settings), cassettes=kind != "forward")
            found.start()
            self._running[kind, settings] = found
        return found

    def _settings(self, kind: Kind, given: tuple[tuple[str, Any], ...]) -> Settings:
        data = self._directory / f"{kind}-{next(self._names)}"
        flags = {**_MODES[kind], **dict(given), "data": data, "store": f"sqlite:///{data / 'store.db'}", "session": _NO_ONE, "listen": "127.0.0.1:0"}
        environ = {name: value for name, value in os.environ.items() if name.lower().removeprefix("playhead_") not in _OURS}
        loaded = load_settings({**flags, "workers": 1}, environ=environ, cwd=self._cwd, place=lambda name: f"playhead of a test, {name}").settings
        if kind == "live" and not loaded.records:
            raise ConfigError("the mode of this test lets it go to upstream, and the setting live is no")
        return loaded.model_copy(update={"replay_token": None, "console_token": None, "key_file": None, "take": "newest", "drain_timeout": 2.0})

    def entries(self, settings: Settings) -> Entries:
        """Prices, which take long to be read once. Raises ConfigError: a price table is wrong."""
        if self._entries is None:
            self._entries = entries_for(settings)
        return self._entries

    def recordings(self, server: InProcess) -> Store:
        """What a server has recorded. It stays open: what the database library learns about its statements serves the next test. Raises StoreError."""
        url = server.settings.store_url
        if url not in self._opened:
            self._opened[url] = Store.open(url)
        return self._opened[url]

    def free(self, session: str) -> None:
        """A replay is forgotten when it has ended."""
        self._busy.discard(session)

    @property
    def late(self) -> list[DivergenceRecord]:
        """Requests that no running test has sent."""
        return [one for server in self._running.values() for one in server.divergences]

    def close(self) -> None:
        """Idempotent. Raises StoreError: a store did not take everything."""
        if self._front is not None:
            self._front.close()
            self._front = None
        try:
            while self._opened:
                self._opened.popitem()[1].close()
            while self._running:
                self._running.popitem()[1].stop()
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)


class Served:
    """A test's part in a server. `finish` it; whatever is asked of it afterwards is what it was then."""

    def __init__(self, servers: Servers, server: InProcess, order: Order, session: str) -> None:
        self._servers = servers
        self._server = server
        self._order = order
        self.session = session
        self._before = (server.counters.replayed, server.counters.live, server.counters.ruled)
        self._store: CassetteStore | None = None
        self._release: Callable[[], None] = lambda: None
        self._known = Known()
        self.version = ""
        """Of the cassette, as this test has found it."""
        self._numbers = 0
        self._over: tuple[int, int, int] | None = None
        self._divergences: list[DivergenceRecord] = []
        self.saved = self.spent = Worth()

    @property
    def replays(self) -> bool:
        """Whether nothing may go to upstream."""
        return self._order.act == "replay"

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"http://{self._server.address}"

    @property
    def divergences(self) -> list[DivergenceRecord]:
        """Requests of the test that were not answered, the oldest first."""
        return self._divergences if self._over is not None else [one for one in list(self._server.divergences) if one.session == self.session]

    @property
    def replayed(self) -> int:
        """Requests that were answered from recordings."""
        return self._counted[0]

    @property
    def live(self) -> int:
        """Requests that went to upstream."""
        return self._counted[1]

    @property
    def ruled(self) -> int:
        """Of those that were answered from recordings those that only match rules made equal, or that were accepted."""
        return self._counted[2]

    @property
    def _counted(self) -> tuple[int, int, int]:
        if self._over is not None:
            return self._over
        counters, act = self._server.counters, self._order.act
        live = counters.requests.total() if act == "forward" else counters.live
        return counters.replayed - self._before[0], live - self._before[1], counters.ruled - self._before[2]

    def insert(self, stores: Stores) -> None:
        """Raises StoreError: the cassette is damaged; ConfigError: a fault is none; nothing is served then."""
        faults = [fault for spec in self._order.faults for fault in _faults(spec)]
        self._insert(stores)
        self._server.faults.add(faults, self.session)

    def fault(self, spec: str) -> None:
        """From now on answers of the test meet these faults, too. Raises ConfigError: it is no fault."""
        self._server.faults.add(_faults(spec), self.session)

    def _insert(self, stores: Stores) -> None:
        order = self._order
        if order.act == "forward":
            self._before = (self._before[0], self._server.counters.requests.total(), self._before[2])
            return
        if order.act == "replay" and not order.cassette.is_file():
            self._server.insert(self.session, order.missing)
            return
        if order.act == "replay":
            self._store, self._release = stores.holding(order.cassette, self.session)
            self._server.insert(self.session, self._store, tuple(order.rules))
        else:
            if order.cassette.is_file():
                check_ours(order.cassette)
                self.version = version_of(order.cassette)
                auto = order.act == "auto"
                self._known = add(order.cassette, self.session, self._recordings, order.rules) if auto else known_of(order.cassette)
            self._server.insert(self.session, None)

    def unused(self) -> list[Unused]:
        """What was recorded and not asked for. Raises StoreError."""
        if self._order.act in ("forward", "record") or (self._store is None and self._order.act == "replay"):
            return []
        unserved = self._server.unserved(self.session)
        if unserved is not None and not unserved:
            return []
        if self._store is not None:
            return [Unused.of(one.exchange, one) for one in self._store.requests(self._store.ids if unserved is None else unserved)]
        store, wanted = self._recordings, None if unserved is None else frozenset(unserved)
        if not store.takes(self.session):
            return []  # nothing was recorded before, and nothing was asked
        return [Unused.of(one.seq, one) for one in store.exchanges(self.session) if wanted is None or one.id in wanted]

    def moved(self) -> list[tuple[int, int]]:
        """The exchanges of the cassette that were asked for behind a later one, each with that. Before `finish`."""
        return [] if self._store is None else self._server.moved(self.session)

    def accept(self, how: Accept) -> list[str]:
        """Write what diverged into the cassette; what was done. Before `finish`. Raises StoreError."""
        found = self.divergences
        if self._store is None or not found:
            return []
        return accept(self._order.cassette, self._store, found, how)

    def finish(self) -> None:
        """End what still goes on. Idempotent. Raises StoreError."""
        if self._over is not None:
            return
        try:
            if self._order.act != "forward":
                self._save()
                self._server.eject(self.session)
                self._spend()
        finally:
            self._divergences, self._over = self.divergences, self._counted
            for one in self._divergences:
                self._server.divergences.remove(one)
            if self._order.act == "replay":
                self._servers.free(self.session)
            self._release()

    def _save(self) -> None:
        """Find out what would have been paid for what was replayed."""
        if not self.replayed:
            return
        with contextlib.suppress(PlayheadError):
            self.saved = worth(self._recordings, Counter(self._server.served(self.session)), partial(self._servers.entries, self._server.settings))

    def _spend(self) -> None:
        """Find out what was paid."""
        if not self.live:
            return
        with contextlib.suppress(PlayheadError):
            _, amount, _, unpriced, _ = self._recordings.ledger.paid(session=self.session)
            self.spent = Worth(amount, unpriced)

    @property
    def _recordings(self) -> Store:
        return self._servers.recordings(self._server) if self._store is None else self._store

    def content(self) -> bytes | None:
        """After `finish`: what is to stand in the cassette; None: what stands there. Raises StoreError."""
        if self._order.act in ("replay", "forward") or not self.live:
            return None
        known, name = self._known, self._known.session or self._order.session
        return content(self._recordings, self.session, name, allow=self._order.allow, rules=known.rules)

    def keep(self, content: bytes) -> bool:
        """Write that; whether it changes the file. Raises StoreError."""
        changed = keep_file(self._order.cassette, content, self.version)
        self._servers.wrote(self._order)
        return changed


def _faults(spec: str) -> tuple[Fault, ...]:
    """Raises ConfigError."""
    try:
        return parse_faults(spec)
    except ValueError as error:
        raise ConfigError(str(error)) from None
