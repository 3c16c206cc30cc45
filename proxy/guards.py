"""Answers without secrets: what of an answer's bytes is overwritten, with as many `*`, before they are journalled."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from .needles import Test, finds, usable

Span = tuple[int, int]

# How far a `client_secret` is looked into for its `value`.
_AHEAD = 4096
_BODY = rb'(?>[^"\\]+|\\.)*+'
_S = rb"[ \t\r\n]*+"
_OTHER = rb'"(?!value"' + _S + b':)' + _BODY + b'"' + _S + b":" + _S + b'(?:"' + _BODY + rb'"|[^"{}\[\],]++)' + _S + b"," + _S
_FIELD = re.compile(rb'"client_secret"' + _S + b":" + _S + rb"(?:\{" + _S + b"(?:" + _OTHER + b')*+"value"' + _S + b":" + _S + b')?"', re.DOTALL)
_FIELD_CUT = re.compile(
    rb'"client_secret"' + _S + b"(?::" + _S + rb'(?:\{(?>[^{}"]+|"' + _BODY + b'")*+(?:"' + _BODY + rb"\\?)?)?)?\Z",
    re.DOTALL,
)
# The ephemeral key that POST /v1/realtime/client_secrets answers with: its field is called just `value`.
_EPHEMERAL = re.compile(rb'"(?=ek_[A-Za-z_-]{0,15}[0-9])(?=ek_[A-Za-z0-9_-]{16})')
_STRING = re.compile(_BODY, re.DOTALL)
_MASKED = re.compile(rb"(?i)<redacted|\*\*\*|\[redacted\]|redacted\"")
_LITERALS = (b'"client_secret"', b'"ek_')
_LOOK = 24  # bytes that tell whether a value is masked already, or an ephemeral key
_LONGEST_LINE = 16 << 10


class _Target:
    """What is looked for: prepared once for each set of secrets."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self.secrets = sorted(filter(usable, dict.fromkeys(secrets)), key=len, reverse=True)
        quick = [secret for secret in self.secrets if secret.isascii() and len(secret) <= _AHEAD]
        self._others = [secret for secret in self.secrets if secret not in quick]
        texts = [text.decode() for text in (*_LITERALS, *quick)]
        self._test: Test = finds("|".join(re.sub(r"[^A-Za-z0-9_]", lambda match: rf"\x{ord(match[0]):02x}", text) for text in texts))
        self._literals = (*_LITERALS, *self.secrets)
        self._reach = max(map(len, self._literals)) - 1
        self._risky = frozenset(b"".join(self._literals))
        self._starts = re.compile(b"[" + b"".join(rb"\x%02x" % byte for byte in sorted({literal[0] for literal in self._literals})) + b"]")

    def found(self, text: bytes) -> bool:
        """Whether anything stands in the text that must be looked at closely."""
        return self._test(text) or any(secret in text for secret in self._others)

    def cut(self, text: bytes) -> int:
        """Where something that is looked for may begin and be cut off by the end of the text."""
        if not text or text[-1] not in self._risky:
            return len(text)
        for match in self._starts.finditer(text, max(0, len(text) - self._reach)):
            rest = text[match.start() :]
            if any(literal.startswith(rest) for literal in self._literals):
                return match.start()
        return len(text)


@lru_cache(maxsize=64)
def _target(secrets: tuple[bytes, ...]) -> _Target:
    return _Target(secrets)


class _Watch:
    """Looks through a payload, split anywhere: says what of it to overwrite and up to where that is decided.

    Places count from the start of the payload.
    """

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._target = _target(tuple(secrets))
        self._held = b""
        self._base = 0
        self._through = 0  # up to here everything held is to be overwritten
        self._inside: int | None = None  # where a value goes on that began before

    def add(self, secrets: Iterable[bytes]) -> None:
        """More secrets to look for from now on."""
        self._target = _target(tuple(dict.fromkeys((*self._target.secrets, *secrets))))

    def feed(self, data: bytes, *, final: bool) -> tuple[list[Span], int]:
        """The next bytes; gives the spans to overwrite and where the undecided rest begins."""
        text = self._held + data if self._held else data
        base = self._base
        spans: list[Span] = []
        cut = len(text) if final else self._target.cut(text)
        if self._inside is not None or self._through > base or self._target.found(text):
            spans, undecided = self._search(text, final)
            cut = min(cut, undecided)
            self._through = max([self._through, *[base + end for _, end in spans]])
        self._base, self._held = base + cut, text[cut:]
        return [(base + start, base + min(end, cut)) for start, end in spans if start < cut], base + cut

    def _search(self, text: bytes, final: bool) -> tuple[list[Span], int]:
        """All there is to overwrite, and where the first thing begins that cannot be decided yet."""
        spans = [(0, min(self._through - self._base, len(text)))] if self._through > self._base else []
        for secret in self._target.secrets:
            at = text.find(secret)
            while at >= 0:
                spans.append((at, at + len(secret)))
                at = text.find(secret, at + 1)
        pos = 0
        if self._inside is not None:
            pos = self._value(text, self._inside - self._base, spans)
        while self._inside is None:
            start = min((place for literal in _LITERALS if (place := text.find(literal, pos)) >= 0), default=-1)
            if start < 0:
                return spans, len(text)
            field = _FIELD.match(text, start, start + _AHEAD) or _EPHEMERAL.match(text, start)
            if not final and _undecided(text, start, None if field is None else field.end()):
                return spans, start
            harmless = field is None or _MASKED.match(text, field.end())
            pos = start + 1 if field is None or harmless else self._value(text, field.end(), spans)
        return spans, len(text) if final else self._inside - self._base

    def _value(self, text: bytes, pos: int, spans: list[Span]) -> int:
        match = _STRING.match(text, pos)
        end = pos if match is None else match.end()
        if end > pos:
            spans.append((pos, end))
        closed = end < len(text) and text[end] == 0x22
        # A backslash at the end is decided with what follows it.
        self._inside = None if closed else self._base + end
        return end


def _undecided(text: bytes, start: int, value: int | None) -> bool:
    """Whether what begins at `start` is a field with a secret, or one that is masked already, depends on what follows the text."""
    if value is not None:
        return len(text) - value < _LOOK and b'"' not in text[value:]
    if text.startswith(_LITERALS[1], start):
        return len(text) - start < _LOOK
    return len(text) - start < _AHEAD and _FIELD_CUT.match(text, start) is not None


class AnswerGuard:
    """Overwrites secrets in an answer: `secrets`, byte for byte, and new ones that upstream gives out (`client_secret`).

    The pieces may be split anywhere. As many bytes come out as went in; those that may be the start of a secret come later.
    """

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        self.redacted = False
        self._watch = _Watch(secrets)
        self._held = b""
        self._base = 0

    def add(self, secrets: Iterable[bytes]) -> None:
        """More secrets to look for from now on."""
        self._watch.add(secrets)

    def feed(self, data: bytes) -> bytes:
        """The next bytes; gives what may be journalled now."""
        return self._next(data, final=False)

    def finish(self) -> bytes:
        """The answer has ended or was broken off: gives the rest."""
        return self._next(b"", final=True)

    def _next(self, data: bytes, *, final: bool) -> bytes:
        spans, end = self._watch.feed(data, final=final)
        base, self._base = self._base, end
        raw = self._held + data if self._held else data
        self._held, raw = raw[end - base :], raw[: end - base]
        if not spans:
            return raw
        self.redacted = True
        return _overwritten(raw, [(start - base, stop - base) for start, stop in spans])


class ChunkedGuard:
    """The same for the raw bytes of a chunked answer: secrets are found across the borders of chunks, and the framing stays as it is."""

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        self.redacted = False
        self._watch = _Watch(secrets)
        self._chunks = _Chunks()
        self._held = b""
        self._slices: list[Span] = []  # of the payload in what is held
        self._base = 0  # where in the payload the first of these begins

    def add(self, secrets: Iterable[bytes]) -> None:
        """More secrets to look for from now on."""
        self._watch.add(secrets)

    def feed(self, raw: bytes) -> bytes:
        """The next raw bytes; gives what may be journalled now."""
        return self._next(raw, final=False)

    def finish(self) -> bytes:
        """The answer has ended or was broken off: gives the rest."""
        return self._next(b"", final=True)

    def _next(self, raw: bytes, *, final: bool) -> bytes:
        slices = self._chunks.feed(raw)
        payload = b"".join([raw[start:end] for start, end in slices])
        spans, end = self._watch.feed(payload, final=final)
        if self._held:
            shift = len(self._held)
            slices = [*self._slices, *[(start + shift, stop + shift) for start, stop in slices]]
            raw = self._held + raw
        base, self._base = self._base, end
        if not spans and end - base == sum([stop - start for start, stop in slices]):
            self._held, self._slices = b"", []
            return raw
        cut, self._slices = _split(slices, end - base, len(raw))
        self._held, out = raw[cut:], raw[:cut]
        if not spans:
            return out
        self.redacted = True
        return _overwritten(out, [place for start, stop in spans for place in _places(slices, start - base, stop - base)])


def _split(slices: list[Span], length: int, whole: int) -> tuple[int, list[Span]]:
    """Where in the raw bytes the payload byte number `length` stands, and the slices from there on, counted from there."""
    for number, (start, end) in enumerate(slices):
        if length < end - start:
            cut = start + length
            return cut, [(0, end - cut), *[(start - cut, end - cut) for start, end in slices[number + 1 :]]]
        length -= end - start
    return whole, []


def _places(slices: list[Span], start: int, end: int) -> list[Span]:
    """Where a span of the payload stands in the raw bytes."""
    found: list[Span] = []
    for first, last in slices:
        size = last - first
        if start < size and end > 0:
            found.append((first + max(start, 0), first + min(end, size)))
        start, end = start - size, end - size
    return found


class _Chunks:
    """Where the payload stands in the raw bytes of a chunked body, which come split anywhere. What is no such body, and trailers, count as payload."""

    __slots__ = ("_left", "_line", "_rest")

    def __init__(self) -> None:
        self._left = 0  # of the chunk that goes on
        self._line = b""  # a line of which the end is not here yet
        self._rest = False  # whether all that follows counts as payload

    def feed(self, raw: bytes) -> list[Span]:
        """The next raw bytes; gives where payload stands in them."""
        slices: list[Span] = []
        pos, end, left = 0, len(raw), self._left
        while pos < end:
            if self._rest:
                slices.append((pos, end))
                break
            if left:
                stop = min(pos + left, end)
                slices.append((pos, stop))
                left -= stop - pos
                pos = stop
                continue
            stop = raw.find(b"\n", pos)
            line = self._line + raw[pos:] if stop < 0 else self._line + raw[pos : stop + 1]
            pos, self._line = (end, line) if stop < 0 else (stop + 1, b"")
            if stop >= 0 and line not in (b"\r\n", b"\n"):
                left = _chunk_size(line)
            self._rest = (left < 1 and (stop >= 0 and line not in (b"\r\n", b"\n"))) or len(self._line) > _LONGEST_LINE
            left = max(left, 0)
        self._left = left
        return slices


def _chunk_size(line: bytes) -> int:
    """The size in a chunk's first line; -1 if it has none."""
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        return -1


def _overwritten(raw: bytes, spans: Iterable[Span]) -> bytes:
    clean = bytearray(raw)
    for start, end in spans:
        clean[start:end] = b"*" * (end - start)
    return bytes(clean)
