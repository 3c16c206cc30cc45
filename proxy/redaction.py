"""Requests without their secrets: heads, queries, bodies and WebSocket messages, as they are journalled.

What goes upstream is never touched. Redacting what is redacted already changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from playhead.config import secrets as secret_rules

from .masking.fields import Drop, Edit, Hit, Pending, Window, drop_end, form_part, header_kind, json_field, looks_secret, masked, parameter, spelled
from .masking.memo import RedactionMemo, Trail, hold
from .masking.needles import ODD_ESCAPE, Needles, finds, needles_of, readable, usable
from .masking.parameters import MARKS, has_parameters, has_plain_parameters, next_parameter, next_spelled

__all__ = ["RedactedHead", "RedactionMemo", "RequestScanner", "redact_head", "redact_response_head"]

Header = tuple[bytes, bytes]

# A value is looked for its end so far; the rest of a longer one is dropped, whatever it is.
WINDOW = 64 << 10

_FIELDS: Mapping[str, secret_rules.FieldRule] = MappingProxyType({rule.name: rule for rule in secret_rules.FIELDS})
_NAMES = tuple(dict.fromkeys((*_FIELDS, *secret_rules.FORM_FIELDS)))
_KEYS = '"(?:' + "|".join(_NAMES) + ')"'

_has_keys_or_marks = finds(_KEYS + "|" + ODD_ESCAPE + "|" + MARKS)  # as quick as one of them
_has_keys = finds(_KEYS + "|" + ODD_ESCAPE)
_has_odd_escapes = finds(ODD_ESCAPE)
_has_escaped_marks = finds(MARKS)
_KEY = re.compile(b'"(' + "|".join(_NAMES).encode() + b')"')
_KEY_SPELLED = re.compile(b'"(' + b"|".join(map(spelled, _NAMES)) + b')"')
_FORM = re.compile(rb"[A-Za-z0-9_.%+\[\]][A-Za-z0-9_.%+\[\]-]{0,99}+=")
_FORM_CUT = re.compile(rb"[A-Za-z0-9_.%+\[\]][A-Za-z0-9_.%+\[\]-]{0,99}+\Z")
_PUT_NEEDLE = secret_rules.placeholder(secret_rules.NEEDLE)
_CREDENTIALS = tuple(start.encode() for start in secret_rules.CREDENTIAL_STARTS)
_CREDENTIAL_STARTS = frozenset(start[:3] for start in _CREDENTIALS)
_ACCESS_KEY = re.compile(rb"Credential=([^/,\s]+)")


@dataclass(frozen=True, slots=True)
class RedactedHead:
    """A request head without its secrets. `secrets`: what was replaced and is long enough to be looked for; `credential`: what identifies the key."""

    target: bytes
    headers: list[Header]
    secrets: tuple[bytes, ...]
    credential: bytes | None
    redacted: bool


@dataclass(slots=True)
class _Findings:
    secrets: list[bytes] = field(default_factory=list)
    credentials: dict[str, bytes] = field(default_factory=dict)
    redacted: bool = False

    def add(self, secret: bytes, source: str) -> None:
        self.redacted = True
        if usable(secret) and secret not in self.secrets:
            self.secrets.append(secret)
        self.credentials.setdefault(source, secret)


def redact_head(method: bytes, target: bytes, headers: Sequence[Header]) -> RedactedHead:
    """Replace the secrets of a request head, whatever its method."""
    found = _Findings()
    clean = list(headers)
    for place, (name, value) in enumerate(headers):
        kind = header_kind(name)
        if kind is not None:
            clean[place] = name, _header(name, value, kind, found)
        elif value[:3] in _CREDENTIAL_STARTS and value.startswith(_CREDENTIALS):
            clean[place] = name, _header(name, value, b"credential", found)
        elif len(name) == 22 and name.lower() == b"sec-websocket-protocol":
            clean[place] = name, _subprotocols(value, found)
    if b"?" in target:
        target = _query(target, found)
    for secret in found.secrets:
        target = target.replace(secret, _PUT_NEEDLE)
        for place, (name, value) in enumerate(clean):
            if secret in value:
                clean[place] = name, value.replace(secret, _PUT_NEEDLE)
    return RedactedHead(target, clean, tuple(found.secrets), _credential(found), found.redacted)


def _credential(found: _Findings) -> bytes | None:
    for source in (*secret_rules.CREDENTIAL_HEADERS, *secret_rules.CREDENTIAL_PARAMETERS, "subprotocol"):
        if source in found.credentials:
            return found.credentials[source]
    return None


def _header(name: bytes, value: bytes, kind: bytes, found: _Findings) -> bytes:
    if masked(value):
        return value
    source = name.decode("latin-1").lower()
    scheme, space, rest = value.partition(b" ")
    if not space or scheme.decode("latin-1").lower() not in secret_rules.SCHEMES or not rest:
        found.add(value, source)
        # An answer may say the telling part alone: one cookie of several, a key behind a scheme that nobody knows.
        for part in re.split(rb"[;\s]+" if kind != b"cookie" else rb";[ \t]*(?:[^=;]*=)?|^[^=;]*=", value):
            if looks_secret(part):
                found.add(part, source)
        return secret_rules.placeholder(kind)
    # A signature is new with each request: what it is made with identifies the key.
    access = _ACCESS_KEY.search(rest)
    if access is not None:
        found.credentials.setdefault(source, access[1])
    found.add(rest.strip(), source)
    return scheme + b" " + secret_rules.placeholder(kind)


def _subprotocols(value: bytes, found: _Findings) -> bytes:
    for name in re.findall(rb"[^,\s]+", value):
        kind, size = next(((kind, len(start)) for start, kind in secret_rules.SUBPROTOCOLS.items() if name.lower().startswith(start.encode())), (b"api-key", 0))
        secret = name[size:]
        if (size or secret.startswith(_CREDENTIALS)) and not masked(secret):
            found.add(secret, "subprotocol")
            value = value.replace(name, name[:size] + secret_rules.placeholder(kind))
    return value


@lru_cache(maxsize=256)
def _parameter_kind(name: bytes) -> tuple[str, bytes | None]:
    plain = unquote_to_bytes(name.replace(b"+", b" ")).decode("latin-1").lower()
    return plain, b"signature" if plain.startswith(secret_rules.URL_PREFIX) else secret_rules.QUERY_PARAMETERS.get(plain)


def _query(target: bytes, found: _Findings) -> bytes:
    path, _, query = target.partition(b"?")
    pairs = query.split(b"&")
    for place, pair in enumerate(pairs):
        name, equals, value = pair.partition(b"=")
        plain, kind = _parameter_kind(name)
        if kind is not None and equals and not masked(value):
            found.add(unquote_to_bytes(value), plain)
            found.add(value, plain)
            pairs[place] = name + b"=" + secret_rules.placeholder(kind)
    return path + b"?" + b"&".join(pairs)


_SET_COOKIE = re.compile(rb"(?im)^(set-cookie2?[ \t]*:[ \t]*)([^=;\r\n]*=)?([^;\r\n]*)")

_has_cookies = finds(r"[sS][eE][tT]-[cC][oO][oO][kK][iI][eE]")


def redact_response_head(raw: bytes, secrets: Iterable[bytes] = ()) -> tuple[bytes, bool]:
    """A response head without the values of cookies, and with `secrets` overwritten; and whether that changed it."""
    clean = raw
    if _has_cookies(readable(raw)):
        clean = _SET_COOKIE.sub(_cookie, raw)
    for secret in secrets:
        if secret in clean and len(secret) >= secret_rules.LEAST_SECRET:
            clean = clean.replace(secret, b"*" * len(secret))
    return clean, clean is not raw and clean != raw


def _cookie(match: re.Match[bytes]) -> bytes:
    value = match[3].strip()
    return match[0] if masked(value) else match[1] + (match[2] or b"") + secret_rules.placeholder(b"cookie")


@dataclass(frozen=True, slots=True)
class _Candidate:
    start: int
    judge: Callable[[Window], Hit | Pending]


_Find = Callable[[int], _Candidate | None]


class _Candidates:
    """Where a secret may begin in a text; the next one from a place on."""

    def __init__(self, text: bytes, needles: Needles, form: bool, begins: bool) -> None:
        view = readable(text)
        keys_or_marks = _has_keys_or_marks(view)
        odd_or_key = keys_or_marks and _has_keys(view)
        odd = odd_or_key and _has_odd_escapes(view)
        self.needle = needles.finder(text, odd=odd) if needles else None
        self._finders: list[_Find] = []
        if self.needle is not None:
            self._finders.append(_needle_finder(self.needle))
        if odd_or_key:
            self._finders.append(_key_finder(text, _KEY_SPELLED if odd else _KEY))
        if odd:
            self._finders.append(_parameter_finder(partial(next_spelled, text), form))
        elif has_plain_parameters(view) or (keys_or_marks and _has_escaped_marks(view) and has_parameters(view)):
            self._finders.append(_parameter_finder(partial(next_parameter, text), form))
        if begins and form:
            self._finders.append(_form_finder(text))
        self._next = [find(0) for find in self._finders]

    def next(self, pos: int) -> _Candidate | None:
        best: _Candidate | None = None
        for place, candidate in enumerate(self._next):
            if candidate is not None and candidate.start < pos:
                candidate = self._next[place] = self._finders[place](pos)
            if candidate is not None and (best is None or candidate.start < best.start):
                best = candidate
        return best


def is_clean(text: bytes, needles: Needles) -> bool:
    """Whether nothing in a whole text looks like a secret. Quick, and sometimes wrong in saying no."""
    view = readable(text)
    if _FORM.match(text) is not None or has_plain_parameters(view) or (_has_keys_or_marks(view) and (_has_keys(view) or has_parameters(view))):
        return False
    return not needles or needles.finder(text, odd=False) is None


def _needle_finder(find: Callable[[int], tuple[int, int] | None]) -> _Find:
    def finder(pos: int) -> _Candidate | None:
        if (span := find(pos)) is None:
            return None
        hit = Hit(*span, span[1], ((*span, _PUT_NEEDLE),))
        return _Candidate(span[0], lambda window: hit)

    return finder


def _key_finder(text: bytes, pattern: re.Pattern[bytes]) -> _Find:
    def finder(pos: int) -> _Candidate | None:
        if (match := pattern.search(text, pos)) is None:
            return None
        name = _meant(match[1])

        def judge(window: Window) -> Hit | Pending:
            kind = secret_rules.FORM_FIELDS.get(name)
            part = form_part(window, match.start(), match.end(), kind) if kind is not None else None
            return json_field(window, match.start(), match.end(), _FIELDS.get(name)) if part is None else part

        return _Candidate(match.start(), judge)

    return finder


def _parameter_finder(find: Callable[[int], re.Match[bytes] | None], form: bool) -> _Find:
    def finder(pos: int) -> _Candidate | None:
        if (match := find(pos)) is None:
            return None
        return _Candidate(match.start(), lambda window: parameter(window, match.start(), match.end(), _meant(match[1]), form=form))

    return finder


def _meant(name: bytes) -> str:
    """A name as it is when JSON's escapes are undone."""
    return str(json.loads(b'"' + name + b'"')) if b"\\" in name else name.decode()


def _form_finder(text: bytes) -> _Find:
    match = _FORM.match(text)
    name = match[0][:-1].decode().lower() if match is not None else ""

    def finder(pos: int) -> _Candidate | None:
        if match is None or pos or name not in secret_rules.URL_PARAMETERS:
            return None
        return _Candidate(0, lambda window: parameter(window, 0, match.end(), name, form=True))

    return finder


class RequestScanner:
    """Replaces the secrets of one request body or message, which comes in pieces, decoded; the pieces may be split anywhere.

    `needles` are secrets known from elsewhere. What comes out, put together, does not depend on the split, nor on `memo`.
    Holds back at most 64 KiB and what of a known secret may be cut off. `secrets` are those found, to be looked for in the answer.
    """

    def __init__(self, needles: Iterable[bytes] = (), memo: RedactionMemo | None = None, *, window: int = WINDOW) -> None:
        self.secrets: list[bytes] = []
        self.redacted = False
        self._window = window  # of how many bytes a verdict is made
        self._needles = needles_of(tuple(needles))
        self._trail = Trail(memo, self._needles) if memo is not None else None
        self._held = b""
        self._base = 0  # where in the text what is held begins
        self._retry = 0  # how much must be held before it is worth while to look again
        self._form: bool | None = None
        self._drop: Drop | None = None
        self._drop_state = (0, False)

    def feed(self, data: bytes) -> bytes:
        """The next bytes; gives what may be journalled now."""
        if not data:
            return b""
        trail = self._trail
        if trail is None:
            return _joined(self._scan(data, final=False))
        trail.write(data)
        if not trail.following:
            return _joined(self._scan(data, final=False))
        out = self._follow(trail, data)
        if not trail.following:
            rest, self._base, self._form = trail.rest(data)
            out += self._scan(rest, final=False)
        return _joined(out)

    def finish(self) -> bytes:
        """The text is whole: gives the rest."""
        rest = b""
        if self._trail is not None and self._trail.following:
            rest, self._base, self._form = self._trail.rest(b"")
        out = self._scan(rest, final=True)
        if self._trail is not None:
            self._trail.end(bool(self._form))
        return _joined(out)

    def whole(self, data: bytes) -> bytes:
        """All of the text at once: `feed` and `finish`, and quick where nothing in it looks like a secret."""
        if self._trail is None and is_clean(data, self._needles):
            return data
        start = self.feed(data)
        return start + self.finish() if start else self.finish()

    def _follow(self, trail: Trail, data: bytes) -> list[bytes]:
        out: list[bytes] = []
        for piece in trail.follow(data):
            if isinstance(piece, Hit):
                self._count(piece)
            else:
                out.append(piece)
        return out

    def _count(self, hit: Hit) -> None:
        if hit.edits:
            self.redacted = True
            self.secrets += [secret for secret in hit.secrets if secret not in self.secrets]

    def _scan(self, data: bytes, *, final: bool) -> list[bytes]:
        text = self._held + data if self._held else data
        if self._form is None:
            self._form = _FORM.match(text) is not None
            if not self._form and not final and _FORM_CUT.match(text) is not None and len(text) <= 100:
                self._form, self._held = None, text
                return []
        if not text or (not final and len(text) < self._retry):
            self._held = text
            return []
        return self._walk(text, final)

    def _walk(self, text: bytes, final: bool) -> list[bytes]:
        """Goes through the text from candidate to candidate; keeps what cannot be decided yet."""
        out: list[bytes] = []
        pos = self._retry = 0
        candidates: _Candidates | None = None
        while True:
            if self._drop is not None:
                pos, ended, self._drop_state = drop_end(self._drop, text, pos, self._drop_state)
                if not ended:
                    break
                self._drop = None
            if candidates is None:
                candidates = _Candidates(text, self._needles, bool(self._form), self._base == 0)
            end = hold(text, len(text), pos, self._needles) if text and not final else len(text)
            candidate = candidates.next(pos)
            if candidate is None or candidate.start >= end:
                out.append(text if end - pos == len(text) else text[pos:end])
                pos = end
                break
            start = candidate.start
            limit = min(len(text), start + self._window)
            verdict = candidate.judge(Window(text, limit, final and limit == len(text)))
            if isinstance(verdict, Hit):
                pos = self._apply(text, pos, _with_needles(verdict, candidates.needle), out)
            elif limit - start < self._window:
                out.append(text[pos:start])
                pos, self._retry = start, min(self._window, (len(text) - start) * 5 // 4)
                break
            elif verdict.drop is None:
                # Nothing but white space behind the name: JSON is the same without it.
                out.append(text[pos:start])
                self._spoil(start)
                text, pos, candidates = text[start : verdict.value].rstrip() + text[verdict.value :], 0, None
                self._base += start
            else:
                out += (text[pos : verdict.value], verdict.text)
                self._spoil(start)
                pos = self._begin_drop(verdict)
        self._base += pos
        self._held = text[pos:]
        return out

    def _spoil(self, start: int) -> None:
        if self._trail is not None:
            self._trail.spoil(self._base + start)

    def _begin_drop(self, pending: Pending) -> int:
        self.redacted = True
        self._drop = pending.drop
        inside = pending.drop == "text"
        self._drop_state = (0, inside)
        return pending.value + inside

    def _apply(self, text: bytes, pos: int, hit: Hit, out: list[bytes]) -> int:
        for start, end, put in hit.edits:
            out += (text[pos:start], put)
            pos = end
        out.append(text[pos : hit.resume])
        self._count(hit)
        if self._trail is not None:
            self._trail.note(hit.moved(self._base))
        return hit.resume


def _with_needles(hit: Hit, find: Callable[[int], tuple[int, int] | None] | None) -> Hit:
    """The verdict with the known secrets replaced that stand between its edits."""
    if find is None:
        return hit
    edits: list[Edit] = []
    pos = hit.start
    for edit in (*hit.edits, (hit.resume, hit.resume, b"")):
        while (found := find(pos)) is not None and found[0] < edit[0]:
            start, pos = found
            if pos > edit[0] == hit.resume:
                return Hit(hit.start, start, hit.seen, tuple(edits), hit.secrets)
            edits.append((start, min(pos, edit[0]), _PUT_NEEDLE))
        if edit[2]:
            edits.append(edit)
        pos = max(pos, edit[1])
    return Hit(hit.start, hit.resume, hit.seen, tuple(edits), hit.secrets)


def _joined(pieces: list[bytes]) -> bytes:
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
