"""Requests that repeat others are written short, and are read as they were."""

from __future__ import annotations

import json
import os
import tempfile
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journals import content, drain, open_store, read_all, writer
from playhead.storage.journal import START, JournalWriter, Kind, SegmentReader, segment_path, segments
from playhead.storage.packing.repetition import Repeated

KIB = 1024
ALPHABET = b"abcdefghijklmnopqrstuvwxyz"


def noise(size: int, seed: int = 1) -> bytes:
    return bytes(Random(seed).choices(ALPHABET, k=size))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    path.mkdir()
    return path


def ask(journal: JournalWriter, number: int, *pieces: bytes) -> int:
    """Journal a request; the bytes that it takes."""
    before = journal.end
    journal.append(Kind.OPEN, number, 0, b"open")
    for piece in pieces:
        journal.append(Kind.REQUEST_DATA, number, 1, piece)
    journal.append(Kind.REQUEST_END, number, 2, b"{}")
    assert journal.flush()
    return journal.end[1] - (before[1] if before[0] == journal.end[0] else START)


def asked(directory: Path) -> dict[int, list[bytes]]:
    """The pieces of each request."""
    found: dict[int, list[bytes]] = {}
    for frame in read_all(directory):
        if frame.kind == Kind.REQUEST_DATA:
            found.setdefault(frame.number, []).append(frame.payload)
    return found


def cut(text: bytes, *places: int) -> list[bytes]:
    edges = [0, *places, len(text)]
    return [text[low:high] for low, high in pairwise(edges)]


def test_an_equal_request_takes_hardly_anything(directory: Path) -> None:
    journal, text = writer(directory), noise(200 * KIB)
    ask(journal, 1, text)

    assert ask(journal, 2, bytes(bytearray(text))) < 200
    assert asked(directory) == {1: [text], 2: [text]}


def test_of_a_conversation_that_grows_only_what_is_new_is_written(directory: Path) -> None:
    journal, start, end, turns = writer(directory), noise(100 * KIB), b'],"tools":' + noise(20 * KIB, 2), []
    for turn in range(20):
        turns.append(noise(2 * KIB, 10 + turn))
        size = ask(journal, turn, b"".join((start, *turns, end)))
        assert turn % 15 == 0 or size < 2 * KIB + 500  # with too many spans it is written whole, and begins anew
    assert asked(directory)[19] == [b"".join((start, *turns, end))]


def test_pieces_that_are_cut_elsewhere_are_found_too(directory: Path) -> None:
    journal, text = writer(directory), noise(100 * KIB)
    more = text[:-20] + noise(3 * KIB, 2) + text[-20:]
    ask(journal, 1, *cut(text, 1000, 40_000))

    assert ask(journal, 2, *cut(text, 33, 1234, 64 * KIB)) < 500
    assert ask(journal, 3, *cut(more, 9999, 50_000)) < 3 * KIB + 500
    assert asked(directory) == {1: cut(text, 1000, 40_000), 2: cut(text, 33, 1234, 64 * KIB), 3: cut(more, 9999, 50_000)}


def test_interleaved_conversations_are_each_compared_with_their_own(directory: Path) -> None:
    journal = writer(directory)
    starts = [b'{"model":"m","instructions":"the same for all of them, and long enough to be alike","input":' + noise(50 * KIB, seed) for seed in range(5)]
    for turn in range(4):
        for place, start in enumerate(starts):
            size = ask(journal, 10 * turn + place, start + noise(KIB * turn, 100 + place))
            assert turn == 0 or size < 2 * KIB


def test_requests_that_arrive_at_the_same_time_do_not_disturb_each_other(directory: Path) -> None:
    journal, one, other = writer(directory), noise(40 * KIB), noise(40 * KIB, 2)
    for number in (1, 3):
        journal.append(Kind.OPEN, number, 0, b"")
        journal.append(Kind.OPEN, number + 1, 0, b"")
        for pieces in zip(cut(one, 7, 8 * KIB, 9 * KIB), cut(other, 5, 6, 7), strict=True):
            journal.append(Kind.REQUEST_DATA, number, 0, pieces[0])
            journal.append(Kind.REQUEST_DATA, number + 1, 0, pieces[1])
        journal.append(Kind.REQUEST_END, number, 0, b"")
        journal.append(Kind.REQUEST_END, number + 1, 0, b"")
    journal.flush()

    assert {number: b"".join(pieces) for number, pieces in asked(directory).items()} == {1: one, 2: other, 3: one, 4: other}
    assert journal.end[1] < 85 * KIB


def test_no_segment_refers_to_another(directory: Path) -> None:
    journal, text = writer(directory, segment_bytes=64 * KIB), noise(40 * KIB)
    for number in range(200):
        ask(journal, number, text + b"%d" % number * 200)
    numbers = segments(directory)["w"]
    assert len(numbers) > 2
    for segment in numbers[:-1]:
        segment_path(directory, "w", segment).unlink()

    assert all(pieces == [text + b"%d" % number * 200] for number, pieces in asked(directory).items())


def test_reading_can_begin_behind_what_is_referred_to(directory: Path) -> None:
    journal, text = writer(directory), noise(50 * KIB)
    ask(journal, 1, *cut(text, 20_000))
    (_, end) = journal.end
    ask(journal, 2, text + b"more")
    reader = SegmentReader(directory, "w", 1, end)

    assert [frame.payload for frame in reader.read() if frame.kind == Kind.REQUEST_DATA] == [text + b"more"]
    reader.close()


def test_an_equal_request_is_read_as_the_same_object(directory: Path) -> None:
    journal, text = writer(directory), noise(50 * KIB)
    for number in range(3):
        ask(journal, number, text)
    frames = [frame for frame in read_all(directory) if frame.kind == Kind.REQUEST_DATA]

    assert frames[0].payload is frames[1].payload is frames[2].payload
    assert frames[0].fresh >= 50 * KIB > 100 > frames[2].fresh


def test_an_equal_request_is_the_same_object_even_if_the_first_came_in_pieces(directory: Path) -> None:
    journal, text = writer(directory), noise(50 * KIB)
    ask(journal, 1, *cut(text, 20_000))
    for number in range(2, 5):
        ask(journal, number, text)
    frames = [frame for frame in read_all(directory) if frame.kind == Kind.REQUEST_DATA]

    assert frames[2].payload == text
    assert frames[2].payload is frames[3].payload is frames[4].payload


def test_much_that_repeats_is_not_read_into_memory_at_once(directory: Path) -> None:
    journal, text = writer(directory), noise(500 * KIB)
    for number in range(100):
        ask(journal, number, text + b"%d" % number * 100)
    journal.close()
    reader = SegmentReader(directory, "w", 1)
    sizes = []
    while frames := reader.read():
        sizes.append(sum(len(frame.payload) for frame in frames))
    reader.close()

    assert max(sizes) < 18 << 20
    assert sum(sizes) > 100 * 500 * KIB


def test_what_refers_to_something_damaged_is_not_read(directory: Path) -> None:
    journal, text = writer(directory), noise(50 * KIB)
    ask(journal, 1, text)
    (_, end) = journal.end
    ask(journal, 2, text)
    path = segment_path(directory, "w", 1)
    data = bytearray(path.read_bytes())
    data[START + 2000] ^= 1
    path.write_bytes(data)
    reader = SegmentReader(directory, "w", 1, end)

    assert [frame.kind for frame in reader.read()] == [Kind.OPEN]
    assert reader.skip_damage()
    assert [frame.kind for frame in reader.read()] == [Kind.REQUEST_END]
    reader.close()


def test_what_was_not_written_is_not_referred_to(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, text = writer(directory), noise(50 * KIB)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", full)
        journal.append(Kind.OPEN, 1, 0, b"")
        journal.append(Kind.REQUEST_DATA, 1, 0, text)
        journal.append(Kind.REQUEST_END, 1, 0, b"")
        assert not journal.flush()
    ask(journal, 2, text)
    ask(journal, 3, text)

    assert asked(directory) == {2: [text], 3: [text]}


@given(st.binary(max_size=80))
def test_what_is_no_shortened_payload_is_refused(data: bytes) -> None:
    restored = Repeated(lambda offset: b"stored" if offset == 7 else None).restored(data)

    assert restored is None or isinstance(restored.payload, bytes)


requests = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 12), st.lists(st.integers(0, 30_000), max_size=4)), min_size=1, max_size=12)


@given(requests, st.sampled_from([20 * KIB, 100 * KIB, 16 << 20]))
def test_whatever_is_asked_is_read_as_it_was(made: list[tuple[int, int, int, list[int]]], segment_bytes: int) -> None:
    expected = {}
    with tempfile.TemporaryDirectory() as place:
        journal = writer(Path(place), segment_bytes=segment_bytes)
        for number, (seed, low, high, places) in enumerate(made):
            whole = noise(12 * KIB, seed)
            text = whole[: low * KIB] + noise(100 * number, number) + whole[high * KIB :]
            expected[number] = cut(text, *sorted(min(one, len(text)) for one in places))
            ask(journal, number, *expected[number])
        journal.close()

        assert asked(Path(place)) == expected


def test_a_recorder_that_begins_anew_stores_what_the_journal_repeats(tmp_path: Path, directory: Path) -> None:
    journal = writer(directory)
    texts = []
    for number in range(1, 6):
        texts.append(json.dumps({"model": "m", "input": [{"role": "user", "content": "x" * 30_000}, *[{"n": n} for n in range(number)]]}).encode())
        head = b"POST /v1/responses?%d HTTP/1.1\r\nContent-Type: application/json\r\n\r\n" % number
        journal.append(Kind.OPEN, number, 0, b'{"session": "s", "run": "r", "started_at": 1}\n' + head)
        journal.append(Kind.REQUEST_DATA, number, 0, texts[-1])
        journal.append(Kind.REQUEST_END, number, 0, b'{"bytes": %d}' % len(texts[-1]))
        journal.flush()
        with open_store(tmp_path / "data") as store:
            drain(store, directory)  # all are open: the next one reads them again
    for number in range(2, 6):
        journal.append(Kind.END, number, 9, b'{"outcome": "complete"}')
    journal.close()
    with open_store(tmp_path / "data") as store:
        drain(store, directory)
        found = content(store)

    assert [found[f"/v1/responses?{number}"][1].request for number in range(1, 6)] == texts
