"""Turns and their requests out of a store, in order, each body decoded once; some of them are kept for when they are laid beside a later one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime, timedelta
from json import JSONDecodeError, JSONDecoder

from pydantic_core import from_json

from playhead.config.caches import LONGEST
from playhead.config.errors import StoreError
from playhead.storage.costing.prompted import Prompted
from playhead.storage.costing.sums import Wanted
from playhead.storage.store import Store

from ..typed import MAX_BODY
from .forensics import Body
from .prompts import MARKS

_AT_ONCE = 8 << 20  # bytes of exchanges that are read at once
_ALONE = 50  # exchanges that are read one by one where several cannot be
_DIAGNOSTICS = b'"prompt_cache_diagnostics":'
_KEPT = 48 << 20  # bytes of requests that are kept


class RecordedTurns:
    """See `forensics.Recordings`. Raises StoreError if there is no such session."""

    def __init__(self, store: Store, wanted: Wanted) -> None:
        self._store = store
        self._since = wanted.since
        before = None if wanted.since is None else wanted.since - timedelta(seconds=LONGEST)
        self._prompting = store.ledger.prompting(wanted._replace(since=before))
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._room = _KEPT

    def count(self) -> int:
        """How many turns there are."""
        return self._prompting.count()

    def pruned(self) -> int:
        """How many there were whose prompts are pruned."""
        return self._prompting.pruned()

    def turns(self) -> Iterator[tuple[Prompted, Body | None, bool]]:
        """All of them, and whether they are in the time that is asked about: what was cached then may be older."""
        least = None if self._since is None else _ns(self._since)
        for page in self._prompting.pages():
            for turn, request in self._requests(page):
                yield turn, None if request is None else self._parsed(turn, request), least is None or turn.started_at_ns >= least

    def _requests(self, page: list[Prompted]) -> Iterator[tuple[Prompted, bytes | None]]:
        left = page
        while left:
            try:
                raws = self._store.replayable([turn.id for turn in left], _AT_ONCE, times=False)
            except StoreError:  # one of them is damaged, or was deleted meanwhile
                yield from ((turn, self._raw(turn.id)) for turn in left[:_ALONE])
                left = left[_ALONE:]
                continue
            for turn, raw in zip(left, raws, strict=False):
                self._keep(turn.id, raw.request)
                yield turn, raw.request
            left = left[len(raws) :]

    def _raw(self, id_: int) -> bytes | None:
        try:
            return self._store.raw(id_).request
        except StoreError:
            return None

    def diagnosis(self, turn: Prompted) -> str | None:
        """What the provider itself says of its cache, where a Response has that."""
        try:
            answer = self._store.raw(turn.id).response
        except StoreError:
            return None
        found = _object(answer[at + len(_DIAGNOSTICS) :].lstrip()) if (at := answer.rfind(_DIAGNOSTICS)) >= 0 else None
        if found is None or not isinstance(found.get("type"), str):
            return None
        told = [f"{name} {value}" if name.endswith("tokens") else str(value) for name, value in found.items() if name != "type" and value is not None]
        return ", ".join([str(found["type"]), *told])

    def one(self, id_: int) -> Prompted | None:
        """A turn, whenever it was."""
        return self._prompting.one(id_)

    def making(self, response_id: str) -> int | None:
        """The turn that made a response."""
        return self._prompting.making(response_id)

    def body(self, turn: Prompted) -> Body | None:
        """Its request; None: it has none, or it cannot be read."""
        request = self._kept.get(turn.id)
        if request is None and (request := self._raw(turn.id)) is not None:
            self._keep(turn.id, request)
        return None if request is None else self._parsed(turn, request)

    def _keep(self, id_: int, request: bytes) -> None:
        if id_ not in self._kept:
            self._kept[id_] = request
            self._room -= len(request)
        while self._room < 0 and self._kept:
            _, gone = self._kept.popitem(last=False)
            self._room += len(gone)

    def _parsed(self, turn: Prompted, request: bytes) -> Body | None:
        value = _object(request)
        if value is None and len(request) < turn.request_bytes <= MAX_BODY:  # it is stored in pieces
            request = b"".join(self._store.request_chunks(turn.id))
            value = _object(request)
        if value is None or (turn.turn and value.get("type") != "response.create"):
            return None
        return Body(value, any(mark in request for mark in MARKS))


def _object(request: bytes) -> dict[str, object] | None:
    """The JSON object that a request is; on a WebSocket others may stand behind it."""
    if request[:1] != b"{":
        return None
    try:
        value = from_json(request)
    except ValueError:
        try:
            value, _ = JSONDecoder().raw_decode(request.decode("utf-8", "replace"))
        except (JSONDecodeError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def _ns(moment: datetime) -> int:
    return int(moment.timestamp() * 10**6) * 1000
