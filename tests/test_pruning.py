"""Content and costs go when their clocks have run out; what stays still reads, and nothing of what went is in the files."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from aged import START, bulky, costing, counts, ids, left, prune
from playhead.config.errors import StoreError
from playhead.config.retention import Clocks, Retention
from playhead.config.rules import parse_rule
from playhead.storage.engine import Database
from playhead.storage.records import Batch, Divergence, Fingerprint, ItemRow, Piece, Position, Spill
from playhead.storage.removing.pruning import Pruning
from playhead.storage.store import Store
from playhead.storage.tables import bodies, connection_pieces, event_rows, exchanges, fingerprints, item_rows, pieces
from stores import START_NS, connected, event, logged, raw, recorded, streamed, turned


def test_content_that_is_too_old_goes_and_its_row_stays(store: Store) -> None:
    store.write(Batch([recorded(number) for number in (1, 2, 3)]))
    before = list(store.exchanges("default"))

    shares = prune(store, at=12.5, content=10)

    assert counts(shares) == {"default": [2, 0, 0]}
    assert left(store) == ["content", "content", None]
    assert [row.model_copy(update={"pruned": None}) for row in store.exchanges("default")] == before


def test_all_of_its_content_goes(store: Store, database: Database) -> None:
    item = ItemRow("output", 0, "message", "msg_1", None, None, "completed")
    one = streamed(1, [event(0), event(1)], items=[item], fingerprint=Fingerprint(bytes(16), "sse", b"1234"))
    store.write(Batch([one]))

    prune(store, at=100, content=10)

    with database.reading() as connection:
        for table in (bodies, pieces, event_rows, item_rows, fingerprints):
            assert connection.execute(select(table)).all() == []


def test_what_is_asked_of_pruned_content_says_that_it_is_pruned(store: Store) -> None:
    store.write(Batch([streamed(1, [event(0)])]))
    (id_,) = ids(store)
    prune(store, at=100, content=10)

    for ask in (store.raw, store.heads, store.events, store.event_rows, store.items, store.stored_request, store.stream):
        with pytest.raises(StoreError, match=f"The content of exchange {id_} is pruned"):
            ask(id_)
    for part in (store.request_chunks, store.response_chunks):
        with pytest.raises(StoreError, match="is pruned"):
            list(part(id_))
    with pytest.raises(StoreError, match="is pruned"):
        store.replayable([id_])


def test_a_session_of_which_nothing_is_left_is_gone(store: Store) -> None:
    store.write(Batch([recorded(1, session="old"), recorded(2, session="ruled"), recorded(99)]))
    store.set_match_rules("ruled", [parse_rule("ignore $.metadata")])

    prune(store, at=100, content=10, costs=10)

    assert [one.session for one in store.sessions()] == ["default", "ruled"]
    assert list(store.takes("ruled")) == []


def test_costs_that_are_too_old_go_and_content_stays(store: Store) -> None:
    store.write(Batch([recorded(number, cost=costing()) for number in (1, 2)]))
    first, second = ids(store)

    shares = prune(store, at=11.5, costs=10)

    assert counts(shares) == {"default": [0, 1, 0]}
    rows = list(store.exchanges("default"))
    assert [(row.pruned, row.cost_note, row.usage is None) for row in rows] == [("costs", "pruned", True), (None, None, False)]
    assert (rows[0].cost, store.ledger.about(first), store.ledger.lines(first)) == (None, None, [])
    assert store.raw(first) == raw(1)
    assert [one.id for one in store.ledger.priceable()] == [second]


def conversation(count: int, seed: int = 1) -> list[bytes]:
    """Requests that each hold the one before."""
    rng = random.Random(seed)
    history, turns = b'{"input":"', []
    for _ in range(count):
        history += rng.randbytes(400).hex().encode()
        turns.append(history + b'"}')
    return turns


def test_what_was_written_against_pruned_content_still_reads(store: Store) -> None:
    raws = [raw(number, request=turn) for number, turn in enumerate(conversation(30))]
    store.write(Batch([recorded(number, raw=one) for number, one in enumerate(raws)]))

    prune(store, at=20.5, content=10)

    assert [store.raw(id_) for id_, what in zip(ids(store), left(store), strict=True) if what is None] == raws[11:]


def test_lists_of_items_that_went_on_from_pruned_ones_are_written_out(store: Store) -> None:
    lists = [bytes(range(4 * number)) * 4 for number in range(1, 12)]
    store.write(Batch([recorded(number, fingerprint=Fingerprint(bytes(16), "http", lists[number])) for number in range(11)]))

    prune(store, at=15.5, content=10)

    kept = [id_ for id_, what in zip(ids(store), left(store), strict=True) if what is None]
    assert [store.item_digests([id_])[id_] for id_ in kept] == lists[6:]


def test_divergences_from_pruned_content_go_with_it_and_old_ones_too(store: Store) -> None:
    store.write(Batch([recorded(1), recorded(50)]))
    first, second = ids(store)
    asked = Divergence("default", 1, "run", START_NS, "no_match", "POST", "/v1/responses", None, "http", b"", b"{}", 2, first, [], "message")
    for nearest, at in ((first, 55), (second, 55), (second, 1)):
        store.add_divergence(Divergence(**{**_fields(asked), "nearest": nearest, "at_ns": START_NS + at * 1_000_000_000}))

    prune(store, at=60, content=20)

    assert [(one.nearest, (one.at - START).seconds) for one in store.divergences("default")] == [(second, 55)]


def _fields(one: Divergence) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def test_a_connection_keeps_its_log_until_its_last_turn_is_pruned(store: Store, database: Database) -> None:
    turns = [turned(1, 1), turned(1, 2, started_at_ns=START_NS + 50_000_000_000)]
    log = logged(1) + logged(2, 49_000_000_000)
    store.write(Batch(turns, connections=[connected(1, outcome="complete", log=log, turns=2)]))
    (one,) = store.connections("default")

    prune(store, at=55, content=10)
    assert left(store) == ["content", None]
    assert len(store.connection_log(one.id)) == 6
    assert list(store.verify()) == []

    prune(store, at=100, content=10)
    assert store.connection(one.id).pruned == "content"
    assert (store.connection_log(one.id), store.handshakes("default")) == ([], [])
    with database.reading() as connection:
        assert connection.execute(select(connection_pieces)).all() == []


def test_a_pruned_connection_does_not_come_back_from_the_journal(store: Store) -> None:
    one = connected(1, outcome="complete", log=logged(1), turns=1)
    store.write(Batch([turned(1, 1)], connections=[one], positions=[Position("w1", 0, 0, {})]))
    prune(store, at=100, content=10)

    store.write(Batch([turned(1, 1)], connections=[one]))

    (found,) = store.connections("default")
    assert (found.pruned, store.connection_log(found.id), left(store)) == ("content", [], ["content"])


def test_a_connection_without_exchanges_goes_by_its_own_age(store: Store) -> None:
    store.write(Batch(connections=[connected(1, status=403, outcome="complete"), connected(99, status=403, outcome="complete")]))

    prune(store, at=100, content=10)
    assert [one.pruned for one in store.connections("default")] == ["content", None]

    prune(store, at=105, content=10, costs=10)
    assert [one.pruned for one in store.connections("default")] == [None]


def test_big_bodies_go_in_parts(store: Store, database: Database) -> None:
    parts = [Piece("response", number, random.Random(number).randbytes(1 << 20)) for number in range(20)]
    store.write(Batch([recorded(2)], spills=[Spill(recorded(1), parts, [], (), (), final=True)]))

    steps = sum(1 for _ in store.pruning(Retention(Clocks(content=10)), START + timedelta(seconds=100)).steps())

    assert left(store) == ["content", "content"]
    assert steps > 3
    with database.reading() as connection:
        assert connection.execute(select(pieces.c.seq)).all() == []


def test_a_pass_that_was_broken_off_is_gone_on_with(store: Store, database: Database) -> None:
    parts = [Piece("response", number, random.Random(number).randbytes(1 << 20)) for number in range(20)]
    store.write(Batch(spills=[Spill(recorded(1), parts, [], (), (), final=True)]))
    steps = store.pruning(Retention(Clocks(content=10)), START + timedelta(seconds=100)).steps()
    while left(store) == [None]:
        next(steps)
    steps.close()
    assert list(store.verify()) == []

    prune(store, at=100, content=10)

    with database.reading() as connection:
        assert connection.execute(select(pieces.c.seq)).all() == []


def test_what_is_recorded_while_a_pass_goes_on_stays_whole(store: Store) -> None:
    turns = conversation(60)
    store.write(Batch([recorded(number, raw=raw(number, request=turn)) for number, turn in enumerate(turns[:40])]))

    for place, _ in enumerate(store.pruning(Retention(Clocks(content=10)), START + timedelta(seconds=49.5)).steps()):
        number = 40 + place
        if number < 60:
            store.write(Batch([recorded(number, raw=raw(number, request=turns[number]))]))

    kept = [id_ for id_, what in zip(ids(store), left(store), strict=True) if what is None]
    assert len(kept) > 1
    assert [store.raw(id_).request in turns for id_ in kept] == [True] * len(kept)


def test_pruned_exchanges_are_not_replayed_and_not_parsed_again(store: Store) -> None:
    store.write(Batch([recorded(1), recorded(99)]))
    prune(store, at=100, content=10)

    again = store.rederivation()
    again.mark()
    assert (again.count(), again.pruned()) == (1, 1)
    assert [row.exchange for row in store.replay_index("default", compute=lambda _: Fingerprint(bytes(16), "http"))] == ids(store)[1:]


def test_what_is_pruned_cannot_be_accepted_recorded_anew_or_forked(store: Store) -> None:
    store.write(Batch([recorded(1), recorded(99)]))
    first, second = ids(store)
    prune(store, at=100, content=10)

    with pytest.raises(StoreError, match="is pruned"):
        store.decisions.rerecord("default", first)
    with pytest.raises(StoreError, match="content of 1 exchange before exchange 2 is pruned"):
        store.decisions.fork("default", second, "fork")


def test_an_export_leaves_out_what_is_pruned(store: Store) -> None:
    store.write(Batch([recorded(1), recorded(99)]))
    prune(store, at=100, content=10)

    cassette, going_on = store.export_cassette("default")
    assert ([one.raw for one in cassette.exchanges], going_on) == ([raw(99)], 0)

    prune(store, at=200, content=10)
    with pytest.raises(StoreError, match="The content of session 'default', take 1, is pruned"):
        store.export_cassette("default")


# The files.


def windows(data: bytes) -> list[bytes]:
    """Parts short enough for some to stand within one page."""
    return [data[at : at + 24] for at in range(0, len(data) - 24, 24)]


def on_disk(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


def test_no_byte_of_pruned_content_is_in_the_files(tmp_path: Path) -> None:
    rng = random.Random(7)
    lane, item, found = (rng.randbytes(24).hex() for _ in range(3))
    body, answer, piece = (rng.randbytes(8000) for _ in range(3))  # cannot be compressed: they stand in the file as they are
    facts = recorded(1).facts
    facts.problems = [("$.input", "text", found)]
    rows = [ItemRow("output", 0, "message", item, None, None, "completed")]
    whole = streamed(1, [event(0, stream_id=lane)], raw=raw(1, request=body), items=rows, facts=facts, cost=costing())
    later = recorded(2, raw=raw(2, request=body + answer))
    spill = Spill(recorded(3), [Piece("response", 0, piece)], [], (), (), final=True)
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True) as store, Store.open(f"sqlite:///{tmp_path}/store.db") as reader:
        store.write(Batch([whole, later, recorded(99)], [spill]))
        assert reader.stats().exchanges == 4
        before = on_disk(tmp_path)

        prune(store, at=100, content=10)

        after = on_disk(tmp_path)
        assert list(store.verify()) == []
    for text in (lane, item, found):
        assert (text.encode() in before, text.encode() in after) == (True, False)
    for data in (body, answer, piece):
        assert sum(window in before for window in windows(data)) > 250
        assert sum(window in after for window in windows(data)) == 0


def test_no_byte_of_a_row_that_is_pruned_is_in_the_files(tmp_path: Path) -> None:
    rng = random.Random(8)
    path, user, session = (rng.randbytes(24).hex() for _ in range(3))
    facts = recorded(1).facts
    facts.user = user
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True) as store:
        store.write(Batch([recorded(1, path=path, facts=facts, session=session, cost=costing()), recorded(99)]))
        before = on_disk(tmp_path)

        prune(store, at=100, content=10, costs=10)

        after = on_disk(tmp_path)
    for text in (path, user, session):
        assert (text.encode() in before, text.encode() in after) == (True, False)


def test_the_file_shrinks_by_what_is_pruned(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store.open(f"sqlite:///{path}", create=True) as store:
        store.write(bulky(range(40)))
        before = store.stats().store_bytes

        prune(store, at=49.5, content=30)

        assert path.stat().st_size < before * 0.55
        assert (tmp_path / "store.db-wal").stat().st_size == 0


def test_a_reader_that_keeps_the_log_is_told_of(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True, lock_timeout=0.1) as store:
        store.write(bulky(range(10)))
        with store._database.reading() as connection:
            connection.execute(select(exchanges.c.id)).first()
            pruning = Pruning(store._database, Retention(Clocks(content=1)), START + timedelta(seconds=100))
            for _ in pruning.steps():
                pass

        assert not pruning.emptied
