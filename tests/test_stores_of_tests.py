"""The stores that cassettes of tests are put into."""

from __future__ import annotations

from pathlib import Path

from playhead.proxy.cassette_files import text_of
from playhead.proxy.testing.cassettes import Stores
from playhead.storage.records import Batch
from playhead.storage.store import Store
from stores import recorded


def cassette(tmp_path: Path, name: str) -> Path:
    """With one exchange."""
    path = tmp_path / f"{name}.jsonl"
    with Store.open(f"sqlite:///{tmp_path / name}.db", create=True) as store:
        store.write(Batch(finished=[recorded(session=name)]))
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
