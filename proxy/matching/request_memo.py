"""Reads what the recorder wants of request bodies, the fields that listings show and the fingerprint, without reading again what was read before. Pure.

Equal bodies are looked up; of big ones only what differs from one before is read (outline.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from playhead.storage.records import Fingerprint, StoredRequest

from ..facts import NOTHING as NOTHING_TOLD
from ..facts import Told, item_rows, tell, told_of
from ..fingerprint import (
    F1,
    HELD,
    LISTS,
    NOTHING,
    OF_A_TRANSPORT,
    Asked,
    Content,
    Line,
    Rules,
    asked_of,
    content_of,
    fingerprint,
    fingerprint_of,
    hashed_json,
    leave_out,
    line_of,
    may_be_json,
    short_digests,
    single_item,
    stored_fingerprint,
)
from ..fingerprinting.canonical import dump
from ..fingerprinting.normalising import GONE, Normaliser
from ..heads import header_text
from ..models.doors import parse_request
from ..models.kind import Shape, shape_of
from ..models.wire import Problem, field
from .outline import Outline, Reading, fresh, outline

LEAST = 4 << 10
_MOST = 4 << 20
_OUTLINES = 8
_EQUALS = 64

_TELLING = (
    "model",
    "previous_response_id",
    "prompt_cache_key",
    "user",
    "session",
    "conversation",
    "service_tier",
    "background_options",
    "voice",
    "metadata",
    "safety_identifier",
)
_LENGTHS = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")
_KEPT = frozenset((*_TELLING, "stream", "stream_options", "input"))


class Read(NamedTuple):
    """What a body says."""

    told: Told
    content: Content


_EMPTY = Read(NOTHING_TOLD, NOTHING)


class _Known(NamedTuple):
    """`parent`: the response that the request goes on from. `rules`: under which it was read."""

    outline: Outline
    session: str
    parent: Any
    rules: Normaliser | None


class _Call(NamedTuple):
    """What is asked, as far as a body's reading depends on it. `rules`: those that hold for it."""

    shape: Shape
    create: bool
    rules: Normaliser | None


class _Called(NamedTuple):
    """What a request's head says, as far as what becomes of the request depends on it."""

    asked: Asked
    line: Line
    call: _Call
    content_type: bytes


class Heading(NamedTuple):
    """What a request's head says, its content-length left out: it differs from body to body, and nothing depends on it.

    `path`: with the query, as forwarded. `attempt`, `organization`, `project`: as in exchanges.
    """

    method: str
    path: str
    shape: Shape
    headers: Mapping[bytes, bytes]
    attempt: int | None
    organization: str | None
    project: str | None
    called: _Called


class RequestMemo:
    """Remembers the last bodies; a bounded memory. The results are those of `tell` and `fingerprint`, but for one thing: of a big body only what is new
    since another one of its session, behind the same response, is told of its problems and items. `tells`: False where only fingerprints are asked for,
    as in a replay: then nothing is told, and no body is parsed for it."""

    def __init__(self, rules: Rules = F1, *, tells: bool = True) -> None:
        self._rules = rules
        self._tells = tells
        self._equal: dict[tuple[bytes, bytes, _Call], Read] = {}
        self._known: list[_Known] = []  # the newest last
        self._last: tuple[bytes, _Call, str, Read] | None = None  # body, call, session, what it says
        self._headings: dict[tuple[bytes, str], Heading] = {}

    def heading(self, head: bytes, upstream: str) -> Heading:
        """What a recorded head says: those of a client mostly differ in their content-length only, and are read once. Never raises."""
        same = _without_length(head)
        found = self._headings.get((same, upstream))
        if found is None:
            found = self._heading(Asked.of(same, upstream))
            if len(head) < LEAST:
                if len(self._headings) >= _EQUALS:
                    self._headings.clear()
                self._headings[same, upstream] = found
        return found

    def _heading(self, asked: Asked) -> Heading:
        called, headers = self._called(asked), asked.headers
        retry = headers.get(b"x-stainless-retry-count", b"")
        attempt = int(retry) + 1 if retry.isdigit() and len(retry) < 6 else None
        organization, project = header_text(headers, b"openai-organization"), header_text(headers, b"openai-project")
        return Heading(asked.method, asked.target, called.call.shape, headers, attempt, organization, project, called)

    def _called(self, asked: Asked) -> _Called:
        line = line_of(asked, self._rules)
        return _Called(asked, line, _Call(shape_of(asked.method, asked.target), line.create, line.normaliser), asked.headers.get(b"content-type", b""))

    def read(self, asked: Asked, body: bytes, session: str = "") -> tuple[Told, Fingerprint]:
        """What a whole request says, and its fingerprint; of a WebSocket's handshake nothing counts but its head."""
        return self._read_called(self._called(asked), body, session)

    def read_under(self, heading: Heading, body: bytes, session: str, undecoded: str | None = None) -> tuple[Told, Fingerprint]:
        """As `read`, of a request whose head has been read. `undecoded`: as in `Asked`."""
        called = heading.called
        if undecoded:
            called = called._replace(asked=called.asked._replace(undecoded=undecoded))
        return self._read_called(called, body, session)

    def _read_called(self, called: _Called, body: bytes, session: str) -> tuple[Told, Fingerprint]:
        asked, line, call, content_type = called
        if asked.undecoded or len(body) > HELD:
            return self._tell(call.shape, body, content_type), fingerprint(asked, body, self._rules)
        found = self._read(body, content_type, session, call) if body and line.asks != "ws" else _EMPTY
        return found.told, fingerprint_of(line, found.content)

    def stored_fingerprint(self, stored: StoredRequest) -> Fingerprint:
        """As the function of that name; quicker for one request after the other."""
        pieces = list(islice(stored.body, 2))
        if len(pieces) > 1:
            return stored_fingerprint(stored._replace(body=chain(pieces, stored.body)), self._rules)
        made = self.read(asked_of(stored), b"".join(pieces))[1]
        return made._replace(asks="ws") if stored.turn else made

    def _tell(self, shape: Shape, body: bytes, content_type: bytes) -> Told:
        return tell(shape, body, content_type) if self._tells else NOTHING_TOLD

    def _read(self, body: bytes, content_type: bytes, session: str, call: _Call) -> Read:
        if LEAST <= len(body) <= _MOST and may_be_json(body, content_type) and (found := self._read_big(body, session, call)):
            return found
        key = (body, content_type, call)
        known = self._equal.get(key)
        if known is None:
            content = content_of(body, content_type, create=call.create, rules=call.rules)
            known = Read(self._tell(call.shape, body, content_type), content)
            if len(body) < LEAST:
                if len(self._equal) >= _EQUALS:
                    self._equal.clear()
                self._equal[key] = known
        return known

    def _read_big(self, body: bytes, session: str, call: _Call) -> Read | None:
        """By what is known of others; None if it is no JSON object, or an unusual one."""
        if (last := self._last) is not None and last[1:3] == (call, session) and last[0] == body:
            return last[3]
        candidates = [i for i in range(len(self._known) - 1, -1, -1) if self._known[i].rules is call.rules]
        place = next((i for i in candidates if self._known[i].outline.goes_on_in(body)), -1)
        known = self._known[place if place >= 0 else candidates[0]] if candidates else None
        try:
            found = outline(body, Reading(LISTS, _KEPT, call.rules), known and known.outline)
        except (ValueError, RecursionError):
            return None
        if found is None:
            return None
        if place >= 0:
            del self._known[place]
        parent = next((member.value for member in found.members if member.name == "previous_response_id"), None)
        self._known.append(_Known(found, session, parent, call.rules))
        del self._known[:-_OUTLINES]
        before = known.outline if known and (known.session, known.parent) == (session, parent) else None
        read = Read(_told(found, before, call.shape) if self._tells else NOTHING_TOLD, _content(found, call))
        self._last = body, call, session, read
        return read


def _without_length(head: bytes) -> bytes:
    """The head without its content-length, as nearly all spell it."""
    for start in _LENGTHS:
        at = head.find(start)
        if at >= 0:
            return head[:at] + head[head.find(b"\r\n", at + 2) :]
    return head


def _told(found: Outline, known: Outline | None, shape: Shape) -> Told:
    """What all of it says, and of what is new the problems and the items."""
    members, items = fresh(found, known)
    wanted = (member for member in found.members if member.name in _TELLING or (member.name == "input" and isinstance(member.value, str)))
    told = told_of({member.name: member.value for member in wanted if member.value is not None}, ())
    problems = parse_request(shape, members).problems if len(members) > len(b"{}") else ()
    if not items or found.conversation is None:
        return told._replace(problems=problems)
    name, places = found.conversation.name, [place for place, _ in items]
    new = parse_request(shape, b'{"%b":[%b]}' % (name.encode(), b",".join([text for _, text in items])))
    odd = [Problem(_moved(path, name, places), wanted, found_) for path, wanted, found_ in new.problems]
    given = field(new, "input")
    return told._replace(problems=(*problems, *odd), items=item_rows("input", zip(places, given or (), strict=False)))


def _moved(path: str, name: str, places: Sequence[int]) -> str:
    """The path of a problem with one of the items that are new, as from the whole body."""
    place, _, rest = path.removeprefix(f"{name}[").partition("]")
    return f"{name}[{places[int(place)]}]{rest}"


def _content(found: Outline, call: _Call) -> Content:
    members, conversation = found.members, found.conversation
    values = {member.name: member.value for member in members if member.value is not None}
    texts = {member.name: member.text for member in members if member.text}
    streams = values.get("stream") is True
    if call.create:
        for name in OF_A_TRANSPORT:
            texts.pop(name, None)
        if isinstance(options := values.get("stream_options"), dict):
            _leave_out(options, texts, call.rules)
    if conversation is None:
        told = values.get("input")
        return Content(b"json\n" + _joined(texts), streams, single_item(told if call.rules is None else call.rules.member("input", told)))
    digests = conversation.digests if call.rules is None else conversation.counted
    return Content(hashed_json(_joined(texts), conversation.name, digests), streams, short_digests(digests))


def _joined(texts: dict[str, bytes]) -> bytes:
    return b"{%b}" % b",".join([texts[name] for name in sorted(texts)])


def _leave_out(options: dict[str, Any], texts: dict[str, bytes], rules: Normaliser | None) -> None:
    """As `leave_out`, of the canonical text of stream_options."""
    left = {"stream_options": dict(options)}
    leave_out(left)
    value: Any = left.get("stream_options", GONE)
    if rules is not None and value is not GONE:
        value = rules.member("stream_options", value)
    if value is GONE:
        texts.pop("stream_options", None)
    else:
        texts["stream_options"] = dump({"stream_options": value})[1:-1]


NO_HEADING = RequestMemo().heading(b"", "")
"""Of no head."""
