"""The stores that cassettes of tests are put into."""

from __future__ import annotations

from pathlib import Path

import pytest

from playhead.config.errors import StoreError
from playhead.proxy.cassettes.cassette_files import text_of
from playhead.proxy.testing.cassettes import Stores
from playhead.storage.records import Batch, Raw
from playhead.storage.store import Store
from stores import recorded


def cassette(tmp_path: Path, name: str, number: int = 1) -> Path:
    """With one exchange."""
    path = tmp_path / f"{name}.jsonl"
    with Store.open(f"sqlite:///{tmp_path / name}.db", create=True) as store:
        store.write(Batch(finished=[recorded(number, session=name)]))
        path.write_bytes(text_of(store, name)[0])
    return path


def test_whoever_reads_too_late_does_not_leave_his_test_to_the_next_one(tmp_path: Path) -> None:
    stores = Stores(tmp_path)
    one, release = stores.holding(cassette(tmp_path, "one"), "one")
    one.close()
    one.sessions()  # a thread whose request nobody waits for any more
    release()

    two, _ = stores.holding(cassette(tmp_path, "two"), "two")
    with two:
        assert ([one.session for one in two.sessions()], two.path) == (["two"], one.path)


def held(stores: Stores, path: Path) -> Raw:
    """What one test after the other finds."""
    store, release = stores.holding(path, "s")
    store.close()
    release()
    return store.raw(1)


def test_a_cassette_of_several_tests_is_read_once(tmp_path: Path) -> None:
    stores, path = Stores(tmp_path), cassette(tmp_path, "one")

    assert held(stores, path) is held(stores, path)


def test_a_cassette_that_is_replaced_is_seen_at_once(tmp_path: Path) -> None:
    stores, path, other = Stores(tmp_path), cassette(tmp_path, "one"), cassette(tmp_path, "two", number=2)
    first = held(stores, path)
    path.write_bytes(other.read_bytes())

    assert (first.request, held(stores, path).request) == (b'{"model":"gpt-5","input":"question 1"}', b'{"model":"gpt-5","input":"question 2"}')


def test_a_cassette_that_was_damaged_meanwhile_is_told(tmp_path: Path) -> None:
    stores, path = Stores(tmp_path), cassette(tmp_path, "one")
    held(stores, path)
    path.write_bytes(path.read_bytes().replace(b"question 1", b"question 2"))

    for _ in range(2):
        with pytest.raises(StoreError, match=r"cannot be read, line \d"):
            held(stores, path)


def test_a_test_that_asks_for_what_is_recorded_makes_no_file(tmp_path: Path) -> None:
    stores, path = Stores(tmp_path / "stores"), cassette(tmp_path, "one")
    held(stores, path)

    assert not (tmp_path / "stores").exists()
