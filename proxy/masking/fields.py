"""Fields that hold secrets: what of a JSON value, a part of a form or a parameter of a URL is replaced, and by what.

Everything here looks at one stretch of text, finds the end of one value in it and says so; state over pieces is the scanner's affair.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from playhead.config import secrets as secret_rules

Edit = tuple[int, int, bytes]
Drop = Literal["text", "nest", "part", "url", "form"]

FOREVER = 1 << 62  # more text than any: a verdict that rests on the text's end
BODY = rb'(?>[^"\\]+|\\.)*+'  # of a JSON string

_FLAGS = re.DOTALL
_STRING = re.compile(b'"' + BODY, _FLAGS)
_SPACE = re.compile(rb"[ \t\r\n]*+")
_MEMBER = re.compile(rb'[ \t\r\n]*+"(' + BODY + rb')"[ \t\r\n]*+:[ \t\r\n]*+', _FLAGS)
_MEMBER_CUT = re.compile(rb'[ \t\r\n]*+(?:"' + BODY + rb'(?:\\|"[ \t\r\n]*+(?::[ \t\r\n]*+)?)?)?\Z', _FLAGS)
_SCALAR = re.compile(rb'[^ \t\r\n,}\]"{\[]++')
_BRACKET = re.compile(b'"' + BODY + rb'"|["{}\[\]]', _FLAGS)
_ITEM = re.compile(b'"(' + BODY + rb')(?:"|\\?\Z)', _FLAGS)


def spelled(name: str) -> bytes:
    """A pattern for that name as JSON may write it: each letter plain or as \\u00XX."""
    return b"".join(_letter(letter) for letter in name)


def _letter(letter: str) -> bytes:
    code = b"".join(b"[%c%c]" % (digit, digit ^ 0x20) if digit >= 0x61 else b"%c" % digit for digit in b"%02x" % ord(letter))
    slash = rb"|\\/" if letter == "/" else b""
    return b"(?:" + re.escape(letter.encode()) + rb"|\\u00" + code + slash + b")"


def in_any_case(name: str) -> bytes:
    """As `spelled`, each letter small or capital."""
    return b"".join(b"(?:" + _letter(letter) + b"|" + _letter(letter.upper()) + b")" if letter.isalpha() else _letter(letter) for letter in name)


_VALUE = re.compile(rb'"' + spelled("value") + rb'"[ \t\r\n]*+:[ \t\r\n]*+"(' + BODY + rb')(?:"|\\?\Z)', _FLAGS)
_PART_HEAD = re.compile(rb"(?:;[^\r\n]*+)?\r\n(?:[A-Za-z][A-Za-z0-9-]*+:[^\r\n]*+\r\n)*\r\n")
PART_HEAD_MAX = 1024
# What may stand in a parameter's value inside a JSON string: an escaped slash, and escapes of what would not end the value if it stood there plainly.
_ESCAPES = rb"\\/|\\u00(?:2[145a-fA-F89]|3[0-9aAbBdDfF]|[46][0-9a-fA-F]|5[0-9a-cA-Ce-fE-F]|7[0-9abceABCE])"
URL_VALUE = re.compile(rb"(?>\$?\{[A-Za-z0-9_.]+\}|[^&\"'<>\\\x00-\x20`)\]}#{$]+|[{$]|" + _ESCAPES + rb")*+")
FORM_VALUE = re.compile(rb"[^&\x00-\x20]*+")
_MASKED = re.compile(rb"(?i)(?:(?:bearer|basic|token|apikey)[ +])?(?:<redacted[^<>]*>|\*{3,}|\[redacted\]|redacted|\$?\{[a-z0-9_.]+\})\Z")
_LOOKS_SECRET = re.compile(rb"(?:[A-Za-z]+ )?(?=[A-Za-z0-9_.~+=-]*[0-9])(?=[A-Za-z0-9_.~+=-]*[A-Za-z])[A-Za-z0-9_.~+=-]{24,}\Z")


@dataclass(frozen=True, slots=True)
class Hit:
    """A verdict over one candidate: `edits` replace stretches of [start, resume); scanning goes on at `resume`; the verdict needed the text up to `seen`."""

    start: int
    resume: int
    seen: int
    edits: tuple[Edit, ...] = ()
    secrets: tuple[bytes, ...] = ()

    def moved(self, by: int) -> Hit:
        """The same further on."""
        edits = tuple((start + by, end + by, text) for start, end, text in self.edits)
        return Hit(self.start + by, self.resume + by, self.seen + by, edits, self.secrets)


@dataclass(frozen=True, slots=True)
class Pending:
    """The text ended before the value did. `value` is where that began; too long a one is replaced by `text` and dropped to its end as `drop` says.

    Without `drop` there was only white space so far.
    """

    value: int
    drop: Drop | None = None
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch of text that a verdict may rest on: up to `limit`, and `final` if nothing follows there."""

    text: bytes
    limit: int
    final: bool


def masked(value: bytes) -> bool:
    """Whether that is no secret any more, or none yet: empty, masked already, or a variable of a template."""
    return not value or _MASKED.match(value) is not None


def looks_secret(value: bytes) -> bool:
    """Whether a value of which nobody says what it is looks like a key: long, letters and digits."""
    return _LOOKS_SECRET.match(value) is not None


@lru_cache(maxsize=1024)
def header_kind(name: bytes) -> bytes | None:
    """The kind of secret that a header or variable of that name holds, if any."""
    return secret_rules.header_kind(name.decode("latin-1").lower())


def forms(value: bytes) -> tuple[bytes, ...]:
    """The secret in a JSON string as it is written there and as it is meant, without a scheme, where long enough to be looked for."""
    found = [value]
    if b"\\" in value:
        with contextlib.suppress(ValueError, UnicodeEncodeError):
            found.append(json.loads(b'"' + value + b'"').encode())
    bare = [secret[7:] if secret[:7].lower() == b"bearer " else secret for secret in found]
    return tuple(secret for secret in dict.fromkeys(bare) if len(secret) >= secret_rules.LEAST_SECRET)


def json_field(window: Window, start: int, after: int, rule: secret_rules.FieldRule | None) -> Hit | Pending:
    """The verdict over a quoted name in [start, after) that may be the key of a JSON field (`rule`) or the name of a form's field."""
    text, limit = window.text, window.limit
    nothing = Hit(start, after - 1, after + 1)
    colon = _end(_SPACE, text, after, limit)
    if colon == limit:
        return replace(nothing, seen=FOREVER) if window.final else Pending(colon)
    if text[colon] != 0x3A or rule is None:
        return replace(nothing, seen=colon + 1)
    at = _end(_SPACE, text, colon + 1, limit)
    if at == limit:
        return replace(nothing, seen=FOREVER) if window.final else Pending(at)
    opening = text[at]
    if opening == 0x22 and rule.shape in ("text", "value"):
        return _text(window, start, at, rule)
    if opening == 0x7B and rule.shape == "map":
        return _map(window, start, at, rule)
    if opening == 0x7B and rule.shape == "value":
        return _object_with_value(window, start, at, rule)
    if opening == 0x5B and rule.shape == "list":
        return _list(window, start, at, rule)
    return replace(nothing, seen=at + 1)


def form_part(window: Window, start: int, after: int, kind: bytes) -> Hit | Pending | None:
    """The verdict over a quoted name that a multipart header may end with; None if it does not."""
    text, limit = window.text, window.limit
    if after == limit:
        return None if window.final else Pending(after)
    if text[after] not in b";\r":
        return None
    head = _PART_HEAD.match(text, after, min(limit, after + PART_HEAD_MAX))
    if head is None:
        return None if window.final or limit >= after + PART_HEAD_MAX else Pending(after)
    at = head.end()
    end = text.find(b"\r\n--", at, limit)
    put = secret_rules.placeholder(kind)
    if end < 0 and not window.final:
        return Pending(at, "part", put)
    stop = limit if end < 0 else end
    value = text[at:stop]
    seen = FOREVER if end < 0 else end + 4
    return Hit(start, stop, seen) if masked(value) else Hit(start, stop, seen, ((at, stop, put),), forms(value))


def parameter(window: Window, start: int, at: int, name: str, *, form: bool = False) -> Hit | Pending:
    """The verdict over the parameter of a URL or form whose value begins at `at`."""
    text, limit = window.text, window.limit
    end = _end(FORM_VALUE if form else URL_VALUE, text, at, limit)
    # A backslash there may begin an escape whose rest is not here yet; and what goes on to the end may go on behind it.
    unsure = end == limit or (text[end] == 0x5C and limit - end < 6)
    plain = name.lower()
    put = secret_rules.placeholder(secret_rules.URL_PARAMETERS.get(plain, b"signature"))
    if unsure and not window.final:
        return Pending(at, "form" if form else "url", put)
    stop = limit if unsure else end
    value = text[at:stop]
    seen = FOREVER if unsure else end + (6 if text[end] == 0x5C else 1)
    if masked(value):
        return Hit(start, stop, seen)
    return Hit(start, stop, seen, ((at, stop, put),), () if plain in secret_rules.URL_PLAIN else forms(value))


def drop_end(kind: Drop, text: bytes, pos: int, state: tuple[int, bool]) -> tuple[int, bool, tuple[int, bool]]:
    """Goes through a value that is being dropped: where it ended or the text did, whether it ended, and the state to go on with there.

    `state`: open brackets, and whether inside a string. The bytes from the place returned on must be given again.
    """
    if kind == "part":
        end = text.find(b"\r\n--", pos)
        return (max(pos, len(text) - 3), False, state) if end < 0 else (end, True, state)
    if kind in ("url", "form"):
        end = _end(URL_VALUE if kind == "url" else FORM_VALUE, text, pos, len(text))
        return end, end < len(text) and not (text[end] == 0x5C and len(text) - end < 6), state
    depth, inside = state
    while pos < len(text):
        if inside:
            pos = _end(_STRING_REST, text, pos, len(text))
            if pos == len(text) or text[pos] == 0x5C:
                return pos, False, (depth, True)
            pos, inside = pos + 1, False
        else:
            pos = _end(_NO_BRACKET, text, pos, len(text))
            if pos == len(text):
                break
            byte, pos = text[pos], pos + 1
            inside = byte == 0x22
            depth += (byte in b"{[") - (byte in b"}]")
        if not depth and not inside:
            return pos, True, (0, False)
    return pos, False, (depth, inside)


_STRING_REST = re.compile(BODY, _FLAGS)
_NO_BRACKET = re.compile(rb'[^"{}\[\]]*+')


def _end(pattern: re.Pattern[bytes], text: bytes, pos: int, limit: int) -> int:
    match = pattern.match(text, pos, limit)
    return pos if match is None else match.end()


def _text(window: Window, start: int, at: int, rule: secret_rules.FieldRule) -> Hit | Pending:
    end = _end(_STRING, window.text, at, window.limit)
    put = secret_rules.placeholder(rule.kind)
    closed = end < window.limit and window.text[end] == 0x22
    if not closed:
        # A secret that is cut off is a secret still.
        return Hit(start, window.limit, FOREVER, ((at + 1, window.limit, put),)) if window.final else Pending(at, "text", b'"' + put + b'"')
    value = window.text[at + 1 : end]
    if masked(value):
        return Hit(start, end + 1, end + 1)
    return Hit(start, end + 1, end + 1, ((at + 1, end, put),), forms(value))


def _list(window: Window, start: int, at: int, rule: secret_rules.FieldRule) -> Hit | Pending:
    put = secret_rules.placeholder(rule.kind)
    end = _close(window.text, at, window.limit)
    if end is None and not window.final:
        return Pending(at, "nest", b'[{"value": "' + put + b'"}]')
    stop = window.limit if end is None else end
    found = [match for match in _VALUE.finditer(window.text, at, stop) if not masked(match[1])]
    edits = tuple((match.start(1), match.end(1), put) for match in found)
    secrets = tuple(secret for match in found for secret in forms(match[1]))
    return Hit(start, stop, FOREVER if end is None else stop, edits, secrets)


def _close(text: bytes, at: int, limit: int) -> int | None:
    """Where the bracket at `at` closes."""
    depth = 0
    for match in _BRACKET.finditer(text, at, limit):
        token = match[0]
        if token == b'"':
            return None
        if len(token) == 1:
            depth += 1 if token in b"{[" else -1
        if not depth:
            return match.end()
    return None


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of an object, or an item of the list that a member is: `cut` where the text ended first."""

    key: bytes
    start: int
    end: int
    text: bool
    cut: bool = False


@dataclass(slots=True)
class _Object:
    """The members of an object as far as they could be read, how it ended, and up to where that had to be read."""

    members: list[_Member]
    ending: Literal["closed", "nested", "more", "broken"]
    at: int


def _plain(key: bytes) -> bytes:
    if b"\\" not in key:
        return key
    try:
        return bytes(json.loads(b'"' + key + b'"').encode())
    except (ValueError, UnicodeEncodeError):
        return key


def _read(window: Window, at: int, *, deep: bool = False) -> _Object:
    """Reads the object at `at`; up to the first object within it, unless `deep`."""
    text, limit = window.text, window.limit
    found = _Object([], "more", at + 1)
    while True:
        match = _MEMBER.match(text, found.at, limit)
        if match is None:
            space = _end(_SPACE, text, found.at, limit)
            closed = space < limit and text[space] == 0x7D
            if closed or _MEMBER_CUT.match(text, found.at, limit) is None:
                found.ending, found.at = ("closed", space + 1) if closed else ("broken", limit)
            return found
        found.at = match.end()
        if not _read_value(window, _plain(match[1]), found, deep):
            return found
        found.at = _end(_SPACE, text, found.at, limit)
        if found.at == limit:
            return found
        if text[found.at] != 0x2C:
            found.ending, found.at = ("closed", found.at + 1) if text[found.at] == 0x7D else ("broken", limit)
            return found
        found.at += 1


def _read_value(window: Window, key: bytes, found: _Object, deep: bool) -> bool:
    """Reads one value at `found.at`; false where that ended the reading."""
    text, limit, pos = window.text, window.limit, found.at
    opening = text[pos] if pos < limit else 0
    if opening == 0x22:
        end = _end(_STRING, text, pos, limit)
        cut = end == limit or text[end] == 0x5C
        found.members.append(_Member(key, pos + 1, limit if cut else end, text=True, cut=cut))
        found.at = end + 1
        return not cut
    if opening in (0x5B, 0x7B):
        nested = None if deep else _first_object(text, pos, limit)
        if nested is not None:
            found.ending, found.at = "nested", nested + 1
            return False
        closing = _close(text, pos, limit)
        stop = limit if closing is None else closing
        found.members.append(_Member(key, pos, stop, text=False, cut=closing is None))
        if opening == 0x5B:
            found.members += [_Member(b"", m.start(1), m.end(1), text=True, cut=m.end() == limit) for m in _ITEM.finditer(text, pos, stop)]
        found.at = stop
        return closing is not None
    found.at = _end(_SCALAR, text, pos, limit)
    found.members.append(_Member(key, pos, found.at, text=False))
    return found.at < limit


def _first_object(text: bytes, at: int, limit: int) -> int | None:
    """Where the first object begins in the list or object at `at`, this one included."""
    depth = 0
    for match in _BRACKET.finditer(text, at, limit):
        if match[0] == b"{":
            return match.start()
        if len(match[0]) == 1:
            depth += 1 if match[0] == b"[" else -1
        if not depth or match[0] == b'"':
            return None
    return None


def _describes(text: bytes, members: list[_Member]) -> bool:
    """Whether the object is a JSON Schema of a map and not a map: no secret has a place in it."""
    named = [member for member in members if member.key]
    if any(member.text and header_kind(member.key) for member in named):
        return False
    types = [text[member.start : member.end].decode("latin-1") for member in named if member.key == b"type"]
    typed = any(kind in secret_rules.SCHEMA_TYPES or kind.startswith("[") for kind in types)
    return typed or all(member.key.decode("latin-1") in secret_rules.SCHEMA_KEYWORDS for member in named)


def _map(window: Window, start: int, at: int, rule: secret_rules.FieldRule) -> Hit | Pending:
    put = secret_rules.placeholder(rule.kind)
    found = _read(window, at)
    if found.ending == "nested":
        # A schema, or anything but a flat map of texts. Fields inside are looked at on their own.
        return Hit(start, at + 1, found.at)
    if found.ending == "more" and not window.final:
        return Pending(at, "nest", b'{"redacted": "' + put + b'"}')
    seen = FOREVER if found.ending == "more" else found.at
    if _describes(window.text, found.members):
        return Hit(start, at + 1, seen)
    return _edited(window, Hit(start, at + 1, seen), [member for member in found.members if member.text], rule)


def _object_with_value(window: Window, start: int, at: int, rule: secret_rules.FieldRule) -> Hit | Pending:
    put = secret_rules.placeholder(rule.kind)
    found = _read(window, at, deep=True)
    if found.ending == "more" and not window.final:
        return Pending(at, "nest", b'{"value": "' + put + b'"}')
    seen = FOREVER if found.ending == "more" else found.at
    return _edited(window, Hit(start, at + 1, seen), [member for member in found.members if member.text and member.key == b"value"], rule)


def _edited(window: Window, hit: Hit, members: list[_Member], rule: secret_rules.FieldRule) -> Hit:
    """The verdict with the texts of those members replaced; scanning goes on behind the last one."""
    put = secret_rules.placeholder(rule.kind)
    edits: list[Edit] = []
    secrets: list[bytes] = []
    for member in members:
        value = window.text[member.start : member.end]
        if masked(value):
            continue
        edits.append((member.start, member.end, put))
        if rule.shape != "map" or looks_secret(_plain(value)) or header_kind(member.key):
            secrets += forms(value)
    resume = min(edits[-1][1] + 1, window.limit) if edits else hit.resume
    return Hit(hit.start, resume, hit.seen, tuple(edits), tuple(secrets))
