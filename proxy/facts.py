"""What the listings show of an exchange, read from its models. Pure; nothing here raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, unquote

from pydantic_core import from_json

from playhead.storage.records import Facts, ItemRow

from .edges import leading
from .models.doors import parse_request
from .models.kind import Shape
from .models.tagged import tag_of
from .models.wire import Problem, Unparsed, Wire, field, members
from .plain import MAX_TEXT, PLAIN_DEPTH, are_plain, plain, text_of, texts_of
from .pricing.billing import answered, asked, together

UNPARSED = "it is stored as it came, since it could not be parsed"
"""In `Facts.problem` of an exchange that nobody looked at, since it broke the parser."""

_FORM_MODEL = re.compile(rb'name="?model"?[ \t]*(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]{1,200})\r\n')
_FORM_EDGE = 1 << 16
_CONVERSATION = re.compile(r"/conversations/([^/?]+)")
_MAX_WORD = 200  # of types, names and statuses, which stores have an index of
_MAX_NUMBER = 10**18
_TYPE_IN = 4096  # bytes of an event that is no JSON, in which its type is looked for
_WITH_ID = frozenset(("responses", "chat.completions", "realtime"))
_WITH_BILLING = frozenset(("responses", "images", "other"))
_WITH_STATUS = frozenset(("responses", "realtime"))
_TOLD = ("model", "response_id", "previous_response_id", "response_status", "service_tier", "error_code", "prompt_cache_key", "user", "usage", "conversation")


class Told(NamedTuple):
    """What a request says of itself."""

    model: str | None = None
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    user: str | None = None
    problems: tuple[Problem, ...] = ()
    items: tuple[ItemRow, ...] = ()
    conversation: str | None = None
    billing: Mapping[str, Any] | None = None

    def state(self) -> list[Any]:
        """What `restore` needs, as JSON."""
        return [*self[:4], [list(problem) for problem in self.problems], [list(row) for row in self.items], self.conversation, self.billing]

    @classmethod
    def restore(cls, state: list[Any]) -> Told:
        """The one that gave this state; older versions knew of no conversation, and not what decides about its price."""
        model, parent, cache_key, user, problems, items, *rest = state
        rows = tuple([ItemRow(*row) for row in items])
        return cls(model, parent, cache_key, user, tuple([Problem(*problem) for problem in problems]), rows, *rest)


NOTHING = Told()


def type_of(event: Wire | None, data: bytes) -> str | None:
    """The type that an event gives itself; of one that is no JSON, or has lost its end, as far as can be seen."""
    kind = leading(data[:_TYPE_IN]).get("type") if isinstance(event, Unparsed) else field(event, "type")
    return text_of(kind[:_MAX_WORD]) if isinstance(kind, str) else None


def number_of(event: Wire | None) -> int | None:
    """The sequence number that an event gives itself, if a database takes it."""
    if event is None:
        return None
    number = event.__dict__.get("sequence_number")
    if number is None:
        number = field(event, "sequence_number")
    return number if number.__class__ is int and 0 <= number < _MAX_NUMBER else None


def words_of(event: Wire, data: bytes) -> tuple[str | None, int | None, str | None]:
    """Type, sequence number and lane that an event gives itself."""
    get = event.__dict__.get
    kind, number = get("type"), get("sequence_number")
    if kind.__class__ is str and number.__class__ is int and 0 <= number < _MAX_NUMBER and get("stream_id", "") is None:
        return text_of(kind[:_MAX_WORD]), number, None  # as in nearly all
    return type_of(event, data), number_of(event), text_of(field(event, "stream_id"))


# Requests.


def told_of(request: Wire | dict[str, Any], items: tuple[ItemRow, ...] | None = None) -> Told:
    """What a request says: its model, or as much of its object as is at hand. `items`: its input items, if they are not in it."""
    get = members(request).get
    given = get("input")
    model, parent, cache_key, user = texts_of((get("model"), get("previous_response_id"), get("prompt_cache_key"), get("user")))
    return Told(
        model or text_of(field(get("session"), "model")),
        parent,
        cache_key,
        user,
        request.problems if isinstance(request, Wire) else (),
        item_rows("input", enumerate(given) if isinstance(given, list) else ()) if items is None else items,
        conversation_in(get("conversation")),
        asked(request) or None,
    )


def conversation_in(named: Any) -> str | None:
    """The id of a conversation, named by it or by an object that has it."""
    if named is None:
        return None
    return text_of(field(named, "id")) if isinstance(named, Wire | dict) else text_of(named)


def tell(shape: Shape, body: bytes, content_type: bytes) -> Told:
    """What a whole request body says; a form's file parts are not looked through."""
    if content_type[:10].lower() == b"multipart/":
        found = _FORM_MODEL.search(body, 0, _FORM_EDGE) or _FORM_MODEL.search(body, max(0, len(body) - _FORM_EDGE))
        return Told(text_of(found[1].decode("utf-8", "replace"))) if found else NOTHING
    return told_of(parse_request(shape, body)) if body else NOTHING


def take_request(facts: Facts, told: Told, path: str) -> None:
    """What was told, as the first word on the exchange."""
    facts.model, facts.previous_response_id, facts.prompt_cache_key, facts.user = told[:4]
    facts.problems += told.problems
    facts.billing = dict(told.billing) if told.billing else None
    if facts.kind == "responses":
        facts.conversation = told.conversation
    elif facts.kind == "other" and (called := _CONVERSATION.search(path)):
        facts.conversation = text_of(unquote(called[1]))
    if facts.model is None and facts.kind == "realtime" and "?" in path:
        facts.model = text_of(parse_qs(path.partition("?")[2], max_num_fields=None).get("model", [None])[0])


# Items.


def item_rows(part: Literal["input", "output"], items: Iterable[tuple[int, Any]]) -> tuple[ItemRow, ...]:
    """The rows of items, each with its position; what is no item has none."""
    rows = []
    for position, item in items:
        if isinstance(item, Wire) and item.__class__ is not Unparsed:
            get = members(item).get
            kind = get("type")
            kind = tag_of(item) if kind is None else kind
            rows.append(row_of(part, position, (kind, get("id"), get("call_id"), get("name") or get("server_label"), get("status"))))
    return tuple(rows)


def row_of(part: Literal["input", "output"], position: int, said: Sequence[Any]) -> ItemRow:
    """A row that any database takes. `said`: type, id, call_id, name and status, whatever they are."""
    kind, id_, call_id, name, status = said
    if are_plain(said, _MAX_WORD):
        return ItemRow(part, position, kind or None, id_ or None, call_id or None, name or None, status or None)
    return ItemRow(part, position, _word(kind), text_of(id_), text_of(call_id), _word(name), _word(status))


def _word(value: Any) -> str | None:
    return text_of(value[:_MAX_WORD]) if isinstance(value, str) else None


def output_rows(answer: Wire) -> tuple[ItemRow, ...]:
    """The output items of a Response, or of a list; the tool calls of a chat completion, the calls and their results in a message: as folds have them."""
    get = members(answer).get
    output, choices, content = get("output"), get("choices"), get("content")
    if isinstance(output, list):
        return item_rows("output", enumerate(output))
    if get("object") == "list":
        return _listed_rows(answer, get("data"))
    if isinstance(choices, list):
        calls = [call for choice in choices for call in _tool_calls(choice)]
        return tuple([_call_row(position, call) for position, call in enumerate(calls)])
    blocks = enumerate(content) if isinstance(content, list) else ()
    rows = [_block_row(position, block) for position, block in blocks if isinstance(block, Wire)]
    return tuple([row for row in rows if row.call_id is not None])


def _listed_rows(answer: Wire, data: Any) -> tuple[ItemRow, ...]:
    """Of a page of items, whose ids are told nowhere else; other lists have none."""
    from .models.responses import ItemList

    return item_rows("output", enumerate(data)) if isinstance(answer, ItemList) and isinstance(data, list) else ()


def _tool_calls(choice: Any) -> list[Wire]:
    calls = field(field(choice, "message"), "tool_calls")
    return [call for call in calls if isinstance(call, Wire)] if isinstance(calls, list) else []


def _call_row(position: int, call: Wire) -> ItemRow:
    id_ = field(call, "id")
    name = field(call, "name") or field(field(call, "function"), "name") or field(field(call, "custom"), "name")
    return row_of("output", position, (field(call, "type"), id_, id_, name, None))


def _block_row(position: int, block: Wire) -> ItemRow:
    id_ = field(block, "id")
    return row_of("output", position, (field(block, "type"), id_, id_ or field(block, "tool_use_id"), field(block, "name"), field(block, "status")))


# Answers.


def take_answer(facts: Facts, answer: Wire | dict[str, Any], items: Iterable[Any] | None = None) -> None:
    """What the object of an answer says: a Response, a chat completion, a message, a list, an error. `items`: of its output, where it lacks them."""
    if answer.__class__ is Unparsed:
        return
    get, kind = members(answer).get, facts.kind
    usage = usage_of(get("usage"))
    said = (get("model"), get("previous_response_id"), get("prompt_cache_key"), get("user"), get("id"), get("status"), get("service_tier"))
    model, parent, cache_key, user, id_, status, tier = texts_of(said)
    facts.model = model or facts.model
    facts.previous_response_id = facts.previous_response_id or parent
    facts.prompt_cache_key = facts.prompt_cache_key or cache_key
    facts.user = facts.user or user
    if kind in _WITH_ID or (kind == "messages" and get("type") == "message"):
        facts.response_id = id_ or facts.response_id
    if kind in _WITH_STATUS:
        facts.response_status = status or facts.response_status
    if kind == "responses":
        facts.conversation = facts.conversation or conversation_in(get("conversation"))
    elif kind == "other" and get("object") == "batch":  # its usage is paid where it is told first
        facts.response_id, facts.response_status = id_, status
    elif kind == "other" and get("object") == "conversation":
        facts.conversation = facts.conversation or id_
    if usage is not None:
        facts.usage = usage
        tier = tier or (None if get("service_tier") else text_of(usage.get("service_tier")))
    facts.service_tier = tier or facts.service_tier
    facts.error_code = _error_code(get) or facts.error_code
    if kind in _WITH_BILLING and (found := answered(answer, items)):
        facts.billing = together(facts.billing, found)


def take_told(facts: Facts, told: Facts) -> None:
    """What was gathered apart, over what is known."""
    for name in _TOLD:
        setattr(facts, name, getattr(told, name) or getattr(facts, name))
    if told.billing:
        facts.billing = together(facts.billing, told.billing)


def usage_of(usage: Any) -> dict[str, Any] | None:
    """A usage object as it came; None if it says nothing."""
    if isinstance(usage, Wire):
        return _counts(usage) or _usual_usage(usage) or plain(usage.to_wire()) or None
    return plain(usage) or None if isinstance(usage, dict) else None


def _counts(usage: Wire) -> dict[str, Any] | None:
    """It, if whole numbers are all that stands in it and in what it holds: in half the time of what is below."""
    if usage.__pydantic_extra__:
        return None
    found: dict[str, Any] = {}
    given = usage.__pydantic_fields_set__
    for name, value in usage.__dict__.items():
        if name in given:
            if value.__class__ is not int:
                value = _counts(value) if isinstance(value, Wire) else None
                if value is None:
                    return None
            found[name] = value
    return found


def _usual_usage(usage: Wire) -> dict[str, Any] | None:
    """It, if its text shows that any database takes it, as nearly all are: no depth, no escapes, no numbers that are none."""
    try:
        text = usage.__pydantic_serializer__.to_json(usage, exclude_unset=True, by_alias=True, warnings=False)
    except ValueError:
        return None
    if len(text) >= MAX_TEXT or not text.isascii() or text.count(b"{") > PLAIN_DEPTH or b"[" in text or b"\\" in text or b"null" in text:
        return None
    found: dict[str, Any] = from_json(text)
    return found


def error_code(answer: Wire | dict[str, Any]) -> str | None:
    """The code of an error, or its type where it has no code."""
    return _error_code(members(answer).get)


def _error_code(get: Callable[[str], Any]) -> str | None:
    error = get("error") or field(get("status_details"), "error")
    if error is not None and isinstance(error, Wire | dict):
        return _code(field(error, "code")) or text_of(field(error, "type"))
    if not error:
        if get("object") == "error":  # vLLM: the body is the error
            return _code(get("code")) or text_of(get("type")) or "error"
        return None
    return (_code(get("code")) or "error") if isinstance(error, str) else None


def _code(value: Any) -> str | None:
    """Some servers have numbers for codes."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(value)
