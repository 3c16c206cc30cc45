"""How one output item of a Response grows, event by event. Pure.

The pieces of a text are gathered in lists and joined when someone asks. Lists inside an item are kept by index while they grow, so that a part whose
beginning was lost stands at its place all the same, and an absurd index costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..models.wire import field
from .folding import as_json, as_object, text_in

Pieces = dict[tuple[str, Any], list[Any]]


class Growth(NamedTuple):
    """Where the text goes that a kind of events brings."""

    item: str
    """The type of the item, in case only its deltas came."""
    key: str
    """The field with the text: of the part, or of the item itself."""
    parts: str | None = None
    """The item's list that the part is in."""
    where: str = ""
    """The event's field that tells which part."""
    part: str | None = None
    """The type of the part."""


TEXTS: Mapping[str, Growth] = {
    "response.output_text": Growth("message", "text", "content", "content_index", "output_text"),
    "response.refusal": Growth("message", "refusal", "content", "content_index", "refusal"),
    "response.reasoning_text": Growth("reasoning", "text", "content", "content_index", "reasoning_text"),
    "response.reasoning_summary_text": Growth("reasoning", "text", "summary", "summary_index", "summary_text"),
    "response.function_call_arguments": Growth("function_call", "arguments"),
    "response.mcp_call_arguments": Growth("mcp_call", "arguments"),
    "response.custom_tool_call_input": Growth("custom_tool_call", "input"),
    "response.code_interpreter_call_code": Growth("code_interpreter_call", "code"),
    "response.shell_call_command": Growth("shell_call", "command", "commands", "command_index"),
}
"""By the events' type without its last word; all of them come as `.delta` and as `.done`."""

SHELL_OUTPUT = "response.shell_call_output_content"
"""The same for what commands print; its deltas are objects."""

_STREAMS = ("stdout", "stderr")


class Item:
    """One output item. What the events gave is kept as it came until something grows on it."""

    __slots__ = ("_grown", "_lists", "_source", "begun", "done", "index", "pieces", "status")

    def __init__(self, index: int, source: Any, *, begun: bool) -> None:
        self.index = index
        self.begun = begun  # output_item.added has come
        self.done = False  # output_item.done has come
        self.status: str | None = None  # newer than the source's
        self.pieces: Pieces = {}  # by kind of events and index of the part: what deltas brought since the last settling
        self._source = source  # a model, or JSON
        self._grown: dict[str, Any] | None = None  # the same, growing
        self._lists: dict[str, dict[int, Any]] = {}  # of it: the lists that grow

    @property
    def newest(self) -> Any:
        """Model or JSON, right in all that does not grow."""
        return self._source if self._grown is None else self._grown

    def finish(self, source: Any) -> None:
        """output_item.done: what it says holds."""
        self._source, self._grown, self._lists, self.status = source, None, {}, None
        self.pieces, self.done = {}, True

    def stands(self) -> dict[str, Any]:
        """The item as JSON. Values inside are shared and not to be changed."""
        self.settle()
        if self._grown is None:
            item = as_object(self._source)
        else:
            item = dict(self._grown)
            for name, members in self._lists.items():
                whole = [members[index] for index in sorted(members)]
                if name == "commands":
                    item["action"] = {**as_object(item.get("action")), name: whole}
                else:
                    item[name] = whole
        if self.status is not None:
            item["status"] = self.status
        return item

    def settle(self) -> None:
        """Join the pieces that were gathered."""
        if not self.pieces:
            return
        pieces, self.pieces = self.pieces, {}
        for (kind, index), gathered in pieces.items():
            self._join(kind, index, gathered)

    def _join(self, kind: str, index: Any, gathered: list[Any]) -> None:
        if kind == "logprobs":
            self._logprobs(index, gathered)
        elif kind == SHELL_OUTPUT:
            for delta in gathered:
                for stream in _STREAMS:
                    self._append(_shell_output(stream), index, text_in(delta, stream) or "")
        else:
            self._append(TEXTS[kind], index, "".join(piece for piece in gathered if isinstance(piece, str)))

    def _append(self, growth: Growth, index: Any, text: str) -> None:
        if text:
            before = self.text(growth, index)
            self.put(growth, index, before + text if before else text)

    def _logprobs(self, index: Any, gathered: list[Any]) -> None:
        growth = TEXTS["response.output_text"]
        part = as_object(self._part(growth, index))
        before = part.get("logprobs")
        found = [as_json(each) for members in gathered if isinstance(members, list) for each in members]
        self.set_part("content", index, {"type": growth.part, **part, "logprobs": [*(before if isinstance(before, list) else ()), *found]})

    def text(self, growth: Growth, index: Any) -> str | None:
        """The text there; the pieces not counted that are not settled yet."""
        if growth.parts is None:
            return text_in(self._json(), growth.key)
        part = self._part(growth, index)
        if growth.key == "command":
            return part if isinstance(part, str) else None
        return text_in(part, growth.key)

    def put(self, growth: Growth, index: Any, text: str) -> None:
        """Set the text there."""
        if growth.parts is None:
            self._json()[growth.key] = text
        elif growth.key == "command":
            self.set_part(growth.parts, index, text)
        else:
            part = as_object(self._part(growth, index)) or ({"type": growth.part} if growth.part else {})
            self.set_part(growth.parts, index, {**part, growth.key: text})

    def set_part(self, parts: str, index: Any, part: Any) -> None:
        """Set a member of one of its lists."""
        members = self._list(parts)
        members[_place(index, members)] = part

    def set_fields(self, fields: Mapping[str, Any]) -> None:
        self._json().update(fields)

    def part(self, parts: str, index: Any) -> Any:
        """A member of one of its lists, as JSON; None if it is not there."""
        members = self._list(parts)
        return members.get(_place(index, members))

    def annotate(self, index: Any, at: Any, annotation: Any) -> None:
        """response.output_text.annotation.added."""
        part = as_object(self.part("content", index)) or {"type": "output_text"}
        before = part.get("annotations")
        annotations = list(before) if isinstance(before, list) else []
        if isinstance(at, int) and 0 <= at < len(annotations):
            annotations[at] = annotation
        else:
            annotations.append(annotation)
        self.set_part("content", index, {**part, "annotations": annotations})

    def _part(self, growth: Growth, index: Any) -> Any:
        return self.part(growth.parts, index) if growth.parts is not None else None

    def _json(self) -> dict[str, Any]:
        if self._grown is None:
            self._grown = as_object(self._source)
        return self._grown

    def _list(self, name: str) -> dict[int, Any]:
        members = self._lists.get(name)
        if members is None:
            item = self._json()
            before = field(item.get("action"), name) if name == "commands" else item.get(name)
            members = self._lists[name] = dict(enumerate(before)) if isinstance(before, list) else {}
        return members

    def state(self) -> dict[str, Any]:
        return {"index": self.index, "begun": self.begun, "done": self.done, "status": self.status, "item": self._settled(), "lists": self._places()}

    def _settled(self) -> dict[str, Any]:
        self.settle()
        return as_object(self.newest)

    def _places(self) -> dict[str, list[list[Any]]]:
        return {name: [[index, member] for index, member in members.items()] for name, members in self._lists.items()}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Item:
        item = cls(state["index"], state["item"], begun=state["begun"])
        item.done, item.status = state["done"], state["status"]
        if state["lists"]:
            item._grown = dict(state["item"])
            item._lists = {name: dict(places) for name, places in state["lists"].items()}
        return item


def _shell_output(stream: str) -> Growth:
    return Growth("shell_call_output", stream, "output", "command_index")


def _place(index: Any, members: Mapping[int, Any]) -> int:
    """The index that an event tells; the last one where it tells none."""
    if isinstance(index, int) and index >= 0:
        return index
    return max(members, default=0)
