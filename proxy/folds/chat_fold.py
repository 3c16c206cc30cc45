"""The chunks of a chat completion, or of a completion from before there was chat, folded into it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playhead.storage.records import ItemRow

from ..models.doors import door
from ..models.wire import Unparsed, Wire, field
from .folding import Fold, as_json, as_object, text_in

if TYPE_CHECKING:  # a worker that forwards loads no models
    from ..models.chat import ChatCompletion, Completion

_TEXTS = frozenset(("content", "refusal", "reasoning", "reasoning_content"))
"""Of a message; a chunk brings the next piece of each."""

_SOUND = frozenset(("data", "transcript"))
"""Of what a message has in `audio`; the same."""

_CHOICE = frozenset(("index", "delta", "message", "text", "finish_reason"))
"""What of a choice is put together otherwise than by the last that was told."""

_OF_CHUNKS = frozenset(("choices", "usage", "obfuscation", "p", "stream_options"))
"""What the chunks say for themselves, or what is put together otherwise."""


class _Call:
    """A tool call. What its function gets comes in pieces."""

    __slots__ = ("fields", "id", "inner", "pieces", "type")

    def __init__(self) -> None:
        self.id: str | None = None
        self.type: str | None = None
        self.inner = "function"
        self.fields: dict[str, Any] = {}  # of the object inside, less the text
        self.pieces: list[str] = []

    @property
    def _text_key(self) -> str:
        return "input" if self.inner == "custom" else "arguments"

    def take(self, call: Any, *, text: bool) -> None:
        self.id, self.type = text_in(call, "id") or self.id, text_in(call, "type") or self.type
        if field(call, "custom") is not None:
            self.inner = "custom"
        self.take_inner(field(call, self.inner), text=text)

    def take_inner(self, inner: Any, *, text: bool) -> None:
        name, before = text_in(inner, "name"), self.fields.get("name")
        if name and name != before:
            self.fields["name"] = (before or "") + name
        piece = text_in(inner, self._text_key)
        if piece and text:
            self.pieces.append(piece)

    def inner_json(self) -> dict[str, Any]:
        return {**self.fields, self._text_key: "".join(self.pieces)}

    def json(self) -> dict[str, Any]:
        told = {"id": self.id, "type": self.type}
        return {key: value for key, value in told.items() if value is not None} | {self.inner: self.inner_json()}


class _Choice:
    """One choice, as far as it has come."""

    __slots__ = ("calls", "fields", "finish_reason", "function", "logprobs", "message", "parts", "texts")

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.texts: dict[str, list[str]] = {}
        self.parts: list[Any] = []  # of a content that is no text
        self.message: dict[str, Any] = {}  # its other fields
        self.fields: dict[str, Any] = {}  # of the choice itself
        self.calls: dict[int, _Call] = {}
        self.function: _Call | None = None  # from before there were tool calls
        self.logprobs: dict[str, Any] = {}

    def take(self, choice: Any, *, text: bool) -> None:
        self.finish_reason = field(choice, "finish_reason") or self.finish_reason
        delta = field(choice, "delta")
        if delta is None:
            delta = field(choice, "message")
        calls = field(delta, "tool_calls")
        if calls and isinstance(calls, list):
            for call in calls:
                self._call(call, text=text)
        if text:
            if delta is None:
                self._text(field(choice, "text"), "text")  # elsewhere it repeats the content
            self._delta(delta)
            self._rest(choice)

    def _call(self, call: Any, *, text: bool) -> None:
        index = field(call, "index")
        if not isinstance(index, int):
            id_ = text_in(call, "id")
            known = [place for place, before in self.calls.items() if id_ is not None and before.id == id_]
            last = max(self.calls, default=-1)
            index = known[0] if known else last + 1 if id_ is not None or last < 0 else last
        found = self.calls.get(index)
        if found is None:
            found = self.calls[index] = _Call()
        found.take(call, text=text)

    def _text(self, piece: Any, key: str) -> None:
        if isinstance(piece, str):
            self.texts.setdefault(key, []).append(piece)
        elif isinstance(piece, list):
            self.parts += as_json(piece)

    def _delta(self, delta: Any) -> None:
        for key, value in _given(delta):
            if key in _TEXTS:
                self._text(value, key)
            elif key == "function_call":
                self.function = self.function or _Call()
                self.function.take_inner(value, text=True)
            elif key != "tool_calls":
                _merge(self.message, key, as_json(value))

    def _rest(self, choice: Any) -> None:
        for key, value in _given(choice):
            if key == "logprobs":
                for name, members in as_object(value).items():
                    _merge(self.logprobs, name, members)
            elif key not in _CHOICE:
                _merge(self.fields, key, as_json(value))

    def json(self, index: int) -> dict[str, Any]:
        whole: dict[str, Any] = {"index": index}
        if "text" in self.texts:
            whole["text"] = "".join(self.texts["text"])
        else:
            whole["message"] = self._message()
        return whole | {"logprobs": self.logprobs or None, "finish_reason": self.finish_reason} | self.fields

    def _message(self) -> dict[str, Any]:
        texts: dict[str, Any] = {key: "".join(pieces) for key, pieces in self.texts.items()}
        if self.parts:
            texts["content"] = _joined(self.parts, texts.get("content"))
        message = {"role": "assistant", "content": None, **self.message, **texts}
        if self.calls:
            message["tool_calls"] = [self.calls[index].json() for index in sorted(self.calls)]
        if self.function is not None:
            message["function_call"] = self.function.inner_json()
        return message

    def state(self) -> dict[str, Any]:
        calls = [*self.calls.items(), *([(None, self.function)] if self.function else [])]
        return {
            "finish_reason": self.finish_reason,
            "texts": {key: "".join(pieces) for key, pieces in self.texts.items()},
            "parts": self.parts,
            "message": self.message,
            "fields": self.fields,
            "calls": [[index, call.id, call.type, call.inner, call.fields, "".join(call.pieces)] for index, call in calls],
            "logprobs": self.logprobs,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> _Choice:
        choice = cls()
        choice.finish_reason, choice.parts, choice.message = state["finish_reason"], list(state["parts"]), dict(state["message"])
        choice.texts = {key: [text] for key, text in state["texts"].items()}
        choice.fields, choice.logprobs = dict(state["fields"]), dict(state["logprobs"])
        for index, id_, type_, inner, fields, text in state["calls"]:
            call = _Call()
            call.id, call.type, call.inner, call.fields, call.pieces = id_, type_, inner, dict(fields), [text]
            if index is None:
                choice.function = call
            else:
                choice.calls[index] = call
        return choice


class ChatFold(Fold["ChatCompletion | Completion"]):
    """Takes the chunks of one completion. Of what they say of the whole, the last that is not empty holds."""

    __slots__ = ("_choices", "_ended", "_error", "_first", "_id", "_last", "_model", "_tier", "_usage")

    def __init__(self, *, text: bool = True) -> None:
        super().__init__(text=text)
        self._first: Wire | dict[str, Any] | None = None
        self._last: Wire | dict[str, Any] | None = None
        self._id = self._model = self._tier = None
        self._usage: Any = None
        self._error: Any = None
        self._choices: dict[int, _Choice] = {}
        self._ended = False

    def add(self, event: Wire) -> None:
        values = event.__dict__
        if "choices" not in values:
            self._count_unknown(None)
            return
        if self._first is None:
            self._first = event
        self._last = event
        self._id = values.get("id") or self._id
        self._model = values.get("model") or self._model
        self._tier = values.get("service_tier") or self._tier
        usage, error = values.get("usage"), values.get("error")
        self._usage = usage or self._usage
        self._error = error or self._error
        choices = values["choices"]
        if choices and isinstance(choices, list):
            for choice in choices:
                if isinstance(choice, dict) or hasattr(choice, "__pydantic_fields_set__"):
                    self._choice(choice)
        elif usage or error:
            self._ended = True

    def end(self) -> None:
        """`[DONE]` came, which ends what has begun."""
        self._ended = self._ended or self._first is not None

    def _choice(self, choice: Any) -> None:
        index = field(choice, "index")
        index = index if isinstance(index, int) else 0
        found = self._choices.get(index)
        if found is None:
            found = self._choices[index] = _Choice()
        found.take(choice, text=self.text)

    @property
    def ended(self) -> bool:
        return self._ended or self._error is not None or (bool(self._choices) and all(choice.finish_reason for choice in self._choices.values()))

    @property
    def id(self) -> str | None:
        return self._id if isinstance(self._id, str) else None

    @property
    def model(self) -> str | None:
        return self._model if isinstance(self._model, str) else None

    @property
    def service_tier(self) -> str | None:
        return self._tier if isinstance(self._tier, str) else None

    @property
    def usage(self) -> dict[str, Any] | None:
        return as_object(self._usage) or None

    @property
    def error(self) -> dict[str, Any] | None:
        return {"message": self._error} if isinstance(self._error, str) else as_object(self._error) or None

    def said(self, name: str) -> Any:
        last = field(self._last, name)
        return as_json(field(self._first, name) if last is None else last)

    @property
    def finish_reasons(self) -> list[str | None]:
        """Of each choice."""
        return [self._choices[index].finish_reason for index in sorted(self._choices)]

    def result(self) -> ChatCompletion | Completion | None:
        if self._first is None:
            return None
        whole: dict[str, Any] = {}
        for chunk in (self._first, self._last):
            whole |= {key: value for key, value in as_object(chunk).items() if key not in _OF_CHUNKS and (value or key not in whole)}
        told = {"id": self._id, "model": self._model, "service_tier": self._tier, "error": self._error}
        whole |= {key: as_json(value) for key, value in told.items() if value is not None}
        whole["choices"] = [self._choices[index].json(index) for index in sorted(self._choices)]
        if self._usage is not None:
            whole["usage"] = as_json(self._usage)
        before_chat = any("text" in choice.texts for choice in self._choices.values())
        whole["object"] = "text_completion" if before_chat else "chat.completion"
        completion: ChatCompletion | Completion | Unparsed = door("Completion" if before_chat else "ChatCompletion")(whole)
        assert not isinstance(completion, Unparsed)  # it is made of an object
        return completion

    def items(self) -> list[ItemRow]:
        """The tool calls of all choices."""
        calls = [choice.calls[place] for _, choice in sorted(self._choices.items()) for place in sorted(choice.calls)]
        return [ItemRow("output", at, call.type, call.id, call.id, call.fields.get("name"), None) for at, call in enumerate(calls)]

    def state(self) -> dict[str, Any]:
        return super().state() | {
            "first": as_json(self._first),
            "last": as_json(self._last),
            "told": [as_json(value) for value in (self._id, self._model, self._tier, self._usage, self._error)],
            "choices": [[index, choice.state()] for index, choice in self._choices.items()],
            "ended": self._ended,
        }

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._first, self._last, self._ended = state["first"], state["last"], state["ended"]
        self._id, self._model, self._tier, self._usage, self._error = state["told"]
        self._choices = {index: _Choice.restore(choice) for index, choice in state["choices"]}


def _given(source: Any) -> list[tuple[str, Any]]:
    """What a model, or JSON, says that is not null."""
    if isinstance(source, dict):
        return [(key, value) for key, value in source.items() if value is not None]
    if not hasattr(source, "__pydantic_fields_set__"):
        return []
    values, extra = source.__dict__, source.__pydantic_extra__
    given = [(name, value) for name in source.__pydantic_fields_set__ if (value := values.get(name)) is not None]
    return [*given, *((key, value) for key, value in extra.items() if value is not None)] if extra else given


def _merge(whole: dict[str, Any], key: str, value: Any) -> None:
    """Lists grow, of objects the fields, sound goes on, of anything else the last holds. What is put in is not changed later."""
    before = whole.get(key)
    if isinstance(value, list):
        whole[key] = [*(before if isinstance(before, list) else ()), *value]
    elif isinstance(value, dict):
        inner = whole[key] = dict(before) if isinstance(before, dict) else {}
        for name, member in value.items():
            _merge(inner, name, member)
    elif key in _SOUND and isinstance(before, str) and isinstance(value, str):
        whole[key] = before + value
    else:
        whole[key] = value


def _joined(parts: list[Any], text: str | None) -> list[Any]:
    """The parts of a content, text that came in a row in one; `text` came outside of parts."""
    found: list[Any] = []
    for part in [*parts, *([{"type": "text", "text": text}] if text else [])]:
        before = found[-1] if found else None
        if isinstance(part, dict) and isinstance(before, dict) and part.get("type") == before.get("type") == "text":
            found[-1] = {**before, "text": f"{before.get('text') or ''}{part.get('text') or ''}"}
        else:
            found.append(part)
    return found
