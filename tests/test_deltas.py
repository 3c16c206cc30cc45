"""Deltas: what was encoded against a base comes back byte for byte, and damage is told."""

from __future__ import annotations

import struct
from itertools import accumulate

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from playhead.config.errors import StoreError
from playhead.storage.packing.deltas import Against, Readers, compressor, decode, dictionary, digest, encode, is_based_on, read
from playhead.storage.packing.splits import Split, compare
from playhead.storage.records import Frame, Raw

TEXT = st.binary(max_size=200)
# Made of few different bytes, so that two of them have much in common.
ALIKE = st.lists(st.sampled_from((b"a", b"ab", b"\n\n", b"data: {}\n\n", b"x" * 100)), max_size=30).map(b"".join)
SIZES = st.integers(0, 2**40)
FRAMES = st.lists(st.builds(Frame, st.integers(0, 1), st.integers(0, 2**63), SIZES), max_size=8).map(tuple)
RAWS = st.builds(Raw, TEXT, ALIKE, TEXT, ALIKE, TEXT, FRAMES, st.lists(SIZES, max_size=8).map(tuple))


def size(raw: Raw) -> int:
    return len(raw.request_head) + len(raw.request) + len(raw.response_heads) + len(raw.response) + len(raw.trailers)


def against(raw: Raw, base: Raw) -> Against:
    return Against(base, digest(base), compare(raw.request, base.request))


def streamed(events: int) -> Raw:
    """An answer that came event by event, one chunk and one frame each."""
    blocks = [b"event: delta\ndata: %d\n\n" % number for number in range(events)]
    sizes = tuple(map(len, blocks))
    frames = (Frame(0, 5, 9), *[Frame(1, 10 + 7 * number, length) for number, length in enumerate(sizes)])
    return Raw(b"POST / HTTP/1.1\r\n\r\n", b"{}" * 5, b"HTTP/1.1 200 OK\r\n\r\n", b"".join(blocks), b"", frames, sizes)


@given(RAWS)
def test_a_raw_comes_back_alone(raw: Raw) -> None:
    assert decode(encode(raw, None).data, None, size(raw)) == raw


@given(RAWS, RAWS)
def test_a_raw_comes_back_from_any_base(raw: Raw, base: Raw) -> None:
    assert decode(encode(raw, against(raw, base)).data, base, size(raw)) == raw


@given(RAWS, RAWS)
def test_a_prepared_compressor_is_read_like_any_other(raw: Raw, base: Raw) -> None:
    prepared = compressor(dictionary(base), 0, prepared=True)
    encoded = encode(raw, Against(base, digest(base), compare(raw.request, base.request), prepared))

    assert decode(encoded.data, base, size(raw)) == raw


@given(ALIKE, ALIKE)
def test_the_ends_that_two_requests_share_are_the_same_and_never_overlap(request: bytes, base: bytes) -> None:
    split = compare(request, base)

    assert split.prefix + split.suffix <= min(len(request), len(base))
    assert request[: split.prefix] == base[: split.prefix]
    assert request[len(request) - split.suffix :] == base[len(base) - split.suffix :]


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=300), st.binary(max_size=300))
def test_a_request_that_was_added_to_shares_all_of_its_base(start: bytes, added: bytes, end: bytes) -> None:
    split = compare(start + added + end, start + end)

    assert split.prefix + split.suffix == len(start) + len(end)


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_the_ends_that_two_requests_share_are_found_whole(prefix: int, suffix: int) -> None:
    start, end = bytes(range(32, 127)) * 40, bytes(range(126, 31, -1)) * 40
    one = start[:prefix] + b"\x01" + end[:suffix]
    other = start[:prefix] + b"\x02\x03" + end[:suffix]

    assert compare(one, other) == Split(prefix, suffix)


def test_equal_requests_share_everything() -> None:
    assert compare(b"same", b"same") == Split(4, 0)


def test_sizes_that_the_events_tell_take_no_bytes() -> None:
    short, long = streamed(10), streamed(1000)
    without = Raw(long.request_head, long.request, long.response_heads, long.response, b"", long.frames[:1])
    apart = len(encode(long, None).data) - len(encode(without, None).data)

    assert decode(encode(short, None).data, None, size(short)) == short
    assert apart < 1000 * 2 + 100  # two bytes for the time of each frame


def test_answers_one_behind_the_other_come_back_in_their_own_chunks() -> None:
    readers = Readers(framed=True)
    for events in (3, 3, 5, 0, 2, 2):
        raw = streamed(events)
        found = read(encode(raw, None).data, None, size(raw), readers=readers).raw()

        assert found == raw
        assert found.framed in (b"", b"".join([b"%x\r\n%b\r\n" % (len(piece), piece) for piece in cut(raw)]))
        assert bool(found.framed) == bool(events)


def cut(raw: Raw) -> list[bytes]:
    """The response in its chunks."""
    ends = [*accumulate(raw.chunks)]
    return [raw.response[end - chunk : end] for end, chunk in zip(ends, raw.chunks, strict=True)]


def test_an_answer_that_is_not_cut_into_its_events_comes_back_too() -> None:
    raw = streamed(20)
    odd = Raw(raw.request_head, raw.request, raw.response_heads, raw.response, b"x: y\r\n", raw.frames[:3], raw.chunks[1:])

    assert decode(encode(odd, None).data, None, size(odd)) == odd


@given(TEXT, TEXT, st.integers(0, 2**41), st.integers(0, 2**41))
def test_frames_that_are_the_whole_bodies_come_back_too(request: bytes, response: bytes, asked: int, answered: int) -> None:
    raw = Raw(b"", request, b"", response, b"", (Frame(0, asked, len(request)), Frame(1, answered, len(response))))

    assert decode(encode(raw, None).data, None, size(raw)) == raw


def test_frames_that_are_the_whole_bodies_take_ten_bytes() -> None:
    bodies = Raw(b"", b"[]", b"", b"{}")
    raw = Raw(b"", b"[]", b"", b"{}", b"", (Frame(0, 11_587, 2), Frame(1, 173_590, 2)))

    assert len(encode(raw, None).data) == len(encode(bodies, None).data) + 10


def test_the_time_of_a_head_takes_five_bytes_more() -> None:
    bodies = Raw(b"", b"[]", b"", b"{}")
    raw = Raw(b"", b"[]", b"", b"{}", b"", (Frame(0, 11_587, 2), Frame(1, 120_000, 0), Frame(1, 173_590, 2)))

    assert decode(encode(raw, None).data, None, size(raw)) == raw
    assert len(encode(raw, None).data) == len(encode(bodies, None).data) + 15


@given(st.integers(0, 3), st.booleans(), st.lists(st.sampled_from([0, 1, 2]), max_size=4))
def test_heads_among_the_frames_of_a_stream_come_back(heads: int, chunked: bool, strange: list[int]) -> None:
    raw, chunks = streamed(30), streamed(30).chunks if chunked else ()
    frames = (*raw.frames[:1], *(Frame(1, 5_000 + head, 0) for head in range(heads)), *raw.frames[1:], *(Frame(way, 10**9, 0) for way in strange))
    with_heads = Raw(raw.request_head, raw.request, raw.response_heads, raw.response, b"", frames, chunks)

    assert decode(encode(with_heads, None).data, None, size(with_heads)) == with_heads


def test_a_head_among_the_frames_of_a_stream_takes_few_bytes() -> None:
    raw = streamed(30)
    frames = (*raw.frames[:1], Frame(1, raw.frames[0].offset_ns + 9, 0), *raw.frames[1:])
    with_head = Raw(raw.request_head, raw.request, raw.response_heads, raw.response, b"", frames, raw.chunks)

    assert len(encode(with_head, None).data) <= len(encode(raw, None).data) + 20


def test_a_long_middle_is_found_in_the_whole_request_of_the_base() -> None:
    history = b"".join(b'{"item": "%x"},' % (number * 7919**3) for number in range(4000))
    base = Raw(request=b'{"at":1,' + history, response=b"{}")
    moved = Raw(request=b'{"at":"later",' + history[300:], response=b"{}")
    encoded = encode(moved, against(moved, base))

    assert len(encoded.data) < 200
    assert decode(encoded.data, base, size(moved)) == moved


def test_a_response_longer_than_the_dictionary_takes_is_a_base_too() -> None:
    base = Raw(request=b"{}", response=b"".join(b"%d," % number for number in range(60_000)))
    raw = Raw(request=b"{}", response=base.response[-4000:])

    assert decode(encode(raw, against(raw, base)).data, base, size(raw)) == raw


def test_bodies_can_be_read_without_chunks_and_frames() -> None:
    raw = streamed(5)
    bare = decode(encode(raw, None).data, None, size(raw), bodies_only=True)

    assert (bare.request, bare.response, bare.frames, bare.chunks) == (raw.request, raw.response, (), ())


def test_the_digest_tells_apart_where_one_part_ends_and_the_next_begins() -> None:
    assert digest(Raw(b"ab", b"c")) != digest(Raw(b"a", b"bc"))


@pytest.mark.parametrize("other", [Raw(frames=(Frame(0, 1, 2),)), Raw(frames=(Frame(1, 1, 1),)), Raw(chunks=(1,)), Raw(trailers=b"x")])
def test_the_digest_covers_more_than_the_bodies(other: Raw) -> None:
    assert digest(other) != digest(Raw(frames=(Frame(1, 1, 2),)))


def test_the_digest_is_that_of_the_documented_form() -> None:
    raw = Raw(b"h", b"request", b"", b"reply", b"t", (Frame(0, 5, 7), Frame(1, 9, 5)), (5,))
    form = struct.pack("<7Q", 1, 7, 0, 5, 1, 2, 1) + b"hrequestreplyt" + b"\x00\x01" + struct.pack("<4Q", 5, 9, 7, 5) + struct.pack("<Q", 5)

    assert digest(raw) == "xxh3:" + xxhash.xxh3_128(form).hexdigest()


def test_a_delta_knows_its_base() -> None:
    raw, base, other = streamed(3), streamed(4), streamed(5)
    data = encode(raw, against(raw, base)).data

    assert is_based_on(data, digest(base))
    assert not is_based_on(data, digest(other))
    assert not is_based_on(b"\x01", digest(base))


def test_another_version_of_the_format_is_refused_by_its_number() -> None:
    with pytest.raises(StoreError, match="it has version 9 of the format, this playhead reads version 1"):
        decode(b"\x09\x00", None, 0)


def test_a_delta_without_its_base_is_refused() -> None:
    raw, base = streamed(3), streamed(4)

    with pytest.raises(StoreError, match="it is a delta, and its base is missing"):
        decode(encode(raw, against(raw, base)).data, None, size(raw))


def test_a_base_for_what_is_no_delta_is_refused() -> None:
    with pytest.raises(StoreError, match="it was given a base but is no delta"):
        decode(encode(streamed(3), None).data, streamed(4), size(streamed(3)))


def test_a_length_that_is_not_the_expected_one_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(StoreError, match="should hold 7"):
        decode(encode(streamed(3), None).data, None, 7)


def test_a_base_that_is_too_short_is_refused() -> None:
    base = Raw(request=b"x" * 1000)
    raw = Raw(request=b"x" * 1000 + b"y")

    with pytest.raises(StoreError, match="takes more from its base than that has"):
        decode(encode(raw, against(raw, base)).data, Raw(request=b"x" * 999), size(raw))


@given(st.data())
def test_damage_is_a_store_error_or_seen_by_the_digest(data: st.DataObject) -> None:
    raw, base = streamed(6), streamed(9)
    encoded = encode(raw, against(raw, base))
    place = data.draw(st.integers(0, len(encoded.data) - 1))
    broken = bytearray(encoded.data)
    broken[place] ^= data.draw(st.integers(1, 255))

    try:
        found = decode(bytes(broken), base, size(raw))
    except StoreError:
        return
    assert found == raw or digest(found) != encoded.digest


@given(st.data())
def test_data_cut_short_is_a_store_error(data: st.DataObject) -> None:
    raw = streamed(6)
    encoded = encode(raw, None)

    with pytest.raises(StoreError, match="a stored body cannot be read"):
        decode(encoded.data[: data.draw(st.integers(0, len(encoded.data) - 1))], None, size(raw))


# Written by the first version of the format: what it wrote must be readable for ever.
FOSSIL_BASE = bytes.fromhex(
    "01306600001c1513160007010200000903007b22696e707574223a5b226f6e65225d2c22746f6f6c73223a5b5d7d504f5354202f763120485454502f"
    "312e310d0a0d0a485454502f312e3120323030204f4b0d0a0d0a646174613a207b2274657874223a2274776f227d0a0a0001011c0100000a7a0003"
)
FOSSIL_DELTA = bytes.fromhex(
    "0111360d0f0e151317060b0103cccef25200008d0100740265222c2274776f222c2274687265666f7572227d0a0a613a20620d0a000101012a14030100010002004f74c0b50c4a0a6601001100"
)
FOSSIL_WHOLE = bytes.fromhex(
    "01404a00000f15130e0000000200002902007b22696e707574223a226f6e65227d504f5354202f763120485454502f312e310d0a0d0a485454502f31"
    "2e3120323030204f4b0d0a0d0a7b2274657874223a2274776f227d0a000000007011010000"
)


def test_what_the_first_version_wrote_is_still_read() -> None:
    base = decode(FOSSIL_BASE, None, 90)
    raw = decode(FOSSIL_DELTA, base, 111)

    assert base.request == b'{"input":["one"],"tools":[]}'
    assert raw == Raw(
        b"POST /v1 HTTP/1.1\r\n\r\n",
        b'{"input":["one","two","three"],"tools":[]}',
        b"HTTP/1.1 200 OK\r\n\r\n",
        b'data: {"text":"four"}\n\n',
        b"a: b\r\n",
        (Frame(0, 10, 42), Frame(1, 70000, 20), Frame(1, 70001, 3)),
        (23,),
    )


def test_what_it_wrote_of_frames_that_are_whole_bodies_is_still_read() -> None:
    raw = decode(FOSSIL_WHOLE, None, 69)

    assert (raw.request, raw.response) == (b'{"input":"one"}', b'{"text":"two"}')
    assert raw.frames == (Frame(0, 10, 15), Frame(1, 70000, 14))
