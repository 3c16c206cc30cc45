"""Looks for secrets in what is about to leave the machine: keys of known formats, and credentials that no redaction has seen. Pure."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from playhead.config.key_formats import FILES, KEY, KEY_FORMATS, OPAQUE, OPAQUE_LINES, STARTS
from playhead.config.rules import Step, steps_of

from .cassette_pieces import head_bytes
from .coded_bodies import coding_of, decodable

_NAMES = tuple(KEY_FORMATS)
_CREDENTIAL = re.compile(r"(?:authorization: *(?:bearer|basic|token) +|api-key: *)(?!<redacted:)[^\s\"\\]{16,}", re.IGNORECASE)
_HEADERS = (b"uthorization:", b"UTHORIZATION:", b"pi-key:", b"PI-KEY:", b"pi-Key:", b"PI-Key:")
_STARTS = (*STARTS, *_HEADERS)
_WORDS = tuple([start.decode() for start in STARTS])
_NAMED = tuple([header.decode() for header in _HEADERS])
_ENCODED = re.compile(r"[A-Za-z0-9+/_=-]{512,}")
_ENCRYPTED = re.compile(r"[A-Za-z0-9+/_=-]{200,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}")
_FILES = tuple([f'"{name}":"'.encode() for name in FILES])
_BYTES = tuple([f'"{name}":"'.encode() for name in OPAQUE_LINES])
_HEADS = b'{"response_heads":'
_CODED = b'{"response_base64":'
_SHOWN = 20  # findings in one message

_Path = tuple[str | int, ...]


class Finding(NamedTuple):
    """Something that looks like a secret. `line`: of the file, from 1. `exchange`: in whose lines it stands, if in any. `path`: into the line's JSON."""

    line: int
    exchange: int | None
    path: _Path
    what: str

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", exchange {self.exchange}" if self.exchange is not None else "")
        return f"{where}, {spelled(self.path)}: {self.what}"


def secrets_in(lines: Iterable[bytes], allowed: Sequence[str] = ()) -> Iterator[Finding]:
    """What looks like a secret in the lines of a cassette, where it is not allowed by its path. Raises ValueError: `allowed` has what is no path."""
    passes = [steps_of(path) for path in allowed]
    exchange: int | None = None
    coding = ""
    for number, data in enumerate(lines, 1):
        if data.startswith(b'{"exchange":'):
            found = re.match(rb"\d{1,18}", data[12:])
            exchange, coding = int(found[0]) if found else None, ""
        elif data.startswith(b'{"take":'):
            exchange = None
        elif data.startswith(_HEADS):
            coding = coding_of(head_bytes(json.loads(data)["response_heads"]))
        found_here = _in_line(data)
        if coding and data.startswith(_CODED):
            found_here = chain(found_here, _in_coded(data, coding))
        for path, what in found_here:
            if not any(_matches(steps, path) for steps in passes):
                yield Finding(number, exchange, path, what)


def _in_line(data: bytes) -> Iterator[tuple[_Path, str]]:
    encoded = any(name in data for name in _FILES) or any(name in data[:200] for name in _BYTES)
    if encoded or any(start in data for start in _STARTS):
        for path, text in _texts(json.loads(data), ()):
            if what := (_secret(text, path) or (_in_file(text) if encoded and _holds_bytes(path) else None)):
                yield path, what


def _in_coded(data: bytes, coding: str) -> Iterator[tuple[_Path, str]]:
    """In what can be decoded of an answer that stands as it came: it was cut, or is damaged."""
    if what := _in_bytes(decodable(b64decode(json.loads(data)["response_base64"]), coding)):
        yield ("response_base64",), what


def _secret(text: str, path: _Path) -> str | None:
    """What a text holds that should not leave."""
    opaque: list[tuple[int, int]] | None = None
    for found in _keys(text):
        if opaque is None:
            opaque = _opaque_in(text, path)
        if not any(start <= found.start() < end for start, end in opaque):
            return f"it looks like a key ({_NAMES[int((found.lastgroup or 'k0')[1:])]})"
    return "it looks like a credential" if any(name in text for name in _NAMED) and _CREDENTIAL.search(text) else None


def _holds_bytes(path: _Path) -> bool:
    return bool(path) and (path[0] in OPAQUE_LINES or path[-1] in FILES)


def _in_file(text: str) -> str | None:
    """What bytes in base64 hold: a body that is no text, a file that was sent. In a picture or a sound nothing resembles a key by chance."""
    for found in _BASE64.finditer(text):
        plain = found[0].replace("-", "+").replace("_", "/")
        data = b64decode(plain[: len(plain) - (len(plain) % 4 == 1)] + "===")
        if what := _in_bytes(data):
            return what
    return None


def _in_bytes(data: bytes) -> str | None:
    return _secret(data.decode("utf-8", "replace"), ()) if any(start in data for start in _STARTS) else None


def _keys(text: str) -> Iterator[re.Match[str]]:
    """Only where one of their beginnings stands: to try a pattern everywhere in a long text takes seconds."""
    for start in _WORDS:
        place = text.find(start)
        while place >= 0:
            if found := KEY.match(text, place) or KEY.match(text, max(place - 1, 0)):
                yield found
            place = text.find(start, place + 1)


def _opaque_in(text: str, path: _Path) -> list[tuple[int, int]]:
    """The parts of a text that are bytes in base64, in which a key would stand by chance."""
    if not path:
        return []
    if path[0] in OPAQUE_LINES:
        return [(0, len(text))]
    runs = _ENCRYPTED if path[-1] == "encrypted_content" else _ENCODED if path[-1] in OPAQUE else None
    return [] if runs is None else [found.span() for found in runs.finditer(text)]


def _texts(value: Any, path: _Path) -> Iterator[tuple[_Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield (*path, key), key
            yield from _texts(child, (*path, key))
    elif isinstance(value, list):
        for place, child in enumerate(value):
            yield from _texts(child, (*path, place))


def _matches(steps: Sequence[Step], path: _Path) -> bool:
    """Whether a path is one of those that steps tell."""
    left = {0}  # how many of the steps may have been taken
    for key in path:
        here = [number for number in left if number < len(steps)]
        left = {number for number in here if steps[number].deep} | {number + 1 for number in here if steps[number].key in (None, key)}
    return len(steps) in left


def spelled(path: _Path) -> str:
    """As `--allow` takes it."""
    return "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" if re.fullmatch(r"[A-Za-z0-9_@-]+", key) else f"['{_escaped(key)}']" for key in path)


def _escaped(key: str) -> str:
    return key.replace("\\", "\\\\").replace("'", "\\'")


TYPED = "Take it out with `playhead redact`, or let it pass: --allow '{}'"
IN_CODE = "Take it out of what is sent, or let it pass: allow={!r}"
"""What to do about a finding."""


def refusal(findings: Sequence[Finding], advice: str = TYPED) -> str:
    """Why nothing was written, and what to do."""
    shown = [f"  {finding}" for finding in findings[:_SHOWN]]
    more = [f"  and {len(findings) - _SHOWN:,} more"] if len(findings) > _SHOWN else []
    advice = advice.format(spelled(findings[0].path))
    return "\n".join(chain(["Nothing was written, because it would hold what looks like a secret:"], shown, more, [advice]))
