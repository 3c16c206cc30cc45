"""Sessions go out of one store and into another with nothing lost: what the listings say is the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from playhead.config.errors import StoreError
from playhead.storage.records import Piece, Spill
from playhead.storage.store import Store
from spoken import Socket
from stores import connected, recorded, turned
from taped import again, agent_loop, batch, everything, posted, taped
from test_cassette import conversation


def test_an_export_of_what_was_imported_is_the_same_file(tmp_path: Path) -> None:
    data = taped(tmp_path, batch(*agent_loop(5), posted(9, b"plain")))

    assert again(tmp_path, data) == data


def test_what_was_imported_is_listed_as_it_was(tmp_path: Path) -> None:
    first, second = conversation().recorded(), Socket(2).recorded("aborted")
    again(tmp_path, taped(tmp_path, first, second, batch(*agent_loop(3))))

    assert everything(tmp_path / "second.db") == everything(tmp_path / "first.db")


def test_all_takes_keep_their_numbers(tmp_path: Path) -> None:
    runs = [batch(posted(1, b"{}", run="a")), batch(posted(2, b"{}", run="b"), posted(3, b"{}", run="b"))]
    again(tmp_path, taped(tmp_path, *runs))

    assert everything(tmp_path / "second.db") == everything(tmp_path / "first.db")


def test_a_take_is_chosen(tmp_path: Path) -> None:
    taped(tmp_path, batch(posted(1, b"{}", run="a")), batch(posted(2, b"{}", run="b"), posted(3, b"{}", run="b")))
    with Store.open(f"sqlite:///{tmp_path / 'first.db'}") as store:
        found, _ = store.export_cassette("default", 2)

    assert [(r.run, r.seq) for r in found.exchanges] == [("1", 1), ("1", 2)]


def test_a_take_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="has no take 7: it has 1"):
        taped(tmp_path, batch(posted(1, b"{}")), take=7)


def test_a_session_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no session 'other'"):
        taped(tmp_path, batch(posted(1, b"{}")), session="other")


def test_an_exchange_in_pieces_is_written_whole(tmp_path: Path) -> None:
    one = recorded(1)
    pieces = [Piece("request", 0, b"first "), Piece("request", 1, b"second"), Piece("response", 0, b"answer")]
    with Store.open(f"sqlite:///{tmp_path / 'first.db'}", create=True) as store:
        whole = batch()
        whole.spills.append(Spill(one, pieces, [], one.raw.frames, (3, 3), final=True))
        store.write(whole)
        found, _ = store.export_cassette("default")

    assert found.exchanges[0].raw.request.endswith(b"first second")
    assert found.exchanges[0].raw.chunks == (3, 3)


def test_what_still_goes_on_is_left_out_and_counted(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'first.db'}", create=True) as store:
        whole = batch(posted(2, b"{}"))
        whole.spills.append(Spill(recorded(1, outcome=None), [], [], (), (), final=False))
        store.write(whole)
        found, going_on = store.export_cassette("default")

    assert (len(found.exchanges), going_on) == (1, 1)


def test_a_turn_whose_connection_is_known_keeps_it(tmp_path: Path) -> None:
    whole = batch(turned(1, 1), turned(1, 2))
    whole.connections.append(connected(1, turns=2))
    again(tmp_path, taped(tmp_path, whole))

    with Store.open(f"sqlite:///{tmp_path / 'second.db'}") as store:
        assert [*store.turns(next(store.connections("default")).id)] == [1, 2]
