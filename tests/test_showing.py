"""`show`: what a person sees of an exchange, and bodies byte for byte."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import BLOCKS, HEAD, JSON_HEAD, Playhead, on, recorded, write, write_some
from playhead.proxy.cli import run
from playhead.proxy.commands.showing import as_text
from playhead.storage.records import EventRow, Piece, Raw, Spill
from stores import connected, turned


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_some(tmp_path / "data")


@pytest.fixture
def playhead(data: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    return on(data, capsysbinary)


def test_show_tells_what_is_known_and_what_was_said(playhead: Playhead) -> None:
    told = playhead("show", "1")

    assert "Authorization: Bearer <redacted:api-key>" in told.out
    assert '{\n  "model": "m",\n  "input": "hi"\n}' in told.out
    assert '{\n  "id": "resp_1"\n}' in told.out


def test_show_undoes_the_content_encoding(playhead: Playhead) -> None:
    assert playhead("show", "4").out.endswith("content-encoding: gzip\n\nunpacked\n")


def test_show_tells_a_websocket_as_a_conversation(playhead: Playhead) -> None:
    assert playhead("show", "5").out.endswith("MESSAGES\n> 0.0 ms  session.update\n{}\n< 0.0 ms  session.created\nhello\n")


def test_show_says_which_create_was_not_the_client_s(playhead: Playhead, data: Path) -> None:
    said = [(0, "response.create"), (0, "response.create"), (1, "response.created")]
    one = turned(9, 1, session="live")
    rows = [EventRow(seq, seq, direction, kind, None, None, 1, 1) for seq, (direction, kind) in enumerate(said)]
    one = replace(one, event_count=3, events=rows, raw=replace(one.raw, request=b"ab", response=b"c"))
    write(data, one, connections=[connected(9, session="live")])
    [id_] = [str(row["id"]) for row in playhead("exchanges", "live", "--json").rows]

    assert playhead("show", id_).out.endswith(
        "> 0.0 ms  response.create\na\n> 0.0 ms  response.create, which playhead sent in place of the one before\nb\n< 0.0 ms  response.created\nc\n"
    )


def test_show_has_the_row_as_json(playhead: Playhead) -> None:
    assert playhead("show", "3", "--json").rows[0]["error_code"] == "server_error"


def test_raw_is_the_body_byte_for_byte(playhead: Playhead) -> None:
    assert playhead("show", "1", "--raw", "request").out == '{"model":"m","input":"hi"}'
    assert playhead("show", "2", "--raw", "response").out.encode() == b"".join(BLOCKS)


def test_raw_is_no_json(playhead: Playhead) -> None:
    refused = playhead("show", "1", "--raw", "response", "--json")

    assert (refused.status, refused.out, "leave out --json" in refused.err) == (2, "", True)


def test_raw_keeps_the_content_encoding_unless_told_otherwise(data: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["show", "4", "--raw", "response", "--data", str(data)]) == 0
    assert gzip.decompress(capsysbinary.readouterr().out) == b"unpacked"
    assert run(["show", "4", "--raw", "response", "--decoded", "--data", str(data)]) == 0
    assert capsysbinary.readouterr().out == b"unpacked"


def test_a_body_that_cannot_be_decoded_is_shown_as_far_as_it_goes(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = replace(recorded(0).raw, response_heads=b"HTTP/1.1 200 OK\r\nContent-Encoding: rot13\r\n\r\n", response=b"uryyb")
    write(data, recorded(7, raw=raw))

    assert run(["show", "7", "--raw", "response", "--decoded", "--data", str(data)]) == 0
    assert capsys.readouterr().err == "playhead: warning: unknown content coding 'rot13'\n"


def test_a_big_body_is_shown_in_part_and_written_whole(playhead: Playhead, data: Path) -> None:
    big = recorded(7, raw=Raw(HEAD, b"", JSON_HEAD, b""))
    pieces = [Piece("response", seq, b"%d" % seq * 100_000) for seq in range(3)]
    write(data, spills=[Spill(big, pieces, [], (), (), final=True)])

    assert playhead("show", "7").out.endswith("... and more: playhead show 7 --raw response --decoded\n")
    assert playhead("show", "7", "--raw", "response").out == "0" * 100_000 + "1" * 100_000 + "2" * 100_000


def test_what_is_no_text_is_not_shown() -> None:
    assert as_text(b"\xff\xfe\xfd") == "(3 bytes that are not text)"


def test_a_character_that_is_cut_off_does_no_harm() -> None:
    assert as_text("a☃".encode()[:-1]) == "a"
