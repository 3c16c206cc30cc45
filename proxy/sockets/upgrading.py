"""The answer to a WebSocket handshake that playhead takes itself: as it was recorded, where this client's handshake allows that. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from websockets.exceptions import WebSocketException
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension

from ..forwarding.frames import Deflate, deflate_of
from ..forwarding.http1 import HOP_BY_HOP, Header, parse_head
from .socket_end import accept_of

_PLAIN = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
_LEAST_BITS = 9  # zlib makes no smaller windows


class Upgrade(NamedTuple):
    """What is answered, and how messages of the client (`incoming`) and our own are compressed."""

    head: bytes
    incoming: Deflate | None
    outgoing: Deflate | None


def upgrade(headers: Iterable[Header], recorded: bytes) -> Upgrade:
    """`headers`: of the client's handshake. `recorded`: the head of a recorded 101, or nothing: a plain one is made then. Raises ProtocolError."""
    asked = list(headers)
    start = recorded[recorded.rfind(b"\r\n\r\n", 0, len(recorded) - 4) + 4 :] if recorded.count(b"\r\n\r\n") > 1 else recorded
    head = parse_head(start or _PLAIN)
    extension = _extension(_values(asked, b"sec-websocket-extensions"), head.get(b"sec-websocket-extensions") or b"")
    protocol = head.get(b"sec-websocket-protocol")
    lines = [b"HTTP/1.1 101 %b" % (head.reason or b"Switching Protocols"), b"Upgrade: websocket", b"Connection: Upgrade"]
    key = next((value for name, value in asked if name.lower() == b"sec-websocket-key"), b"")
    lines.append(b"Sec-WebSocket-Accept: " + accept_of(key))
    lines += [name + b": " + value for name, value in head.headers if not name.lower().startswith(b"sec-websocket-") and name.lower() not in HOP_BY_HOP]
    if protocol is not None and protocol in _members(_values(asked, b"sec-websocket-protocol")):
        lines.append(b"Sec-WebSocket-Protocol: " + protocol)
    if extension:
        lines.append(b"Sec-WebSocket-Extensions: " + extension)
    return Upgrade(b"\r\n".join((*lines, b"", b"")), deflate_of(extension, "client"), deflate_of(extension, "server"))


def _values(headers: list[Header], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key.lower() == name]


def _members(values: list[bytes]) -> list[bytes]:
    return [member.strip() for value in values for member in value.split(b",")]


def _extension(offers: list[bytes], recorded: bytes) -> bytes:
    """permessage-deflate with the recorded parameters, as far as the client's offer allows them; empty if it does not, or none was recorded."""
    server, client = deflate_of(recorded, "server"), deflate_of(recorded, "client")
    if server is None or client is None or server.bits < _LEAST_BITS:
        return b""
    factory = ServerPerMessageDeflateFactory(
        server_no_context_takeover=not server.takeover,
        client_no_context_takeover=not client.takeover,
        server_max_window_bits=server.bits if b"server_max_window_bits" in recorded.lower() else None,
        client_max_window_bits=client.bits if client.bits < 15 else None,
    )
    try:
        offered = [one for offer in offers for one in parse_extension(offer.decode("latin-1"))]
        for name, parameters in offered:
            if name == factory.name:
                agreed, extension = factory.process_request_params(parameters, [])
                return b"" if extension.local_max_window_bits < _LEAST_BITS else build_extension([(factory.name, agreed)]).encode()
    except WebSocketException:
        pass
    return b""
