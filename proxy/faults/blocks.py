"""An answer as faults see it: one event after the other, each whole, wherever the bytes were split; and what each is called. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from pydantic_core import from_json

from .. import sse

Form = Literal["sse", "body", "ws"]
"""What an answer consists of: the events of a stream, one body, the messages of a WebSocket."""

BODY: Final = "body"
"""What a body is called that is no stream."""
_DONE = "done"
_LINE_ENDS = b"\r\n"
_UNTEXT = b"\xff\xfe\x00\xff"


class Block(NamedTuple):
    """One event, with all its bytes. `at`: ns since the exchange's start. `opcode`: of a message."""

    at: int
    data: bytes
    name: str
    opcode: int = 0


class Splitter:
    """Cuts a stream of events behind each of them."""

    def __init__(self) -> None:
        self._decoder = sse.Decoder()
        self._held = b""

    def feed(self, at: int, data: bytes) -> Iterator[Block]:
        """The events that these bytes complete."""
        held = self._held + data
        start = 0
        for event in self._decoder.feed(data):
            yield Block(at, held[start : start + event.size], _name(event.type, event.data))
            start += event.size
        self._held = held[start:]

    def rest(self, at: int) -> Block | None:
        """What the stream ends with, if that is no whole event."""
        held, self._held = self._held, b""
        return Block(at, held, "") if held else None


def message(at: int, data: bytes, opcode: int) -> Block:
    """A message of a WebSocket."""
    return Block(at, data, _name(None, data), opcode)


def _name(type_: str | None, data: bytes) -> str:
    """What an event is called: by its line, its own word for it, or what it is."""
    if type_ is not None:
        return type_
    if data.startswith(b"[DONE]"):
        return _DONE
    try:
        value = from_json(data)
    except ValueError:
        return ""
    if isinstance(value, dict):
        for member in ("type", "object"):
            if isinstance(value.get(member), str):
                return str(value[member])
    return ""


def number_of(block: Block) -> int | None:
    """The `sequence_number` of an event."""
    data = block.data
    for line in data.split(b"\n") if data.startswith((b"event:", b"data:")) else [b"data:" + data]:
        if line.startswith(b"data:"):
            try:
                value = from_json(line[5:].strip())
            except ValueError:
                return None
            number = value.get("sequence_number") if isinstance(value, dict) else None
            return number if isinstance(number, int) else None
    return None


def malformed(data: bytes) -> bytes:
    """The event with broken JSON: what closes it is missing. As long as it was, so that nothing but the JSON is wrong."""
    place = max(data.rfind(b"}"), data.rfind(b"]"))
    if place < 0:
        end = len(data.rstrip(_LINE_ENDS))
        return data[: max(end - 1, 0)] + b"{" + data[end:]
    return data[:place] + b"," + data[place + 1 :]


def garbage(block: Block, form: Form) -> Block:
    """Bytes that are no text, where text is due: an event more, or, in place of a body, as many as it had."""
    if form == "sse":
        return Block(block.at, b"data: " + _UNTEXT * 4 + b"\n\n", "")
    if form == "ws":
        return Block(block.at, _UNTEXT * 4, "", 1)
    return block._replace(data=(_UNTEXT * (len(block.data) // len(_UNTEXT) + 1))[: len(block.data)])


def half(data: bytes) -> bytes:
    """Its first half, at least one byte of more than one."""
    return data[: max(len(data) // 2, 1)] if len(data) > 1 else b""
