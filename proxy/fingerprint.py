"""Fingerprints: what identifies a request for matching (DESIGN 5). Pure.

A fingerprint is the XXH3-128 of

    name of the default rules, method, path, sorted pairs of the query, OpenAI-Beta, headers that count by a rule, each on a line of its own, then
    `json`, a line feed, the canonical text of the body (canonical.py); the first list of objects named as in `LISTS` stands behind it, as its name
    and the XXH3-128 of its items' XXH3-128s, so that a history which only grows need not be hashed again; or
    `multipart`, a line feed, the canonical text of name, filename, type and hash of each part; or
    `bytes` (`long`, if they are more than `HELD`), a line feed, the bytes; or
    `undecoded`, a line feed, the hash of the body as it came, if its content-encoding could not be undone.

Path: as forwarded, less the path of upstream's URL and one leading `/v1`: which of the two forms of base URL a client was given does not count.
OpenAI-Beta: without the tokens that name a transport. Of a Responses create `type`, `stream`, `stream_id` and `stream_options.include_obfuscation`
are left out, so that it is the same request on every transport.

Under match rules (`Rules`) a body that is read as JSON, a form or a text and the values of the query are normalised first (normalising.py). Bodies of
more than `HELD` bytes and those that cannot be decoded are compared as they are. Where rules change nothing, the fingerprint is that without rules.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from xxhash import xxh3_64_hexdigest, xxh3_128, xxh3_128_digest, xxh3_128_hexdigest

from playhead.config import patterns
from playhead.config.rules import Rule
from playhead.storage.records import DEFAULT_RULES, Asks, Fingerprint, StoredRequest

from .fingerprinting.canonical import dump, parse
from .fingerprinting.multipart import Part, WithoutBoundary, boundary_of, parts_of
from .fingerprinting.normalising import Normaliser
from .heads import headers_of
from .models.kind import shape_of

HELD = 32 << 20
"""Bytes of a body up to which it is read; a longer one is hashed as it comes."""

LISTS = ("input", "messages", "contents")
"""Members that hold a conversation. The first that is a list of objects is hashed item by item."""

OF_A_TRANSPORT = ("type", "stream", "stream_id")
"""Members of a Responses create that say how the answer is to come, not what is asked."""

_STEP = 2048  # items; twice as many are told at most
_USUAL = 1024  # characters of a target or of a header that are remembered
_USUAL_PART = 1 << 20  # bytes of a part of a form that rules are applied to
_WORDS = 4  # of four bytes in a digest
_TRANSPORTS = (b"responses_websockets=",)
_UNDECODED = re.compile(r"xxh3 ([0-9a-f]{32})\)")  # as recording.py says it

Kind = Literal["json", "maybe", "multipart", "other"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How requests are made comparable. `name` is kept with every fingerprint: rules that differ have different names."""

    name: str
    rules: tuple[Rule, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> Rules:
        """Of any rules; their order and repetitions are of no account."""
        known = tuple(sorted(dict.fromkeys(rules), key=str))
        if not known:
            return F1
        lines = "\n".join([str(patterns.VERSION), *map(str, known)])
        return cls(f"{DEFAULT_RULES}-{xxh3_64_hexdigest(lines.encode())}", known)

    def normaliser(self, method: str, path: str) -> Normaliser | None:
        """What they make of bodies of such requests; None: nothing. `path`: with or without the query."""
        return _normaliser(self, shape_of(method, path).kind, path.partition("?")[0]) if self.rules else None


F1 = Rules(DEFAULT_RULES)


@lru_cache(256)
def _normaliser(rules: Rules, kind: str, path: str) -> Normaliser | None:
    path = path.removeprefix("/v1")
    holding = [rule for rule in rules.rules if rule.holds(kind, path)]
    return Normaliser(holding) if holding else None


def normalised(value: Any, rules: Rules, method: str, path: str) -> Any:
    """A body's value as it is compared under these rules. It is not changed itself."""
    found = rules.normaliser(method, path)
    return value if found is None else found.whole(value)


class Asked(NamedTuple):
    """What is known of a request but its body.

    `target`: path and query as forwarded, secrets replaced. `headers`: by lower-case name. `upstream`: base URL that it was or would be forwarded to.
    `undecoded`: hash of a body whose content-encoding could not be undone.
    """

    method: str
    target: str
    headers: Mapping[bytes, bytes]
    upstream: str = ""
    undecoded: str | None = None

    @classmethod
    def of(cls, head: bytes, upstream: str, undecoded: str | None = None) -> Asked:
        """From a recorded request head. Never raises."""
        method, _, rest = head[: max(head.find(b"\r\n"), 0)].decode("latin-1").partition(" ")
        return cls(method, rest.rpartition(" ")[0], headers_of(head), upstream, undecoded)


def create_over(handshake: Asked) -> Asked:
    """A `response.create` over the WebSocket that this handshake opened, as the request over HTTP that it equals."""
    headers = {name: value for name, value in handshake.headers.items() if name != b"upgrade"}
    return handshake._replace(method="POST", headers=headers | {b"content-type": b"application/json"})


class Line(NamedTuple):
    """What method, target and headers say. `start`: what the hash begins with. `create`: it makes a Response. `asks`: as far as can be told from them.

    `normaliser`: what rules make of the body.
    """

    start: bytes
    create: bool
    asks: Asks
    normaliser: Normaliser | None = None


class Content(NamedTuple):
    """What a body says. `hashed`: what stands for it in the hash. `streams`: it asks for a stream."""

    hashed: bytes
    streams: bool = False
    items: bytes = b""


NOTHING = Content(b"bytes\n")
"""Of no body."""


def fingerprint(asked: Asked, body: bytes, rules: Rules = F1) -> Fingerprint:
    """Of a whole request. `body`: decoded, secrets replaced; of a WebSocket's handshake it does not count. Never raises."""
    if len(body) > HELD and not asked.undecoded:
        reader = Fingerprinter(asked)
        reader.feed(body)
        return reader.finish()
    line = line_of(asked, rules)
    if line.asks == "ws":
        return fingerprint_of(line, NOTHING)
    if asked.undecoded:
        return fingerprint_of(line_of(asked), Content(b"undecoded\n" + asked.undecoded.encode()))
    return fingerprint_of(line, content_of(body, asked.headers.get(b"content-type", b""), create=line.create, rules=line.normaliser))


def fingerprint_of(line: Line, content: Content) -> Fingerprint:
    """Of both halves."""
    return Fingerprint(xxh3_128_digest(line.start + content.hashed), "sse" if content.streams and line.asks == "http" else line.asks, content.items)


# The line.


def line_of(asked: Asked, rules: Rules = F1) -> Line:
    """Read method, target and headers."""
    headers = asked.headers
    websocket = b"upgrade" in headers and b"websocket" in headers[b"upgrade"].lower()
    beta = headers.get(b"openai-beta", b"")
    read = _usual_line if len(asked.target) + len(beta) <= _USUAL else _line
    line = read((asked.method, asked.target, asked.upstream), beta, websocket)
    return line if not rules.rules else _under(line, asked, rules)


def _under(line: Line, asked: Asked, rules: Rules) -> Line:
    """The same under rules."""
    parts = line.start.decode("utf-8", "surrogatepass").split("\n")
    normaliser = rules.normaliser(asked.method, parts[2])
    if normaliser is None:
        return line
    if not normaliser.idle and parts[3]:
        pairs = (pair.partition("=") for pair in parts[3].split("&"))
        parts[3] = "&".join(sorted([f"{name}{equals}{normaliser.text(value)}" for name, equals, value in pairs]))
    told = [name for name in normaliser.headers if name in asked.headers]
    parts[-1:] = [*(f"{name.decode('latin-1')}: {normaliser.text(asked.headers[name].decode('latin-1'))}" for name in told), ""]
    start = "\n".join(parts).encode("utf-8", "surrogatepass")
    return line._replace(start=start, normaliser=None if normaliser.idle else normaliser)


def _line(where: tuple[str, str, str], beta: bytes, websocket: bool) -> Line:
    method, target, upstream = where
    path, _, query = target.partition("?")
    path = _without(path, _path(upstream).removesuffix("/v1"))
    path = _without(path, "/v1")
    pairs = sorted(filter(None, query.split("&")))
    tokens = [token.strip() for token in beta.split(b",")]
    kept = b",".join([token for token in tokens if token and not token.lower().startswith(_TRANSPORTS)])
    start = "\n".join((DEFAULT_RULES, method, path, "&".join(pairs), kept.decode("latin-1"), "")).encode("utf-8", "surrogatepass")
    create = method == "POST" and path.endswith("/responses")
    return Line(start, create, "ws" if websocket else "sse" if "stream=true" in pairs else "http")


_usual_line = lru_cache(1024)(_line)


def _without(path: str, prefix: str) -> str:
    return path[len(prefix) :] if prefix and (path == prefix or path.startswith(prefix + "/")) else path


def _path(url: str) -> str:
    """The path of a URL, without the slash at its end."""
    _, _, rest = url.partition("://")
    slash = rest.find("/")
    return rest[slash:].partition("?")[0].rstrip("/") if slash >= 0 else ""


# The body.


def kind_of_body(content_type: bytes) -> Kind:
    """How a body of this type is read. `maybe`: as JSON if it begins like an object or a list."""
    return _kind(content_type[:_USUAL])


@lru_cache(256)
def _kind(content_type: bytes) -> Kind:
    essence = content_type.partition(b";")[0].strip().lower()
    if essence.startswith(b"multipart/"):
        return "multipart"
    if essence == b"application/x-www-form-urlencoded":
        return "other"
    return "json" if b"json" in essence else "maybe"


def content_of(body: bytes, content_type: bytes, *, create: bool, rules: Normaliser | None = None) -> Content:
    """Read a body that is not longer than `HELD`. `rules`: those that hold for it."""
    if not body:
        return NOTHING
    try:
        return json_content(parsed(body, content_type), create=create, rules=rules)
    except (ValueError, RecursionError):
        return other_content(body, content_type, rules)


def parsed(body: bytes, content_type: bytes) -> Any:
    """The value of a JSON body. Raises ValueError, RecursionError: it is none."""
    if not may_be_json(body, content_type):
        raise ValueError("it does not look like JSON")
    return parse(body.decode())


def may_be_json(body: bytes, content_type: bytes) -> bool:
    """Whether to try."""
    kind = kind_of_body(content_type)
    return kind == "json" or (kind == "maybe" and body[:64].lstrip()[:1] in (b"{", b"["))


def other_content(body: bytes, content_type: bytes, rules: Normaliser | None = None) -> Content:
    """Of a body that is not JSON, or not JSON that is the same everywhere: a form in parts, or its bytes."""
    if kind_of_body(content_type) == "multipart" and (form := _form(body, content_type, rules)):
        return form
    return Content(b"bytes\n" + (body if rules is None else _normalised(body, rules)))


def json_content(value: Any, *, create: bool, rules: Normaliser | None = None) -> Content:
    """Of a parsed body (`canonical.parse`), which is used up. Raises ValueError: it cannot be dumped."""
    if not isinstance(value, dict):
        return Content(b"json\n" + dump(value if rules is None else rules.whole(value)))
    streams = value.get("stream") is True
    if create:
        leave_out(value)
    for name in LISTS:
        items = value.get(name)
        if isinstance(items, list) and items and isinstance(items[0], dict) and (rules is None or rules.keeps(name)):
            del value[name]
            if rules is not None:
                value, items = rules.whole(value), rules.member(name, items)
            digests = xxh3_128_digest(dump(items[0])) if len(items) == 1 else b"".join([xxh3_128_digest(dump(item)) for item in items])
            return Content(hashed_json(dump(value), name, digests), streams, short_digests(digests))
    if rules is not None:
        value = rules.whole(value)
    return Content(b"json\n" + dump(value), streams, single_item(value.get("input")))


def leave_out(members: dict[str, Any]) -> None:
    """Take away what does not count in a Responses create."""
    members.pop("type", None)
    members.pop("stream", None)
    members.pop("stream_id", None)
    options = members.get("stream_options")
    if isinstance(options, dict):
        options.pop("include_obfuscation", None)
        if not options:
            del members["stream_options"]


def hashed_json(rest: bytes, name: str, digests: bytes) -> bytes:
    """What stands for an object in the hash. `rest`: its canonical text without the list of that name. `digests`: of the list's items."""
    return b"\n".join((b"json", rest, name.encode(), xxh3_128_digest(digests)))


def short_digests(digests: bytes) -> bytes:
    """`Fingerprint.items`. Of a list that grows past 4096 the first 2048 are let go at once, so that mostly one tells the other's beginning."""
    if len(digests) == 16:
        return digests[:4]
    words = array("I", digests)
    start = max((len(words) // _WORDS - _STEP - 1) // _STEP * _STEP, 0)
    return words[start * _WORDS :: _WORDS].tobytes()


def single_item(value: Any) -> bytes:
    """`Fingerprint.items` of an input that is one text, without lone surrogates."""
    return xxh3_128_digest(value.encode())[:4] if isinstance(value, str) else b""


def _form(body: bytes, content_type: bytes, rules: Normaliser | None) -> Content | None:
    boundary = boundary_of(content_type)
    parts = parts_of(body, boundary) if boundary else None
    if parts is None:
        return None
    streams = any(part.name == b"stream" and part.content.strip() == b"true" for part in parts)
    if rules is not None:
        parts = list(_under_rules(parts, rules))
    told = [[part.name, part.filename, part.content_type, xxh3_128_hexdigest(part.content).encode()] for part in parts]
    text = dump([[None if value is None else value.decode("latin-1") for value in part] for part in told])
    return Content(b"multipart\n" + text, streams)


def _under_rules(parts: Iterable[Part], rules: Normaliser) -> Iterator[Part]:
    """A part counts as a member of an object: its content if it is a short text."""
    for part in parts:
        name = (part.name or b"").decode("utf-8", "replace")
        if not rules.keeps(name):
            continue
        filename = part.filename and rules.text(part.filename.decode("latin-1")).encode("latin-1", "replace")
        text = _text_of(part)
        content = part.content if text is None else rules.member(name, text).encode()
        yield part._replace(filename=filename, content=content)


def _text_of(part: Part) -> str | None:
    """None: it is binary, or long."""
    if len(part.content) > _USUAL_PART:
        return None
    try:
        return part.content.decode()
    except UnicodeDecodeError:
        return None


def _normalised(body: bytes, rules: Normaliser) -> bytes:
    try:
        return rules.text(body.decode()).encode()
    except UnicodeDecodeError:
        return body


# Piece by piece.


class Fingerprinter:
    """As `fingerprint`, of a body that comes piece by piece; the same result for the same bytes. Holds at most `HELD` bytes of it."""

    def __init__(self, asked: Asked, rules: Rules = F1) -> None:
        self._asked, self._rules = asked, rules
        self._line = line_of(asked)  # of a long body the rules do not count
        self._pieces: list[bytes] = []
        self._size = 0
        self._state: xxh3_128 | None = None
        self._form: WithoutBoundary | None = None

    def feed(self, data: bytes) -> None:
        """The next bytes of the body."""
        if self._state is not None:
            self._hash(self._state, data)
        elif self._line.asks != "ws" and self._asked.undecoded is None:
            self._pieces.append(data)
            self._size += len(data)
            if self._size > HELD:
                self._overflow()

    def _overflow(self) -> None:
        content_type = self._asked.headers.get(b"content-type", b"")
        boundary = boundary_of(content_type) if kind_of_body(content_type) == "multipart" else None
        self._form = WithoutBoundary(boundary) if boundary else None
        state = self._state = xxh3_128(self._line.start + b"long\n")
        for piece in self._pieces:
            self._hash(state, piece)
        self._pieces.clear()

    def _hash(self, state: xxh3_128, data: bytes) -> None:
        for piece in self._form.feed(data) if self._form else (data,):
            state.update(piece)

    @property
    def body(self) -> bytes | None:
        """What was fed, if all of it is held."""
        return b"".join(self._pieces) if self._state is None else None

    def finish(self) -> Fingerprint:
        """The body is whole."""
        if self._state is None:
            return fingerprint(self._asked, b"".join(self._pieces), self._rules)
        if self._form:
            self._state.update(self._form.finish())
        return Fingerprint(self._state.digest(), self._line.asks)


def asked_of(stored: StoredRequest) -> Asked:
    """What a recorded request's head says."""
    if stored.turn:
        return create_over(Asked.of(stored.head, stored.upstream))
    return Asked.of(stored.head, stored.upstream, undecoded_of(stored.problem))


def undecoded_of(problem: str | None) -> str | None:
    """The hash of a recorded body that could not be decoded."""
    found = _UNDECODED.search(problem or "")
    return found[1] if found else None


def stored_fingerprint(stored: StoredRequest, rules: Rules = F1) -> Fingerprint:
    """Of a recorded request."""
    reader = Fingerprinter(asked_of(stored), rules)
    for piece in stored.body:
        reader.feed(piece)
    made = reader.finish()
    return made._replace(asks="ws") if stored.turn else made
