"""WebSockets that are one exchange, as they are read from the store to be said again: everything of upstream waits for what the client had said before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from xxhash import xxh3_128_digest

from playhead.config.errors import StoreError
from playhead.storage.connecting.connected import LogEntry
from playhead.storage.records import Direction, EventRow
from playhead.storage.store import Store

from ..fingerprinting.canonical import dump, parse
from ..fingerprinting.normalising import Normaliser
from ..forwarding.frames import Opcode
from .interleaving import Log
from .recorded_sockets import Finale, RecordedSocket, RecordedTurn
from .speech import Reader

AUDIO = b"audio\n"
"""How the meaning of a message begins that only has to be there: sound differs whenever it is recorded."""

_ODD = ("event_id",)  # made up by clients anew each time


@dataclass(frozen=True, slots=True)
class RecordedTranscript:
    """One. `expected`: what the client said, in order: its place in the log, where it begins in the request's bytes, and what it means."""

    exchange: int
    socket: RecordedSocket
    expected: Sequence[tuple[int, int, bytes]]
    head: bytes
    rows: Sequence[tuple[int, bool]]  # of upstream's messages: size, and whether it is a control frame

    def pieces(self, store: Store) -> Iterator[bytes]:
        """What upstream said, end to end, read when it is drawn. Raises StoreError."""
        reader, skipped = Reader(store.response_chunks(self.exchange)), 0
        for size, control in self.rows:
            if control:
                skipped += size
                continue
            reader.skip(skipped)
            skipped = 0
            yield reader.take(size)


def sense(opcode: int, payload: bytes, rules: Normaliser | None = None) -> bytes:
    """What is equal for messages of a client that are as good as one another: JSON by value, audio by its presence, other text as it is; under rules."""
    if opcode != Opcode.TEXT:
        return AUDIO + b"binary"
    try:
        value = parse(payload.decode())
        if isinstance(value, dict):
            kind = value.get("type")
            if isinstance(kind, str) and "audio" in kind and kind.endswith(".append"):
                return AUDIO + kind.encode("utf-8", "replace")
            for name in _ODD:
                value.pop(name, None)
        return xxh3_128_digest(b"json\n" + dump(value if rules is None else rules.whole(value)))
    except (ValueError, RecursionError):
        return xxh3_128_digest(b"text\n" + payload)


def read_transcript(store: Store, exchange: int, rules: Normaliser | None = None) -> RecordedTranscript:
    """In a thread. Raises StoreError."""
    record, heads = store.exchange(exchange), store.heads(exchange)
    entries = [LogEntry(Direction.CLIENT, Opcode.TEXT, 0, 1, 0)]  # what opens it: nobody sends that
    expected: list[tuple[int, int, bytes]] = []
    own: list[bytes] = []
    rows: list[tuple[int, bool]] = []
    close: bytes | None = None
    at = 0
    for row, payload in _payloads(store, exchange):
        control, whole = row.flags >= Opcode.CLOSE, row.type is not None
        if row.direction == Direction.CLIENT:
            if whole and not control:
                expected.append((len(entries), at, sense(row.flags, payload, rules)))
            at += row.bytes
        else:
            rows.append((row.bytes, control))
            if control:
                own.append(payload)
                close = payload if close is None and row.flags == Opcode.CLOSE else close
        entries.append(LogEntry(row.direction, row.flags, row.offset_ns, 0 if control else 1, row.bytes, not whole))
    turn = RecordedTurn(exchange, None, record.response_id, record.outcome)
    finale = Finale(close, close is None and record.outcome not in (None, "client_closed", "complete"))
    return RecordedTranscript(exchange, RecordedSocket(Log.of(entries), {1: turn}, own, finale=finale), expected, heads.response_heads, rows)


def _payloads(store: Store, exchange: int) -> Iterator[tuple[EventRow, bytes]]:
    """The events, with the payload of what the client said and of control frames."""
    client, upstream = Reader(store.request_chunks(exchange)), Reader(store.response_chunks(exchange))
    for row in store.event_rows(exchange):
        if row.direction == Direction.CLIENT:
            yield row, client.take(row.bytes)
        elif row.flags >= Opcode.CLOSE:
            yield row, upstream.take(row.bytes)
        else:
            upstream.skip(row.bytes)
            yield row, b""


def text_at(pieces: Iterable[bytes], start: int, size: int) -> bytes:
    """So many bytes from there on; nothing if they cannot be read."""
    try:
        reader = Reader(iter(pieces))
        reader.skip(start)
        return reader.take(size)
    except StoreError:
        return b""
