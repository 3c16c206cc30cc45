"""WebSocket frames: every split joins to the same messages, compressed or not; violations end in a problem."""

from __future__ import annotations

import itertools
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from playhead.proxy.forwarding import frames
from playhead.proxy.forwarding.frames import Deflate, FrameDecoder, Message, MessagePiece, deflate_of, pack, unpack

KEEP = Deflate()


def wire(messages: list[Message], *, masked: bool = False, deflate: Deflate | None = None, fragment: int = 0) -> bytes:
    """The messages as `websockets` sends them; control frames stand between the fragments of the message before them."""
    extension = PerMessageDeflate(True, not deflate.takeover, 15, deflate.bits) if deflate else None
    out: list[bytes] = []
    for message in messages:
        pieces = [message.payload]
        if fragment and message.opcode < 8:
            pieces = [message.payload[at : at + fragment] for at in range(0, len(message.payload), fragment)] or [b""]
        for at, piece in enumerate(pieces):
            opcode = Opcode(message.opcode) if at == 0 else Opcode.CONT
            frame = Frame(opcode, piece, fin=at == len(pieces) - 1)
            out.append(frame.serialize(mask=masked, extensions=[extension] if extension else []))
    return b"".join(out)


def joined(pieces: list[MessagePiece]) -> list[Message]:
    """The messages of pieces, in the order in which they end."""
    messages: list[Message] = []
    parts: list[bytes] = []
    for opcode, first, last, payload in pieces:
        if opcode >= 8:
            messages.append(Message(opcode, payload))
            continue
        assert first == (not parts)
        parts.append(payload)
        if last:
            messages.append(Message(opcode, b"".join(parts)))
            parts = []
    assert not parts
    return messages


def fed(decoder: FrameDecoder, *data: bytes) -> list[MessagePiece]:
    return [piece for each in data for piece in decoder.feed(each)]


MESSAGES = [
    Message(1, b'{"type":"response.created"}'),
    Message(9, b"ping"),
    Message(2, bytes(range(256)) * 2),
    Message(1, b""),
    Message(1, b'{"type":"response.created"}' * 20),
    Message(8, b"\x03\xe8bye"),
]
WIRES = {
    "plain": (wire(MESSAGES), {}),
    "masked": (wire(MESSAGES, masked=True), {"masked": True}),
    "fragmented": (wire(MESSAGES, fragment=100), {}),
    "masked and fragmented": (wire(MESSAGES, masked=True, fragment=7), {"masked": True}),
    "deflated": (wire(MESSAGES, deflate=KEEP), {"deflate": KEEP}),
    "deflated, fragmented": (wire(MESSAGES, deflate=KEEP, fragment=50), {"deflate": KEEP}),
    "deflated without takeover, small window": (wire(MESSAGES, deflate=Deflate(9, False)), {"deflate": Deflate(9, False)}),
}


@pytest.mark.parametrize("name", WIRES)
def test_messages_come_out_as_they_were_sent(name: str) -> None:
    data, options = WIRES[name]

    assert joined(FrameDecoder(**options).feed(data)) == MESSAGES  # type: ignore[arg-type]


@pytest.mark.parametrize("name", WIRES)
def test_a_split_anywhere_joins_to_the_same_messages(name: str) -> None:
    data, options = WIRES[name]
    for at in range(len(data) + 1):
        assert joined(fed(FrameDecoder(**options), data[:at], data[at:])) == MESSAGES, at  # type: ignore[arg-type]


@pytest.mark.parametrize("name", WIRES)
def test_single_bytes_join_to_the_same_messages(name: str) -> None:
    data, options = WIRES[name]
    pieces = fed(FrameDecoder(**options), *(data[at : at + 1] for at in range(len(data))))  # type: ignore[arg-type]

    assert joined(pieces) == MESSAGES


@pytest.mark.parametrize("name", WIRES)
def test_a_decoder_restored_from_its_state_goes_on_alike(name: str) -> None:
    data, options = WIRES[name]
    for at in range(len(data) + 1):
        first = FrameDecoder(**options, resumable=True)  # type: ignore[arg-type]
        pieces = first.feed(data[:at])
        second = FrameDecoder(**options, resumable=True)  # type: ignore[arg-type]
        second.restore(json.loads(json.dumps(first.state())))
        assert joined(pieces + second.feed(data[at:])) == MESSAGES, at


texts = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=400)).map(lambda pair: Message(*pair)), max_size=6)


@given(texts, st.booleans(), st.sampled_from([None, KEEP, Deflate(9, False)]), st.sampled_from([0, 1, 60]), st.lists(st.integers(0, 3000)))
def test_any_messages_at_any_splits(messages: list[Message], masked: bool, deflate: Deflate | None, fragment: int, cuts: list[int]) -> None:
    data = wire(messages, masked=masked, deflate=deflate, fragment=fragment)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = fed(FrameDecoder(deflate, masked=masked), *(data[start:end] for start, end in itertools.pairwise(places)))

    assert joined(pieces) == messages


@given(texts, st.booleans(), st.sampled_from([None, KEEP]), st.sampled_from([0, 60]), st.lists(st.integers(0, 3000)))
def test_texts_and_what_is_fed_behind_them_are_all(messages: list[Message], masked: bool, deflate: Deflate | None, fragment: int, cuts: list[int]) -> None:
    data = wire(messages, masked=masked, deflate=deflate, fragment=fragment)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    decoder, found = FrameDecoder(deflate, masked=masked), list[MessagePiece]()
    for start, end in itertools.pairwise(places):
        texts, taken = decoder.texts(data[start:end])
        found += [MessagePiece(1, True, True, text) for text in texts]
        found += decoder.feed(data[start + taken : end])

    assert joined(found) == messages


@given(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.binary(max_size=300), st.booleans(), st.integers(0, 400))
def test_one_whole_text_of_some_length_is_told_from_all_else(opcode: Opcode, said: bytes, masked: bool, cut: int) -> None:
    data, decoder = Frame(opcode, said).serialize(mask=masked), FrameDecoder(masked=masked)

    assert decoder.whole_text(data) == (said if opcode == Opcode.TEXT and len(said) > 125 and not masked else None)
    assert decoder.whole_text(data + b"x") is None
    assert decoder.whole_text(data[: min(cut, len(data) - 1)]) is None
    assert decoder.messages(data) == [Message(opcode, said)]


def test_no_text_is_whole_while_another_goes_on() -> None:
    decoder, text = FrameDecoder(), Frame(Opcode.TEXT, b"x" * 200).serialize(mask=False)
    decoder.feed(text[:100])

    assert decoder.whole_text(text) is None


@given(st.binary(max_size=300), st.booleans(), st.sampled_from([None, KEEP]))
def test_garbage_never_raises(data: bytes, masked: bool, deflate: Deflate | None) -> None:
    decoder = FrameDecoder(deflate, masked=masked)
    decoder.feed(data)

    assert decoder.problem is None or decoder.rest


def test_a_control_frame_stands_between_the_pieces_that_it_interrupts() -> None:
    data = Frame(Opcode.TEXT, b"a", fin=False).serialize(mask=False) + Frame(Opcode.PING, b"p").serialize(mask=False)
    data += Frame(Opcode.CONT, b"b").serialize(mask=False)

    assert FrameDecoder().feed(data) == [MessagePiece(1, True, False, b"a"), MessagePiece(9, True, True, b"p"), MessagePiece(1, False, True, b"b")]


def test_whole_messages_are_joined_over_feeds() -> None:
    decoder = FrameDecoder()
    data = wire(MESSAGES, fragment=100)

    assert decoder.messages(data[:150]) + decoder.messages(data[150:]) == MESSAGES


def test_a_big_message_is_given_as_it_comes() -> None:
    decoder = FrameDecoder()
    head = b"\x82\x7f" + (1 << 40).to_bytes(8, "big")

    assert decoder.feed(head + b"abc") == [MessagePiece(2, True, False, b"abc")]
    assert decoder.feed(b"def") == [MessagePiece(2, False, False, b"def")]


def test_a_final_block_begins_the_compression_anew() -> None:
    z = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = z.compress(b"hello") + z.flush(zlib.Z_FINISH) + b"\0"  # RFC 7692 section 7.2.3.5
    frame = bytes((0xC1, len(body))) + body
    decoder = FrameDecoder(KEEP, resumable=True)

    assert joined(decoder.feed(frame + frame)) == [Message(1, b"hello")] * 2


@pytest.mark.parametrize(
    ("data", "story"),
    [
        (b"\x91\x00", "reserved bits"),
        (b"\xc1\x00", "reserved bits"),
        (b"\x81\x80abcd", "is masked"),
        (b"\x83\x00", "unknown opcode 3"),
        (b"\x80\x00", "goes on with a message that has not begun"),
        (b"\x01\x01a\x81\x01b", "begins before the one before it has ended"),
        (b"\x09\x00", "control frame"),
        (b"\x89\x7e\x00\x7e", "control frame"),
        (b"\x82\x7f\xff" + bytes(7), "highest bit"),
    ],
)
def test_a_violation_ends_the_decoding_with_a_problem(data: bytes, story: str) -> None:
    decoder = FrameDecoder()
    before = decoder.feed(b"\x81\x02ok")
    decoder.feed(data)

    assert before == [MessagePiece(1, True, True, b"ok")]
    assert story in (decoder.problem or "")
    assert decoder.feed(b"\x81\x02ok") == []
    assert decoder.rest == b"\x81\x02ok"


def test_an_unmasked_frame_of_a_client_is_a_violation() -> None:
    decoder = FrameDecoder(masked=True)

    assert decoder.feed(b"\x81\x02ok") == []
    assert "not masked" in (decoder.problem or "")


def test_the_rest_begins_with_the_frame_that_broke_the_protocol() -> None:
    decoder = FrameDecoder()
    decoder.feed(b"\x81\x02ok\x91\x00more")

    assert decoder.rest == b"\x91\x00more"


def test_bad_compressed_bytes_are_a_problem() -> None:
    decoder = FrameDecoder(KEEP)
    decoder.feed(b"\xc1\x04\xff\xff\xff\xff")

    assert "cannot be inflated" in (decoder.problem or "")


def test_a_broken_decoder_is_restored_broken() -> None:
    first, second = FrameDecoder(KEEP, resumable=True), FrameDecoder(KEEP, resumable=True)
    first.feed(b"\xc1\x04\xff\xff\xff\xff")
    second.restore(json.loads(json.dumps(first.state())))

    assert second.problem == first.problem
    assert second.feed(b"\x81\x02ok") == []


def test_a_bomb_is_a_problem_and_its_pieces_are_bounded() -> None:
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = b"".join([z.compress(bytes(1 << 20)) for _ in range((frames.MAX_INFLATED >> 20) + 2)]) + z.flush(zlib.Z_SYNC_FLUSH)
    decoder = FrameDecoder(KEEP)
    pieces = decoder.feed(b"\xc2\x7f" + len(body).to_bytes(8, "big") + body)

    assert "inflate to more than 64 MiB" in (decoder.problem or "")
    assert max(len(piece.payload) for piece in pieces) <= frames.MAX_PIECE


def test_a_compressed_message_too_long_to_keep_is_a_problem_after_a_restart() -> None:
    data = wire([Message(2, bytes(100))], deflate=KEEP)[:-5]
    first = FrameDecoder(KEEP, resumable=True)
    first.feed(data)
    state = first.state()
    state["inflater"]["fed"] = None
    second = FrameDecoder(KEEP, resumable=True)
    second.restore(state)

    assert "restart" in (second.problem or "")


def test_a_state_stays_small_whatever_has_passed() -> None:
    decoder = FrameDecoder(KEEP, resumable=True)
    decoder.feed(wire([Message(2, bytes(range(256)) * 4096)] * 4, deflate=KEEP))

    assert len(json.dumps(decoder.state())) < 100_000


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        (b"", None),
        (b"x-other", None),
        (b"permessage-deflate", Deflate(15, True)),
        (b"x-other, permessage-deflate; server_no_context_takeover", Deflate(15, False)),
        (b'permessage-deflate; Server_Max_Window_Bits="10"; client_max_window_bits=9', Deflate(10, True)),
        (b"permessage-deflate; server_max_window_bits=99", Deflate(15, True)),
    ],
)
def test_what_the_handshake_agreed_on_for_the_server(extensions: bytes, expected: Deflate | None) -> None:
    assert deflate_of(extensions, "server") == expected


def test_what_the_handshake_agreed_on_for_the_client() -> None:
    assert deflate_of(b"permessage-deflate; client_max_window_bits=9; client_no_context_takeover", "client") == Deflate(9, False)


@given(st.sampled_from([1, 2, 8, 9, 10]), st.booleans(), st.booleans(), st.binary(max_size=20))
def test_a_piece_survives_the_journal(opcode: int, first: bool, last: bool, payload: bytes) -> None:
    piece = MessagePiece(opcode, first, last, payload)

    assert unpack(pack(piece)) == piece
