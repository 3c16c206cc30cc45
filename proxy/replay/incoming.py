"""A request on its way into a replay: what of it is compared with recordings, and what is needed if it goes on to upstream. Pure.

Recorded requests hold no secrets, and so must what is compared with them. But a client of a replay sends a dummy for a key, which may be an ordinary word
of its prompts ("unused"), and is not to be looked for there; at first. If nothing is found, then as it was recorded: with the key replaced wherever it
stands. Only this text is ever shown or stored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from xxhash import xxh3_128

from playhead.storage.records import Fingerprint

from ..decoding import BodyDecoder
from ..fingerprint import F1, HELD, Asked, Fingerprinter, Rules
from ..forwarding.inbound import Inbound
from ..matching.request_memo import RequestMemo
from ..redaction import RedactionMemo, RequestScanner

LIVE = 64 << 20
"""Bytes of a body that are kept for upstream; a longer one cannot be sent on once it has been compared."""

SHOWN = 1 << 20
"""Bytes of a body that are kept to be shown."""

_RULED = 64  # sets of rules whose bodies are remembered
_REMEMBERED = 1 << 13  # as on recording: a shorter body is looked through faster than compared with others


@dataclass(frozen=True, slots=True)
class Memory:
    """What the requests of a server have in common, so that nothing of a growing history is read twice."""

    redaction: RedactionMemo = field(default_factory=RedactionMemo)
    requests: RequestMemo = field(default_factory=lambda: RequestMemo(tells=False))
    ruled: OrderedDict[str, RequestMemo] = field(default_factory=OrderedDict)

    def fingerprint(self, asked: Asked, text: bytes, rules: Rules) -> Fingerprint:
        """Of a whole request; under rules with that without them."""
        made = self.requests.read(asked, text)[1]
        return made if rules is F1 else self._under(rules).read(asked, text)[1]._replace(plain=made.digest)

    def _under(self, rules: Rules) -> RequestMemo:
        memo = self.ruled.get(rules.name)
        if memo is None:
            memo = self.ruled[rules.name] = RequestMemo(rules, tells=False)
            if len(self.ruled) > _RULED:
                self.ruled.popitem(last=False)
        return memo


class Incoming:
    """One request. `live`: it may go on to upstream, and is kept as it came."""

    def __init__(self, inbound: Inbound, upstream: str, memory: Memory, *, live: bool) -> None:
        self.bytes = 0
        self.read: tuple[Asked, bytes] | None = None
        """What the newest of `fingerprints` was made of; None: a body too long to be kept."""
        self.sendable = live
        self._inbound = inbound
        self._memory = memory
        self._asked = Asked.of(inbound.recorded_head, upstream)
        self._decoder = BodyDecoder(inbound.coding) if inbound.coding else None
        self._hash = xxh3_128() if inbound.coding else None
        self._raw: list[bytes] = []  # as it came
        self._decoded: list[bytes] = []
        self._size = 0  # of what was decoded
        self._lanes: tuple[_Lane, _Lane] | None = None  # of a body that is too long to be kept: without and with the request's own secrets

    def feed(self, data: bytes) -> None:
        """The next bytes of the body, transfer framing undone."""
        self.bytes += len(data)
        if self.sendable:
            self.sendable = self.bytes <= LIVE
            self._raw.append(data)
            if not self.sendable:
                self._raw.clear()
        if self._decoder is None or self._hash is None:
            self._take(data)
            return
        self._hash.update(data)
        for piece in self._decoder.feed(data):
            self._take(piece)

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        if self._lanes is None:
            self._decoded.append(data)
            if self._size > HELD:
                self._lanes = (_Lane(self.plain, ()), _Lane(self._asked, self._inbound.secrets))
                for piece in self._decoded:
                    self._feed_lanes(self._lanes, piece)
                self._decoded.clear()
        else:
            self._feed_lanes(self._lanes, data)

    @staticmethod
    def _feed_lanes(lanes: tuple[_Lane, _Lane], data: bytes) -> None:
        for lane in lanes:
            lane.feed(data)

    def end(self) -> None:
        """The body is whole."""
        if self._decoder is not None and self._hash is not None:
            for piece in self._decoder.finish():
                self._take(piece)
            if self._decoder.problem is not None:
                self._asked = self._asked._replace(undecoded=self._hash.hexdigest())

    @property
    def body(self) -> bytes:
        """As it came, if it is `sendable`."""
        return self._raw[0] if len(self._raw) == 1 else b"".join(self._raw)

    @property
    def plain(self) -> Asked:
        """The request's head without the search for its own secrets in it."""
        return self._asked._replace(target=self._inbound.plain_target.decode("latin-1"))

    def fingerprints(self, rules: Rules = F1) -> Iterator[Fingerprint]:
        """What to look for, the likelier first; a second one only if it differs. Call it once, at the end."""
        if self._lanes is not None:  # rules do not count
            plain, full = (lane.finish() for lane in self._lanes)
            yield plain
            if full != plain:
                yield full
            return
        text = self._scanned(())
        yield self._fingerprint(self.plain, text, rules)
        if self._inbound.secrets:
            whole = self._scanned(self._inbound.secrets)
            if whole != text or self.plain != self._asked:
                yield self._fingerprint(self._asked, whole, rules)

    def _fingerprint(self, asked: Asked, text: bytes, rules: Rules) -> Fingerprint:
        self.read = asked, text
        return self._memory.fingerprint(asked, text, rules)

    def _scanned(self, secrets: tuple[bytes, ...] | list[bytes]) -> bytes:
        text = self._decoded[0] if len(self._decoded) == 1 else b"".join(self._decoded)
        if not text:
            return text
        return RequestScanner(secrets, self._memory.redaction if len(text) >= _REMEMBERED else None).whole(text)

    @property
    def asked(self) -> Asked:
        """What is known of it but its body, all secrets replaced."""
        return self._asked

    @property
    def head(self) -> bytes:
        """The request's head, all secrets replaced."""
        return self._inbound.recorded_head

    @property
    def whole(self) -> bool:
        """Whether `text` is all of the body."""
        return self._lanes is None

    def text(self) -> bytes:
        """The body, decoded, all secrets replaced; the start of a long one."""
        return self._scanned(self._inbound.secrets) if self._lanes is None else self._lanes[1].start


class _Lane:
    """One reading of a long body, piece by piece."""

    def __init__(self, asked: Asked, secrets: tuple[bytes, ...] | list[bytes]) -> None:
        self.start = b""
        self._scanner = RequestScanner(secrets)
        self._print = Fingerprinter(asked)

    def feed(self, data: bytes) -> None:
        self._write(self._scanner.feed(data))

    def _write(self, text: bytes) -> None:
        if len(self.start) < SHOWN:
            self.start += text[: SHOWN - len(self.start)]
        self._print.feed(text)

    def finish(self) -> Fingerprint:
        self._write(self._scanner.finish())
        return self._print.finish()
