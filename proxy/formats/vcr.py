"""Cassettes of VCR.py (YAML and JSON), and of the tools that write like it, as sessions. Pure.

They hold requests and whole answers, without times: what is missing follows from the rest. Secrets are replaced as they are in what is recorded.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from playhead.config.errors import StoreError
from playhead.storage.carrying.cassettes import PLAIN, Cassette
from playhead.storage.records import Kind, Recorded

from ..decoding import BodyDecoder
from ..forwarding.http1 import Header
from ..matching.request_memo import RequestMemo
from ..notes import end, opening, opening_meta, request_end
from ..recording import Assembly
from ..redaction import RequestScanner, redact_head, redact_response_head

NEEDS_YAML = "it is YAML, which needs PyYAML: pip install 'playhead[vcr]'"
_ROOM = 1 << 20
_CODED, _CHUNKED, _LENGTH = b"content-encoding", b"transfer-encoding", b"content-length"


def read(data: bytes, name: str, session: str) -> Cassette:
    """What a cassette of VCR.py holds, as that session. `name`: of its file, for messages. Raises StoreError: it is none, or damaged."""
    try:
        found = _parsed(data)
        interactions = found.get("interactions") if isinstance(found, dict) else None
        if not isinstance(interactions, list):
            raise ValueError("it is no cassette, neither of playhead nor of VCR.py: it has no list of interactions")
        return _cassette(interactions, session)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"The cassette {name} cannot be read: {error}.") from None


def _parsed(data: bytes) -> Any:
    """Raises ValueError."""
    if data.lstrip()[:1] == b"{":
        try:
            return json.loads(data)
        except ValueError as error:
            if b"\ninteractions:" not in data:
                raise ValueError(f"it is no JSON: {error}") from None
    try:
        import yaml
    except ImportError:
        raise ValueError(NEEDS_YAML) from None
    try:
        return _unfolded(yaml.load(data, _loader(yaml)), _ROOM + 16 * len(data))  # a safe one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f"line {mark.line + 1}: "
        raise ValueError(f"{where}it is no YAML: {getattr(error, 'problem', None) or 'something in it is not understood'}") from None


def _unfolded(value: Any, most: int) -> Any:
    """The value, if it takes no more room than that with all its aliases followed: a few lines may unfold to more than there is. Raises ValueError."""
    left, waiting = most, [value]
    while waiting:
        one = waiting.pop()
        left -= 1 + (len(one) if isinstance(one, str | bytes | list | tuple | set | dict) else 0)
        if left < 0:
            raise ValueError("its aliases (*NAME) stand for more than a cassette holds")
        waiting += [*one, *one.values()] if isinstance(one, dict) else one if isinstance(one, list | tuple | set) else ()
    return value


def _loader(yaml: Any) -> Any:
    """It makes plain values alone; of Python's own tags it knows those of texts."""

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    for tag in ("str", "unicode"):
        Loader.add_constructor(f"tag:yaml.org,2002:python/{tag}", lambda loader, node: loader.construct_scalar(node))
    Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))
    return Loader


def _cassette(interactions: list[Any], session: str) -> Cassette:
    memo = RequestMemo()
    cassette = Cassette(session)
    for place, interaction in enumerate(interactions):
        try:
            recorded = _recorded(interaction, memo)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            told = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"interaction {place + 1}: {told}") from None
        recorded.number, recorded.seq, recorded.run = PLAIN + place, place + 1, "1"
        cassette.exchanges.append(recorded)
    return cassette


def _recorded(interaction: Any, memo: RequestMemo) -> Recorded:
    asked, answered = _member(interaction, "request"), _member(interaction, "response")
    upstream, target = _place(asked)
    method = str(asked["method"]).encode("ascii")
    body, answer = _body(asked), _body(answered)
    headers = [header for header in _headers(asked) if header[0].lower() not in (_LENGTH, _CHUNKED, _CODED)]
    if not any(name.lower() == b"host" for name, _ in headers):
        headers.insert(0, (b"Host", urlsplit(upstream).netloc.encode()))
    head = redact_head(method, target, headers)
    clean = RequestScanner(head.secrets).whole(body)
    if clean or method == b"POST":
        head.headers.append((b"Content-Length", b"%d" % len(body)))
    lines = b"\r\n".join([b"%b %b HTTP/1.1" % (method, head.target), *(b"%b: %b" % header for header in head.headers), b"", b""])
    assembly = Assembly("", 0, memo=memo, turns=False)
    assembly.feed(Kind.OPEN, 0, opening(opening_meta({"session": "", "run": "1", "key_id": None, "upstream": upstream}), _started(answered), lines))
    if clean:
        assembly.feed(Kind.REQUEST_DATA, 0, clean)
    assembly.feed(Kind.REQUEST_END, 0, request_end(len(body), redacted=clean != body))
    for kind, payload in _answer(answered, answer, head.secrets):
        assembly.feed(kind, 0, payload)
    assembly.feed(Kind.END, 0, end("complete"))
    return assembly.finish()


def _member(value: Any, name: str) -> Mapping[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, dict):
        raise ValueError(f"it has no {name}")
    return found


def _place(asked: Mapping[str, Any]) -> tuple[str, bytes]:
    """Upstream's base URL, and the target."""
    url = str(asked.get("uri") or asked.get("url") or "")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("its request has no uri of http or https")
    netloc = parts.netloc.rpartition("@")[2]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return f"{parts.scheme}://{netloc}", target.encode()


def _headers(message: Mapping[str, Any]) -> list[Header]:
    """Each line, in the order of the file."""
    given = message.get("headers") or {}
    if not isinstance(given, dict):
        raise ValueError("its headers are no mapping")
    lines = ((name, value) for name, values in given.items() for value in (values if isinstance(values, list) else [values]))
    return [(_latin(name), _latin(value)) for name, value in lines]


def _latin(value: Any) -> bytes:
    data = value if isinstance(value, bytes) else str(value).encode("latin-1", "replace")
    return data.replace(b"\r", b"").replace(b"\n", b" ")


def _body(message: Mapping[str, Any]) -> bytes:
    """Bytes of a body, in any of the forms that are written."""
    if "parsed_body" in message:  # of those who keep JSON as values
        return json.dumps(message["parsed_body"], ensure_ascii=False, separators=(",", ":")).encode()
    body = message.get("body", message.get("content"))
    if isinstance(body, dict):
        if "base64_string" in body:
            try:
                return b64decode(str(body["base64_string"]), validate=True)
            except binascii.Error as error:
                raise ValueError(f"its body is no base64: {error}") from None
        body = body.get("string", body.get("body"))
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    return body.encode("utf-8", "surrogateescape") if isinstance(body, str) else json.dumps(body).encode()


def _started(answered: Mapping[str, Any]) -> int:
    """By the clock of the one who answered, if it says so: the file has no other time."""
    date = next((value for name, value in _headers(answered) if name.lower() == b"date"), b"").decode("latin-1")
    try:
        return max(int(parsedate_to_datetime(date).timestamp()), 0) * 1_000_000_000
    except ValueError:
        return 0


def _answer(answered: Mapping[str, Any], body: bytes, secrets: tuple[bytes, ...]) -> Iterator[tuple[int, bytes]]:
    """What upstream must have sent, as it is journalled."""
    status = answered.get("status") if isinstance(answered.get("status"), dict) else {"code": answered.get("status_code", answered.get("status"))}
    code = status["code"] if isinstance(status, dict) else None
    if type(code) is not int or not 100 <= code <= 999:
        raise ValueError("its response has no status")
    reason = _latin((status or {}).get("message") or ("OK" if code == 200 else ""))
    for secret in secrets:
        body = body.replace(secret, b"<redacted:secret>")
    headers = _as_sent(_headers(answered), body, bodiless=code in (204, 304))
    head = b"\r\n".join([b"HTTP/1.1 %d %b" % (code, reason), *(b"%b: %b" % header for header in headers), b"", b""])
    yield Kind.RESPONSE_HEAD, redact_response_head(head, secrets)[0]
    if not any(name.lower() == _CHUNKED for name, _ in headers):
        if body:
            yield Kind.RESPONSE_DATA, body
        return
    streams = any(name.lower() == b"content-type" and b"event-stream" in value for name, value in headers)
    for piece in _blocks(body) if streams else filter(None, [body]):
        yield Kind.RESPONSE_DATA, b"%x\r\n%b\r\n" % (len(piece), piece)
    yield Kind.RESPONSE_DATA, b"0\r\n\r\n"


def _as_sent(headers: list[Header], body: bytes, *, bodiless: bool) -> list[Header]:
    """Headers that are true of the body as the file has it: it may have been decompressed, and its chunks joined."""
    coding = next((value for name, value in headers if name.lower() == _CODED), b"")
    coded = bool(coding) and _is_coded(body, coding)
    kept = [(name, value) for name, value in headers if name.lower() != _LENGTH and (coded or name.lower() != _CODED)]
    if not bodiless and not any(name.lower() == _CHUNKED for name, _ in kept):
        kept.append((b"Content-Length", b"%d" % len(body)))
    return kept


def _is_coded(body: bytes, coding: bytes) -> bool:
    decoder = BodyDecoder(coding)
    for _ in chain(decoder.feed(body), decoder.finish()):
        pass
    return decoder.problem is None


def _blocks(body: bytes) -> Iterator[bytes]:
    """A stream came event by event."""
    start = 0
    while (found := body.find(b"\n\n", start)) >= 0:
        yield body[start : found + 2]
        start = found + 2
    if start < len(body):
        yield body[start:]
