"""A handshake is answered as the recorded one was, as far as this client's allows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.headers import parse_extension

from fakes import first, headers_of
from playhead.proxy.forwarding.frames import Deflate
from playhead.proxy.sockets.upgrading import upgrade

KEY = (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==")
OFFER = b"Sec-WebSocket-Extensions"


def recorded(*lines: bytes) -> bytes:
    start = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Accept: of another key")
    return b"\r\n".join((*start, *lines, b"", b""))


def test_without_a_recording_the_answer_is_plain() -> None:
    made = upgrade([KEY], b"")

    assert made.head == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    assert made[1:] == (None, None)


def test_recorded_headers_come_back_but_what_is_this_connections_own() -> None:
    made = upgrade([KEY], b"HTTP/1.1 103 Early\r\n\r\n" + recorded(b"x-request-id: req_1", b"Keep-Alive: 5"))

    assert headers_of(made.head)[2:] == [(b"Sec-WebSocket-Accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), (b"x-request-id", b"req_1")]


@pytest.mark.parametrize(("offered", "chosen"), [(b"realtime, secret.x", b"realtime"), (b"other", None), (None, None)])
def test_the_recorded_subprotocol_is_chosen_where_it_is_offered(offered: bytes | None, chosen: bytes | None) -> None:
    headers = [KEY, *([(b"sec-websocket-protocol", offered)] if offered is not None else [])]

    assert first(headers_of(upgrade(headers, recorded(b"Sec-WebSocket-Protocol: realtime")).head), b"sec-websocket-protocol") == chosen


def test_compression_is_not_agreed_on_where_it_was_not_recorded_or_is_not_offered() -> None:
    offer = (OFFER, b"permessage-deflate; client_max_window_bits")

    assert upgrade([KEY, offer], recorded()).outgoing is None
    assert upgrade([KEY], recorded(b"Sec-WebSocket-Extensions: permessage-deflate")).outgoing is None
    assert upgrade([KEY, offer], recorded(b"Sec-WebSocket-Extensions: permessage-deflate")).outgoing == Deflate()


bits = st.sampled_from([None, 9, 12, 15])


@given(st.booleans(), st.booleans(), bits, bits, st.tuples(st.booleans(), st.booleans(), bits, st.sampled_from([None, True, 10, 15])))
def test_whatever_is_agreed_on_the_client_takes(
    server_forgets: bool, client_forgets: bool, server: int | None, client: int | None, offer: tuple[bool, bool, int | None, int | bool | None]
) -> None:
    parameters = [b"permessage-deflate"]
    parameters += [b"server_no_context_takeover"] * server_forgets + [b"client_no_context_takeover"] * client_forgets
    windows = ((b"server", server), (b"client", client))
    parameters += [b"%b_max_window_bits=%d" % (side, size) for side, size in windows if size is not None]
    factory = ClientPerMessageDeflateFactory(*offer)
    asked = "; ".join([factory.name, *(name if value is None else f"{name}={value}" for name, value in factory.get_request_params())])
    made = upgrade([KEY, (OFFER, asked.encode())], recorded(b"Sec-WebSocket-Extensions: " + b"; ".join(parameters)))

    answer = first(headers_of(made.head), b"sec-websocket-extensions")
    assert answer is not None
    [(name, agreed)] = parse_extension(answer.decode())
    assert name == factory.name
    taken = factory.process_response_params(agreed, [])
    assert made.outgoing == Deflate(taken.remote_max_window_bits, not taken.remote_no_context_takeover)
    assert made.incoming is not None
    assert made.incoming.bits >= taken.local_max_window_bits


def test_an_offer_that_is_none_is_let_pass() -> None:
    assert upgrade([KEY, (OFFER, b";;;=")], recorded(b"Sec-WebSocket-Extensions: permessage-deflate")).outgoing is None
