"""Reads what the recorder wants of request bodies, the fields that listings show and the fingerprint, without reading again what was read before. Pure.

Equal bodies are looked up; of big ones only what differs from one before is read (outline.py).
"""

from __future__ import annotations

from itertools import chain, islice
from typing import Any, NamedTuple

from playhead.storage.records import Fingerprint, StoredRequest

from .canonical import dump
from .fingerprint import (
    F1,
    HELD,
    LISTS,
    NOTHING,
    OF_A_TRANSPORT,
    Asked,
    Content,
    Rules,
    asked_of,
    fingerprint,
    fingerprint_of,
    hashed_json,
    json_content,
    leave_out,
    line_of,
    may_be_json,
    other_content,
    parsed,
    short_digests,
    single_item,
    stored_fingerprint,
)
from .outline import Outline, outline
from .reader import REQUEST_FIELDS, request_fields
from .reply import headers_of

LEAST = 4 << 10
_MOST = 4 << 20
_OUTLINES = 8
_EQUALS = 64

_KEPT = frozenset((*REQUEST_FIELDS, "stream", "stream_options", "input"))


class Read(NamedTuple):
    """What a body says. `fields`: as `request_fields`."""

    fields: dict[str, Any]
    content: Content


_EMPTY = Read({}, NOTHING)


class RequestMemo:
    """Remembers the last bodies; a bounded memory. The results are those of `request_fields` and `fingerprint`."""

    def __init__(self, rules: Rules = F1) -> None:
        self._rules = rules
        self._equal: dict[tuple[bytes, bytes, bool], Read] = {}
        self._known: list[Outline] = []  # the newest last
        self._last: tuple[bytes, bool, Read] | None = None  # body, whether it makes a Response, what it says
        self._heads: dict[bytes, dict[bytes, bytes]] = {}

    def headers(self, head: bytes) -> dict[bytes, bytes]:
        """As `headers_of`; not to be changed."""
        found = self._heads.get(head)
        if found is None:
            found = headers_of(head)
            if len(head) < LEAST:
                if len(self._heads) >= _EQUALS:
                    self._heads.clear()
                self._heads[head] = found
        return found

    def read(self, asked: Asked, body: bytes) -> tuple[dict[str, Any], Fingerprint]:
        """The fields and the fingerprint of a whole request; of a WebSocket's handshake nothing counts but its head."""
        content_type = asked.headers.get(b"content-type", b"")
        if asked.undecoded or len(body) > HELD:
            return request_fields(body, content_type), fingerprint(asked, body, self._rules)
        line = line_of(asked, self._rules)
        found = self._read(body, content_type, line.create) if body and line.asks != "ws" else _EMPTY
        return found.fields, fingerprint_of(line, found.content)

    def stored_fingerprint(self, stored: StoredRequest) -> Fingerprint:
        """As the function of that name; quicker for one request after the other."""
        pieces = list(islice(stored.body, 2))
        if len(pieces) > 1:
            return stored_fingerprint(stored._replace(body=chain(pieces, stored.body)))
        return self.read(asked_of(stored), b"".join(pieces))[1]

    def _read(self, body: bytes, content_type: bytes, create: bool) -> Read:
        if LEAST <= len(body) <= _MOST and may_be_json(body, content_type) and (found := self._read_big(body, create)):
            return found
        key = (body, content_type, create)
        known = self._equal.get(key)
        if known is None:
            known = _read(body, content_type, create=create)
            if len(body) < LEAST:
                if len(self._equal) >= _EQUALS:
                    self._equal.clear()
                self._equal[key] = known
        return known

    def _read_big(self, body: bytes, create: bool) -> Read | None:
        """By what is known of others; None if it is no JSON object, or an unusual one."""
        if (last := self._last) is not None and last[1] == create and last[0] == body:
            return last[2]
        place = next((i for i in range(len(self._known) - 1, -1, -1) if self._known[i].goes_on_in(body)), -1)
        known = self._known[place] if self._known else None
        try:
            found = outline(body, LISTS, _KEPT, known)
        except (ValueError, RecursionError):
            return None
        if found is None:
            return None
        if place >= 0:
            del self._known[place]
        self._known.append(found)
        del self._known[:-_OUTLINES]
        read = _of_outline(found, create=create)
        self._last = body, create, read
        return read


def _read(body: bytes, content_type: bytes, *, create: bool) -> Read:
    try:
        value = parsed(body, content_type)
        fields = _fields(value) if isinstance(value, dict) else {}
        return Read(fields, json_content(value, create=create))
    except (ValueError, RecursionError):
        return Read(request_fields(body, content_type), other_content(body, content_type))


def _fields(members: dict[str, Any]) -> dict[str, Any]:
    return {name: members[name] for name in REQUEST_FIELDS if name in members}


def _of_outline(found: Outline, *, create: bool) -> Read:
    members, conversation = found.members, found.conversation
    values = {member.name: member.value for member in members if member.value is not None}
    texts = {member.name: member.text for member in members}
    streams = values.get("stream") is True
    if create:
        for name in OF_A_TRANSPORT:
            texts.pop(name, None)
        if isinstance(options := values.get("stream_options"), dict):
            _leave_out(options, texts)
    if conversation is None:
        content = Content(b"json\n" + _joined(texts), streams, single_item(values.get("input")))
    else:
        del texts[conversation.name]
        content = Content(hashed_json(_joined(texts), conversation.name, conversation.digests), streams, short_digests(conversation.digests))
    return Read(_fields(values), content)


def _joined(texts: dict[str, bytes]) -> bytes:
    return b"{%b}" % b",".join([texts[name] for name in sorted(texts)])


def _leave_out(options: dict[str, Any], texts: dict[str, bytes]) -> None:
    """As `leave_out`, of the canonical text of stream_options."""
    left = {"stream_options": dict(options)}
    leave_out(left)
    if left:
        texts["stream_options"] = dump(left)[1:-1]
    else:
        del texts["stream_options"]
