"""The server's end of a WebSocket: what clients send becomes messages or the right close, and what is said can be read."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.forwarding.frames import Deflate, FrameDecoder, Message
from playhead.proxy.sockets import socket_end
from playhead.proxy.sockets.socket_end import SocketEnd, accept_of, close_payload, frames_of
from websocket_fakes import encode

MASK = b"\x01\x02\x03\x04"
CLOSE, PING, PONG = 8, 9, 10
payloads = st.lists(st.tuples(st.sampled_from([1, 2]), st.text(max_size=300).map(str.encode)), max_size=5)


def sent(opcode: int, payload: bytes = b"", **more: bool) -> bytes:
    """A client's frame."""
    return encode(opcode, payload, mask=MASK, **more)


def said(end: SocketEnd) -> list[tuple[int, bytes]]:
    """What it wants to send."""
    return [(one.opcode, one.payload) for one in FrameDecoder().messages(end.take())]


def fault(*frames: bytes) -> tuple[int, str | None]:
    """The code that these frames are closed with, and why."""
    end = SocketEnd(Deflate())
    end.feed(b"".join(frames))
    [(opcode, payload)] = said(end)
    assert opcode == CLOSE
    return int.from_bytes(payload[:2], "big"), end.problem


def test_the_key_is_answered_as_the_rfc_has_it() -> None:
    assert accept_of(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(payloads, st.integers(1, 50))
def test_messages_come_whole_however_they_are_split(messages: list[tuple[int, bytes]], step: int) -> None:
    data = b"".join([sent(opcode, payload) for opcode, payload in messages])
    end = SocketEnd()
    got = [message for at in range(0, len(data), step) for message in end.feed(data[at : at + step])]

    assert got == [Message(opcode, payload) for opcode, payload in messages]
    assert not end.take()


@given(payloads, st.booleans())
def test_what_is_said_compressed_can_be_read(messages: list[tuple[int, bytes]], takeover: bool) -> None:
    deflate = Deflate(takeover=takeover)
    end, client = SocketEnd(outgoing=deflate), FrameDecoder(deflate)
    got = [one for opcode, payload in messages for one in client.messages(end.message(opcode, payload))]

    assert got == [Message(opcode, payload) for opcode, payload in messages]
    assert client.problem is None


@given(payloads.filter(bool))
def test_frames_made_together_are_those_made_one_by_one(messages: list[tuple[int, bytes]]) -> None:
    sizes, opcodes = [len(payload) for _, payload in messages], bytes([opcode for opcode, _ in messages])
    frames, starts = frames_of(b"".join([payload for _, payload in messages]), sizes, opcodes)

    assert [frames[start:stop] for start, stop in pairwise(starts)] == [encode(opcode, payload) for opcode, payload in messages]


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536])
def test_long_messages_have_long_heads(size: int) -> None:
    assert SocketEnd().message(2, bytes(size)) == encode(2, bytes(size))


def test_pings_are_answered_at_once() -> None:
    end = SocketEnd()
    end.feed(sent(PING, b"here"))

    assert said(end) == [(PONG, b"here")]


def test_fragments_are_joined_and_pings_between_them_answered() -> None:
    end = SocketEnd()

    assert end.feed(sent(1, b"one ", fin=False) + sent(PING) + sent(0, b"two")) == [Message(1, b"one two")]
    assert said(end) == [(PONG, b"")]


def test_a_client_that_closes_is_heard_no_further() -> None:
    end = SocketEnd()

    assert end.feed(sent(CLOSE, close_payload(4000, b"bye")) + sent(1, b"more")) == []
    assert (end.closed_by_client, end.close_payload) == (True, b"\x0f\xa0bye")


def test_only_one_close_is_sent() -> None:
    end = SocketEnd()
    end.close(close_payload(1000))
    end.close(close_payload(1001))
    end.feed(sent(PING))

    assert said(end) == [(CLOSE, close_payload(1000))]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([encode(1, b"unmasked")], 1002),
        ([sent(3, b"")], 1002),
        ([sent(PING, bytes(126))], 1002),
        ([sent(0, b"nothing went before")], 1002),
        ([sent(CLOSE, b"\x03")], 1002),
        ([sent(CLOSE, struct.pack("!H", 1005))], 1002),
        ([sent(CLOSE, struct.pack("!H", 5000))], 1002),
        ([sent(CLOSE, struct.pack("!H", 1000) + b"\xff")], 1007),
        ([sent(1, b"\xff\xfe")], 1007),
        ([sent(1, b"\xc3", fin=False), sent(0, b"(")], 1007),
        ([sent(1, b"\xff" * 9, rsv1=True)], 1007),
    ],
)
def test_what_the_rfc_forbids_is_closed_with_its_code(frames: list[bytes], code: int) -> None:
    got, problem = fault(*frames)

    assert (got, bool(problem)) == (code, True)


def test_a_message_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_end, "MAX_MESSAGE", 100)

    assert fault(sent(2, bytes(60), fin=False), sent(0, bytes(60)))[0] == 1009
