"""What a store gives to those who follow chains."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from command_line import recorded
from playhead.proxy.chains.recalling import Recalled
from playhead.proxy.chains.said import Said
from playhead.storage.records import Batch, EventRow, Facts, Raw, Recorded
from playhead.storage.store import Store

ASKED = {"input": "hi"}
ANSWER = {"id": "resp_1", "object": "response", "status": "completed", "output": [{"type": "message", "id": "msg_1"}]}
PACKED = b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True) as opened:
        yield opened


def said(store: Store, one: Recorded) -> Said:
    """What is read of an exchange that was stored."""
    store.write(Batch([one]))
    recalled = Recalled(store)
    return recalled.said(recalled.exchange(1))


def packed(**changes: Any) -> Recorded:
    raw = Raw(b"POST /v1/responses HTTP/1.1\r\n\r\n", json.dumps(ASKED).encode(), PACKED, gzip.compress(json.dumps(ANSWER).encode()))
    return recorded(1, raw=raw, **changes)


@pytest.mark.parametrize("size", [10, 100 << 20])
def test_an_answer_is_read_without_its_coding_whether_it_is_small_or_big(store: Store, size: int) -> None:
    assert said(store, packed(response_bytes=size)) == Said(ASKED, ANSWER)


def test_an_answer_that_cannot_be_decoded_is_unread(store: Store) -> None:
    one = packed()

    assert said(store, replace(one, raw=replace(one.raw, response=b"no gzip"))).answer == {}


@pytest.mark.parametrize("status", ["completed", None])
def test_a_turn_is_read_message_by_message_without_pings(store: Store, status: str | None) -> None:
    create, delta = {"type": "response.create", **ASKED}, {"type": "response.output_text.delta", "delta": "x", "output_index": 0}
    sent: list[tuple[int, dict[str, Any], int]] = [
        (0, create, 1),
        (1, {"not": "json"}, 9),
        (1, delta, 1),
        (1, {"type": "response.completed", "response": ANSWER}, 1),
    ]
    texts = [(direction, json.dumps(event).encode(), opcode, str(event.get("type"))) for direction, event, opcode in sent]
    events = [EventRow(seq, seq, direction, kind, None, None, len(text), opcode) for seq, (direction, text, opcode, kind) in enumerate(texts)]
    request, response = (b"".join(text for direction, text, _, _ in texts if direction == wanted) for wanted in (0, 1))
    raw = Raw(b"GET /v1/responses HTTP/1.1\r\n\r\n", request, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", response)
    facts = Facts(kind="responses", response_status=status)

    assert said(store, recorded(1, transport="ws", method="GET", status=101, raw=raw, events=events, event_count=4, facts=facts)) == Said(create, ANSWER)


def test_what_was_deleted_meanwhile_is_unread(store: Store) -> None:
    store.write(Batch([packed()]))
    recalled = Recalled(store)
    row = recalled.exchange(1)
    store.delete_exchange(1)

    assert recalled.said(row).unread == ("request", "answer")
