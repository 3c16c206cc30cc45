"""Unfolds one output item of a Response into the events that tell it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]

MOST_DELTAS = 200
"""A longer text comes in as many deltas, all the longer."""

_WORD = re.compile(r"\s*\S{1,24}|\s+")
_UNDONE = ("in_progress", "queued", "searching", "generating", "interpreting", "calling")
_STREAMS = ("stdout", "stderr")

_EMPTY: Mapping[str, Mapping[str, Any]] = {
    "message": {"content": []},
    "reasoning": {"summary": [], "content": []},
    "function_call": {"arguments": ""},
    "custom_tool_call": {"input": ""},
    "mcp_call": {"arguments": "", "output": None, "error": None},
    "mcp_list_tools": {"tools": [], "error": None},
    "file_search_call": {"queries": [], "results": None},
    "code_interpreter_call": {"code": "", "outputs": None},
    "image_generation_call": {"result": None, "error": None, "revised_prompt": None, "svg_usage": None},
    "shell_call_output": {"output": []},
}
"""What items have as they begin, where they have a value at all."""

_LATER: Mapping[str, tuple[str, ...]] = {"reasoning": ("encrypted_content",), "web_search_call": ("action",)}
"""What items do not have as they begin."""


def unfold_item(events: list[Json], index: int, item: Json, *, response_ended: bool) -> None:
    """Add the events of the item at that `output_index`. Of one that is not done in a Response that goes on, all that is known is how it stands."""
    telling = _Telling(events, index, item)
    if not response_ended and item.get("status") in _UNDONE:
        telling.add("output_item.added", output_index=index, item=item)
        return
    telling.add("output_item.added", output_index=index, item=_begun(item))
    tell = _TELLERS.get(telling.type)
    if tell is not None:
        tell(telling)
    telling.add("output_item.done", output_index=index, item=item)


def _begun(item: Json) -> Json:
    """The item as it is when it begins."""
    type_ = item.get("type")
    kind = type_ if isinstance(type_, str) else ""
    begun = {name: value for name, value in item.items() if name not in _LATER.get(kind, ())}
    if isinstance(item.get("status"), str):
        begun["status"] = "in_progress"
    begun |= {name: value for name, value in _EMPTY.get(kind, {}).items() if item.get(name) is not None}
    if kind == "shell_call" and _commands(item):
        begun["action"] = item["action"] | {"commands": []}
    return begun


class _Telling:
    """Adds events of one item."""

    def __init__(self, events: list[Json], index: int, item: Json) -> None:
        self.item = item
        type_ = item.get("type")
        self.type = type_ if isinstance(type_, str) else ""
        self._events = events
        self._index = index
        named = (item.get(name) for name in ("id", "call_id"))
        self._id = next((name for name in named if isinstance(name, str)), "")
        self._agent = {"agent": item["agent"]} if "agent" in item else {}

    def add(self, kind: str, **fields: Any) -> None:
        """An event of the response."""
        self._events.append({"type": f"response.{kind}", "sequence_number": len(self._events), **fields, **self._agent})

    def grow(self, kind: str, **fields: Any) -> None:
        """An event that names the item."""
        self.add(kind, item_id=self._id, output_index=self._index, **fields)

    def grow_at_index(self, kind: str, **fields: Any) -> None:
        """An event that tells the item's place only."""
        self.add(kind, output_index=self._index, **fields)

    def text(self, kind: str, key: str, text: str, **where: int) -> None:
        """A text that comes in deltas; `key`: what it is called at its end."""
        for piece in pieces(text):
            self.grow(f"{kind}.delta", **where, delta=piece)
        self.grow(f"{kind}.done", **where, **{key: text})

    def steps(self, *names: str) -> None:
        """How a call of the provider's goes on."""
        for name in names:
            self.grow(f"{self.type}.{name}")

    def end(self) -> None:
        """How the call ended, as far as there is an event for it."""
        if self.item.get("status", "completed") == "completed":
            self.steps("completed")


def pieces(text: str) -> list[str]:
    """A text in pieces of about a word each; the pieces together are the text."""
    return _grouped(_WORD.findall(text))


def _grouped(words: list[str]) -> list[str]:
    each = -(-len(words) // MOST_DELTAS)
    return words if each < 2 else ["".join(words[start : start + each]) for start in range(0, len(words), each)]


def _objects(value: Any) -> list[Json] | None:
    """The value, if it is a list of objects and nothing else."""
    return value if isinstance(value, list) and all(isinstance(member, dict) for member in value) else None


# Messages and reasoning.


def _message(telling: _Telling) -> None:
    for at, part in enumerate(_objects(telling.item.get("content")) or ()):
        _part(telling, at, part)


def _part(telling: _Telling, at: int, part: Json) -> None:
    """A member of an item's `content`."""
    kind, key = _PARTS.get(part["type"], ("", "")) if isinstance(part.get("type"), str) else ("", "")
    text = part.get(key) if key else None
    if not isinstance(text, str):
        telling.grow("content_part.added", content_index=at, part=part)
    else:
        empty: Json = {key: "", **{name: [] for name in ("annotations", "logprobs") if isinstance(part.get(name), list)}}
        telling.grow("content_part.added", content_index=at, part=part | empty)
        if kind == "output_text":
            _output_text(telling, at, part, text)
        else:
            telling.text(kind, key, text, content_index=at)
    telling.grow("content_part.done", content_index=at, part=part)


_PARTS: Mapping[str, tuple[str, str]] = {
    "output_text": ("output_text", "text"),
    "refusal": ("refusal", "refusal"),
    "reasoning_text": ("reasoning_text", "text"),
}
"""By the type of a part, what its events are called, and its field with the text."""


def _output_text(telling: _Telling, at: int, part: Json, text: str) -> None:
    logprobs = [_in_events(each) for each in _objects(part.get("logprobs")) or ()]
    for piece, probabilities in _with_logprobs(text, logprobs):
        telling.grow("output_text.delta", content_index=at, delta=piece, logprobs=probabilities)
    annotations = part.get("annotations")
    for place, annotation in enumerate(annotations if isinstance(annotations, list) else ()):
        telling.grow("output_text.annotation.added", content_index=at, annotation_index=place, annotation=annotation)
    telling.grow("output_text.done", content_index=at, text=text, logprobs=logprobs)


def _in_events(logprob: Json) -> Json:
    """A log probability as events have it: without bytes."""
    plain = {name: value for name, value in logprob.items() if name != "bytes"}
    if tops := _objects(plain.get("top_logprobs")):
        plain["top_logprobs"] = [{name: value for name, value in top.items() if name != "bytes"} for top in tops]
    return plain


def _with_logprobs(text: str, logprobs: Sequence[Json]) -> list[tuple[str, Sequence[Json]]]:
    """The pieces of a text, token by token if that is what the log probabilities tell; else without these."""
    tokens = [token if isinstance(token := each.get("token"), str) else "" for each in logprobs]
    if not text or "".join(tokens) != text:
        return [(piece, []) for piece in pieces(text)]
    each = -(-len(tokens) // MOST_DELTAS)
    return [("".join(tokens[start : start + each]), logprobs[start : start + each]) for start in range(0, len(tokens), each)]


def _reasoning(telling: _Telling) -> None:
    for at, part in enumerate(_objects(telling.item.get("summary")) or ()):
        text = part.get("text")
        telling.grow("reasoning_summary_part.added", summary_index=at, part=part | {"text": ""} if isinstance(text, str) else part)
        if isinstance(text, str):
            telling.text("reasoning_summary_text", "text", text, summary_index=at)
        telling.grow("reasoning_summary_part.done", summary_index=at, part=part)
    _message(telling)


# Calls that the client answers.


def _whole_text(kind: str, key: str) -> Callable[[_Telling], None]:
    def tell(telling: _Telling) -> None:
        text = telling.item.get(key)
        if isinstance(text, str):
            telling.text(kind, key, text)

    return tell


def _commands(item: Json) -> list[str]:
    action = item.get("action")
    commands = action.get("commands") if isinstance(action, dict) else None
    return commands if isinstance(commands, list) and all(isinstance(command, str) for command in commands) else []


def _shell(telling: _Telling) -> None:
    for at, command in enumerate(_commands(telling.item)):
        telling.grow_at_index("shell_call_command.added", command_index=at, command="")
        for piece in pieces(command):
            telling.grow_at_index("shell_call_command.delta", command_index=at, delta=piece)
        telling.grow_at_index("shell_call_command.done", command_index=at, command=command)


def _shell_output(telling: _Telling) -> None:
    for at, output in enumerate(_objects(telling.item.get("output")) or ()):
        for stream in _STREAMS:
            text = output.get(stream)
            for piece in pieces(text) if isinstance(text, str) else ():
                telling.grow("shell_call_output_content.delta", command_index=at, delta={stream: piece})
        telling.grow("shell_call_output_content.done", command_index=at, output=[output])


# Calls that the provider answers.


def _steps(*names: str) -> Callable[[_Telling], None]:
    def tell(telling: _Telling) -> None:
        telling.steps(*names)
        telling.end()

    return tell


def _code_interpreter(telling: _Telling) -> None:
    telling.steps("in_progress")
    _CODE(telling)
    telling.steps("interpreting")
    telling.end()


def _mcp_call(telling: _Telling) -> None:
    telling.steps("in_progress")
    _MCP_ARGUMENTS(telling)
    _mcp_end(telling)


def _mcp_list_tools(telling: _Telling) -> None:
    telling.steps("in_progress")
    _mcp_end(telling)


def _mcp_end(telling: _Telling) -> None:
    item = telling.item
    if item.get("status") == "failed" or item.get("error") is not None:
        telling.steps("failed")
    elif item.get("status") in (None, "completed"):
        telling.steps("completed")


_CODE = _whole_text("code_interpreter_call_code", "code")
_MCP_ARGUMENTS = _whole_text("mcp_call_arguments", "arguments")

_TELLERS: Mapping[str, Callable[[_Telling], None]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _whole_text("function_call_arguments", "arguments"),
    "custom_tool_call": _whole_text("custom_tool_call_input", "input"),
    "shell_call": _shell,
    "shell_call_output": _shell_output,
    "web_search_call": _steps("in_progress", "searching"),
    "file_search_call": _steps("in_progress", "searching"),
    "image_generation_call": _steps("in_progress", "generating"),
    "code_interpreter_call": _code_interpreter,
    "mcp_call": _mcp_call,
    "mcp_list_tools": _mcp_list_tools,
    "compaction": lambda telling: telling.grow("compaction.compacting"),
}
"""What tells the middle of an item, by its type; items of other types have a beginning and an end only."""
