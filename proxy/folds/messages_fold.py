"""The events of an Anthropic message folded into it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from playhead.storage.records import ItemRow

from ..models.doors import door
from ..models.wire import Unparsed, Wire, field
from .folding import Fold, as_json, as_object, item_row, short, text_in

if TYPE_CHECKING:  # a worker that forwards loads no models
    from ..models.anthropic import AnthropicMessage

_TEXTS: Mapping[str, tuple[str, str]] = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
    "input_json_delta": ("tool_use", "partial_json"),
    "compaction_delta": ("compaction", "content"),
}
"""By the type of a delta: the type of its block, if its start was lost, and the field with the text; in the block it is called the same."""

_INPUT = "partial_json"  # but for this one: its block gets what the JSON says, as `input`

_SILENT = ("ping", "content_block_stop")
_KNOWN = (*_SILENT, "message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop", "error")


class _Block:
    """One block of content."""

    __slots__ = ("citations", "pieces", "source")

    def __init__(self, source: Any) -> None:
        self.source = source  # as it started: model or JSON
        self.pieces: dict[str, list[str]] = {}
        self.citations: list[Any] = []

    def json(self) -> dict[str, Any]:
        block = as_object(self.source)
        for key, pieces in self.pieces.items():
            text = "".join(pieces)
            if key != _INPUT:
                block[key] = f"{block.get(key) or ''}{text}"
            elif text:
                block["input"] = _input(text, block.get("input"))
        if self.citations:
            before = block.get("citations")
            block["citations"] = [*(before if isinstance(before, list) else ()), *self.citations]
        return block

    def state(self) -> list[Any]:
        return [as_json(self.source), {key: "".join(pieces) for key, pieces in self.pieces.items()}, self.citations]

    @classmethod
    def restore(cls, state: list[Any]) -> _Block:
        block = cls(state[0])
        block.pieces = {key: [text] for key, text in state[1].items()}
        block.citations = list(state[2])
        return block


def _input(text: str, before: Any) -> Any:
    """What the JSON says; what stood there before if it is not whole."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return before


class MessagesFold(Fold["AnthropicMessage"]):
    """Takes the events of one message. Usage: what its start says, and over it what the deltas say, which is cumulative."""

    __slots__ = ("_blocks", "_ended", "_error", "_message", "_stop", "_usage")

    def __init__(self, *, text: bool = True) -> None:
        super().__init__(text=text)
        self._message: Any = None  # as it started
        self._blocks: dict[int, _Block] = {}
        self._stop: dict[str, Any] = {}  # how it ended: fields of the message
        self._usage: dict[str, Any] = {}
        self._error: dict[str, Any] | None = None
        self._ended = False

    def add(self, event: Wire) -> None:
        kind = event.__dict__.get("type")
        if self._ended:
            self._late(kind)
        elif kind == "content_block_delta":
            if self.text:
                self._delta(event)
        elif kind in _SILENT:
            pass
        elif kind == "message_start":
            self._start(event)
        elif kind == "content_block_start":
            self._block(event)
        elif kind == "message_delta":
            self._stop |= {key: value for key, value in as_object(field(event, "delta")).items() if value is not None}
            self._count(field(event, "usage"))
        elif kind == "message_stop":
            self._ended = True
        elif kind == "error":
            self._error, self._ended = as_object(field(event, "error")), True
        else:
            self._count_unknown(kind)

    def _late(self, kind: Any) -> None:
        if kind not in _KNOWN:
            self._count_unknown(kind)
        elif kind != "ping":
            self._notes.add(f"{kind} comes after the end")

    def _start(self, event: Wire) -> None:
        if self._message is not None:
            self._notes.add("message_start comes again")
        message = field(event, "message")
        if isinstance(message, Wire | dict):
            self._message = message
            self._count(field(message, "usage"))

    def _count(self, usage: Any) -> None:
        self._usage |= {key: value for key, value in as_object(usage).items() if value is not None}

    def _block(self, event: Wire) -> None:
        index = self._index(event)
        if index in self._blocks:
            self._notes.add(f"block {index} starts again")
        self._blocks[index] = _Block(field(event, "content_block"))

    def _index(self, event: Wire) -> int:
        index = field(event, "index")
        return index if isinstance(index, int) else max(self._blocks, default=0)

    def _delta(self, event: Wire) -> None:
        delta = field(event, "delta")
        kind = text_in(delta, "type") or ""
        block = self._blocks.get(self._index(event))
        if block is None:
            self._notes.add(f"block {self._index(event)} begins with {short(kind)}")
            block = self._blocks[self._index(event)] = _Block({"type": _TEXTS[kind][0]} if kind in _TEXTS else {})
        if kind in _TEXTS:
            key = _TEXTS[kind][1]
            piece = text_in(delta, key)
            if piece is not None:
                block.pieces.setdefault(key, []).append(piece)
        elif kind == "citations_delta":
            block.citations.append(as_json(field(delta, "citation")))
        else:
            self._count_unknown(f"content_block_delta {kind}")

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def id(self) -> str | None:
        return text_in(self._message, "id")

    @property
    def model(self) -> str | None:
        return text_in(self._message, "model")

    @property
    def stop_reason(self) -> str | None:
        return text_in(self._stop, "stop_reason") or text_in(self._message, "stop_reason")

    @property
    def service_tier(self) -> str | None:
        return text_in(self._usage, "service_tier")

    @property
    def usage(self) -> dict[str, Any] | None:
        return self._usage or None

    @property
    def error(self) -> dict[str, Any] | None:
        return self._error

    def said(self, name: str) -> Any:
        return self._stop[name] if name in self._stop else as_json(field(self._message, name))

    def result(self) -> AnthropicMessage | None:
        if self._message is None and not self._blocks and not self._stop:
            return None
        whole = as_object(self._message)
        if self._blocks:
            started = whole.get("content")
            before = dict(enumerate(started)) if isinstance(started, list) else {}
            blocks = before | {index: block.json() for index, block in self._blocks.items()}
            whole["content"] = [blocks[index] for index in sorted(blocks)]
        whole |= self._stop
        if self._usage:
            whole["usage"] = dict(self._usage)
        message: AnthropicMessage | Unparsed = door("AnthropicMessage")(whole)
        assert not isinstance(message, Unparsed)  # it is made of an object
        return message

    def items(self) -> list[ItemRow]:
        """The calls of tools and their results; the id of a call is its call_id too. Texts have neither."""
        rows = [item_row(index, self._blocks[index].source) for index in sorted(self._blocks)]
        told = [row._replace(call_id=row.id or text_in(self._blocks[row.position].source, "tool_use_id")) for row in rows]
        return [row for row in told if row.call_id is not None]

    def state(self) -> dict[str, Any]:
        return super().state() | {
            "message": as_json(self._message),
            "blocks": [[index, block.state()] for index, block in self._blocks.items()],
            "stop": self._stop,
            "usage": self._usage,
            "error": self._error,
            "ended": self._ended,
        }

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._message, self._error, self._ended = state["message"], state["error"], state["ended"]
        self._blocks = {index: _Block.restore(block) for index, block in state["blocks"]}
        self._stop, self._usage = dict(state["stop"]), dict(state["usage"])
