"""Stores of older versions: opened, brought up to date, replayed.

tests/data/store-NNNN.db was made by the code that had that schema, and is never made anew. store-0001.db has one session `fossil`: in its first take an
error and two answers to one request (the last through another upstream), a stream, a form, an exchange in pieces and one without an end; in its second
take the same request once more. store-0002.db has one, too: in its first take an answer with a call, two streams of one conversation, an error, a WebSocket
and a stream in pieces; in its second take the first request once more.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from playhead.proxy.fingerprint import Asked, fingerprint, stored_fingerprint
from playhead.proxy.request_memo import RequestMemo
from playhead.storage.records import Batch, Frame
from playhead.storage.store import Store
from playhead.storage.tables import HEAD
from rederived import derive
from stores import recorded

DATA = Path(__file__).parent / "data"
QUESTION = '{"input": "What is the weather in Ürümqi?", "temperature": 7e-1, "model":"gpt-5"}'.encode()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A copy of the store of schema 0001."""
    shutil.copy(DATA / "store-0001.db", tmp_path / "store.db")
    return f"sqlite:///{tmp_path / 'store.db'}"


def asked(path: str = "/v1/responses") -> Asked:
    return Asked.of(f"POST {path} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n".encode(), "")


def test_an_old_store_is_brought_up_to_date_and_is_sound(url: str) -> None:
    with Store.open(url) as store:
        assert store.stats().schema_version == HEAD
        assert [(one.take, one.seq, one.outcome) for one in store.exchanges("fossil")] == [
            *((1, seq, "complete") for seq in range(1, 7)),
            (1, 7, None),
            (2, 8, "complete"),
        ]
        assert list(store.verify(stored_fingerprint)) == []


def test_an_old_store_replays(url: str) -> None:
    with Store.open(url) as store:
        rows = list(store.replay_index("fossil", 1, compute=RequestMemo().stored_fingerprint))
        wanted = fingerprint(asked(), QUESTION)
        found = [row.exchange for row in rows if row.digest == wanted.digest]

        assert [raw.response for raw in store.replayable(found)] == [
            b'{"error":{"message":"overloaded"}}',
            b'{"id":"resp_2","object":"response","output":[]}',
            b'{"id":"resp_5","object":"response","output":[]}',
        ]
        assert [row.asks for row in rows] == ["http", "http", "sse", "http", "http", "http"]
        assert [row.big for row in rows] == [False] * 5 + [True]
        assert [row.digest for row in store.replay_index("fossil")] == []


def test_its_fingerprints_are_made_once_and_kept(url: str) -> None:
    with Store.open(url) as store:
        made = list(store.replay_index("fossil", "all", compute=stored_fingerprint))
    with Store.open(url) as store:
        assert list(store.replay_index("fossil", "all")) == made
        assert [len(store.item_digests([row.exchange])[row.exchange]) for row in made] == [4, 4, 8, 0, 4, 4, 4]
        assert list(store.verify(stored_fingerprint)) == []


def test_its_exchange_in_pieces_is_streamed(url: str) -> None:
    with Store.open(url) as store:
        (big,) = [row for row in store.replay_index("fossil", 1, compute=stored_fingerprint) if row.big]
        streamed = store.stream(big.exchange)

        assert b"".join(streamed.response) == b'{"id":"resp_6","object":"response","output":[]}'
        assert [frame.direction for frame in streamed.frames] == [0, 0, 1]


def test_an_old_stream_has_no_time_of_its_head(url: str) -> None:
    with Store.open(url) as store:
        raw = store.raw(3)

        assert raw.frames == (Frame(0, 900, len(raw.request)), Frame(1, 2_000_000, raw.chunks[0]), Frame(1, 9_000_000, raw.chunks[1]))


def test_an_old_store_can_be_recorded_into(url: str) -> None:
    with Store.open(url, create=True) as store:
        store.write(Batch([recorded(99, session="fossil", run="run-3")]))

        assert [one.take for one in store.takes("fossil")] == [1, 2, 3]


@pytest.fixture(params=["0001", "0002"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the store of that schema."""
    return Path(shutil.copy(DATA / f"store-{request.param}.db", tmp_path / "store.db"))


def test_every_old_store_is_sound_and_waits_to_be_parsed_again(old: Path) -> None:
    with Store.open(f"sqlite:///{old}") as store:
        assert list(store.verify(stored_fingerprint)) == []
        assert store.rederivation().count() == sum(row.outcome is not None for row in store.exchanges("fossil")) == 7
        assert [store.items(row.id) for row in store.exchanges("fossil") if row.outcome] == [[]] * 7


def test_every_old_store_is_parsed_again_and_keeps_what_was_recorded(old: Path) -> None:
    with Store.open(f"sqlite:///{old}") as store:
        before = [(row.id, row.seq, row.take, row.started_at, row.outcome, row.events, store.raw(row.id)) for row in store.exchanges("fossil")]

    derive(old)

    with Store.open(f"sqlite:///{old}") as store:
        assert store.rederivation().count() == 0
        assert [(row.id, row.seq, row.take, row.started_at, row.outcome, row.events, store.raw(row.id)) for row in store.exchanges("fossil")] == before
        assert list(store.verify(stored_fingerprint)) == []
        assert len(list(store.replay_index("fossil", "all"))) == 7
