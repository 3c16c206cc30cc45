"""Rewrites what is kept of WebSocket connections: handshakes, messages that belong to no turn, and in the log how long each message is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from playhead.config.errors import StoreError

from ..evidence.chain_writing import ChainWriter
from ..evidence.chained import Subject
from ..packing.content import Change
from ..rows import Inserter, piece_data, piece_row
from ..tables import connection_pieces, connections, exchanges
from .connected import LogEntry, turn_numbers, turn_of
from .connection_log import PARTS, pack_heads, pack_log, unpack_heads, unpack_log

_TEXTS = ("path", "client_reason", "upstream_reason", "problem", "lanes", "subprotocol")


class ConnectionsRewriting:
    """`sizes`: of the messages of turns that were rewritten, by exchange. `entries`: None: it is only counted."""

    def __init__(self, connection: Connection, change: Change, sizes: Mapping[int, Sequence[int]], entries: ChainWriter | None) -> None:
        self._connection = connection
        self._change = change
        self._sizes = sizes
        self._entries = entries

    def run(self, session: str) -> int:
        """Those of a session; how many have changed. Raises StoreError."""
        rows = self._connection.execute(select(connections).where(connections.c.session == session)).all()
        return sum([self._one(row) for row in rows])

    def _one(self, row: Row[Any]) -> bool:
        told = {name: self._change.value(getattr(row, name)) for name in _TEXTS}
        p = connection_pieces.c
        known = self._connection.execute(select(connection_pieces).where(p.connection == row.id).order_by(p.part, p.seq)).all()
        parts: dict[str, list[bytes]] = {}
        for piece in known:
            parts.setdefault(piece.part, []).append(piece_data(piece.codec, piece.data, piece.raw_bytes))
        made = self._made(row, parts)
        if not made and all(told[name] == getattr(row, name) for name in _TEXTS):
            return False
        if self._entries is not None:
            self._entries.changing(Subject.CONNECTION, [row.id])
            self._connection.execute(update(connections).where(connections.c.id == row.id).values(**told))
            firsts = {piece.part: piece.seq for piece in reversed(known)}
            for part, data in made.items():
                self._connection.execute(delete(connection_pieces).where(p.connection == row.id, p.part == part))
                Inserter(self._connection, connection_pieces)(self._connection, [*piece_row(row.id, part, firsts[part], data)])
        return True

    def _made(self, row: Row[Any], parts: Mapping[str, list[bytes]]) -> dict[str, bytes]:
        """The parts that are not as they were."""
        made: dict[str, bytes] = {}
        if heads := parts.get("heads"):
            before = unpack_heads(b"".join(heads))
            after = (self._change.head(before[0]), self._change.head(before[1]))
            if after != before:
                made["heads"] = pack_heads(*after)
        entries = [entry for data in parts.get("log", ()) for entry in unpack_log(data)]
        payloads = {part: b"".join(parts.get(part, ())) for part in PARTS}
        new = _Log(self._change, payloads, self._turns(row), row.id)
        written = [new.entry(entry) for entry in entries]
        if written != entries:
            made["log"] = pack_log(written)
        for part in PARTS:
            if (data := b"".join(new.data[part])) != payloads[part]:
                made[part] = data
        return made

    def _turns(self, row: Row[Any]) -> dict[int, Iterator[int]]:
        """How long the messages of its turns are now that were rewritten, by turn."""
        if row.number is None:
            return {}
        e = exchanges.c
        wanted = select(e.id, e.number).where(e.writer == row.writer, e.number.between(*turn_numbers(row.number)))
        return {turn_of(number): iter(self._sizes[id_]) for id_, number in self._connection.execute(wanted).all() if id_ in self._sizes}


class _Log:
    """A log that is gone through from its beginning. `data`: what stands in its messages now that belong to no turn, by direction."""

    def __init__(self, change: Change, payloads: Mapping[str, bytes], turns: Mapping[int, Iterator[int]], connection: int) -> None:
        self._change = change
        self._payloads = payloads
        self._turns = turns
        self._connection = connection
        self._at = dict.fromkeys(PARTS, 0)
        self.data: dict[str, list[bytes]] = {part: [] for part in PARTS}

    def entry(self, entry: LogEntry) -> LogEntry:
        """The next one, as it is now."""
        if entry.turn:
            sizes = self._turns.get(entry.turn)
            size = entry.bytes if sizes is None else next(sizes, None)
            if size is None:
                raise StoreError(f"connection {self._connection} has more messages in its log than in its exchanges: nothing was changed")
            return entry._replace(bytes=size)
        part = PARTS[entry.direction]
        start = self._at[part]
        self._at[part] = end = start + entry.bytes
        new = self._change.message(self._payloads[part][start:end])
        self.data[part].append(new)
        return entry._replace(bytes=len(new))
