"""A cassette that a proxy records: its session lives in a store that nobody else sees, and is written to the file when the proxy has ended well."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playhead.config.errors import StoreError
from playhead.config.rules import rules_of
from playhead.config.settings import Settings
from playhead.storage.carrying.cassettes import Cassette
from playhead.storage.store import Store

from .cassette_files import check_ours, keep_file, load, read_file, text_of, version_of

log = logging.getLogger("playhead")


class CassetteRecording:
    """`path`: of the file. `anew`: what stands there is replaced, all but its rules; else what is missing is added. `allow`: paths in it where what looks
    like a secret may stand.

    Nothing is written unless `end` said so before the context ends.
    """

    def __init__(self, path: Path, *, anew: bool, allow: Sequence[str] = ()) -> None:
        self.path = path
        self._wanted = False
        self._anew = anew
        self._allow = allow
        self._known: Cassette | None = None
        self._version = ""

    def end(self, *, well: bool, refused: int) -> None:
        """Everything was asked. `well`: without an error; `refused`: so many requests went neither to upstream nor had a recording."""
        self._wanted = well and not refused
        if not self._wanted:
            log.warning("%s is not written: %s", self.path, f"{refused} request(s) were refused" if well else "it ended with an error")

    @contextmanager
    def unpacked(self, settings: Settings) -> Iterator[Settings]:
        """Settings with which it is recorded; when the context ends, with all stored, the file is written if anything was recorded.

        Raises StoreError: it is damaged, it would hold what looks like a secret, somebody else has written it meanwhile, ...; ConfigError.
        """
        check_ours(self.path)
        self._version = version_of(self.path)
        self._known = self._read() if self._version else None
        with TemporaryDirectory(prefix="playhead-", ignore_cleanup_errors=True) as directory:
            own = settings.model_copy(update={"data": Path(directory), "store": None, "key_file": None, "take": "newest"})
            if self._known is not None and not self._anew:
                with Store.open(own.store_url, create=True) as store:
                    load(store, self._known, own.session)
            yield own
            if self._wanted:
                with Store.open(own.store_url, create=True) as store:
                    self._write(store, own.session)

    def _read(self) -> Cassette | None:
        """What is recorded anew may be damaged."""
        try:
            return read_file(self.path)
        except StoreError:
            if not self._anew:
                raise
            return None

    def _write(self, store: Store, session: str) -> None:
        if others := [one.session for one in store.sessions() if one.session != session and store.takes(one.session)]:
            log.warning("%s holds the session %s: what was recorded of %s is not in it", self.path, session, ", ".join(others))
        known = 0 if self._known is None or self._anew else len(self._known.exchanges)
        if not store.takes(session) or sum(1 for _ in store.exchanges(session)) == known:
            return
        if self._known is not None and self._anew:
            rules = dict.fromkeys((*rules_of(self._known.rules), *store.match_rules(session)))
            store.set_match_rules(session, rules)
        name = session if self._known is None else self._known.session
        data, going_on = text_of(store, session, "all", allow=self._allow, name=name, typed=False)
        if going_on:
            log.warning("%s: %d exchange(s) still go on, and are left out", self.path, going_on)
        keep_file(self.path, data, self._version)
