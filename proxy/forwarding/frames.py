"""WebSocket frames (RFC 6455 section 5, RFC 7692) read out of a byte stream, decided without I/O.

Messages are given piece by piece as their bytes come, so that a message of any size needs little memory. The side that sends masks its frames
(the client) or not (the server). A peer that breaks the protocol ends the decoding with a problem; nothing is raised.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import Any, NamedTuple

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # where it is the C version, if there is one

MAX_PIECE = 1 << 20
"""Longest piece that inflating gives."""

MAX_FED = 1 << 20
"""Compressed bytes of one message that are kept to go on after a restart; of a longer one the rest cannot be decoded then."""

MAX_INFLATED = 64 << 20
"""Most bytes that one `feed` may inflate to."""

INSTEAD = 0x20
"""In the flags of a CLIENT_FRAME: playhead sent this message in place of what the client had sent."""

_WINDOW = 1 << 15
_FIRST, _LAST = 0x10, 0x80
_HEADER = struct.Struct(">HH").unpack_from  # of an unmasked frame: what it is and its length; where that is below 126, the second number is payload
_TEXT, _LONGER_TEXT = 0x8100, 0x817E  # a whole text message; with its length behind
_SYNC = b"\x00\x00\xff\xff"  # what RFC 7692 section 7.2.1 has the sender take off


class Opcode(IntEnum):
    """What a message is (RFC 6455 section 5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class MessagePiece(NamedTuple):
    """A piece of a message or a whole control frame. `opcode`: of the message. `payload`: unmasked and inflated. `first`, `last`: of its message."""

    opcode: int
    first: bool
    last: bool
    payload: bytes


class Message(NamedTuple):
    """A whole message or control frame."""

    opcode: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Deflate:
    """permessage-deflate as one side sends it. `bits`: of its window. `takeover`: whether a message may refer to the one before."""

    bits: int = 15
    takeover: bool = True


def deflate_of(extensions: bytes, side: str) -> Deflate | None:
    """What the `Sec-WebSocket-Extensions` of a 101 agreed on for the frames that `side` (client or server) sends; None without compression."""
    for extension in extensions.lower().split(b","):
        name, *parameters = [part.strip() for part in extension.split(b";")]
        if name != b"permessage-deflate":
            continue
        given = {key.strip(): value.strip(b' "') for key, _, value in (parameter.partition(b"=") for parameter in parameters)}
        bits = given.get(f"{side}_max_window_bits".encode(), b"")
        return Deflate(int(bits) if bits.isdigit() and 8 <= int(bits) <= 15 else 15, f"{side}_no_context_takeover".encode() not in given)
    return None


def pack(piece: MessagePiece) -> bytes:
    """A piece as a CLIENT_FRAME of the journal: opcode, 0x10 on the first and 0x80 on the last of a message, then the payload."""
    return bytes((piece.opcode | _FIRST * piece.first | _LAST * piece.last,)) + piece.payload


def unpack(payload: bytes) -> MessagePiece:
    """The piece that a CLIENT_FRAME holds."""
    flags = payload[0] if payload else 0
    return MessagePiece(flags & 0x0F, bool(flags & _FIRST), bool(flags & _LAST), payload[1:])


class _ViolationError(Exception):
    """The peer broke the protocol: the text says how."""


class _Inflater:
    """Undoes the compression of messages. With `resumable` it keeps what a restart needs: the output before this message, and the message so far."""

    __slots__ = ("_bits", "_fed", "_fed_bytes", "_out", "_resumable", "_takeover", "_window", "_z")

    def __init__(self, deflate: Deflate, resumable: bool) -> None:
        self._bits, self._takeover, self._resumable = deflate.bits, deflate.takeover, resumable
        self._z: Any = None  # made when needed: most sockets idle
        self._window: deque[bytes] = deque()  # the last 32 KiB of output before this message, or more
        self._out: deque[bytes] = deque()  # the same of this message
        self._fed: list[bytes] = []
        self._fed_bytes = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._resumable:
            self._fed_bytes += len(data)
            if self._fed_bytes <= MAX_FED:
                self._fed.append(data)
            else:
                self._fed.clear()
        return self._inflate(data)

    def end(self) -> Iterator[bytes]:
        """The message ends here."""
        yield from self._inflate(_SYNC)
        self._fed.clear()
        self._fed_bytes = 0
        if not self._takeover:
            self._z = None
            self._out.clear()
        self._window.extend(self._out)
        self._out.clear()
        _trim(self._window)

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._z is None:
                self._z = zlib.decompressobj(-self._bits)
            try:
                out = self._z.decompress(data, MAX_PIECE)
            except zlib.error as error:
                raise _ViolationError(f"a compressed message cannot be inflated: {error}") from None
            data = self._z.unconsumed_tail
            if self._resumable and self._takeover:
                self._out.append(out)
                _trim(self._out)
            if self._z.eof:  # a final block: what follows begins anew, with nothing to refer to
                data = self._z.unused_data
                self._z = None
                self._window.clear()
                self._out.clear()
                self._fed, self._fed_bytes = [data], len(data)
            if out:
                yield out

    def state(self) -> dict[str, Any]:
        """JSON. `fed` is null where the message was too long to keep."""
        fed = b64encode(b"".join(self._fed)).decode() if self._fed_bytes <= MAX_FED else None
        return {"window": b64encode(b"".join(self._window)[-_WINDOW:]).decode(), "fed": fed}

    def restore(self, state: dict[str, Any]) -> bool:
        """Go on from that state; False if it does not suffice."""
        window = b64decode(state["window"])
        self._window.append(window)
        self._z = zlib.decompressobj(-self._bits, zdict=window)
        if state["fed"] is None:
            return False
        deque(self.feed(b64decode(state["fed"])), maxlen=0)
        return True


def _masked_message(data: bytes) -> MessagePiece | None:
    """The message that these bytes are, masked and in one frame, as nearly all are that a client sends; None: they are something else."""
    if len(data) < 8:
        return None
    first, second = data[0], data[1] & 127
    start, size = (6, second) if second < 126 else (8, data[2] << 8 | data[3])
    if first not in (0x81, 0x82) or data[1] < 128 or second == 127 or start + size != len(data):
        return None
    return MessagePiece(first & 0x0F, True, True, apply_mask(data[start:], data[start - 4 : start]))


def _trim(pieces: deque[bytes]) -> None:
    size = sum(map(len, pieces))
    while pieces and size - len(pieces[0]) >= _WINDOW:
        size -= len(pieces.popleft())


class FrameDecoder:
    """Gives the messages of one direction piece by piece; at any split of the same bytes the pieces join to the same messages. Never raises.

    `masked`: the frames are the client's. `resumable`: `state` will be asked for. Control frames are given whole, between the pieces of the message
    that they interrupt. `problem`: how the peer broke the protocol; from then on nothing is decoded, and `rest` is what the last `feed` left.
    """

    __slots__ = (
        "_begun",
        "_control",
        "_deflated",
        "_final",
        "_held",
        "_inflated",
        "_inflater",
        "_joined",
        "_left",
        "_mask",
        "_masked",
        "_opcode",
        "problem",
        "rest",
    )

    def __init__(self, deflate: Deflate | None = None, *, masked: bool = False, resumable: bool = False) -> None:
        self.problem: str | None = None
        self.rest = b""
        self._inflater = _Inflater(deflate, resumable) if deflate else None
        self._masked = masked
        self._held = b""  # a header, or a control frame, of which the end is missing
        self._left = 0  # payload bytes of this frame that are still to come
        self._final = True  # this frame is the last one of its message
        self._mask = b""  # turned so that its first byte is for the next one of the payload
        self._control = 0  # the opcode of this frame if it is a control frame
        self._opcode = 0  # of the message that goes on; 0: none
        self._begun = False  # a piece of it was given
        self._deflated = False
        self._inflated = 0  # bytes that this feed has inflated
        self._joined: list[bytes] = []

    def feed(self, data: bytes) -> list[MessagePiece]:
        """The pieces that these bytes hold."""
        pieces: list[MessagePiece] = []
        if self.problem is not None:
            self.rest = data
            return pieces
        if self._held:
            data, self._held = self._held + data, b""
        if self._masked and not self._left and not self._opcode and (whole := _masked_message(data)) is not None:
            pieces.append(whole)
            return pieces
        self._inflated, at, size = 0, 0, len(data)
        try:
            while at < size:
                if not self._left:
                    at = self._plain(data, at, size, pieces)
                    start = self._header(data, at, size)
                    if start < 0:
                        self._held = data[at:]
                        break
                    at = start
                end = min(at + self._left, size)
                self._left -= end - at
                self._take(data[at:end], pieces)
                at = end
        except _ViolationError as violation:
            self.problem = str(violation)
            self.rest = data[at:]
        return pieces

    def messages(self, data: bytes) -> list[Message]:
        """The messages and control frames that these bytes complete."""
        messages: list[Message] = []
        for opcode, first, last, payload in self.feed(data):
            if first and last:
                messages.append(Message(opcode, payload))
                continue
            self._joined.append(payload)
            if last:
                messages.append(Message(opcode, b"".join(self._joined)))
                self._joined.clear()
        return messages

    @property
    def held(self) -> bytes:
        """A frame's header, or a control frame, of which the end is missing."""
        return self._held

    def whole_text(self, data: bytes) -> bytes | None:
        """The text message that these bytes are, if they are one of more than 125 bytes and nothing else, and nothing goes on; nothing is taken here."""
        if len(data) < 4 or self._held or self._left or self._opcode or self._masked or self.problem is not None:
            return None
        header, length = _HEADER(data)
        return data[4:] if header == _LONGER_TEXT and length == len(data) - 4 else None

    def texts(self, data: bytes) -> tuple[list[bytes], int]:
        """The text messages at the start of these bytes that are whole, of one frame and not compressed, as nearly all are, and where they end.

        What stands behind them is for `feed`, and so are bytes that go on with something: of them nothing is taken here.
        """
        found: list[bytes] = []
        if self._held or self._left or self._opcode or self._masked or self.problem is not None:
            return found, 0
        at, size, add = 0, len(data), found.append
        last = size - 4  # where a header can begin
        while at <= last:
            header, length = _HEADER(data, at)
            start = at + 4
            if header != _LONGER_TEXT:
                if not _TEXT <= header < _LONGER_TEXT:
                    break
                start, length = at + 2, header - _TEXT
            end = start + length
            if end > size:
                break
            add(data[start:end])
            at = end
        return found, at

    def _plain(self, data: bytes, at: int, size: int, pieces: list[MessagePiece]) -> int:
        """Take the whole unmasked messages of one frame that come next, as nearly all do; they need no state. Returns where they end."""
        if self._masked or self._opcode:
            return at
        make = tuple.__new__
        while at + 4 <= size:
            first, length = data[at], data[at + 1]
            if length < 126:
                start = at + 2
            elif length == 126:
                start, length = at + 4, data[at + 2] << 8 | data[at + 3]
            else:
                break
            end = start + length
            if end > size or first not in (0x81, 0x82):
                break
            pieces.append(make(MessagePiece, (first & 0x0F, True, True, data[start:end])))
            at = end
        return at

    def _header(self, data: bytes, at: int, size: int) -> int:
        """Read the header of a frame; returns where its payload starts, -1 if not all of it (or of a control frame) is here."""
        if at + 2 > size:
            return -1
        first, second = data[at], data[at + 1]
        self._check(first, second)
        opcode, length, start = first & 0x0F, second & 0x7F, at + 2
        if length > 125:
            start += 2 if length == 126 else 8
            length = int.from_bytes(data[at + 2 : start], "big")
        mask_at = start
        start += 4 * self._masked
        if start > size or (opcode >= 8 and start + length > size):
            return -1
        if length >> 63:
            raise _ViolationError("a frame's length has its highest bit set")
        self._left, self._mask, self._control = length, data[mask_at:start], opcode if opcode >= 8 else 0
        if opcode < 8:
            self._final = first >= 0x80
            if opcode:
                self._opcode, self._begun, self._deflated = opcode, False, bool(first & 0x40)
        return start

    def _check(self, first: int, second: int) -> None:
        """Raise _ViolationError for what RFC 6455 section 5 forbids."""
        opcode = first & 0x0F
        if first & 0x30 or (first & 0x40 and (self._inflater is None or opcode not in (1, 2))):
            raise _ViolationError("a frame has reserved bits set")
        if (second >= 0x80) != self._masked:
            raise _ViolationError("a frame of the client is not masked" if self._masked else "a frame of the server is masked")
        if opcode in (8, 9, 10):
            if first < 0x80 or second & 0x7F > 125:
                raise _ViolationError("a control frame is fragmented or longer than 125 bytes")
        elif opcode not in (0, 1, 2):
            raise _ViolationError(f"a frame has the unknown opcode {opcode}")
        elif (opcode == 0) != (self._opcode != 0):
            raise _ViolationError("a message begins before the one before it has ended" if opcode else "a frame goes on with a message that has not begun")

    def _take(self, chunk: bytes, pieces: list[MessagePiece]) -> None:
        """Give a piece of this frame's payload; it is the frame's last if nothing is left of it."""
        if self._masked:
            turn = len(chunk) & 3
            chunk, self._mask = apply_mask(chunk, self._mask), self._mask[turn:] + self._mask[:turn]
        if self._control:
            pieces.append(MessagePiece(self._control, True, True, chunk))
            self._control = 0
            return
        last = self._final and not self._left
        if self._deflated and self._inflater is not None:
            self._give_inflated(self._inflater, chunk, last, pieces)
        elif chunk or last:
            self._give(chunk, last, pieces)
        if last:
            self._opcode = 0

    def _give_inflated(self, inflater: _Inflater, chunk: bytes, last: bool, pieces: list[MessagePiece]) -> None:
        held: bytes | None = None  # only the last piece is marked as such
        for out in chain(inflater.feed(chunk), inflater.end()) if last else inflater.feed(chunk):
            self._inflated += len(out)
            if self._inflated > MAX_INFLATED:
                raise _ViolationError(f"compressed messages inflate to more than {MAX_INFLATED >> 20} MiB at once")
            if held is not None:
                self._give(held, False, pieces)
            held = out
        if held is not None or last:
            self._give(held or b"", last, pieces)

    def _give(self, payload: bytes, last: bool, pieces: list[MessagePiece]) -> None:
        pieces.append(MessagePiece(self._opcode, not self._begun, last, payload))
        self._begun = True

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON."""
        return {
            "held": b64encode(self._held).decode(),
            "mask": b64encode(self._mask).decode(),
            "frame": [self._left, self._final, self._control],
            "message": [self._opcode, self._begun, self._deflated],
            "problem": self.problem,
            "inflater": self._inflater.state() if self._inflater else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on, in a new decoder made alike, where the one stood that gave this state. Too long a compressed message becomes a `problem`."""
        self._held, self._mask = b64decode(state["held"]), b64decode(state["mask"])
        self._left, self._final, self._control = state["frame"]
        self._opcode, self._begun, self._deflated = state["message"]
        self.problem = state["problem"]
        if self._inflater and self.problem is None and not self._inflater.restore(state["inflater"]):
            self.problem = "a long compressed message was cut by a restart of the recorder"
