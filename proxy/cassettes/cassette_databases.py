"""Cassettes as stores that nobody else sees: replayed from memory, with a database behind each that is made when something is asked of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playhead.config.settings import Settings
from playhead.storage.carrying.cassette_store import CassetteStore
from playhead.storage.carrying.cassettes import Cassette
from playhead.storage.engine import late_database
from playhead.storage.store import Store

from ..formats.cassette_prints import with_fingerprints
from .cassette_files import read_file


class CassetteDatabase:
    """A database for one cassette after the other. Most replays need none, so that its file is made when something is asked of it: a new one each time.
    `new`: makes an empty store."""

    def __init__(self, path: Path, new: Callable[[Path], None]) -> None:
        self._database = late_database(path, self._made)
        self._path = path
        self._new = new
        self._fill: Callable[[], None] | None = None
        self._filling = False
        self._lock = threading.RLock()

    def holding(self, cassette: Cassette, session: str) -> CassetteStore:
        """A store in which the session is what the cassette holds, which has its fingerprints. The one before was closed."""
        store = CassetteStore(self._database, cassette, session)
        with self._lock:  # a thread that came too late may be at it
            self._database.engine.dispose()  # or has left a connection to the file of the one before
            self._fill = store.fill
        return store

    def _made(self) -> None:
        with self._lock:  # others wait until all of it is there
            if self._fill is None or self._filling:
                return
            self._filling = True
            try:
                for suffix in ("", "-wal", "-shm"):  # a connection that is still somewhere open keeps what it had
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
                self._new(self._path)
                self._fill()
                self._fill = None
            finally:
                self._filling = False


def make_empty(path: Path) -> None:
    """Make an empty store there. Raises StoreError."""
    Store.open(f"sqlite:///{path}", create=True).close()


@contextmanager
def held(settings: Settings, cassette: Path) -> Iterator[tuple[Settings, CassetteStore]]:
    """Settings with which a cassette is replayed, and the store in which it is the session of the settings; both are gone afterwards.

    Raises StoreError: there is no such cassette, or it is damaged.
    """
    known = with_fingerprints(read_file(cassette))
    with TemporaryDirectory(prefix="playhead-", ignore_cleanup_errors=True) as directory:
        own = settings.model_copy(update={"data": Path(directory), "store": None, "key_file": None})
        with closing(CassetteDatabase(Path(directory) / "store.db", make_empty).holding(known, own.session)) as store:
            yield own, store
