"""Sums that audits keep are compared with what stands in the store."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest

from playhead.storage.store import Store
from test_kept_sums import kept, sql
from test_kept_sums import made as made
from test_kept_sums import store as store

SAID = 'the sums that audits keep of exchanges 25000 to 49999 by ["model","day",true] are not theirs'


def found(store: Store) -> list[str]:
    """By both ways to look."""
    problems = [one.problem for one in store.verify()]
    told = [text for _, text in store.check_chains().problems()]
    assert [text for text in problems if "sums" in text] == [text for text in told if "sums" in text]
    return [text for text in told if "sums" in text]


def falsify(store: Store) -> None:
    [(data,)] = sql(store, "SELECT data FROM kept_sums WHERE part = 1")
    span, groups = json.loads(zlib.decompress(data))
    groups[0][1][5] += 1  # what it cost
    sql(store, "UPDATE kept_sums SET data = ? WHERE part = 1", zlib.compress(json.dumps([span, groups]).encode()))


def test_those_that_hold_are_no_problem(store: Store) -> None:
    kept(store)
    kept(store, "session")

    assert found(store) == []


def test_those_that_somebody_has_changed_are_told(store: Store) -> None:
    kept(store)
    falsify(store)

    [text] = found(store)
    assert text.startswith(SAID)


@pytest.mark.parametrize("change", ["made_by = 'x'", "grouping = 'x'", "grouping = '[\"colour\",true]'", "data = x'00'", "data = NULL"])
def test_those_that_no_audit_looks_at_are_no_problem(store: Store, change: str) -> None:
    kept(store)
    falsify(store)
    sql(store, f"UPDATE kept_sums SET {change} WHERE part = 1")

    assert found(store) == []


def test_a_store_that_keeps_none_has_no_problem(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'new.db'}", create=True) as store:
        assert found(store) == []
