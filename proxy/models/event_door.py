"""Events that begin a response, made of such as were parsed before. Pure.

They repeat instructions and tools of the request: those of one program differ in a few values only, and may be most of what there is to parse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any, NamedTuple

from .wire import PROBLEMS, SOURCE, Door, M, Unparsed, Wire

_INTEGER = rb"(0|[1-9]\d{0,14})"
_ID = rb'(\w{1,200})"'
_START = b'{"type":"response.created","sequence_number":'
_CREATED = re.compile(rb'%b%b,"response":\{"id":"%b,"object":"response","created_at":%b(?=,)' % (re.escape(_START), _INTEGER, _ID, _INTEGER)).match
_PARENT = b',"previous_response_id":"'
_PARENT_ID = re.compile(_ID).match
_ANY_ID, _ANY_NUMBER = "of some response", 987654321987654  # which none has
_LIKE = b'%b%d,"response":{"id":"%b","object":"response","created_at":%d' % (_START, _ANY_NUMBER, _ANY_ID.encode(), _ANY_NUMBER)
_LONGEST = 1 << 16
_KEPT = 16


class _Like(NamedTuple):
    """An event without problems, and its Response, in which other values are to be put."""

    event: Wire
    response: Wire


class EventDoor(Door[M]):
    """Parses the events of Responses."""

    def __init__(self, type_: Any) -> None:
        super().__init__(type_)
        self._like = lru_cache(_KEPT)(self._parse_like)

    def many(self, texts: Iterable[bytes]) -> list[M | Unparsed]:
        texts = list(texts)
        begun = {place: model for place, text in enumerate(texts) if text.startswith(_START) and (model := self._begun(text)) is not None}
        if not begun:
            return super().many(texts)
        others = iter(super().many([text for place, text in enumerate(texts) if place not in begun]))
        return [begun[place] if place in begun else next(others) for place in range(len(texts))]

    def _begun(self, text: bytes) -> Any:
        """The model of an event that is like one before; None: it has to be parsed."""
        found = _CREATED(text) if len(text) <= _LONGEST else None
        if found is None:
            return None
        said: dict[str, Any] = {"id": found[2].decode(), "created_at": int(found[3])}
        before, key, behind = text[found.end() :].partition(_PARENT)
        if key:
            parent = _PARENT_ID(behind)
            if parent is None or key in behind:
                return None
            said["previous_response_id"] = parent[1].decode()
            behind = _ANY_ID.encode() + behind[parent.end(1) :]
        like = self._like(before + key + behind)
        if like is None:
            return None
        return _with(like.event, {"sequence_number": int(found[1]), "response": _with(like.response, said), SOURCE: text})

    def _parse_like(self, rest: bytes) -> _Like | None:
        """What ends so; None if it has problems, or says again, and otherwise, what is to be put into it."""
        event = self(_LIKE + rest)
        response = event.__dict__.get("response")
        if PROBLEMS in event.__dict__ or not isinstance(response, Wire):
            return None
        said = event.__dict__.get("sequence_number"), *map(response.__dict__.get, ("id", "created_at", "previous_response_id"))
        return _Like(event, response) if said == (_ANY_NUMBER, _ANY_ID, _ANY_NUMBER, _ANY_ID if _PARENT in rest else said[3]) else None


def _with(like: Wire, values: dict[str, Any]) -> Wire:
    """A copy with these values in declared fields, which shares all else: `model_copy`, at a third of its cost."""
    copy = like.__class__.__new__(like.__class__)
    put = partial(object.__setattr__, copy)
    put("__dict__", {**like.__dict__, **values})
    put("__pydantic_extra__", like.__pydantic_extra__)
    put("__pydantic_fields_set__", like.__pydantic_fields_set__)
    put("__pydantic_private__", None)
    return copy
