"""Journals what upstream answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from playhead.storage.records import Kind

from ..forwarding.http1 import Head
from ..masking.guards import AnswerGuard, ChunkedGuard, FrameGuard, passes
from ..redaction import redact_response_head

_Piece = tuple[bytes, list[bytes] | None]


class AnswerTape:
    """Journals the heads and the raw body of one answer, secrets overwritten. `secrets` gives what must not be recorded if the answer says it again.

    What ends with the read in which it began is not journalled here: it goes into one frame with the end of the exchange.
    """

    def __init__(self, record: Callable[[Kind, bytes], None], secrets: Callable[[], list[bytes]]) -> None:
        self.redacted = False
        self._record = record
        self._secrets = secrets
        self.kind = Kind.RESPONSE_DATA  # of the raw bytes
        self._guard: AnswerGuard | ChunkedGuard | None = None
        self._head: bytes | None = None  # of the read at hand
        self._pieces: list[_Piece] = []  # of the same read
        self._chunked = self._everything = False

    def interim(self, head: Head) -> None:
        """A head that another one follows."""
        self._record(Kind.RESPONSE_HEAD, self._clean(head))

    def upgrade(self, head: Head) -> FrameGuard:
        """A 101: the bytes of a WebSocket follow. Gives what they are guarded by, for those who journal them themselves."""
        self.interim(head)
        self.kind = Kind.UPSTREAM_DATA
        guard = self._guard = FrameGuard(self._secrets())
        return guard

    def begin(self, head: Head, *, chunked: bool, everything: bool) -> None:
        """The final head. `everything`: the whole body is a secret."""
        self._head = self._clean(head)
        self._chunked, self._everything = chunked, everything

    def data(self, data: bytes, payload: list[bytes] | None) -> None:
        """Raw bytes behind it; `payload`: the chunk data among them, if the body is chunked."""
        if kept := self.kept(data, payload):
            self._record(self.kind, kept)

    def kept(self, data: bytes, payload: list[bytes] | None) -> bytes:
        """As `data`; gives what is to be journalled of it now, for those who journal that themselves."""
        if self._head is None:
            return self._guard.feed(data, payload) if self._guard is not None else b""
        self._pieces.append((data, payload))
        return b""

    def guard_more(self, secrets: Iterable[bytes]) -> None:
        """An answer that began before the request was whole is guarded against what is found in that later."""
        if self._guard is not None:
            self._guard.add(secrets)

    def settle(self) -> None:
        """The read is over."""
        if self._head is not None:
            head, self._head = self._head, None
            self._record(Kind.RESPONSE_HEAD, head)
            if kept := self._guarded():
                self._record(self.kind, kept)

    def finish(self, *, whole: bool) -> tuple[bytes, bytes] | None:
        """Nothing more will come. Gives head and body of an answer that is not journalled yet; `redacted` is final then."""
        data = b"".join([data for data, _ in self._pieces])
        if self._head is None or not whole or self._everything or not passes(self._secrets(), data, self._payload()):
            data = self._guarded() if self._head is not None else b""
            if self._guard is not None:
                data += self._guard.finish()
                self.redacted |= self._guard.redacted
        head, self._head = self._head, None
        if head is not None:
            return head, data
        if data:
            self._record(self.kind, data)
        return None

    def _guarded(self) -> bytes:
        """What may be kept of the first read."""
        pieces, self._pieces = self._pieces, []
        guard = self._guard = (ChunkedGuard if self._chunked else AnswerGuard)(self._secrets(), everything=self._everything)
        return b"".join([guard.feed(data, payload) for data, payload in pieces])

    def _payload(self) -> list[bytes] | None:
        if not self._chunked:
            return None
        return self._pieces[0][1] or [] if len(self._pieces) == 1 else [chunk for _, payload in self._pieces for chunk in payload or ()]

    def _clean(self, head: Head) -> bytes:
        recorded, redacted = redact_response_head(head.raw, self._secrets())
        self.redacted |= redacted
        return recorded
