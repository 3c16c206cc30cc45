"""The small reader: finds what the listings show in requests, answers and events, without models of them.

Only what is needed is looked at: the terminal event of a stream, of the others type and sequence number by their bytes. Garbage is read as nothing;
nothing here raises. The wire models of a later issue replace it; `Facts` is the seam.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from pydantic_core import SchemaValidator, ValidationError, core_schema, to_json

from playhead.storage.records import Facts

_MAX_TEXT = 1024
_MAX_LENIENT = 16 << 20
_PLAIN_DEPTH = 8
_UNUSUAL = (b"[", b"\\", b"NaN", b"Inf")  # in the text of what may be no plain JSON: depth, escapes, numbers that are none

_DEPLOYMENT = re.compile(r"/deployments/[^/]+")
_CHAT = re.compile(r"/chat/completions(?:/|$)")
_VERSION = re.compile(r"/v\d+[a-z]*(?=/)")
_FAMILY = re.compile(
    r"/(responses|embeddings|images|audio|realtime|live|messages"
    r"|threads|assistants|conversations|organization|models|files|fine_tuning|evals|batches|containers|vector_stores|uploads|skills|agents)(?=/|$)"
)
_KINDS: Mapping[str, str] = {name: name for name in ("responses", "embeddings", "images", "audio", "realtime", "messages")} | {"live": "realtime"}


def kind_of(path: str) -> str:
    """The kind of an exchange by its target: what follows the version, wherever the API is mounted. `other` for what has no kind."""
    return _kind(path.partition("?")[0][:_MAX_TEXT])


@lru_cache(256)
def _kind(path: str) -> str:
    path = _DEPLOYMENT.sub("", path)
    if _CHAT.search(path):
        return "chat.completions"
    versions = list(_VERSION.finditer(path))
    family = _FAMILY.search(path, versions[-1].end() if versions else 0)
    return _KINDS.get(family[1], "other") if family else "other"


# Objects. Fields that are not asked for are skipped by the parser without making Python objects of them.


def _object(*names: str, **nested: core_schema.CoreSchema) -> core_schema.CoreSchema:
    fields = {name: core_schema.typed_dict_field(core_schema.any_schema(), required=False) for name in names}
    for name, schema in nested.items():
        lenient = core_schema.with_default_schema(schema, default=None, on_error="default")
        fields[name] = core_schema.typed_dict_field(lenient, required=False)
    return core_schema.typed_dict_schema(fields, extra_behavior="ignore")


_ECHOED = ("model", "previous_response_id", "prompt_cache_key", "user")
_ANSWER_FIELDS = ("id", "object", "type", "status", "service_tier", "usage", "error", "code", "status_details", *_ECHOED)
_REQUEST = SchemaValidator(_object(*_ECHOED, session=_object("model")))
REQUEST_FIELDS = (*_ECHOED, "session")
"""What `read_request` wants of a request."""
_ANSWER = SchemaValidator(_object(*_ANSWER_FIELDS))
_EVENT = SchemaValidator(
    _object(
        *_ANSWER_FIELDS,
        "sequence_number",
        "stream_id",
        response=_object(*_ANSWER_FIELDS),
        message=_object(*_ANSWER_FIELDS),
        session=_object("model"),
    )
)


def _parse(validator: SchemaValidator, text: bytes) -> tuple[dict[str, Any], bool]:
    """The fields found, and whether the text is JSON."""
    try:
        return validator.validate_json(text), True
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid":
            return {}, True
    if len(text) > _MAX_LENIENT:
        return {}, False
    try:  # half a surrogate pair, say, is JSON for most clients
        found = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}, False
    return (validator.validate_python(found) if isinstance(found, dict) else {}), True


def text_of(value: Any) -> str | None:
    """A value as a text that any database takes; None for what is none, or empty."""
    if not isinstance(value, str) or not value:
        return None
    text = value[:_MAX_TEXT]
    return text if text.isascii() and "\0" not in text else text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _plain(value: Any, depth: int = 0) -> Any:
    """JSON that any database takes."""
    if isinstance(value, str):
        return text_of(value) or ""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict | list) and depth >= _PLAIN_DEPTH:
        return None
    if isinstance(value, dict):
        return {text_of(key) or "": _plain(member, depth + 1) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member, depth + 1) for member in value]
    return value


def _plain_usage(usage: dict[str, Any]) -> dict[str, Any]:
    """As `_plain`; nearly all are so already, and their text tells."""
    try:
        text = to_json(usage, inf_nan_mode="constants")
    except ValueError:
        text = b""
    if 0 < len(text) < _MAX_TEXT and text.isascii() and text.count(b"{") <= _PLAIN_DEPTH and not any(sign in text for sign in _UNUSUAL):
        return usage
    plain: dict[str, Any] = _plain(usage)
    return plain


# Requests.

_FORM_MODEL = re.compile(rb'name="?model"?[ \t]*(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]{1,200})\r\n')
_FORM_EDGE = 1 << 16


def request_fields(body: bytes, content_type: bytes) -> dict[str, Any]:
    """What a whole request body says; a form's file parts are not looked through."""
    if content_type[:10].lower() == b"multipart/":
        found = _FORM_MODEL.search(body, 0, _FORM_EDGE) or _FORM_MODEL.search(body, max(0, len(body) - _FORM_EDGE))
        return {"model": found[1].decode("utf-8", "replace")} if found else {}
    return _parse(_REQUEST, body)[0] if body else {}


def read_request(facts: Facts, fields: dict[str, Any], path: str) -> None:
    """Take what the request says."""
    session = fields.get("session")
    model = fields.get("model") or (session.get("model") if isinstance(session, dict) else None)
    if model is None and facts.kind == "realtime" and "?" in path:
        model = parse_qs(path.partition("?")[2], max_num_fields=None).get("model", [None])[0]
    facts.model = text_of(model)
    facts.previous_response_id = text_of(fields.get("previous_response_id"))
    facts.prompt_cache_key = text_of(fields.get("prompt_cache_key"))
    facts.user = text_of(fields.get("user"))


# Answers.


def answer_fields(body: bytes) -> tuple[dict[str, Any], bool]:
    """What a whole JSON body says, and whether it is JSON."""
    return _parse(_ANSWER, body)


def read_answer(facts: Facts, fields: dict[str, Any]) -> None:
    """Take what the object of an answer says: a Response, a chat completion, a message, a list, an error."""
    facts.model = text_of(fields.get("model")) or facts.model
    facts.previous_response_id = facts.previous_response_id or text_of(fields.get("previous_response_id"))
    facts.prompt_cache_key = facts.prompt_cache_key or text_of(fields.get("prompt_cache_key"))
    facts.user = facts.user or text_of(fields.get("user"))
    kind, usage = facts.kind, fields.get("usage")
    if kind in ("responses", "chat.completions", "realtime") or (kind == "messages" and fields.get("type") == "message"):
        facts.response_id = text_of(fields.get("id")) or facts.response_id
    if kind in ("responses", "realtime"):
        facts.response_status = text_of(fields.get("status")) or facts.response_status
    tier = fields.get("service_tier")
    if isinstance(usage, dict) and usage:
        facts.usage = _plain_usage(usage)
        tier = tier or usage.get("service_tier")
    facts.service_tier = text_of(tier) or facts.service_tier
    facts.error_code = _error_code(fields) or facts.error_code


def _error_code(fields: dict[str, Any]) -> str | None:
    """The code of an error, or its type where it has no code."""
    details = fields.get("status_details")
    error = fields.get("error") or (details.get("error") if isinstance(details, dict) else None)
    if isinstance(error, dict):
        return _code(error.get("code")) or text_of(error.get("type"))
    return (_code(fields.get("code")) or "error") if isinstance(error, str) and error else None


def _code(value: Any) -> str | None:
    """Some servers have numbers for codes."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(value)


# Events.

_TYPE = re.compile(rb'\s*\{\s*"type"\s*:\s*"([^"\\\x00-\x1f]{1,200})"(?:\s*,\s*"sequence_number"\s*:\s*(\d{1,18})\s*[,}])?')
_USUAL_NUMBER = re.compile(rb'\{"type":"[^"]*","sequence_number":(\d{1,18})[,}]')
_NUMBER = re.compile(rb'"sequence_number"\s*:\s*(\d{1,18})\s*[,}]')
_STREAM = re.compile(rb'"stream_id"\s*:\s*"([^"\\\x00-\x1f]{1,256})"\s*[,}]')
_MEMBER_TYPE = re.compile(rb'"type"\s*:\s*"([^"\\\x00-\x1f]{1,200})"\s*[,}]')


def event_type(data: bytes) -> tuple[str | None, int | None]:
    """Type and sequence number of an event without a name, from its JSON; None for what it does not say."""
    found = _TYPE.match(data)
    if found is None:
        kind = _member(data, b'"type"', _MEMBER_TYPE, "type")
        return (kind if isinstance(kind, str) else None), sequence_number(data)
    name = found[1].decode("utf-8", "replace")
    return name, int(found[2]) if found[2] else sequence_number(data)


def sequence_number(data: bytes) -> int | None:
    """The sequence number of an event, from its JSON."""
    if found := _USUAL_NUMBER.match(data):
        return int(found[1])
    number = _member(data, b'"sequence_number"', _NUMBER, "sequence_number")
    if isinstance(number, str) and number.isdecimal() and len(number) <= 18:
        return int(number)
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 10**18 else None


def stream_id(data: bytes) -> str | None:
    """The lane of a WebSocket event, from its JSON."""
    return text_of(_member(data, b'"stream_id"', _STREAM, "stream_id"))


def _member(data: bytes, key: bytes, pattern: re.Pattern[bytes], name: str) -> Any:
    """The value of a member of the outer object. In JSON these bytes are always a key, or a value that no colon follows.

    It belongs to the outer object if no other one was opened before it, or none is closed behind it; where that cannot be seen, all is parsed.
    """
    at = data.find(key)
    if at < 0:
        return None
    found = pattern.match(data, at)
    if found is not None:
        if data.count(b"{", 0, at) == 1:
            return found[1].decode("utf-8", "replace")
        close = data.find(b"}", at)
        if close >= 0 and not data[close + 1 :].strip():
            return found[1].decode("utf-8", "replace")
    return _parse(_EVENT, data)[0].get(name)


_FIRST, _LAST, _USAGE, _SESSION = "first", "last", "usage", "session"
_LIFECYCLE, _DELTA, _ERROR, _TERMINAL = "lifecycle", "delta", "error", "terminal"
_ROLES: Mapping[str, str] = {
    "response.created": _LIFECYCLE,
    "response.queued": _LIFECYCLE,
    "response.in_progress": _LIFECYCLE,
    "message_start": _LIFECYCLE,
    "message_delta": _DELTA,
    "response.completed": _TERMINAL,
    "response.failed": _TERMINAL,
    "response.incomplete": _TERMINAL,
    "response.done": _TERMINAL,
    "message_stop": _TERMINAL,
    "image_generation.completed": _TERMINAL,
    "image_edit.completed": _TERMINAL,
    "transcript.text.done": _TERMINAL,
    "speech.audio.done": _TERMINAL,
    "session.closed": _TERMINAL,
    "error": _ERROR,
    "session.created": _SESSION,
    "session.updated": _SESSION,
    "session.started": _SESSION,
}
TELLING = frozenset(b"event: " + event.encode() for event in _ROLES)
"""Lines of the types of events that `EventReader` wants to see; of the others it needs only those without a type."""

_USAGE_OBJECT = re.compile(rb'"usage"\s*:\s*\{')
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"')


class EventReader:
    """Remembers, of the events of one exchange, those that tell its facts; they are parsed when asked for."""

    __slots__ = ("_kept", "ended")

    def __init__(self) -> None:
        self._kept: dict[str, bytes | dict[str, Any]] = {}  # by role: the event, or what it says
        self.ended = False  # what ends a stream was seen, and nothing has begun since

    def see(self, event: str | None, data: bytes) -> None:
        """One event of upstream, in order."""
        role = _ROLES.get(event) if event else None
        if role is not None:
            if role is _LIFECYCLE:
                self.ended = False
                self._kept.pop(_ERROR, None)  # of the response before, on a WebSocket
            elif role is _TERMINAL or role is _ERROR:
                self.ended = True
            self._kept[role] = data
        elif event is None and data:
            self._chunk(data)

    def _chunk(self, data: bytes) -> None:
        """An event without a type: a chunk of a completion, or `[DONE]`."""
        if data[:6] == b"[DONE]":
            self.ended = self.ended or _FIRST in self._kept
            return
        self._kept.setdefault(_FIRST, data)
        self._kept[_LAST] = data
        if data.find(b'"usage"') >= 0 and _USAGE_OBJECT.search(data):
            self._kept[_USAGE] = data
            self.ended = True
        elif not self.ended and _FINISHED.search(data):
            self.ended = True

    def read(self, facts: Facts) -> bool:
        """Take what they say; False if the event that ends the stream is not JSON."""
        sound = True
        for role in (_FIRST, _LAST, _USAGE, _SESSION, _LIFECYCLE, _DELTA, _ERROR, _TERMINAL):
            if role in self._kept:
                fields = self._fields(role)
                sound = bool(fields) or role is not _TERMINAL
                self._take(facts, role, fields)
        return sound

    def _take(self, facts: Facts, role: str, fields: dict[str, Any]) -> None:
        inner = fields.get("response") or fields.get("message")
        if isinstance(inner, dict):
            read_answer(facts, inner)
        elif role is _SESSION:
            session = fields.get("session")
            facts.model = text_of(session.get("model") if isinstance(session, dict) else None) or facts.model
        elif role is _ERROR:
            facts.error_code = _error_code(fields) or _code(fields.get("code")) or facts.error_code or "error"
        elif role is _DELTA:
            usage = fields.get("usage")
            given = {key: value for key, value in usage.items() if value is not None} if isinstance(usage, dict) else {}
            facts.usage = {**(facts.usage or {}), **_plain(given)} or None
        else:
            read_answer(facts, {**fields, "type": None} if facts.kind == "messages" else fields)

    def _fields(self, role: str) -> dict[str, Any]:
        kept = self._kept[role]
        if isinstance(kept, dict):
            return kept
        fields = self._kept[role] = _parse(_EVENT, kept)[0]
        return fields

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON."""
        return {"kept": {role: _plain(self._fields(role)) for role in list(self._kept)}, "ended": self.ended}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the reader stood that gave this state."""
        self._kept, self.ended = dict(state["kept"]), state["ended"]
