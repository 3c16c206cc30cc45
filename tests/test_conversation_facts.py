"""Exchanges know their conversation over every transport, at any size, and once an older store is parsed again."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from command_line import HEAD, JSON_HEAD, on, recorded, write
from journalled import Frames, fold, fold_in_parts, http
from playhead.storage.records import Raw

NAMED = ["conv_1", {"id": "conv_1"}]
BIG = [{"role": "user", "content": "x" * 500} for _ in range(400)]


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


def exchanges(asked: dict[str, Any], answered: dict[str, Any]) -> dict[str, Frames]:
    done = {"type": "response.completed", "sequence_number": 0, "response": answered}
    stream = b"event: response.completed\ndata: " + text(done) + b"\n\n"
    return {
        "json": http(text(asked), [text(answered)], headers={"Content-Type": "application/json"}),
        "sse": http(text(asked), [stream], headers={"Content-Type": "text/event-stream"}),
    }


@pytest.mark.parametrize("transport", ["json", "sse"])
@pytest.mark.parametrize("named", NAMED)
@pytest.mark.parametrize("given", ["hi", BIG])
def test_the_request_tells_the_conversation(transport: str, named: Any, given: Any) -> None:
    frames = exchanges({"model": "m", "input": given, "conversation": named}, {"id": "resp_1"})[transport]

    assert fold(frames).facts.conversation == "conv_1"
    assert fold_in_parts(frames, range(len(frames)))[0].facts.conversation == "conv_1"


@pytest.mark.parametrize("transport", ["json", "sse"])
def test_the_answer_tells_it_where_the_request_does_not(transport: str) -> None:
    frames = exchanges({"model": "m"}, {"id": "resp_1", "object": "response", "conversation": {"id": "conv_1"}})[transport]

    assert fold(frames).facts.conversation == "conv_1"


def test_a_store_of_before_is_told_by_parsing_it_again(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    data = tmp_path / "data"
    write(data, recorded(1, raw=Raw(HEAD, text({"input": "hi", "conversation": "conv_1"}), JSON_HEAD, b"{}")))
    with closing(sqlite3.connect(data / "store.db")) as connection, connection:
        connection.execute("UPDATE exchanges SET parser = 1")
    playhead = on(data, capsysbinary)

    assert playhead("exchanges", "default", "--json").rows[0]["conversation"] is None
    assert playhead("reparse", "--json").rows == [{"parsed": 1, "changed": 1, "failed": 0, "pruned": 0}]
    assert playhead("exchanges", "default", "--json").rows[0]["conversation"] == "conv_1"
