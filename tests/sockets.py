"""Journal frames of WebSockets, as a worker writes them."""

from __future__ import annotations

import json
from typing import Any

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from journalled import COMPLETE, Frames, head, opening
from playhead.proxy.forwarding.frames import MessagePiece, pack
from playhead.storage.journal import Kind


def frame(payload: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True, extension: PerMessageDeflate | None = None) -> bytes:
    return Frame(opcode, payload, fin=fin).serialize(mask=False, extensions=[extension] if extension else [])


def said(payload: bytes, opcode: int = 1, *, first: bool = True, last: bool = True) -> bytes:
    return pack(MessagePiece(opcode, first, last, payload))


def socket(*steps: tuple[int, bytes], path: str = "/v1/responses", extensions: str = "", end: Any = COMPLETE, headers: dict[str, str] | None = None) -> Frames:
    """A connection: CLIENT_FRAMEs and UPSTREAM_DATA, a millisecond apart."""
    agreed = {"Upgrade": "websocket", **({"Sec-WebSocket-Extensions": extensions} if extensions else {}), **(headers or {})}
    asked = {"Host": "x", "Connection": "Upgrade", "Upgrade": "websocket"}
    frames: Frames = [opening("GET", path, asked, transport="ws"), (Kind.RESPONSE_HEAD, 500, head("HTTP/1.1 101 Switching Protocols", agreed))]
    frames += [(kind, (at + 1) * 1_000_000, payload) for at, (kind, payload) in enumerate(steps)]
    return [*frames, (Kind.END, 99_000_000, json.dumps(end).encode())] if end else frames


def client(payload: bytes, **options: Any) -> tuple[int, bytes]:
    return Kind.CLIENT_FRAME, said(payload, **options)


def upstream(*frames: bytes) -> tuple[int, bytes]:
    return Kind.UPSTREAM_DATA, b"".join(frames)
