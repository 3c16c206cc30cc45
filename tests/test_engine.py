"""Opening a store: made whole, refused untouched."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from playhead.config.errors import ConfigError, PlayheadError, StoreError
from playhead.config.settings import Settings
from playhead.storage.engine import insisting, open_database
from playhead.storage.records import Batch
from playhead.storage.store import Store
from playhead.storage.tables import HEAD, VERSION_TABLE
from stores import place_for_store, recorded


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def refusal(path: Path, *, create: bool = True) -> str:
    """What opening says, after making sure that nothing was touched."""
    before = path.read_bytes(), path.stat().st_mtime_ns, sorted(os.listdir(path.parent))

    with pytest.raises(StoreError) as error:
        Store.open(f"sqlite:///{path}", create=create)

    assert before == (path.read_bytes(), path.stat().st_mtime_ns, sorted(os.listdir(path.parent)))
    return str(error.value)


def as_somebody_else(action: Callable[[], str]) -> str:
    """What `action` returns for a user without rights (root may write everything)."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about threads and fork; the child does little
        child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            said = action()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A store with one exchange in a directory that nobody may write, reachable for all."""
    base = Path(tempfile.mkdtemp(prefix="playhead-read-only-"))  # not below tmp_path, which hides from others
    path = base / "store.db"
    with Store.open(f"sqlite:///{path}", create=True) as store:
        store.write(Batch([recorded(1)]))
    path.chmod(0o444)
    base.chmod(0o555)
    yield path
    base.chmod(0o755)
    path.unlink()
    base.rmdir()


def test_without_being_told_to_make_one_there_is_no_store(url: str) -> None:
    with pytest.raises(StoreError, match=r"There is no store at .*Record something first"):
        Store.open(url)


def test_a_store_that_was_made_is_found_again(url: str) -> None:
    with Store.open(url, create=True) as store:
        store.write(Batch([recorded(1)]))

    with Store.open(url) as store:
        assert [row.path for row in store.exchanges("default")] == ["/v1/responses"]


def test_who_makes_a_store_twice_finds_the_first(url: str) -> None:
    with Store.open(url, create=True) as store:
        store.write(Batch([recorded(1)]))
        with Store.open(url, create=True) as second:
            assert len(list(second.exchanges("default"))) == 1


def test_many_that_make_the_same_store_at_once_share_it(url: str) -> None:
    failures: list[BaseException] = []

    def open_and_write(number: int) -> None:
        try:
            with Store.open(url, create=True) as store:
                store.write(Batch([recorded(number)]))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=open_and_write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with Store.open(url) as store:
        assert store.stats().exchanges == 6


def test_a_newer_schema_is_refused_and_left_alone(url: str) -> None:
    Store.open(url, create=True).close()
    database = open_database(url, create=True, durability="relaxed", lock_timeout=1)
    with database.writing() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0999'"))
    database.engine.dispose()

    with pytest.raises(StoreError, match=rf"newer playhead \(schema 0999, this one knows {HEAD}\)"):
        Store.open(url, create=True)
    engine = plain_engine(url)
    with engine.connect() as plain:
        assert plain.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == "0999"
    engine.dispose()


def plain_engine(url: str) -> Engine:
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"))


def test_a_newer_sqlite_store_keeps_its_bytes(path: Path) -> None:
    Store.open(f"sqlite:///{path}", create=True).close()
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '0999'")
    connection.commit()
    connection.close()

    assert "newer playhead" in refusal(path)


def test_a_file_that_is_not_sqlite_is_refused_untouched(path: Path) -> None:
    path.write_bytes(b"these are somebody's notes\n" * 100)

    assert refusal(path) == f"{path} is not a playhead store: it is not an SQLite file. It was left as it is."


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_an_sqlite_file_of_somebody_else_is_refused_untouched(path: Path, mode: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.execute("CREATE TABLE exchanges (id INTEGER PRIMARY KEY)")
    connection.commit()
    connection.close()

    assert refusal(path) == f"{path} is not a playhead store but an SQLite file of another program. It was left as it is."
    assert "another program" in refusal(path, create=False)


def test_a_directory_is_not_a_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="it is not a file"):
        Store.open(f"sqlite:///{tmp_path}", create=True)


def test_a_store_cannot_be_made_where_there_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be made: No such file or directory"):
        Store.open(f"sqlite:///{tmp_path}/no/where/store.db", create=True)


def test_an_empty_file_becomes_a_store_only_when_told(path: Path) -> None:
    path.touch()
    assert "There is no store" in refusal(path, create=False)

    with Store.open(f"sqlite:///{path}", create=True) as store:
        assert store.sessions() == []


def test_a_store_file_belongs_to_its_user_alone(path: Path) -> None:
    Store.open(f"sqlite:///{path}", create=True).close()

    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["store.db"]


def test_a_path_may_hold_any_characters(tmp_path: Path) -> None:
    directory = tmp_path / "50% off? #1 ünïcode"
    directory.mkdir()
    with Store.open(Settings(data=directory).store_url, create=True):
        assert (directory / "store.db").exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("store.db", "must be a URL"),
        ("mysql://root:hunter2@host/db", "knows sqlite and postgresql"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
        ("sqlite:///a.db?mode=ro", "without parameters"),
    ],
)
def test_what_is_no_store_url_is_refused(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        Store.open(url, create=True)
    assert "hunter2" not in str(error.value)


def test_a_read_only_store_can_be_read(read_only: Path) -> None:
    def listed() -> str:
        with Store.open(f"sqlite:///{read_only}") as store:
            return ",".join(row.path for row in store.exchanges("default")) + str(list(store.verify()))

    assert as_somebody_else(listed) == "/v1/responses[]"


def test_a_read_only_store_cannot_be_recorded_into(read_only: Path) -> None:
    def recorded_into() -> str:
        Store.open(f"sqlite:///{read_only}", create=True)
        return "opened"

    assert as_somebody_else(recorded_into) == (f"StoreError: The store {read_only} cannot be written: its file or its directory is read-only.")


def test_a_read_only_store_of_an_older_version_is_told(read_only: Path) -> None:
    shutil.copyfile(Path(__file__).parent / "data" / "store-0001.db", read_only)

    def opened() -> str:
        Store.open(f"sqlite:///{read_only}")
        return "opened"

    assert as_somebody_else(opened) == (
        f"StoreError: The store {read_only} is of an older playhead (schema 0001) and read-only: it must be opened once where it can be written."
    )


def test_a_read_only_store_refuses_to_be_changed(read_only: Path) -> None:
    def deleted() -> str:
        with Store.open(f"sqlite:///{read_only}") as store:
            store.delete_session("default")
        return "deleted"

    assert as_somebody_else(deleted).startswith(f"StoreError: The store {read_only} can only be read")


@pytest.fixture
def postgresql(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with place_for_store("postgresql", request, tmp_path) as place:
        yield place


def test_a_schema_of_somebody_else_is_refused_untouched(postgresql: str) -> None:
    engine = plain_engine(postgresql)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE sessions (id int)"))

    with pytest.raises(StoreError, match=r"tables of another program\. It was left as it is\. Give playhead .* of its own"):
        Store.open(postgresql, create=True)

    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()")).scalar() == 1
    engine.dispose()


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    pytest.importorskip("psycopg")

    with pytest.raises(PlayheadError) as error:
        Store.open("postgresql://someone:hunter2@127.0.0.1:1/db", create=True)

    assert "postgresql://127.0.0.1/db failed" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_of_two_transactions_that_wait_for_each_other_both_are_made(postgresql: str) -> None:
    database, met = open_database(postgresql, create=True, durability="relaxed", lock_timeout=5), threading.Barrier(2)

    def locking(first: int, second: int) -> int:
        tries = []

        def transaction() -> int:
            tries.append(first)
            with database.writing() as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": first})
                if len(tries) == 1:
                    met.wait(30)
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": second})
            return len(tries)

        return insisting(transaction)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(locking, (1, 2), (2, 1))) == [1, 2]
    database.engine.dispose()
