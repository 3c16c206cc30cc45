"""Exchanges parsed again from the store: what was recorded with this version comes out the same, and what was lost comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from journalled import COMPLETE, Frames, chunked, fold, head, http, opening, sse
from playhead.proxy import recording
from playhead.proxy.recording import Assembly
from playhead.storage.journal import Kind
from playhead.storage.records import Batch, Recorded, Spill
from playhead.storage.store import Store
from rederived import derive, everything, forget
from running import Running
from sockets import client, frame, socket, upstream
from stores import made, opened
from test_corpus import drive, playing
from test_multiplex import busy
from test_recording_corpus import CORPUS, WAYS, exchanges, journalled
from test_transcript import CREATE, CREATED, DONE, SERVER, TURN

STREAM = [
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress"}}\n\n',
    b'event: response.completed\ndata: {"type":"response.completed","sequence_number":1,'
    b'"response":{"id":"resp_1","status":"completed","usage":{"input_tokens":1}}}',
    b"\n\n: ping\n\n",
]


def numbered(recorded: Recorded, number: int) -> Recorded:
    """Another exchange of the same store."""
    return replace(recorded, number=number)


def stored(path: Path, *recorded: Recorded, spills: Iterable[Spill] = ()) -> Path:
    with Store(opened(f"sqlite:///{made(path)}")) as store:
        store.write(Batch([numbered(one, number) for number, one in enumerate(recorded)], [*spills]))
    return path


def spilled(frames: Frames, cuts: Iterable[int]) -> list[Spill]:
    """The same exchange, given in parts: one before each of these frames, and the last."""
    assembly, spills, wanted = Assembly("w1", 7, turns=False), [], set(cuts)
    for place, fed in enumerate(frames):
        if place in wanted:
            spills.append(assembly.spill(final=False))
        assembly.feed(*fed)
    return [*spills, assembly.spill(final=True)]


def unchanged(path: Path) -> None:
    """Derived again, it stays the same, and once lost it comes back."""
    before = everything(path)
    assert derive(path) == 0
    assert derive(path, mark=True) == len(before["exchanges"])
    assert everything(path) == before
    forget(path)
    assert everything(path) != before
    assert derive(path) == len(before["exchanges"])
    assert everything(path) == before


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CORPUS)
def test_real_exchanges_come_out_the_same(shared: Path, tmp_path: Path, name: str, way: str) -> None:
    some = exchanges(shared, name)[WAYS.index(way) :: 6]

    unchanged(stored(tmp_path / "store.db", *[fold(journalled(exchange, way)) for exchange in some]))


def test_a_recorded_session_comes_out_the_same(shared: Path, tmp_path: Path) -> None:
    some = exchanges(shared, "responses")[::9]
    with playing(shared, "responses", (), tmp_path / "upstream.log") as place, Running(tmp_path / "data", place) as proxy:
        asyncio.run(drive(proxy.url, some))
        assert proxy.stop() == 0

    unchanged(tmp_path / "data" / "store.db")


CASES: dict[str, Frames] = {
    "cut stream": sse(chunked(STREAM)[:-2], end={"outcome": "upstream_closed"}),
    "cut in an event": sse(chunked([*STREAM[:1], STREAM[1][:40]]), end={"outcome": "client_closed"}),
    "not JSON": http(b"{}", [b"<html>"]),
    "cut JSON": http(b"{}", [b'{"id":"resp_1"'], end={"outcome": "timeout"}),
    "error of its own": [*http(b"{}", [], end=None)[:-1], (Kind.END, 5, json.dumps({"outcome": "unreachable", "error": "upstream_unreachable"}).encode())],
    "journal lost": http(b"{}", [b'{"id":"resp_1"}'], end={"outcome": "complete", "lost": True, "problem": "a frame has the unknown opcode 9"}),
    "bad chunk": sse([*chunked(STREAM)[:-1], b"zz\r\n"], end=COMPLETE),
    "encoded badly": http(b"{}", [b"no gzip"], headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}),
    "other path": http(b"hello", [b"there"], path="/healthz", headers={"Content-Type": "text/plain"}),
    "no answer": [opening(), (Kind.END, 9, b'{"outcome": "aborted"}')],
    "answered early": [
        opening(headers={"Host": "x", "Content-Length": "1000", "Content-Type": "application/json"}),
        (Kind.REQUEST_DATA, 10, b'{"model":"m","input":"'),
        (Kind.RESPONSE_HEAD, 20, head("HTTP/1.1 413 Too Large", {"Content-Type": "application/json"})),
        (Kind.RESPONSE_DATA, 30, b'{"error":{"code":"too_large"}}'),
        (Kind.END, 40, b'{"outcome": "complete"}'),
    ],
    "undecodable request": [
        opening(headers={"Host": "x", "Content-Encoding": "br"}),
        (Kind.REQUEST_END, 10, json.dumps({"bytes": 77, "redacted": False, "problem": "undecodable br body", "xxh3": "ab" * 16}).encode()),
        *http(b"", [b'{"id":"resp_1"}'])[2:],
    ],
    "interim heads": [*(framed := http(b"{}", [b'{"id":"resp_1"}']))[:-3], (Kind.RESPONSE_HEAD, 2, head("HTTP/1.1 103 Hints", {"link": "x"})), *framed[-3:]],
    "turn": TURN,
    "fragments": socket(
        client(CREATE[:10], last=False),
        client(CREATE[10:], first=False),
        upstream(frame(CREATED[:20], fin=False), frame(b"!", Opcode.PING), frame(CREATED[20:], Opcode.CONT)),
        upstream(frame(b"\0" * 300, Opcode.BINARY)),
        upstream(frame(DONE)),
    ),
    "cut messages": socket(client(CREATE), upstream(frame(CREATED)), upstream(frame(DONE[:20], fin=False)), client(b"half", last=False)),
    "broken protocol": socket(client(CREATE), upstream(frame(CREATED), frame(DONE[:20], fin=False), b"\xff\xff nonsense"), client(CREATE)),
    "nothing said": socket(end={"outcome": "client_closed"}),
}


@pytest.mark.parametrize("case", CASES)
def test_whatever_happened_comes_out_the_same(tmp_path: Path, case: str) -> None:
    unchanged(stored(tmp_path / "store.db", fold(CASES[case]), fold(http(b'{"model":"m"}', [b'{"id":"resp_2"}']))))


# A request that nobody says is whole has no fingerprint until it is parsed again, or replayed.
@pytest.mark.parametrize("case", [case for case in CASES if case != "no answer"])
def test_what_was_stored_piece_by_piece_comes_out_the_same(tmp_path: Path, case: str) -> None:
    unchanged(stored(tmp_path / "store.db", spills=spilled(CASES[case], [len(CASES[case]) - 1])))


def test_a_big_exchange_is_parsed_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playhead.proxy.reparsing._PART", 300)
    block = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":7,"delta":"x"}\n\n'
    frames = sse(chunked([STREAM[0], *[block] * 50, *STREAM[1:]]))

    unchanged(stored(tmp_path / "store.db", spills=spilled(frames, range(3, len(frames), 9))))


def test_long_messages_come_out_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playhead.proxy.reparsing._PIECE", 7)
    long = DONE + b" " * 70_000

    unchanged(stored(tmp_path / "store.db", fold(socket(client(CREATE), *(upstream(frame(message)) for message in (*SERVER, long, b""))))))


@pytest.mark.parametrize("case", ["turn", "cut stream"])
def test_what_broke_the_parser_once_is_tried_again_where_its_bytes_are_kept_without_framing(tmp_path: Path, case: str) -> None:
    path = stored(tmp_path / "store.db", fold(CASES[case], parse=False))
    raw = everything(path)["bodies"]

    derive(path, mark=True)

    found = everything(path)
    with Store(opened(f"sqlite:///{path}")) as store:
        (row,) = store.exchanges("default")
        assert (row.parse, row.events, list(store.verify())) == (("unparsed", 0, []) if case == "turn" else ("parsed", 2, []))
    assert found["bodies"] == raw


def test_a_new_parser_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored(tmp_path / "store.db", *[fold(http(b'{"model":"m"}', [b'{"id":"resp_%d"}' % number])) for number in range(5)])
    before = everything(path)

    def louder(read: Callable[..., Any]) -> Callable[..., Any]:
        def facts(self: Assembly, *arguments: Any, **options: Any) -> Any:
            found = read(self, *arguments, **options)
            found.model = (found.model or "").upper()
            return found

        return facts

    monkeypatch.setattr(recording.Assembly, "_facts", louder(Assembly._facts))
    derive(path, mark=True)

    with Store(opened(f"sqlite:///{path}")) as store:
        assert [row.model for row in store.exchanges("default")] == ["M"] * 5
    after = everything(path)
    assert {name for name, rows in after.items() if rows != before[name]} == {"exchanges"}


# Turns.


def kept(path: Path, *, frames: Frames | None = None, cuts: Iterable[int] = ()) -> Path:
    """A connection, a busy one unless these are its frames, as a recorder stores it, in parts before these frames."""
    assembly, wanted = Assembly("w1", 7), set(cuts)
    batch = Batch()

    def take(given: Iterable[Recorded | Spill]) -> None:
        for one in given:
            if isinstance(one, Spill):
                batch.spills.append(one)
            else:
                batch.finished.append(one)

    for place, fed in enumerate(frames or busy()):
        if place in wanted:
            take(assembly.parts()[0])
        assembly.feed(*fed)
        if assembly.multiplex is not None:
            take(assembly.multiplex.ready)
            assembly.multiplex.ready.clear()
    assembly.end_turns(aborted=False)
    assert assembly.multiplex is not None
    take(assembly.multiplex.ready)
    connection = assembly.connection(final=True, give=True)
    assert connection is not None
    batch.connections.append(connection)
    with Store(opened(f"sqlite:///{made(path)}")) as store:
        store.write(batch)
    return path


def test_turns_come_out_the_same(tmp_path: Path) -> None:
    unchanged(kept(tmp_path / "store.db"))


def test_turns_that_were_stored_in_part_come_out_the_same(tmp_path: Path) -> None:
    unchanged(kept(tmp_path / "store.db", cuts=range(3, len(busy()))))


def test_big_turns_are_parsed_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playhead.proxy.reparsing._PART", 100)
    unchanged(kept(tmp_path / "store.db", cuts=range(3, len(busy()))))


def test_a_turn_that_had_to_be_stored_as_it_came_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    assembly = Assembly("w1", 7)
    for fed in busy()[:-8]:
        assembly.feed(*fed)
    assert assembly.multiplex is not None
    assembly.multiplex.ready.clear()
    assembly.give_up_turns()
    with Store(opened(f"sqlite:///{made(path)}")) as store:
        store.write(Batch([one for one in assembly.multiplex.ready if isinstance(one, Recorded)]))
        before = [row.parse for row in store.exchanges("default")]
        assert before
        assert set(before) == {"unparsed"}
    derive(path, mark=True)
    with Store(opened(f"sqlite:///{path}")) as store:
        assert "unparsed" not in [row.parse for row in store.exchanges("default")]
