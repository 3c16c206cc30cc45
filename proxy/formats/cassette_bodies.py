"""The bytes of an exchange as lines of a cassette, and back. Pure.

A stream is a line for each of its events, a WebSocket turn one for each of its messages; their times, which are others whenever a session is recorded
again, stand apart. Where the pieces do not make up the body, it stands as one, and the events by their borders. Of an answer with a Content-Encoding all
this is its text, and `coded` says how its bytes are had again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from playhead.storage.records import Direction, EventRow, Frame, Raw

from .cassette_fields import Line
from .coded_bodies import coded_line, coding_of, text_of
from .json_text import Written, compact, written
from .shared_values import SHARED, Census, Sharing, lines_of

_END = b"\n\n"
FRAMINGS = ("event", "data", "message")
"""How the JSON of an event stands: behind `event: TYPE` and `data: `, behind `data: ` alone, or by itself."""

USUAL = "compact"
"""The style of a JSON body that need not be said."""

TEXT_MESSAGE = 1
_DIRECTIONS = ("sent", "event")
"""The keys of lines of events by direction."""


class Piece(NamedTuple):
    """An event. `framing`: of what is JSON. `changed`: what it says otherwise than the event before it in its direction; None: it stands whole."""

    row: EventRow
    framing: str
    content: Written
    changed: dict[str, Any] | None = None


class Body(NamedTuple):
    """An exchange on its way into a cassette. `pieces`: its events, if they make up what they are pieces of; `rest`: what follows them.

    `coded`: how the answer is encoded of which the rest tells the text.
    """

    request: Written | None
    response: Written | None
    pieces: Sequence[Piece] | None
    rest: Written | None = None
    coded: Line | None = None


def taken_apart(raw: Raw, events: Sequence[EventRow], *, socket: bool) -> Body:
    """The bodies of an exchange."""
    if socket or not coding_of(raw.response_heads):
        return _taken_apart(raw, events, socket=socket)
    if (text := text_of(raw)) is None:
        return Body(_content(raw.request), _content(raw.response), None)
    body = _taken_apart(replace(raw, response=text.data), events, socket=False)
    return body._replace(coded=coded_line(text, raw.response, [piece.row.bytes for piece in body.pieces or ()]))


def _taken_apart(raw: Raw, events: Sequence[EventRow], *, socket: bool) -> Body:
    pieces, used = _pieces(raw, events, socket=socket) if events else (None, 0)
    if pieces is None:
        return Body(_content(raw.request), _content(raw.response), None)
    if socket:
        return Body(None, None, pieces)
    return Body(_content(raw.request), None, pieces, _content(raw.response[used:]))


def _content(body: bytes) -> Written | None:
    return written(body) if body else None


def _pieces(raw: Raw, events: Sequence[EventRow], *, socket: bool) -> tuple[list[Piece] | None, int]:
    """None if they are not what they should be; and how much of the answer they are."""
    bodies = (raw.request if socket else b"", raw.response)
    places = [0, 0]
    pieces: list[Piece] = []
    last: list[Piece | None] = [None, None]
    for seq, row in enumerate(events):
        if row.seq != seq or row.bytes < 0:
            return None, 0
        start = places[row.direction]
        places[row.direction] = end = start + row.bytes
        if end > len(bodies[row.direction]):
            return None, 0
        before = last[row.direction]
        framing, content = _piece(bodies[row.direction][start:end], before.content.style if before is not None else "", socket=socket)
        piece = Piece(row, framing, content)
        piece = piece._replace(changed=_changed(before, piece) if before is not None else None)
        last[row.direction] = piece if content.form == "json" else None
        pieces.append(piece)
    if socket and places != [len(bodies[0]), len(bodies[1])]:
        return None, 0
    return pieces, places[1]


def _piece(block: bytes, likely: str, *, socket: bool) -> tuple[str, Written]:
    if socket:
        return "message", written(block, likely)
    named = block.startswith(b"event: ")
    name, _, data = block[7:].partition(b"\n") if named else (b"", b"", block)
    if data.startswith(b"data: ") and data.endswith(_END) and b"\n" not in data[6:-2]:
        content = written(data[6:-2], likely)
        if content.form == "json" and (not named or _named(content.value, name)):
            return ("event" if named else "data"), content
    return "", _literal(block)


def _changed(before: Piece, piece: Piece) -> dict[str, Any] | None:
    """What an event says otherwise than the one before, if all else is as there; its number counts on."""
    old, new = before.content.value, piece.content.value
    same = (before.framing, before.content.style, ()) == (piece.framing, piece.content.style, piece.content.patches)
    if not same or not isinstance(old, dict) or not isinstance(new, dict) or [*old] != [*new] or len(new) < 3:
        return None
    if (piece.row.flags, told_by(piece.row)) != (opcode_of(piece.framing, piece.content), names_of(new)):
        return None
    expected = continued(old)
    changed = {key: value for key, value in new.items() if compact(value) != compact(expected[key])}
    if len(changed) == 1 and next(iter(changed)).startswith(SHARED):
        return None  # it would be taken for a reference
    return changed if len(changed) <= len(new) // 2 else None


def continued(value: dict[str, Any]) -> dict[str, Any]:
    """What the next event says if nothing changes: its number is one more."""
    number = value.get("sequence_number")
    return value | {"sequence_number": number + 1} if type(number) is int else value


def _literal(block: bytes) -> Written:
    found = written(block)
    return Written("text", block.decode()) if found.form == "json" else found


def _named(value: Any, name: bytes) -> bool:
    told = value.get("type") if isinstance(value, dict) else None
    return isinstance(told, str) and told.encode() == name


def count(census: Census, body: Body) -> None:
    """Show a body to the census."""
    if body.request is not None and body.request.form == "json":
        census.see_request(body.request.value)
    for piece in body.pieces or ():
        if piece.changed is not None:
            for value in piece.changed.values():
                census.see(value)
        elif piece.content.form == "json":
            (census.see_request if piece.row.direction == Direction.CLIENT else census.see)(piece.content.value)
    for content in (body.response, body.rest):
        if content is not None and content.form == "json":
            census.see(content.value)


# Writing.


def body_lines(raw: Raw, events: Sequence[EventRow], body: Body, sharing: Sharing) -> Iterator[Line]:
    """The lines of an exchange behind its heads."""
    if body.request is not None:
        yield from _whole("request", body.request, sharing)
    if body.coded is not None:
        yield body.coded
    if body.response is not None:
        yield from _whole("response", body.response, sharing)
    if body.pieces is not None:
        yield from _event_lines(body.pieces, sharing)
    elif events:
        yield {"rows": [[row.offset_ns, row.direction, row.type, row.sequence_number, row.stream_id, row.bytes, row.flags, row.seq] for row in events]}
    if body.rest is not None:
        yield from _whole("rest", body.rest, sharing)
    if raw.trailers:
        yield {"trailers": _as_line(written(raw.trailers), raw.trailers)}
    if raw.frames:
        yield {"frames": _columns(raw.frames)}
    if raw.chunks:
        sizes = [piece.row.bytes for piece in body.pieces] if body.pieces is not None else []
        yield {"chunks": "events" if list(raw.chunks) == sizes else list(raw.chunks)}
    if body.pieces is not None:
        times = [piece.row.offset_ns for piece in body.pieces]
        # Frames have the sizes of what was encoded: they do not tell when an event of the text had come.
        if body.coded is not None or times != arrivals([piece.row.bytes for piece in body.pieces], raw.frames):
            yield {"times": _steps(times)}


def _as_line(content: Written, data: bytes) -> Line:
    return {"text": data.decode()} if content.form != "base64" else {"base64": content.value}


def _whole(key: str, content: Written, sharing: Sharing) -> Iterator[Line]:
    value = _shared(content, sharing, request=key == "request")
    yield from lines_of(sharing)
    line: Line = {key if content.form == "json" else f"{key}_{content.form}": value}
    if content.form == "json" and content.style != USUAL:
        line["as"] = content.style
    yield line | patches_of(content)


def _shared(content: Written, sharing: Sharing, *, request: bool) -> Any:
    if content.form != "json":
        return content.value
    return sharing.request(content.value) if request else sharing.value(content.value)


def _event_lines(pieces: Sequence[Piece], sharing: Sharing) -> Iterator[Line]:
    usual = [_usual(pieces, direction) for direction in (0, 1)]
    yield {"events": usual[1]} | ({"sent": usual[0]} if usual[0] else {})
    for piece in pieces:
        row, content = piece.row, piece.content
        key = _DIRECTIONS[row.direction]
        if piece.changed is not None:
            changed = {name: sharing.value(value) for name, value in piece.changed.items()}
            yield from lines_of(sharing)
            yield {"then": changed} if row.direction else {"then_sent": changed}
            continue
        value = _shared(content, sharing, request=row.direction == Direction.CLIENT)
        yield from lines_of(sharing)
        line: Line = {key if content.form == "json" else f"{key}_{content.form}": value}
        if content.form == "json":
            manner = f"{piece.framing} {content.style}"
            line |= ({"as": manner} if manner != usual[row.direction] else {}) | patches_of(content)
        if told_by(row) != names_of(content.value if content.form == "json" else None):
            line["row"] = told_by(row)
        if row.flags != opcode_of(piece.framing, content):
            line["opcode"] = row.flags
        yield line


def _usual(pieces: Sequence[Piece], direction: int) -> str:
    """How the first event of a direction is written that is JSON; empty if there is none."""
    return next((f"{piece.framing} {piece.content.style}" for piece in pieces if piece.row.direction == direction and piece.content.form == "json"), "")


def patches_of(content: Written) -> Line:
    """The member of a line that has them."""
    return {"patches": [list(patch) for patch in content.patches]} if content.patches else {}


def opcode_of(framing: str, content: Written) -> int:
    """What need not be said."""
    return TEXT_MESSAGE if framing == "message" and content.form == "json" else 0


def told_by(row: EventRow) -> list[Any]:
    """As `names_of`."""
    return [row.type, row.sequence_number, row.stream_id]


def names_of(value: Any) -> list[Any]:
    """What an event says of itself: type, sequence number, lane."""
    if not isinstance(value, dict):
        return [None, None, None]
    name, number, lane = value.get("type"), value.get("sequence_number"), value.get("stream_id")
    return [name if isinstance(name, str) else None, number if type(number) is int else None, lane if isinstance(lane, str) else None]


def _columns(frames: Sequence[Frame]) -> Line:
    client = [place for place, frame in enumerate(frames) if frame.direction == Direction.CLIENT]
    return {"after": _steps([frame.offset_ns for frame in frames]), "bytes": [frame.length for frame in frames]} | ({"client": client} if client else {})


def _steps(times: Sequence[int]) -> list[int]:
    return [later - earlier for earlier, later in pairwise((0, *times))]


def arrivals(sizes: Sequence[int], frames: Sequence[Frame]) -> list[int] | None:
    """When each piece of an answer had come, by its frames; None if these do not tell."""
    known = [frame for frame in frames if frame.direction == Direction.UPSTREAM]
    ends = [*accumulate([frame.length for frame in known])]
    if not ends:
        return None
    places = [bisect_left(ends, end) for end in accumulate(sizes)]
    return [known[place].offset_ns for place in places] if not places or places[-1] < len(known) else None
