"""Batches become rows: each exchange exactly once, whole or piece by piece."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playhead.config.errors import StoreError
from playhead.storage.records import Batch, EventRow, Facts, Frame, Piece, Position, Raw, Recorded, Spill
from playhead.storage.store import Store
from stores import event, raw, recorded, streamed


def numbers(store: Store, session: str = "default") -> list[str | None]:
    return [row.response_id for row in store.exchanges(session)]


def spill(number: int, part: int, *, final: bool = False, whole: Recorded | None = None) -> Spill:
    """The `part`-th spill of an exchange: a piece of each body, an event, a frame, a chunk."""
    base = whole or streamed(number, request_bytes=part + 1, response_bytes=part + 1)
    heads = Raw(base.raw.request_head, b"", base.raw.response_heads if part else b"")
    known = dataclasses.replace(base, raw=heads, events=[], event_count=part + 1)
    pieces = [Piece("request", part, b"q%d" % part), Piece("response", part, b"r%d" % part * 1000)]
    return Spill(known, pieces, [event(part)], (Frame(1, part, 2000),), (2000,), final)


# Whole exchanges.


def test_an_exchange_comes_back_as_it_was(store: Store) -> None:
    exchange = streamed(7, [event(0, "response.created"), event(1, None, direction=0, stream_id="lane", flags=2)], seq=3, attempt=1, request_id="req_1")

    store.write(Batch([exchange]))

    row = next(store.exchanges("default"))
    assert (row.seq, row.take, row.transport, row.status, row.outcome, row.events) == (3, 1, "sse", 200, "complete", 2)
    assert (row.first_event_ms, row.duration_ms) == (1.5, 2.25)
    assert row.started_at.isoformat() == "2025-08-27T17:28:23.123456+00:00"
    assert (row.model, row.response_id, row.usage) == ("gpt-5", "resp_7", {"input_tokens": 3, "total_tokens": 5})
    assert (row.attempt, row.request_id, row.cost) == (1, "req_1", None)
    assert store.raw(row.id) == exchange.raw
    assert list(store.event_rows(row.id)) == exchange.events


def test_an_exchange_given_twice_is_stored_once(store: Store) -> None:
    store.write(Batch([recorded(1), recorded(1)]))
    store.write(Batch([recorded(1), recorded(2)]))

    assert numbers(store) == ["resp_1", "resp_2"]


def test_the_same_number_of_another_writer_is_another_exchange(store: Store) -> None:
    store.write(Batch([recorded(1), recorded(1, writer="w2")]))

    assert len(numbers(store)) == 2


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 8)), max_size=6), max_size=6))
def test_whatever_is_read_again_is_stored_once(url: str, batches: list[list[tuple[str, int]]]) -> None:
    with Store.open(url, create=True) as store:
        before = {(row.path, row.response_id) for row in store.exchanges("s")} if store.sessions() else set()
        for batch in batches:
            store.write(Batch([recorded(number, writer=writer, path=f"/{writer}", session="s") for writer, number in batch]))
        found = [(row.path, row.response_id) for row in store.exchanges("s")] if store.sessions() else []

    given_ = {(f"/{writer}", f"resp_{number}") for batch in batches for writer, number in batch}
    assert len(found) == len(set(found))
    assert set(found) == given_ | before


def test_an_empty_batch_is_nothing(store: Store) -> None:
    store.write(Batch())

    assert store.sessions() == []


def test_many_exchanges_and_events_in_one_batch(store: Store) -> None:
    store.write(Batch([streamed(number, [event(seq) for seq in range(50)]) for number in range(120)]))

    assert (store.stats().exchanges, store.stats().events) == (120, 6000)


def test_similar_requests_are_kept_as_differences(store: Store) -> None:
    history = b'{"input":"' + bytes(range(97, 123)) * 400
    for number in range(5):
        history += b"and then %d; " % number * 20
        store.write(Batch([recorded(number, raw=raw(number, request=history + b'"}'))]))

    stats = store.stats()
    assert stats.stored_bytes * 10 < stats.raw_bytes
    assert len(store.raw(next(store.exchanges("default")).id).request) > 10_000


@pytest.mark.parametrize("count", [1, 7, 8, 63, 64, 65, 200])
@pytest.mark.parametrize("lane", [None, "lane"])
def test_any_number_of_events_comes_back(store: Store, count: int, lane: str | None) -> None:
    answer = [event(seq) for seq in range(count)]
    mixed = [event(seq, direction=seq % 2, stream_id=lane, flags=seq % 3, sequence_number=None) for seq in range(count)]

    store.write(Batch([streamed(1, answer), streamed(2, mixed), streamed(3, answer)]))

    assert [list(store.event_rows(row.id)) for row in store.exchanges("default")] == [answer, mixed, answer]


def test_what_stands_is_known_however_far_apart_the_numbers_are(store: Store) -> None:
    store.write(Batch([streamed(number) for number in (1, 5_000, 900_000)]))
    store.write(Batch([streamed(number) for number in (1, 2, 90, 4_999, 5_000, 5_001, 900_000)]))

    assert sorted(int((text or "").removeprefix("resp_")) for text in numbers(store)) == [1, 2, 90, 4_999, 5_000, 5_001, 900_000]


@pytest.mark.parametrize("text", ["a\0b", "lone \ud800 surrogate", "ünïcödé 🎧", "'; DROP TABLE exchanges; --", "x" * 100_000])
def test_text_from_the_wire_cannot_stop_recording(store: Store, text: str) -> None:
    facts = Facts(model=text, user=text, error_code=text, usage={text: text}, problem=text)

    store.write(Batch([streamed(1, [event(0, text, stream_id=text)], path=text, facts=facts, request_id=text)]))

    row = next(store.exchanges("default"))
    fit = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    assert (row.model, row.path, row.user, row.request_id) == (fit, fit, fit, fit)
    assert [(e.type, e.stream_id) for e in store.events(row.id)] == [(fit, fit)]


def test_numbers_from_the_wire_cannot_stop_recording(store: Store) -> None:
    facts = Facts(usage={"big": 10**30, "nan": float("nan")})
    events = [event(0, sequence_number=10**30), event(1, sequence_number=-(2**63)), event(2, sequence_number=2**63)]

    store.write(Batch([streamed(1, events, attempt=10**12, facts=facts)]))

    row = next(store.exchanges("default"))
    assert (row.attempt, row.usage) == (None, {"big": 10**30, "nan": None})
    assert [e.sequence_number for e in store.events(row.id)] == [None, -(2**63), None]


def test_a_batch_that_fails_is_not_stored_at_all_and_may_be_given_again(store: Store) -> None:
    store.write(Batch([recorded(1)]))
    bad = recorded(3, session=cast(str, None))

    with pytest.raises(StoreError, match="failed"):
        store.write(Batch([streamed(2, [event(0, "new.type")]), bad], positions=[Position("w1", 9, 9, {})]))
    assert numbers(store) == ["resp_1"]
    assert store.positions() == [Position("w1", 0, 0, {})]

    store.write(Batch([streamed(2, [event(0, "new.type")])]))
    assert numbers(store) == ["resp_1", "resp_2"]


# Sessions, takes, seq.


def test_each_start_of_record_is_a_take(store: Store) -> None:
    store.write(Batch([recorded(1), recorded(2, run="run-2"), recorded(3), recorded(4, run="run-2", session="other")]))

    assert [(row.take, row.response_id) for row in store.exchanges("default")] == [(1, "resp_1"), (2, "resp_2"), (1, "resp_3")]
    assert [row.take for row in store.exchanges("other")] == [1]


def test_places_count_from_one_in_each_session(store: Store) -> None:
    assert [store.next_seq("a"), store.next_seq("a"), store.next_seq("b")] == [1, 2, 1]


def test_an_exchange_without_a_place_gets_the_next(store: Store) -> None:
    assert store.next_seq("default") == 1

    store.write(Batch([recorded(1), recorded(2)]))

    assert [row.seq for row in store.exchanges("default")] == [2, 3]
    assert store.next_seq("default") == 4


def test_places_go_on_after_a_restart(url: str) -> None:
    with Store.open(url, create=True) as store:
        store.write(Batch([recorded(1, seq=5)]))

    with Store.open(url, create=True) as store:
        assert store.next_seq("default") == 6


def test_a_place_promised_to_an_open_exchange_is_not_given_again(url: str) -> None:
    promised = {"17": {"session": "default", "seq": 9}, "18": {"session": "other", "seq": 20}}
    with Store.open(url, create=True) as store:
        store.write(Batch([recorded(1, seq=5)], positions=[Position("w1", 1, 0, promised)]))

    with Store.open(url, create=True) as store:
        assert store.next_seq("default") == 10


def test_a_place_that_is_taken_is_not_given(store: Store) -> None:
    store.seq_taken("default", 4)
    store.seq_taken("default", 2)

    assert store.next_seq("default") == 5


# Positions.


def test_positions_are_where_they_were_left(url: str) -> None:
    here = Position("w1", 2, 345, {"7": {"session": "default", "seq": 3, "state": ["any", {"json": None}]}})
    with Store.open(url, create=True) as store:
        store.write(Batch(positions=[Position("w1", 1, 1, {}), Position("w2", 0, 0, {})]))
        store.write(Batch(positions=[here]))

    with Store.open(url) as store:
        assert store.positions() == [here, Position("w2", 0, 0, {})]


def test_a_writer_that_is_gone_has_no_position(store: Store) -> None:
    store.write(Batch(positions=[Position("w1", 1, 1, {}), Position("w2", 0, 0, {})]))
    store.write(Batch(gone=["w1", "never seen"]))

    assert [position.writer for position in store.positions()] == ["w2"]


# Piece by piece.


def test_an_exchange_that_goes_on_is_listed_without_outcome(store: Store) -> None:
    store.write(Batch(spills=[spill(1, 0)]))

    row = next(store.exchanges("default"))
    assert (row.outcome, row.events, row.response_bytes) == (None, 1, 1)
    assert b"".join(store.response_chunks(row.id)) == b"r0" * 1000


def test_spills_add_up_to_the_exchange(store: Store) -> None:
    for part in range(3):
        store.write(Batch(spills=[spill(1, part, final=part == 2)]))

    row = next(store.exchanges("default"))
    whole = store.raw(row.id)
    assert (row.outcome, row.events) == ("complete", 3)
    assert (whole.request, whole.response) == (b"q0q1q2", b"r0" * 1000 + b"r1" * 1000 + b"r2" * 1000)
    assert whole.frames == (Frame(1, 0, 2000), Frame(1, 1, 2000), Frame(1, 2, 2000))
    assert whole.chunks == (2000, 2000, 2000)
    assert whole.response_heads.startswith(b"HTTP/1.1 200")
    assert [e.seq for e in store.events(row.id)] == [0, 1, 2]


def test_spills_of_one_exchange_may_come_in_one_batch(store: Store) -> None:
    store.write(Batch(spills=[spill(1, 0), spill(1, 1), spill(1, 2, final=True)]))

    assert store.raw(next(store.exchanges("default")).id).request == b"q0q1q2"


def test_spills_given_again_change_nothing(store: Store) -> None:
    for batch in ([spill(1, 0)], [spill(1, 0)], [spill(1, 1)], [spill(1, 1)], [spill(1, 2, final=True)], [spill(1, 2, final=True)], [spill(1, 0)]):
        store.write(Batch(spills=batch))

    row = next(store.exchanges("default"))
    whole = store.raw(row.id)
    assert (row.outcome, whole.request, len(whole.frames), len(whole.chunks)) == ("complete", b"q0q1q2", 3, 3)


def test_a_spilled_exchange_keeps_its_place(store: Store) -> None:
    store.write(Batch(spills=[spill(1, 0)]))
    store.write(Batch([recorded(2)]))
    store.write(Batch(spills=[spill(1, 1, final=True)]))

    assert [(row.seq, row.response_id) for row in store.exchanges("default")] == [(1, "resp_1"), (2, "resp_2")]


def test_the_whole_of_an_exchange_replaces_its_beginning(store: Store) -> None:
    store.write(Batch(spills=[spill(1, 0), spill(1, 1)]))
    whole = streamed(1, [event(0), event(1), event(2)])

    store.write(Batch([whole, whole]))

    row = next(store.exchanges("default"))
    assert (row.outcome, store.raw(row.id), list(store.event_rows(row.id))) == ("complete", whole.raw, whole.events)


def test_a_finished_exchange_is_not_opened_again(store: Store) -> None:
    store.write(Batch([recorded(1)]))
    store.write(Batch(spills=[spill(1, 0)]))

    row = next(store.exchanges("default"))
    assert (row.outcome, store.raw(row.id)) == ("complete", recorded(1).raw)


def test_what_follows_a_spilled_exchange_is_not_written_against_it(store: Store) -> None:
    store.write(Batch(spills=[spill(1, 0)]))
    store.write(Batch([recorded(2)], [spill(1, 1, final=True)]))

    assert store.raw(list(store.exchanges("default"))[1].id) == recorded(2).raw


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data(), response=st.binary(max_size=200))
def test_any_split_into_spills_is_the_same_exchange(url: str, data: st.DataObject, response: bytes) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(response)), max_size=4)))
    parts = [response[a:b] for a, b in zip([0, *cuts], [*cuts, len(response)], strict=True)]
    name = uuid.uuid4().hex  # the store is one for all examples
    base = streamed(1, session=name, writer=name)
    with Store.open(url, create=True) as store:
        for index, part in enumerate(parts):
            frames: tuple[Frame, ...] = (Frame(1, index, len(part)),)
            known = dataclasses.replace(base, raw=Raw(base.raw.request_head, b"", base.raw.response_heads))
            store.write(Batch(spills=[Spill(known, [Piece("response", index, part)], [], frames, (len(part),), index == len(parts) - 1)]))
        whole = store.raw(next(store.exchanges(name)).id)

    assert whole.response == response
    assert [frame.length for frame in whole.frames] == list(whole.chunks) == [len(part) for part in parts]


def test_a_websocket_has_a_connection(store: Store) -> None:
    rows: list[Any] = [recorded(1, transport="ws"), recorded(2), recorded(3, transport="ws")]

    store.write(Batch(rows, [Spill(recorded(4, transport="ws", outcome=None), [], [], (), (), final=False)]))

    found = [row.connection for row in store.exchanges("default")]
    assert found[1] is None
    assert len({found[0], found[2], found[3]}) == 3


def test_events_keep_their_order_whatever_their_number(store: Store) -> None:
    events = [EventRow(seq, seq * 10, seq % 2, f"t{seq % 5}", None, None, seq) for seq in range(1234)]

    store.write(Batch([streamed(1, events)]))

    assert list(store.event_rows(next(store.exchanges("default")).id)) == events
