"""The lines of one exchange put together again. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from playhead.storage.records import Direction, EventRow, Frame, Raw

from .cassette_bodies import FRAMINGS, USUAL, arrivals, continued, names_of, opcode_of
from .cassette_fields import Line
from .coded_bodies import Coded, coded_again, coded_of
from .json_text import STYLES, Patch, Written, restored

_INT63 = 1 << 63
_FORMS = ("json", "text", "base64")


class _Event(NamedTuple):
    direction: int
    data: bytes
    names: list[Any]
    opcode: int


class _Last(NamedTuple):
    """The event before in a direction, if it was JSON."""

    value: Any
    framing: str
    style: str


_JSON = Written("json", None)


class Pieces:
    """What was read of an exchange so far. Every method raises ValueError: what the line says cannot be."""

    def __init__(self) -> None:
        self._heads: dict[str, bytes] = {}
        self._bodies: dict[str, bytes] = {}
        self._trailers = b""
        self._coded: Coded | None = None
        self._events: list[_Event] | None = None
        self._manners: list[tuple[str, str] | None] = [None, None]
        self._last: list[_Last | None] = [None, None]
        self._rows: list[EventRow] | None = None
        self._frames: tuple[Frame, ...] = ()
        self._chunks: Any = ()
        self._times: list[int] | None = None
        self._seen: set[str] = set()

    def take(self, key: str, line: Line) -> bool:
        """Whether a line that begins with `key` is one of an exchange's."""
        name, _, form = key.partition("_")
        if key in ("then", "then_sent"):
            self._take_next(int(key == "then"), _only(line, key))
            return True
        if name in ("sent", "event") and form in ("", *_FORMS[1:]):
            self._take_event(0 if name == "sent" else 1, key, form or "json", line)
            return True
        if key in self._seen:
            raise ValueError(f"{key!r} stands twice in one exchange")
        self._seen.add(key)
        if name in ("request", "response", "rest") and form in ("", *_FORMS[1:]):
            self._bodies[name] = _body(key, form or "json", line)
        elif key in ("request_head", "response_heads"):
            self._heads[key] = head_bytes(_only(line, key))
        elif key == "coded":
            self._coded = coded_of(line)
        elif key == "trailers":
            self._trailers = _bytes(_only(line, key))
        elif key == "events":
            self._begin_events(line)
        elif key == "rows":
            self._rows = _rows(_only(line, key))
        elif key == "frames":
            self._frames = _frames(_only(line, key))
        elif key == "chunks":
            self._chunks = _only(line, key)
        elif key == "times":
            self._times = [*accumulate(_numbers(_only(line, key), least=-_INT63))]
        else:
            return False
        return True

    def _begin_events(self, line: Line) -> None:
        _known(line, "events", "sent")
        self._events = []
        self._manners = [_manner(line["sent"]) if line.get("sent") else None, _manner(line["events"]) if line["events"] else None]

    def _take_next(self, direction: int, changed: Any) -> None:
        """An event that is as the one before but for what has changed."""
        before = self._last[direction]
        if before is None or not isinstance(before.value, dict):
            raise ValueError("it stands behind no event that it could be like")
        if not isinstance(changed, dict) or changed.keys() - before.value.keys():
            raise ValueError("it must be an object with members that the event before has")
        value = continued(before.value) | changed
        self._add(direction, before.framing, Written("json", value, before.style), names_of(value), opcode_of(before.framing, _JSON))

    def _add(self, direction: int, framing: str, content: Written, names: list[Any], opcode: int) -> None:
        if self._events is None:
            raise ValueError("an event stands before 'events'")
        if not _are_names(names):
            names = [name if _are_names([None] * place + [name] + [None] * (2 - place)) else None for place, name in enumerate(names)]
        self._last[direction] = _Last(content.value, framing, content.style) if content.form == "json" else None
        self._events.append(_Event(direction, _framed(framing, content), names, opcode))

    def _take_event(self, direction: int, key: str, form: str, line: Line) -> None:
        _known(line, key, "as", "patches", "row", "opcode")
        content, framing = Written(form, line[key]), ""
        if form == "json":
            manner = _manner(line["as"]) if "as" in line else self._manners[direction]
            if manner is None:
                raise ValueError("'as' is missing: nothing says how it is written")
            framing, style = manner
            content = Written(form, line[key], style, _patches(line))
        names = line.get("row", names_of(line[key]) if form == "json" else [None, None, None])
        if not isinstance(names, list) or len(names) != 3 or not _are_names(names):
            raise ValueError("'row' must be a list of type, sequence number and lane")
        opcode = line.get("opcode", opcode_of(framing, content))
        if type(opcode) is not int or not 0 <= opcode < 1 << 15:
            raise ValueError("'opcode' must be a small number")
        self._add(direction, framing, content, names, opcode)

    def raw(self, heads: tuple[bytes, bytes], *, changed: bool) -> tuple[Raw, list[EventRow]]:
        """All of it. `heads`: those of its connection, which an exchange may leave out. `changed`: somebody may have changed it."""
        request, response = self._bodies.get("request", b""), self._bodies.get("response", b"")
        events = self._rows or []
        if self._events is not None:
            if "rows" in self._seen or "response" in self._bodies:
                raise ValueError("it has events in lines of their own, and yet 'rows' or 'response'")
            said = [b"".join([event.data for event in self._events if event.direction == direction]) for direction in (0, 1)]
            if said[0] and request:
                raise ValueError("it has both 'request' and messages of the client")
            request, response = request or said[0], said[1] + self._bodies.get("rest", b"")
            events = self._told_events()
        head, answer = self._heads.get("request_head", heads[0]), self._heads.get("response_heads", heads[1])
        raw = Raw(head, request, answer, response, self._trailers, self._frames, self._chunk_sizes())
        if self._coded is not None:
            sizes = [len(event.data) for event in self._events or ()]
            times = [row.offset_ns for row in events] if sizes else []
            raw = coded_again(raw, self._coded, sizes, times, changed=changed)
        return raw, events

    def _told_events(self) -> list[EventRow]:
        told = self._events or []
        times = self._times
        if times is None and self._coded is None:
            times = arrivals([len(event.data) for event in told], self._frames)
        if times is None or len(times) != len(told):
            raise ValueError(f"'times' must have a time for each of the {len(told)} events")
        if told and not all(-_INT63 <= time < _INT63 for time in times):
            raise ValueError("'times' go on for too long")
        return [
            EventRow._make((seq, time, event.direction, *event.names, len(event.data), event.opcode))
            for seq, (time, event) in enumerate(zip(times, told, strict=True))
        ]

    def _chunk_sizes(self) -> tuple[int, ...]:
        if self._chunks == "events":
            return tuple([len(event.data) for event in self._events or ()])
        return tuple(_numbers(self._chunks)) if self._chunks != () else ()


def _known(line: Line, *keys: str) -> None:
    for key in line:
        if key not in keys:
            raise ValueError(f"{key!r} is nothing that this version of playhead knows here")


def _only(line: Line, key: str) -> Any:
    _known(line, key)
    return line[key]


def _are_names(names: Sequence[Any]) -> bool:
    name, number, lane = names
    return (
        (name is None or isinstance(name, str))
        and (number is None or (type(number) is int and -_INT63 <= number < _INT63))
        and (lane is None or isinstance(lane, str))
    )


def _patches(line: Line) -> tuple[Patch, ...]:
    patches = line.get("patches", [])
    if not isinstance(patches, list) or not all(map(_is_patch, patches)):
        raise ValueError("each of 'patches' must be a list of where, how many letters go, and what takes their place")
    return tuple([(start, cut, put) for start, cut, put in patches])


def _is_patch(patch: Any) -> bool:
    return isinstance(patch, list) and len(patch) == 3 and type(patch[0]) is int and type(patch[1]) is int and isinstance(patch[2], str)


def _body(key: str, form: str, line: Line) -> bytes:
    _known(line, key, "as", "patches")
    style = line.get("as", USUAL)
    if not isinstance(style, str) or style not in STYLES:
        raise ValueError(f"there is no style {style!r}")
    return restored(Written(form, line[key], style, _patches(line)))


def _manner(value: Any) -> tuple[str, str]:
    framing, _, style = value.partition(" ") if isinstance(value, str) else ("", "", "")
    if framing not in FRAMINGS or style not in STYLES:
        raise ValueError(f"there is no manner {value!r} to write events in")
    return framing, style


def _framed(framing: str, content: Written) -> bytes:
    data = restored(content)
    if framing == "event":
        name = content.value.get("type") if isinstance(content.value, dict) else None
        if not isinstance(name, str):
            raise ValueError("an event that is written with its type must have one")
        return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
    return b"data: " + data + b"\n\n" if framing == "data" else data


def head_lines(head: bytes) -> list[str] | Line:
    """A head as its lines; what is no head as it is."""
    text = head.decode("latin-1")
    return text[:-4].split("\r\n") if text.endswith("\r\n\r\n") else {"text": text}


def head_bytes(value: Any) -> bytes:
    """The bytes of `head_lines`. Raises ValueError."""
    try:
        if isinstance(value, list) and all(isinstance(line, str) for line in value):
            return "\r\n".join([*value, "", ""]).encode("latin-1")
        if isinstance(value, dict) and value.keys() == {"text"} and isinstance(value["text"], str):
            return value["text"].encode("latin-1")
    except UnicodeError:
        raise ValueError("a head has letters that are not of ISO 8859-1, one for each byte") from None
    raise ValueError("a head must be a list of lines")


def _bytes(value: Any) -> bytes:
    if isinstance(value, dict) and len(value) == 1 and (form := next(iter(value))) in _FORMS[1:]:
        return restored(Written(form, value[form]))
    raise ValueError("bytes must be an object with 'text' or 'base64'")


def _numbers(value: Any, least: int = 0) -> list[int]:
    if not isinstance(value, list) or not all(type(number) is int and least <= number < _INT63 for number in value):
        raise ValueError("a list of whole numbers is needed")
    return value


def _frames(value: Any) -> tuple[Frame, ...]:
    if not isinstance(value, dict):
        raise ValueError("'frames' must be an object")
    _known(value, "after", "bytes", "client")
    offsets, lengths = [*accumulate(_numbers(value.get("after"), least=-_INT63))], _numbers(value.get("bytes"))
    client = set(_numbers(value.get("client", [])))
    if len(offsets) != len(lengths) or any(place >= len(offsets) for place in client) or not all(0 <= offset < _INT63 for offset in offsets):
        raise ValueError("'frames' must have as many times as sizes, and those of the client must be among them")
    return tuple([
        Frame(Direction.CLIENT if place in client else Direction.UPSTREAM, offset, length)
        for place, (offset, length) in enumerate(zip(offsets, lengths, strict=True))
    ])  # fmt: skip


def _rows(value: Any) -> list[EventRow]:
    if not isinstance(value, list):
        raise ValueError("'rows' must be a list")
    return [_row(row) for row in value]


def _row(row: Any) -> EventRow:
    if not isinstance(row, list) or len(row) != 8:
        raise ValueError("a row of 'rows' must have eight members")
    offset, direction, *names, size, flags, seq = row
    numbers = (offset, direction, size, flags, seq)
    fits = all(type(number) is int for number in numbers) and direction in (0, 1) and 0 <= size < _INT63 and 0 <= seq < 1 << 31
    if not fits or not -_INT63 <= offset < _INT63 or not 0 <= flags < 1 << 15 or not _are_names(names):
        raise ValueError("a row of 'rows' has something that cannot be")
    return EventRow._make((seq, offset, direction, *names, size, flags))
