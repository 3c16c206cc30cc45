"""Cassettes: a session as one text file of JSON lines, made for git. Pure.

The first line names the format; an exchange is some lines: what it was, what is known of it, its heads, its bodies (JSON as JSON, a line for each item and
each event), its times; the last of them has a check of all lines since the check before. Writing, reading and writing again gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from xxhash import xxh3_64

from playhead.storage.carrying.cassettes import Cassette
from playhead.storage.connecting.connected import LogEntry, RecordedConnection, turn_of
from playhead.storage.records import Recorded

from .cassette_bodies import Body, body_lines, count, taken_apart
from .cassette_fields import Line, connection_line, exchange_line, facts_line
from .cassette_pieces import head_lines
from .cassette_reader import is_cassette, read
from .json_text import compact, written
from .shared_values import Census, Sharing

__all__ = ["VERSION", "is_cassette", "read", "write"]

VERSION = 1


def write(cassette: Cassette) -> Iterator[bytes]:
    """The lines of a cassette, each with its line feed."""
    bodies = [taken_apart(r.raw, r.events, socket=r.transport == "ws") for r in cassette.exchanges]
    census = Census()
    for body in bodies:
        count(census, body)
    sharing = Sharing(census)
    check = _Check()
    upstream = next(chain([one.upstream for one in cassette.exchanges], [one.upstream for one in cassette.connections]), "")
    yield check.line(_header(cassette, upstream))
    for rule in cassette.rules:
        yield check.line({"rule": rule})
    rest = [*enumerate(cassette.connections, 1)]
    take = ""
    for r, body in zip(cassette.exchanges, bodies, strict=True):
        if r.run != take:
            take = r.run
            yield from check.lines(_take_lines(take, [(number, one) for number, one in rest if one.run == take], upstream))
            rest = [one for one in rest if one[1].run != take]
        yield from check.lines(_exchange_lines(r, body, cassette, sharing, upstream))
        yield check.end({"end": r.seq})
    for take in dict.fromkeys([one.run for _, one in rest]):  # nothing came of their connections
        yield from check.lines(_take_lines(take, [(number, one) for number, one in rest if one.run == take], upstream))
    for one in cassette.equivalences:
        yield check.line({"equivalence": one.place, "digest": one.digest.hex(), "asks": one.asks})
    for mark in cassette.anew:
        yield check.line({"anew": mark.place, "after": mark.after})
    yield check.end({"end": "cassette", "exchanges": len(cassette.exchanges), "connections": len(cassette.connections)})


def _header(cassette: Cassette, upstream: str) -> Line:
    return {"playhead": "cassette", "version": VERSION, "session": cassette.session, "upstream": upstream}


class _Check:
    """Writes lines, and checks of them."""

    def __init__(self) -> None:
        self._state = xxh3_64()

    def line(self, line: Line) -> bytes:
        data = compact(line).encode()
        self._state.update(data)
        return data + b"\n"

    def lines(self, lines: Iterable[Line]) -> Iterator[bytes]:
        return map(self.line, lines)

    def end(self, line: Line) -> bytes:
        data = compact(line | {"check": self._state.hexdigest()}).encode()
        self._state.reset()
        return data + b"\n"


def _take_lines(take: str, connections: list[tuple[int, RecordedConnection]], upstream: str) -> Iterator[Line]:
    yield {"take": int(take)}
    for number, one in connections:
        yield connection_line(number, one, upstream)
        for name, head in zip(("request_head", "response_heads"), one.heads, strict=True):
            if head:
                yield {name: head_lines(head)}
        yield from _log_lines(one)


def _log_lines(one: RecordedConnection) -> Iterator[Line]:
    """Messages of turns, which have their bytes, as rows of numbers; those of the connection itself are lines of their own."""
    rows: list[list[int]] = []
    places = [0, 0]
    at = 0
    for entry in one.log:
        step, at = entry.at - at, entry.at
        if entry.turn:
            rows.append([entry.turn, step, entry.direction | entry.opcode << 1 | entry.hidden << 5, entry.bytes])
            continue
        if rows:
            yield {"log": rows}
            rows = []
        start = places[entry.direction]
        places[entry.direction] += entry.bytes
        yield _message_line(entry, step, (one.client_data, one.upstream_data)[entry.direction][start : start + entry.bytes])
    if rows:
        yield {"log": rows}


def _message_line(entry: LogEntry, step: int, data: bytes) -> Line:
    content = written(data)
    form, value = ("base64", content.value) if content.form == "base64" else ("text", data.decode())
    line: Line = {f"message_{form}": value, "from": "upstream" if entry.direction else "client", "after": step, "opcode": entry.opcode}
    return line | ({"hidden": True} if entry.hidden else {})


def _exchange_lines(r: Recorded, body: Body, cassette: Cassette, sharing: Sharing, upstream: str) -> Iterator[Line]:
    connection = _connection_of(r, cassette)
    yield exchange_line(r, upstream, turn_of(r.number), connection)
    if facts := facts_line(r.facts):
        yield {"facts": facts}
    known = cassette.connections[connection - 1].heads if connection else (b"", b"")
    if r.raw.request_head != known[0]:
        yield {"request_head": head_lines(r.raw.request_head)}
    if r.raw.response_heads != known[1]:
        yield {"response_heads": head_lines(r.raw.response_heads)}
    yield from body_lines(r.raw, r.events, body, sharing)


def _connection_of(r: Recorded, cassette: Cassette) -> int | None:
    """The number of its connection."""
    number = r.connection_number if r.connection_number is not None else r.number
    return number if 1 <= number <= len(cassette.connections) else None
