"""Answers without secrets: what of an answer's bytes is overwritten, with as many `*`, before they are journalled."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from playhead.config import secrets as secret_rules

from .fields import masked
from .framings import ChunkSlices, FrameSlices, Span
from .needles import Test, findable, finds, literally, readable, usable

# How far a `client_secret` is looked into for its `value`.
_AHEAD = 4096
_BODY = rb'(?>[^"\\]+|\\.)*+'
_S = rb"[ \t\r\n]*+"
_OTHER = rb'"(?!value"' + _S + b":)" + _BODY + b'"' + _S + b":" + _S + b'(?:"' + _BODY + rb'"|[^"{}\[\],]++)' + _S + b"," + _S
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
_TELLING = 2 * secret_rules.LEAST_SECRET  # so much of a secret is one: what an answer that was cut ends with
_ENDINGS = (b"\r\n0\r\n\r\n", b"0\r\n\r\n", b"\r\n")  # of chunked bodies without trailers
_has_last_chunk = finds(r"\n0")
_PASSED = 256 << 10  # raw bytes whose framing may wait to be read
# In trailers, as in heads (redaction.py); here, too, as many bytes come out as went in.
_SET_COOKIE = re.compile(rb"(?im)^(set-cookie2?[ \t]*:[ \t]*(?:[^=;\r\n]*=)?)([^;\r\n]*)")
_GIVING = re.compile(secret_rules.GIVING_PATHS.encode())


class _Target:
    """What is looked for: prepared once for each set of secrets."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self.secrets = sorted(filter(usable, dict.fromkeys(secrets)), key=len, reverse=True)
        quick = findable(self.secrets)
        self.others = [secret for secret in self.secrets if secret not in quick]
        self.test: Test = finds(literally((*_LITERALS, *quick)))
        self._literals = (*_LITERALS, *self.secrets)
        self._reach = max(map(len, self._literals)) - 1
        self.risky = frozenset(b"".join(self._literals))
        self._starts = re.compile(b"[" + b"".join(rb"\x%02x" % byte for byte in sorted({literal[0] for literal in self._literals})) + b"]")

    def found(self, text: bytes) -> bool:
        """Whether anything stands in the text that must be looked at closely."""
        return self.test(readable(text)) or (bool(self.others) and any(secret in text for secret in self.others))

    def cut(self, text: bytes) -> int:
        """Where something that is looked for may begin and be cut off by the end of the text."""
        if not text or text[-1] not in self.risky:
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

    def __init__(self, target: _Target) -> None:
        self._target = target
        self._held = b""
        self.base = 0  # where what is undecided begins
        self._spans: list[Span] = []  # found already, in what is held
        self._inside: int | None = None  # where a value goes on that began before
        self._after = 0  # fields before that have been dealt with

    def add(self, secrets: Iterable[bytes]) -> None:
        """More secrets to look for from now on."""
        self._target = _target(tuple(dict.fromkeys((*self._target.secrets, *secrets))))

    def masked(self, text: bytes) -> bytes:
        """A text of its own, whole, without the secrets that were given."""
        for secret in self._target.secrets:
            text = text.replace(secret, b"*" * len(secret))
        return text

    def alone(self, text: bytes) -> list[Span]:
        """What to overwrite in a text of its own, whole or broken off."""
        target = self._target
        if target.cut(text) == len(text) and not target.found(text):
            return []
        return _Watch(target).feed(text, final=True)[0]

    @property
    def holds(self) -> bool:
        """Whether anything is undecided yet."""
        return bool(self._held)

    def calm(self, data: bytes) -> bool:
        """Take the next bytes in if nothing is held and nothing in them needs a closer look; else False, and nothing has happened."""
        # What `found` and `cut` say, without their calls: nearly everything that passes comes here, and in small pieces.
        target = self._target
        if self._held or self._inside is not None or target.test(data if data.isascii() else readable(data)):
            return False
        if (data and data[-1] in target.risky and target.cut(data) < len(data)) or (target.others and target.found(data)):
            return False
        self.base += len(data)
        return True

    def feed(self, data: bytes, *, final: bool) -> tuple[list[Span], int]:
        """The next bytes; gives the spans to overwrite and where the undecided rest begins."""
        text = self._held + data if self._held else data
        base = self.base
        spans: list[Span] = []
        cut = len(text) if final else self._target.cut(text)
        if self._inside is not None or self._spans or self._target.found(text):
            spans, undecided = self._search(text, final)
            cut = min(cut, undecided)
            self._spans = [(base + start, base + end) for start, end in spans if end > cut]
        if final and len(text) - (start := self._target.cut(text)) >= _TELLING:
            spans.append((start, len(text)))  # the answer was cut there
        self.base, self._held = base + cut, text[cut:]
        return [(base + max(start, 0), base + min(end, cut)) for start, end in spans if start < cut], base + cut

    def _search(self, text: bytes, final: bool) -> tuple[list[Span], int]:
        """All there is to overwrite, and where the first thing begins that cannot be decided yet."""
        spans = list(dict.fromkeys((start - self.base, end - self.base) for start, end in self._spans))
        for secret in self._target.secrets:
            at = text.find(secret)
            while at >= 0:
                spans.append((at, at + len(secret)))
                at = text.find(secret, at + 1)
        pos = max(0, self._after - self.base)
        if self._inside is not None:
            pos = self._value(text, self._inside - self.base, spans)
        while self._inside is None:
            self._after = self.base + pos
            start = min((place for literal in _LITERALS if (place := text.find(literal, pos)) >= 0), default=-1)
            if start < 0:
                return spans, len(text)
            field = _FIELD.match(text, start, start + _AHEAD) or _EPHEMERAL.match(text, start)
            if not final and _undecided(text, start, None if field is None else field.end()):
                return spans, start
            harmless = field is None or _MASKED.match(text, field.end())
            pos = start + 1 if field is None or harmless else self._value(text, field.end(), spans)
        return spans, len(text) if final else self._inside - self.base

    def _value(self, text: bytes, pos: int, spans: list[Span]) -> int:
        match = _STRING.match(text, pos)
        end = pos if match is None else match.end()
        if end > pos:
            spans.append((pos, end))
        closed = end < len(text) and text[end] == 0x22
        # A backslash at the end is decided with what follows it.
        self._inside = None if closed else self.base + end
        return end


def _undecided(text: bytes, start: int, value: int | None) -> bool:
    """Whether what begins at `start` is a field with a secret, or one that is masked already, depends on what follows the text."""
    if value is not None:
        return len(text) - value < _LOOK and b'"' not in text[value:]
    if text.startswith(_LITERALS[1], start):
        return len(text) - start < _LOOK
    return len(text) - start < _AHEAD and _FIELD_CUT.match(text, start) is not None


def gives_secrets(target: bytes) -> bool:
    """Whether the answer to a request of that target gives out new secrets: if it is compressed, a guard must overwrite `everything`."""
    return _GIVING.search(target) is not None


def passes(secrets: Iterable[bytes], raw: bytes, payload: list[bytes] | None) -> bool:
    """Whether a guard would leave a whole answer as it is: quick, for the many that say no secret. `payload`: its chunk data if it is chunked."""
    if payload is not None and _has_trailers(raw, payload):
        return False
    target, text = _target(tuple(secrets)), raw if payload is None else b"".join(payload)
    return target.cut(text) == len(text) and not target.found(text)


class AnswerGuard:
    """Overwrites secrets in an answer: `secrets`, byte for byte, and new ones that upstream gives out (`client_secret`); or else `everything`.

    The pieces may be split anywhere. As many bytes come out as went in; those that may be the start of a secret come later.
    """

    def __init__(self, secrets: Iterable[bytes] = (), *, everything: bool = False) -> None:
        self.redacted = False
        self._everything = everything
        self._watch = _Watch(_target(tuple(secrets)))
        self._held = b""

    def add(self, secrets: Iterable[bytes]) -> None:
        """More secrets to look for from now on."""
        self._watch.add(secrets)

    def feed(self, data: bytes, payload: list[bytes] | None = None) -> bytes:
        """The next bytes; gives what may be journalled now. `payload` is nothing to a body without framing."""
        return self._next(data, final=False)

    def finish(self) -> bytes:
        """The answer has ended or was broken off: gives the rest."""
        return self._next(b"", final=True)

    def _next(self, data: bytes, *, final: bool) -> bytes:
        if self._everything:
            self.redacted = self.redacted or bool(data)
            return b"*" * len(data)
        base = self._watch.base
        spans, end = self._watch.feed(data, final=final)
        raw = self._held + data if self._held else data
        self._held, raw = raw[end - base :], raw[: end - base]
        if not spans:
            return raw
        self.redacted = True
        return _overwritten(raw, [(start - base, stop - base) for start, stop in spans])


class ChunkedGuard:
    """The same for the raw bytes of a chunked answer: secrets are found across the borders of chunks, and the framing stays as it is."""

    def __init__(self, secrets: Iterable[bytes] = (), *, everything: bool = False) -> None:
        self.redacted = False
        self._everything = everything
        self._watch = _Watch(_target(tuple(secrets)))
        self._chunks: ChunkSlices | FrameSlices = ChunkSlices()
        self._held = b""
        self._slices: list[Span] = []  # of the payload in what is held
        self._passed: list[bytes] = []  # raw bytes that were given out at once: their framing is still to be read
        self._passed_bytes = 0
        self._trailers = b""  # and the empty line that ends them

    def add(self, secrets: Iterable[bytes]) -> None:
        """More secrets to look for from now on."""
        self._watch.add(secrets)

    def feed(self, raw: bytes, payload: list[bytes] | None = None) -> bytes:
        """The next raw bytes; gives what may be journalled now. `payload`: the chunk data in them, if the caller has it."""
        if payload is None or self._held or self._everything or self._trailers or _has_trailers(raw, payload):
            return self._next(raw, final=False)
        if not self._watch.calm(b"".join(payload)):
            return self._next(raw, final=False)
        # Reading the framing costs more than all else, and most answers end before it is asked for.
        self._passed.append(raw)
        self._passed_bytes += len(raw)
        if self._passed_bytes > _PASSED:
            self._catch_up()
        return raw

    def _catch_up(self) -> None:
        for raw in self._passed:
            self._chunks.feed(raw)
        self._passed.clear()
        self._passed_bytes = 0

    def finish(self) -> bytes:
        """The answer has ended or was broken off: gives the rest."""
        trailers = _SET_COOKIE.sub(_hidden, self._watch.masked(self._trailers))
        self.redacted = self.redacted or trailers != self._trailers
        return (self._next(b"", final=True) if self._held else b"") + trailers

    def _next(self, raw: bytes, *, final: bool) -> bytes:
        self._catch_up()
        slices = self._chunks.feed(raw) if raw else []
        if self._chunks.ended_at is not None:
            raw, self._trailers = raw[: self._chunks.ended_at], self._trailers + raw[self._chunks.ended_at :]
        return self._guarded(raw, slices, final=final)

    def _guarded(self, raw: bytes, slices: list[Span], *, final: bool) -> bytes:
        """The next raw bytes, and where payload stands in them; gives what may be journalled now."""
        if self._everything:
            self.redacted = self.redacted or bool(slices)
            return _overwritten(raw, slices)
        payload = b"".join([raw[start:end] for start, end in slices])
        base = self._watch.base
        spans, end = self._watch.feed(payload, final=final)
        if self._held:
            shift = len(self._held)
            slices = [*self._slices, *[(start + shift, stop + shift) for start, stop in slices]]
            raw = self._held + raw
        if not spans and not self._watch.holds:
            self._held, self._slices = b"", []
            return raw
        cut, self._slices = _split(slices, end - base, len(raw))
        self._held, out = raw[cut:], raw[:cut]
        if not spans:
            return out
        self.redacted = True
        return _overwritten(out, [place for start, stop in spans for place in _places(slices, start - base, stop - base)])


class FrameGuard(ChunkedGuard):
    """The same for the raw bytes of a WebSocket from its server: secrets are found across the borders of frames.

    Control frames may stand anywhere between those of a message: what each says is looked through by itself.
    """

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        super().__init__(secrets)
        self._chunks = self._frames = FrameSlices()
        self._control = b""  # the payload of a control frame that goes on: it is held until it is whole, 125 bytes at most

    def feed(self, raw: bytes, payload: list[bytes] | None = None) -> bytes:
        """The next raw bytes; gives what may be journalled now."""
        if not self._held and (whole := self._frames.whole(raw)) is not None and self._watch.calm(whole):
            return raw
        slices = self._chunks.feed(raw)
        if self._frames.controls:
            raw, slices = self._controlled(raw, slices)
            if len(self._held) > _PASSED:  # control frames without end, and the message they interrupt does not go on
                return self._guarded(raw, slices, final=True)
        if self._held or not self._watch.calm(b"".join([raw[start:end] for start, end in slices])):
            return self._guarded(raw, slices, final=False)
        return raw

    def finish(self) -> bytes:
        """The socket has ended or was broken off: gives the rest."""
        return super().finish() + self._without_secrets(self._control, [(0, len(self._control))])

    def _controlled(self, raw: bytes, slices: list[Span]) -> tuple[bytes, list[Span]]:
        """The raw bytes and their slices after what control frames say in them was looked through; the one that goes on is held."""
        held, controls = self._control, self._frames.controls
        if held:  # the first one goes on with it
            raw, shift = held + raw, len(held)
            controls = [(start + shift if start else 0, end + shift) for start, end in controls]
            slices = [(start + shift, end + shift) for start, end in slices]
        self._control = b""
        if self._frames.in_control:
            start, _ = controls.pop()
            raw, self._control = raw[:start], raw[start:]
        return self._without_secrets(raw, controls), slices

    def _without_secrets(self, raw: bytes, texts: list[Span]) -> bytes:
        """The raw bytes, what is to be overwritten in each of those texts in them overwritten."""
        spans = [(first + start, first + end) for first, last in texts for start, end in self._watch.alone(raw[first:last])]
        if not spans:
            return raw
        self.redacted = True
        return _overwritten(raw, spans)


def _has_trailers(raw: bytes, payload: list[bytes]) -> bool:
    """Whether trailers may stand in raw bytes with that payload; they come behind the last chunk, whose size is 0."""
    if not payload:
        return raw not in _ENDINGS
    return _has_last_chunk(raw if raw.isascii() else readable(raw)) and not raw.endswith(_ENDINGS[0])


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


def _hidden(cookie: re.Match[bytes]) -> bytes:
    return cookie[0] if masked(cookie[2].strip()) else cookie[1] + b"*" * len(cookie[2])


def _overwritten(raw: bytes, spans: Iterable[Span]) -> bytes:
    clean = bytearray(raw)
    for start, end in spans:
        clean[start:end] = b"*" * (end - start)
    return bytes(clean)
