"""The store in bad company: locks, full disks, damage, others that read, write and delete."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import threading
import warnings
from pathlib import Path

import pytest

from playhead.config.errors import StoreError
from playhead.storage.engine import open_database
from playhead.storage.records import Batch, Position
from playhead.storage.store import Store
from stores import event, place_for_store, raw, recorded, streamed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of an SQLite store that holds one exchange."""
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True) as store:
        store.write(Batch([recorded(1)]))
    return tmp_path / "store.db"


def test_a_store_that_is_not_closed_complains(path: Path) -> None:
    store = Store.open(f"sqlite:///{path}")
    assert repr(store) == f"<Store {path} open>"

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del store
        gc.collect()

    assert f"<Store {path} open> was not closed" in [str(warning.message) for warning in caught]


def test_closing_twice_is_closing_once(url: str) -> None:
    store = Store.open(url, create=True)
    store.close()
    store.close()

    assert repr(store).endswith("closed>")


def test_a_closed_sqlite_store_is_one_file(path: Path) -> None:
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


def test_readers_leave_no_files_behind(path: Path) -> None:
    with Store.open(f"sqlite:///{path}") as store:
        assert store.stats().exchanges == 1

    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


def test_a_store_keeps_to_its_first_key(url: str) -> None:
    with Store.open(url, create=True) as store:
        store.check_key(b"k" * 32)
        store.check_key(b"k" * 32)

    with Store.open(url, create=True) as store:
        with pytest.raises(StoreError, match="recorded with another key"):
            store.check_key(b"other" * 6)
        store.check_key(b"k" * 32)


def test_what_was_written_can_be_made_durable(url: str) -> None:
    for durability in ("relaxed", "strict"):
        with Store.open(url, create=True, durability=durability) as store:
            store.make_durable()
            store.write(Batch([recorded(1)]))
            store.make_durable()

            assert store.stats().exchanges == 1


def test_a_locked_store_is_waited_for_and_then_reported(path: Path) -> None:
    with Store.open(f"sqlite:///{path}", create=True, lock_timeout=0.05) as store, contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is locked by another program"):
            store.write(Batch([recorded(2)]))
        assert len(list(store.exchanges("default"))) == 1

        other.rollback()
        store.write(Batch([recorded(2)]))
        assert len(list(store.exchanges("default"))) == 2


def test_a_lock_given_up_in_time_is_not_noticed(path: Path) -> None:
    with Store.open(f"sqlite:///{path}", create=True, lock_timeout=30) as store:
        other = sqlite3.connect(path, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.2, other.rollback).start()

        store.write(Batch([recorded(2)]))

        other.close()
        assert len(list(store.exchanges("default"))) == 2


def test_a_full_disk_stores_nothing_by_halves_and_recording_goes_on_later(path: Path) -> None:
    database = open_database(f"sqlite:///{path}", create=True, durability="relaxed", lock_timeout=1)
    big = [streamed(number, [event(seq) for seq in range(500)]) for number in range(2, 60)]
    with Store(database) as store:
        with database.autocommit() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 40}")
        with pytest.raises(StoreError, match="The disk is full"):
            store.write(Batch(big, positions=[Position("w1", 5, 5, {})]))
        assert store.stats().exchanges == 1
        assert store.positions() == [Position("w1", 0, 0, {})]

        with database.autocommit() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        store.write(Batch(big, positions=[Position("w1", 5, 5, {})]))
        assert (store.stats().exchanges, store.stats().events) == (59, 29_000)
        assert list(store.verify()) == []


def damaged(path: Path) -> None:
    """Overwrite the page of the only body."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'bodies'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xde\xad" * (size // 2))


def test_a_damaged_page_is_reported_and_what_is_sound_can_be_read(path: Path) -> None:
    damaged(path)

    with Store.open(f"sqlite:///{path}") as store:
        row = next(store.exchanges("default"))
        with pytest.raises(StoreError, match=r"is damaged .* `playhead verify` says where"):
            store.raw(row.id)


def test_verifying_a_damaged_file_reports_and_does_not_raise(path: Path) -> None:
    damaged(path)

    with Store.open(f"sqlite:///{path}") as store:
        assert any("damaged" in problem.problem for problem in store.verify())


def test_a_store_whose_file_vanished_is_reported(path: Path) -> None:
    with Store.open(f"sqlite:///{path}") as store:
        store.close()
        path.unlink()
        with pytest.raises(StoreError, match="cannot be opened"):
            store.sessions()
        assert not path.exists()
        store.close()


def test_reading_goes_on_while_a_recorder_writes(url: str) -> None:
    with Store.open(url, create=True) as writer, Store.open(url) as reader:
        writer.write(Batch([streamed(0, [event(0)])]))
        done = threading.Event()

        def write() -> None:
            for start in range(1, 200, 10):
                writer.write(Batch([streamed(number, [event(0), event(1)]) for number in range(start, start + 10)]))
            done.set()

        thread = threading.Thread(target=write)
        thread.start()
        counts: list[int] = []
        while not done.is_set():
            rows = list(reader.exchanges("default"))
            counts.append(len(rows))
            assert reader.raw(rows[-1].id).response.startswith(b'{"id"')
        thread.join()

        assert counts == sorted(counts)
        assert len(list(reader.exchanges("default"))) == 201
        assert list(reader.verify()) == []


def test_a_reader_sees_batches_whole(url: str) -> None:
    with Store.open(url, create=True) as writer, Store.open(url) as reader:
        writer.write(Batch([recorded(0, session="s")]))

        def write() -> None:
            for n in range(40):
                writer.write(Batch([recorded(2 * n + i, session="s") for i in (1, 2)]))

        thread = threading.Thread(target=write)
        thread.start()
        while thread.is_alive():
            assert reader.stats().exchanges % 2 == 1
        thread.join()


def test_two_recorders_may_share_a_store(url: str) -> None:
    failures: list[BaseException] = []

    def record(writer: str) -> None:
        try:
            with Store.open(url, create=True, lock_timeout=30) as store:
                for number in range(20):
                    events = [event(0, f"type.{number}")]
                    store.write(Batch([streamed(number, events, writer=writer, run=writer)], positions=[Position(writer, 0, number, {})]))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=record, args=(name,)) for name in ("w1", "w2", "w3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with Store.open(url) as store:
        assert sorted({row.take for row in store.exchanges("default")}) == [1, 2, 3]
        assert store.stats().exchanges == 60
        assert list(store.verify()) == []


def test_a_connection_that_the_server_closed_is_made_again(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with place_for_store("postgresql", request, tmp_path) as url:
        database = open_database(url, create=True, durability="relaxed", lock_timeout=5)
        second = open_database(url, create=True, durability="relaxed", lock_timeout=5)
        with Store(database) as store, Store(second):
            store.write(Batch([recorded(1)]))
            with database.reading() as connection:
                mine = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with second.reading() as connection:
                connection.exec_driver_sql(f"SELECT pg_terminate_backend({mine}, 5000)")

            store.write(Batch([recorded(2)]))

            assert store.stats().exchanges == 2


def test_a_base_that_somebody_deleted_is_not_used(url: str) -> None:
    history = b'{"input":"' + bytes(range(97, 123)) * 400
    with Store.open(url, create=True) as recorder, Store.open(url) as other:
        recorder.write(Batch([recorded(1, raw=raw(1, request=history + b'"}'))]))
        other.delete_exchange(next(other.exchanges("default")).id)

        recorder.write(Batch([recorded(number, raw=raw(number, request=history + b'more %d"}' % number)) for number in (2, 3)]))
        recorder.write(Batch([recorded(4, raw=raw(4, request=history + b'more 4"}'))]))

        assert [other.raw(row.id).request[-8:] for row in other.exchanges("default")] == [b'more 2"}', b'more 3"}', b'more 4"}']
        assert list(other.verify()) == []


def test_a_deleted_session_may_be_recorded_into_again(url: str) -> None:
    with Store.open(url, create=True) as recorder, Store.open(url) as other:
        recorder.write(Batch([recorded(1)]))
        other.delete_session("default")

        recorder.write(Batch([recorded(2)]))

        assert [row.response_id for row in other.exchanges("default")] == ["resp_2"]
        assert list(other.verify()) == []


def test_a_store_knows_when_its_file_is_gone_or_another_one(path: Path) -> None:
    with Store.open(f"sqlite:///{path}", create=True) as store:
        there = store.in_place()
        path.rename(path.with_suffix(".old"))
        gone = store.in_place()
        path.write_bytes(b"")
        other = store.in_place()

    assert (there, gone, other) == (True, False, False)
