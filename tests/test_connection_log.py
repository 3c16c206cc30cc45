"""The log of a connection: comes back whatever it holds, and says so if it is damaged."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.config.errors import StoreError
from playhead.storage.connecting.connected import LogEntry
from playhead.storage.connecting.connection_log import pack_heads, pack_log, unpack_heads, unpack_log

BIG = st.integers(0, (1 << 64) - 1) | st.integers(0, 300)
ENTRIES = st.lists(st.builds(LogEntry, st.integers(0, 1), st.integers(0, 15), BIG, BIG, BIG, st.booleans()), max_size=40)


@given(ENTRIES)
def test_any_log_comes_back(entries: list[LogEntry]) -> None:
    found = unpack_log(pack_log(entries))

    assert found == entries
    assert all(type(entry.hidden) is bool for entry in found)


@given(ENTRIES, st.data())
def test_a_log_that_is_cut_off_is_not_read(entries: list[LogEntry], data: st.DataObject) -> None:
    packed = pack_log(entries)

    with pytest.raises(StoreError):
        unpack_log(packed[: data.draw(st.integers(0, len(packed) - 1))])


@given(ENTRIES, st.binary(min_size=1, max_size=5))
def test_a_log_with_more_behind_it_is_not_read(entries: list[LogEntry], more: bytes) -> None:
    with pytest.raises(StoreError):
        unpack_log(pack_log(entries) + more)


@given(st.binary(max_size=200))
def test_garbage_is_a_log_or_an_error(data: bytes) -> None:
    with contextlib.suppress(StoreError):
        assert all(entry.direction in (0, 1) and entry.opcode < 16 for entry in unpack_log(data))


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_heads_come_back(request: bytes, response: bytes) -> None:
    assert unpack_heads(pack_heads(request, response)) == (request, response)
