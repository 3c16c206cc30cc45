"""What upstream said in a turn, read piece by piece."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.config.errors import StoreError
from playhead.proxy.sockets import speech
from playhead.proxy.sockets.speech import Reader, Speech
from websocket_fakes import encode

messages = st.lists(st.binary(max_size=40), min_size=1, max_size=20)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(st.lists(st.integers(0, 9), max_size=9), st.integers(1, 7))
def test_bytes_in_pieces_are_read_in_other_pieces(sizes: list[int], step: int) -> None:
    data = bytes(range(sum(sizes)))
    reader = Reader(iter(cut(data, step)))

    assert b"".join([reader.take(size) for size in sizes]) == data
    with pytest.raises(StoreError):
        reader.take(1)


@given(messages, st.integers(1, 30), st.integers(1, 60))
def test_all_messages_leave_in_order_whatever_is_known_at_a_time(said: list[bytes], step: int, window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speech, "_WINDOW", window)
        patch.setattr(speech, "_PORTION", window)
        one = Speech([len(message) for message in said], bytes([1]) * len(said), pieces=cut(b"".join(said), step))
        out, at = b"", 0
        while at < len(said):
            if not one.has(at):
                one.read_on()
            stop = one.portion(at, len(said))
            assert stop > at
            assert [payload for _, payload in one.messages(at, stop)] == said[at:stop]
            out += one.frames(at, stop)
            at = stop

    assert out == b"".join([encode(1, message) for message in said])


@given(messages)
def test_what_is_known_from_the_start_leaves_at_once(said: list[bytes]) -> None:
    one = Speech([len(message) for message in said], bytes([2]) * len(said), payload=b"".join(said))

    assert one.portion(0, len(said)) == len(said)
    assert one.frames(0, len(said)) == b"".join([encode(2, message) for message in said])
    assert one.frames(len(said) - 1, len(said)) == encode(2, said[-1])


def test_a_damaged_recording_is_told() -> None:
    one = Speech([5], b"\x01", pieces=[b"four"])

    with pytest.raises(StoreError):
        one.read_on()
