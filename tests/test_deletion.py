"""What is deleted is gone from the files, and what was built on it still reads."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playhead.config.errors import StoreError
from playhead.storage.records import Batch, Piece, Position, Raw, Spill
from playhead.storage.store import Store
from stores import event, raw, recorded, streamed


def ids(store: Store, session: str = "default") -> list[int]:
    return [row.id for row in store.exchanges(session)]


def conversation(count: int, seed: int = 1) -> list[Raw]:
    """Requests that each hold the one before."""
    rng = random.Random(seed)
    history, turns = b'{"input":"', []
    for number in range(count):
        history += rng.randbytes(400).hex().encode()
        turns.append(raw(number, request=history + b'"}'))
    return turns


def test_a_deleted_exchange_is_gone(store: Store) -> None:
    store.write(Batch([streamed(number, [event(0), event(1)]) for number in (1, 2, 3)]))
    first, second, third = ids(store)

    store.delete_exchange(second)

    assert ids(store) == [first, third]
    assert store.stats().events == 4
    with pytest.raises(StoreError, match=f"There is no exchange {second}"):
        store.raw(second)


def test_deleting_what_is_not_there_is_an_error(store: Store) -> None:
    with pytest.raises(StoreError, match="There is no exchange 5"):
        store.delete_exchange(5)
    with pytest.raises(StoreError, match="There is no session 'nobody'"):
        store.delete_session("nobody")


def test_a_deleted_session_is_gone_and_others_stay(store: Store) -> None:
    store.write(Batch([recorded(number, session="old", transport="ws") for number in range(450)]))
    store.write(Batch([recorded(1000, session="new")]))

    assert store.delete_session("old") == 450

    assert [row.session for row in store.sessions()] == ["new"]
    stats = store.stats()
    assert (stats.exchanges, stats.takes) == (1, 1)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.permutations(range(8)), st.integers(0, 7))
def test_what_was_written_against_it_still_reads(url: str, order: list[int], kept: int) -> None:
    turns = conversation(8)
    with Store.open(url, create=True) as store:
        store.write(Batch([recorded(number, raw=turn, writer=f"{order}{kept}") for number, turn in enumerate(turns)]))
        all_ids = ids(store)
        left = dict(zip(all_ids, turns, strict=True))
        for place in order[: 8 - kept]:
            store.delete_exchange(all_ids[place])
            del left[all_ids[place]]
            assert {id_: store.raw(id_) for id_ in ids(store)} == left
        assert list(store.verify()) == []
        store.delete_session("default")


def test_a_chain_does_not_grow_into_full_copies(store: Store) -> None:
    turns = conversation(40)
    store.write(Batch([recorded(number, raw=turn) for number, turn in enumerate(turns)]))
    before = store.stats().stored_bytes

    store.delete_exchange(ids(store)[20])

    assert store.stats().stored_bytes < 2 * before


def test_a_deleted_exchange_does_not_come_back_from_the_journal(store: Store) -> None:
    store.write(Batch([recorded(1), recorded(2)], positions=[Position("w1", 0, 0, {})]))
    store.delete_exchange(ids(store)[0])

    store.write(Batch([recorded(1), recorded(2)]))

    assert [row.response_id for row in store.exchanges("default")] == ["resp_2"]


def test_a_deleted_session_does_not_come_back_from_the_journal(store: Store) -> None:
    store.write(Batch([recorded(1)]))
    store.delete_session("default")

    store.write(Batch([recorded(1)]))

    assert store.sessions() == []


def test_an_exchange_deleted_while_it_goes_on_stays_away(store: Store) -> None:
    def spill(part: int, final: bool) -> Spill:
        return Spill(recorded(1), [Piece("response", part, b"secret")], [], (), (), final)

    store.write(Batch(spills=[spill(0, False)]))
    store.delete_exchange(ids(store)[0])
    store.write(Batch(spills=[spill(1, True)]))

    assert store.stats().exchanges == 0


def test_what_is_remembered_of_deleted_ones_ends_with_their_journal(url: str) -> None:
    with Store.open(url, create=True) as store:
        store.write(Batch([recorded(1), recorded(2)]))
        store.delete_session("default")
        store.write(Batch(gone=["w1"]))
        store.write(Batch([recorded(1)]))  # nobody reads that journal again; this is another one of that name

        assert len(ids(store)) == 1


def test_an_id_is_never_given_again(store: Store) -> None:
    store.write(Batch([recorded(1), recorded(2)]))
    last = ids(store)[-1]
    store.delete_exchange(last)

    store.write(Batch([recorded(3)]))

    assert ids(store)[-1] > last


def test_a_damaged_dependent_does_not_keep_its_base(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store.open(f"sqlite:///{path}", create=True) as store:
        store.write(Batch([recorded(number, raw=turn) for number, turn in enumerate(conversation(3))]))
        first, second, _ = ids(store)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE bodies SET data = x'00' WHERE exchange = ?", (second,))
    connection.close()

    with Store.open(f"sqlite:///{path}") as store:
        store.delete_exchange(first)

        assert ids(store)[0] == second
        assert {problem.exchange for problem in store.verify()} == {second, second + 1}


def windows(data: bytes) -> list[bytes]:
    """Parts short enough for some to stand within one page."""
    return [data[at : at + 24] for at in range(0, len(data) - 24, 24)]


def on_disk(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


def test_deleted_bytes_are_nowhere_in_the_files(tmp_path: Path) -> None:
    rng = random.Random(7)
    session, path, lane = (rng.randbytes(24).hex() for _ in range(3))
    body, piece = rng.randbytes(8000), rng.randbytes(8000)  # cannot be compressed: they stand in the file as they are
    whole = streamed(1, [event(0, stream_id=lane)], path=path, session=session, raw=raw(1, request=body))
    spill = Spill(recorded(2, session=session), [Piece("response", 0, piece)], [], (), (), final=True)
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True) as store, Store.open(f"sqlite:///{tmp_path}/store.db") as reader:
        store.write(Batch([whole, recorded(3)], [spill]))
        assert reader.stats().exchanges == 3
        before = on_disk(tmp_path)

        store.delete_session(session)

        after = on_disk(tmp_path)
    assert [text.encode() in before for text in (session, path, lane)] == [True] * 3
    assert [text.encode() in after for text in (session, path, lane)] == [False] * 3
    for data in (body, piece):
        assert sum(window in before for window in windows(data)) > 250
        assert sum(window in after for window in windows(data)) == 0


def test_the_file_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    rng = random.Random(3)
    with Store.open(f"sqlite:///{path}", create=True) as store:
        empty = path.stat().st_size
        store.write(Batch([recorded(number, raw=raw(number, request=rng.randbytes(50_000)), session="big") for number in range(40)]))
        store.delete_session("big")

        assert path.stat().st_size < empty + 20_000
    assert path.stat().st_size < empty + 20_000
