"""What recordings are matched by is the same after a cassette as before it."""

from __future__ import annotations

from pathlib import Path

from playhead.storage.store import Store
from taped import again, agent_loop, batch, posted, taped
from test_cassette import conversation


def prints(path: Path) -> list[object]:
    with Store.open(f"sqlite:///{path}") as store:
        rows = list(store.replay_index("default"))
        return [(row.digest, row.asks, row.turn, row.stream_id, store.item_digests([row.exchange])[row.exchange]) for row in rows if row.digest]


def test_turns_are_matched_as_before_and_successors_of_a_steer_by_nothing(tmp_path: Path) -> None:
    again(tmp_path, taped(tmp_path, conversation().recorded()))

    assert len(prints(tmp_path / "second.db")) == 2
    assert prints(tmp_path / "second.db") == prints(tmp_path / "first.db")


def test_handshakes_are_matched_as_before(tmp_path: Path) -> None:
    again(tmp_path, taped(tmp_path, conversation().recorded()))
    found = []
    for name in ("first.db", "second.db"):
        with Store.open(f"sqlite:///{tmp_path / name}") as store:
            found.append([one[1:] for one in store.handshakes("default")])

    assert found[0] == found[1] != []


def test_requests_over_http_are_matched_at_once(tmp_path: Path) -> None:
    again(tmp_path, taped(tmp_path, batch(*agent_loop(3), posted(9, b"plain"))))

    assert len(prints(tmp_path / "second.db")) == 4
