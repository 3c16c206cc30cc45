"""Journals the body that a client sends."""

from __future__ import annotations

from collections.abc import Callable

from xxhash import xxh3_128

from playhead.storage.records import Kind

from .decoding import BodyDecoder
from .inbound import Inbound
from .notes import request_end
from .redaction import RedactionMemo, RequestScanner


class RequestTape:
    """Journals what a client sends: decoded, its secrets replaced."""

    def __init__(self, record: Callable[[Kind, bytes], None], inbound: Inbound, memo: RedactionMemo) -> None:
        self._write = record
        self._decoder = BodyDecoder(inbound.coding) if inbound.coding else None
        self.scanner = RequestScanner(inbound.secrets, memo=memo)
        self._secrets = inbound.secrets
        self._digest = xxh3_128() if inbound.coding else None
        self.bytes = 0

    def feed(self, data: bytes) -> None:
        """The next bytes of the body, transfer framing undone."""
        self.bytes += len(data)
        if self._decoder is None or self._digest is None:
            self._record(self.scanner.feed(data))
            return
        self._digest.update(data)
        for piece in self._decoder.feed(data):
            self._record(self.scanner.feed(piece))

    def _record(self, text: bytes) -> None:
        if text:
            self._write(Kind.REQUEST_DATA, text)

    def end(self) -> None:
        """The body is whole."""
        problem = digest = None
        if self._decoder is not None and self._digest is not None:
            for piece in self._decoder.finish():
                self._record(self.scanner.feed(piece))
            if (problem := self._decoder.problem) is not None:
                digest = self._digest.hexdigest()
        self._record(self.scanner.finish())
        self._write(Kind.REQUEST_END, request_end(self.bytes, redacted=self.scanner.redacted, problem=problem, digest=digest))

    def break_off(self) -> None:
        """The client left in the middle, or was answered there: what came is recorded, but for what may be the start of a secret."""
        rest = self.scanner.finish()
        for secret in self._secrets:
            start = next((size for size in range(min(len(secret), len(rest)), 0, -1) if rest.endswith(secret[:size])), 0)
            rest = rest[: len(rest) - start]
        self._record(rest)
