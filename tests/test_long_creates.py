"""Creates over a WebSocket that are too long to be held as messages are: they are known as those of requests over HTTP are."""

from __future__ import annotations

from pathlib import Path

import pytest

from playhead.proxy.assembling.channels import MAX_MESSAGE
from playhead.proxy.fingerprint import HELD, Asked, fingerprint
from playhead.proxy.forwarding.frames import INSTEAD
from playhead.storage.journal import Kind
from sockets import client, socket
from test_multiplex import answer, create, fold, messages, sent, told
from test_reparsing import kept, unchanged

ASKED = Asked("POST", "/v1/responses", {b"content-type": b"application/json"}, "https://api.openai.com")
PIECE = 4 << 20


def long(size: int = MAX_MESSAGE) -> bytes:
    """What names it stands behind its one big member."""
    return b'{"type":"response.create","input":[{"type":"message","role":"user","content":"' + size * b"x" + b'"}],"model":"m2"}'


def in_pieces(message: bytes, flags: int = 0) -> list[tuple[int, bytes]]:
    """A message of the client, as a worker journals it."""
    starts = range(0, len(message), PIECE)
    frames = [client(message[at : at + PIECE], first=at == 0, last=at == starts[-1]) for at in starts]
    return [(Kind.CLIENT_FRAME, bytes((payload[0] | flags,)) + payload[1:]) for _, payload in frames]


@pytest.mark.parametrize("size", [MAX_MESSAGE, HELD])
def test_it_has_the_fingerprint_of_the_same_request_over_http(size: int) -> None:
    (turn,), _ = fold(socket(*in_pieces(long(size)), *told(*answer("resp_1"))))

    assert turn.fingerprint == fingerprint(ASKED, long(size))._replace(asks="ws")


def test_of_one_that_is_read_everything_is_told_wherever_it_stands() -> None:
    (turn,), _ = fold(socket(*in_pieces(long())))

    assert (turn.facts.model, [(item.part, item.type) for item in turn.items]) == ("m2", [("input", "message")])


def test_stored_in_part_it_is_the_same() -> None:
    frames = socket(*in_pieces(long()), *told(*answer("resp_1")))
    (turn,), _ = fold(frames)
    (parted,), _ = fold(frames, [len(frames) - 4])

    assert parted.fingerprint == turn.fingerprint


def test_a_long_steer_has_no_part_in_it() -> None:
    steer = b'{"type":"response.steer","previous_response_id":"resp_1","input":"' + MAX_MESSAGE * b"x" + b'"}'
    created, *rest = answer("resp_1")
    (turn,), _ = fold(socket(*sent(create()), *told(created), *in_pieces(steer), *told(*rest)))

    assert turn.fingerprint == fingerprint(ASKED, create())._replace(asks="ws")
    assert [event.type for event in turn.events][:3] == ["response.create", "response.created", "response.steer"]


def test_what_playhead_sent_in_place_of_a_create_is_hidden_however_long_it_is() -> None:
    asked = create(previous_response_id="resp_0")
    (turn,), connection = made = fold(socket(*sent(asked), *in_pieces(long(), INSTEAD), *told(*answer("resp_1"))))

    assert (turn.raw.request, turn.facts.previous_response_id, turn.facts.response_id) == (asked + long(), "resp_0", "resp_1")
    assert [(entry.turn, entry.hidden) for entry in connection.log[:3]] == [(1, False), (1, True), (1, False)]
    assert (turn.fingerprint, len(messages(made)), connection.unassigned) == (fingerprint(ASKED, asked)._replace(asks="ws"), 6, 0)


def test_parsed_again_it_is_the_same(tmp_path: Path) -> None:
    unchanged(kept(tmp_path / "store.db", frames=socket(*in_pieces(long()), *told(*answer("resp_1")))))
