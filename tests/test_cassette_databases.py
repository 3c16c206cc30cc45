"""Cassettes as stores that nobody else sees: their databases are made when something is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from playhead.config.errors import StoreError
from playhead.config.settings import Settings
from playhead.proxy.cassettes.cassette_databases import CassetteDatabase, held, make_empty
from playhead.proxy.formats.cassette import read
from playhead.proxy.formats.cassette_prints import with_fingerprints
from playhead.storage.carrying.cassettes import Cassette
from taped import batch, posted, taped


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "x.jsonl"
    found.write_bytes(taped(tmp_path, batch(posted(1, b"{}"), posted(2, b"[]"))))
    return found


@pytest.fixture
def cassette(path: Path) -> Cassette:
    return with_fingerprints(read(path.read_bytes(), "x"))


def failing(times: int) -> Callable[[Path], None]:
    """Makes an empty store, but not the first so many times."""
    left = [StoreError("no room")] * times

    def make(path: Path) -> None:
        if left:
            raise left.pop()
        make_empty(path)

    return make


def test_its_file_is_made_when_something_is_asked_of_it(tmp_path: Path, cassette: Cassette) -> None:
    file = tmp_path / "a.db"
    with CassetteDatabase(file, make_empty).holding(cassette, "s") as store:
        assert (len(store.takes("s")), file.exists()) == (1, False)
        assert ([one.session for one in store.sessions()], file.exists()) == (["s"], True)


def test_each_cassette_has_a_new_file(tmp_path: Path, cassette: Cassette) -> None:
    database = CassetteDatabase(tmp_path / "a.db", make_empty)
    for name in ("one", "two"):
        with database.holding(cassette, name) as store:
            assert [(one.session, one.exchanges) for one in store.sessions()] == [(name, 2)]


def test_whoever_asks_while_it_is_made_waits_until_all_of_it_is_there(tmp_path: Path, cassette: Cassette) -> None:
    together = Barrier(8)

    def asked(_: int) -> list[int]:
        together.wait()
        return [one.exchanges for one in store.sessions()]

    with CassetteDatabase(tmp_path / "a.db", make_empty).holding(cassette, "s") as store, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(asked, range(8))) == [[2]] * 8


def test_one_that_cannot_be_made_is_told_each_time_and_made_when_it_can_be(tmp_path: Path, cassette: Cassette) -> None:
    with CassetteDatabase(tmp_path / "a.db", failing(2)).holding(cassette, "s") as store:
        for _ in range(2):
            with pytest.raises(StoreError, match="no room"):
                store.sessions()

        assert [one.exchanges for one in store.sessions()] == [2]


def test_a_cassette_is_held_by_settings_of_its_own_for_as_long_as_it_is_served(path: Path) -> None:
    with held(Settings(session="s"), path) as (settings, store):
        assert (settings.session, store.path) == ("s", settings.data / "store.db")
        assert [one.session for one in store.sessions()] == ["s"]

    assert not settings.data.exists()


def test_a_damaged_cassette_is_told_with_its_line(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"method":"POST"', b'"method":"PUT"', 1))

    with pytest.raises(StoreError, match=r"x\.jsonl cannot be read, line"), held(Settings(), path):
        pass
