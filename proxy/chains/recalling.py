"""What the store knows of chains, for those who put contexts together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from playhead.config.errors import StoreError
from playhead.storage.records import ExchangeRecord
from playhead.storage.store import Store

from ..decoding import BodyDecoder
from ..heads import headers_of
from ..models.kind import shape_of
from ..pieces import Cutter
from ..typed import MAX_BODY, Message
from .linked import has_ended
from .said import Said, said_by_http, said_on_socket

_DATA = (1, 2)  # opcodes of messages
_WHOLE = 8 << 20  # bytes of an exchange that are read at once


class Recalled:
    """The recordings of a store; see `linked.Recordings`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def exchange(self, id_: int) -> ExchangeRecord:
        """Raises StoreError if there is none."""
        return self._store.exchange(id_)

    def responding(self, response_id: str) -> Sequence[ExchangeRecord]:
        """By id."""
        return self._store.responding(response_id)

    def conversing(self, conversation: str) -> Iterable[ExchangeRecord]:
        """In the order in which they began."""
        return self._store.conversing(conversation)

    def item_makers(self, ids: Sequence[str], session: str) -> Mapping[str, int]:
        """Of the session first."""
        return self._store.item_makers(ids, session)

    def said(self, row: ExchangeRecord) -> Said:
        """What is damaged, or was deleted meanwhile, is unread: a chain goes on behind it."""
        try:
            return self._said(row)
        except StoreError:
            return Said(unread=("request", "answer"))

    def _said(self, row: ExchangeRecord) -> Said:
        shape = shape_of(row.method, row.path)
        request, response, heads = self._bodies(row)
        if row.transport == "ws":
            return said_on_socket(shape, self._messages(row, request, response))
        final = heads.rstrip(b"\r\n").rpartition(b"\r\n\r\n")[2]
        return said_by_http(shape, row.status, request, _decoded(response, headers_of(final).get(b"content-encoding", b"")))

    def _bodies(self, row: ExchangeRecord) -> tuple[Iterable[bytes], Iterable[bytes], bytes]:
        if row.request_bytes + row.response_bytes < _WHOLE:
            raw = self._store.raw(row.id)
            return [raw.request], [raw.response], raw.response_heads
        return self._store.request_chunks(row.id), self._store.response_chunks(row.id), self._store.heads(row.id).response_heads

    def _messages(self, row: ExchangeRecord, request: Iterable[bytes], response: Iterable[bytes]) -> Iterator[Message]:
        bodies = (Cutter(request), Cutter(response))
        ended = has_ended(row)  # then the items are told as wholes, too
        for event in self._store.event_rows(row.id):
            payload = bodies[event.direction].take(event.bytes)
            if event.type is not None and event.flags in _DATA and not (ended and event.type.endswith(".delta")):
                yield Message(not event.direction, payload)


def _decoded(body: Iterable[bytes], coding: bytes) -> Iterator[bytes]:
    """As much as can be decoded, and no more than is parsed."""
    decoder = BodyDecoder(coding)
    size = 0
    for piece in body:
        for part in decoder.feed(piece):
            yield part
            size += len(part)
            if size > MAX_BODY:
                return
    yield from decoder.finish()
