"""Journals the body that a client sends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from xxhash import xxh3_128

from playhead.storage.records import Kind

from ..decoding import BodyDecoder
from ..forwarding.inbound import Inbound
from ..notes import request_end
from ..redaction import RedactionMemo, RequestScanner

# A byte, or an escape of JSON for one, perhaps cut off at the text's end.
_LETTER = re.compile(rb'\\u00[0-9a-fA-F]{2}|\\["\\/]|\\(?:u[0-9a-fA-F]{0,3})?\Z|.', re.DOTALL)
_ESCAPED = (b'"', b"\\", b"/")


class RequestTape:
    """Journals what a client sends: decoded, its secrets replaced."""

    def __init__(self, record: Callable[[Kind, bytes], None], inbound: Inbound, memo: RedactionMemo | None) -> None:
        self._write = record
        self._decoder = BodyDecoder(inbound.coding) if inbound.coding else None
        self.scanner = RequestScanner(inbound.secrets, memo=memo)
        self._secrets = inbound.secrets
        self._digest = xxh3_128() if inbound.coding else None
        self.bytes = 0

    def feed(self, data: bytes) -> None:
        """The next bytes of the body, transfer framing undone."""
        for text in self._clean(data):
            self._record(text)

    def _clean(self, data: bytes) -> Iterator[bytes]:
        self.bytes += len(data)
        if self._decoder is None or self._digest is None:
            yield self.scanner.feed(data)
            return
        self._digest.update(data)
        for piece in self._decoder.feed(data):
            yield self.scanner.feed(piece)

    def _record(self, text: bytes) -> None:
        if text:
            self._write(Kind.REQUEST_DATA, text)

    def end(self) -> None:
        """The body is whole."""
        texts, note = self._finish()
        for text in texts:
            self._record(text)
        self._write(Kind.REQUEST_END, note)

    def whole(self, data: bytes) -> tuple[bytes, bytes]:
        """All of the body at once: the text to record and the note of its end, neither of which is recorded here."""
        if self._decoder is None:
            self.bytes = len(data)
            text = self.scanner.whole(data)
            return text, request_end(self.bytes, redacted=self.scanner.redacted)
        start = list(self._clean(data))
        rest, note = self._finish()
        return b"".join([*start, *rest]), note

    def _finish(self) -> tuple[list[bytes], bytes]:
        problem = digest = None
        texts = []
        if self._decoder is not None and self._digest is not None:
            texts = [self.scanner.feed(piece) for piece in self._decoder.finish()]
            if (problem := self._decoder.problem) is not None:
                digest = self._digest.hexdigest()
        texts.append(self.scanner.finish())
        return texts, request_end(self.bytes, redacted=self.scanner.redacted, problem=problem, digest=digest)

    def break_off(self) -> None:
        """The client left in the middle, or was answered there: what came is recorded, but for what may be the start of a secret."""
        rest = self.scanner.finish()
        self._record(rest[: min((_cut(rest, secret) for secret in self._secrets), default=len(rest))])


def _cut(text: bytes, secret: bytes) -> int:
    """Where a start of that secret begins with which the text ends, as it is or as JSON may write it; the text's end if there is none."""
    tail = text[-6 * len(secret) :]
    letters, places = bytearray(), []
    for match in _LETTER.finditer(tail):
        letter = match[0]
        if len(letter) == 6:
            letters.append(int(letter[4:], 16))
        elif letter != b"\\" and (len(letter) == 1 or letter[1:] in _ESCAPED):
            letters += letter[-1:]
        else:
            continue  # an escape that is cut off itself
        places.append(len(text) - len(tail) + match.start())
    plain = bytes(letters)
    written = _overlap(tail, secret)
    meant = _overlap(plain, secret)
    return min(len(text) - written, places[-meant] if meant else len(text))


def _overlap(text: bytes, secret: bytes) -> int:
    """How many of the secret's first bytes the text ends with."""
    return next((size for size in range(min(len(secret), len(text)), 0, -1) if text.endswith(secret[:size])), 0)
