"""Cassettes go into a store, whole or not at all, beside what is there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from playhead.config.errors import StoreError
from playhead.proxy.cassettes.cassette_files import load, text_of
from playhead.proxy.formats.cassette import read, write
from playhead.storage.carrying.cassettes import Equivalence
from playhead.storage.store import Store
from taped import agent_loop, batch, posted, taped


def test_a_cassette_that_is_imported_twice_is_two_takes(tmp_path: Path) -> None:
    data = taped(tmp_path, batch(posted(1, b"{}"), posted(2, b"{}")))
    with Store.open(f"sqlite:///{tmp_path / 'second.db'}", create=True) as store:
        load(store, read(data, "x"), "twice")
        load(store, read(data, "x"), "twice")

        assert [(row.take, row.seq) for row in store.exchanges("twice")] == [(1, 1), (1, 2), (2, 3), (2, 4)]


def test_a_cassette_goes_into_any_session(tmp_path: Path) -> None:
    data = taped(tmp_path, batch(posted(1, b"{}")))
    with Store.open(f"sqlite:///{tmp_path / 'second.db'}", create=True) as store:
        assert load(store, read(data, "x"), "other") == 1
        assert [row.session for row in store.sessions()] == ["other"]


def test_what_was_imported_can_be_matched(tmp_path: Path) -> None:
    data = taped(tmp_path, batch(*agent_loop(2)))
    with Store.open(f"sqlite:///{tmp_path / 'second.db'}", create=True) as store:
        load(store, read(data, "x"), "default")

        from playhead.proxy.fingerprint import stored_fingerprint

        assert len({row.digest for row in store.replay_index("default", compute=stored_fingerprint)}) == 2


def test_rules_come_with_it_and_are_no_new_version_if_they_are_there(tmp_path: Path) -> None:
    cassette = read(taped(tmp_path, batch(posted(1, b"{}"))), "x")
    cassette.rules = ("normalize uuid",)
    path = tmp_path / "second.db"
    with Store.open(f"sqlite:///{path}", create=True) as store:
        load(store, cassette, "default")
        load(store, cassette, "default")
        assert store.export_cassette("default")[0].rules == ("normalize uuid",)
        cassette.rules = ("normalize date",)
        load(store, cassette, "default")
        assert store.export_cassette("default")[0].rules == ("normalize date",)

    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("SELECT version FROM match_rules").fetchall() == [(1,), (2,)]


def test_what_it_cost_is_listed_and_not_paid_again(tmp_path: Path) -> None:
    one, two, three = posted(1, b"{}"), posted(2, b"{}"), posted(3, b"{}")
    one.paid, two.paid, three.paid = (125_000_000, "assumed: region"), (None, "counted in exchange 1"), (None, "counted in exchange 99")
    data = taped(tmp_path, batch(one, two, three))
    with Store.open(f"sqlite:///{tmp_path / 'second.db'}", create=True) as store:
        load(store, read(data, "x"), "other")
        load(store, read(data, "x"), "default")
        first = next(store.exchanges("default")).id

        assert [(row.cost, row.cost_note) for row in store.exchanges("default")] == [
            ("0.000125", "assumed: region"),
            (None, f"counted in exchange {first}"),
            (None, "counted in an exchange that did not come along"),
        ]
        assert text_of(store, "default", "all")[0] == data


def test_equivalences_come_with_it(tmp_path: Path) -> None:
    cassette = read(taped(tmp_path, batch(posted(1, b"{}"), posted(2, b"{}"))), "x")
    cassette.equivalences = (Equivalence(1, bytes(16), "http"),)
    with Store.open(f"sqlite:///{tmp_path / 'second.db'}", create=True) as store:
        load(store, read(b"".join(write(cassette)), "x"), "default")

        assert store.export_cassette("default")[0].equivalences == cassette.equivalences


def test_nothing_is_stored_of_a_cassette_that_the_store_does_not_take(tmp_path: Path) -> None:
    cassette = read(taped(tmp_path, batch(posted(1, b"{}"), posted(2, b"{}"))), "x")
    cassette.exchanges[1].status = "no number"  # type: ignore[assignment]
    cassette.exchanges[1].started_at_ns = -(10**30)
    with Store.open(f"sqlite:///{tmp_path / 'second.db'}", create=True) as store:
        with pytest.raises((StoreError, OverflowError, ValueError)):
            load(store, cassette, "default")

        assert store.sessions() == []
