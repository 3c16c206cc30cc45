"""An upstream that answers over WebSockets, and replays that ask it for what they do not have."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from fakes import FakeUpstream, Received, Wire
from proxied import Proxy
from replays import replaying
from spoken import event
from websocket_fakes import CLOSE, TEXT, RawWebSocket, WebSocketClient, accept

TARGET = b"/v1/responses"
Json = dict[str, Any]
Handler = Callable[[Received, Wire], Awaitable[None]]


class Model:
    """An upstream that answers creates over a WebSocket, each lane in its order, and knows only the responses that it made itself."""

    def __init__(self) -> None:
        self.asked: list[Json] = []
        self.sockets: list[RawWebSocket] = []
        self._made: set[str] = set()

    async def __call__(self, request: Received, wire: Wire) -> None:
        socket = await accept(request, wire, (b"x-any", b"upstream's"))
        self.sockets.append(socket)
        while (message := await socket.receive()).opcode == TEXT:
            asked = json.loads(message.payload)
            self.asked.append(asked)
            for payload in self._answer(asked):
                await socket.send(payload)
        if message.opcode == CLOSE:
            await socket.send_close(message.close[0])

    def _answer(self, asked: Json) -> list[bytes]:
        lane, previous = asked.get("stream_id"), asked.get("previous_response_id")
        if asked["type"] != "response.create":
            return [event("response.steer.accepted", lane, steer={"id": "s", "previous_response_id": previous})]
        if previous is not None and previous not in self._made:
            return [event("error", lane, status=400, error={"type": "invalid_request_error", "code": "previous_response_not_found", "message": "?"})]
        name = f"live_{len(self._made)}"
        self._made.add(name)
        kinds = ("created", "completed")
        return [event(f"response.{kind}", lane, response={"id": name, "status": kind.replace("created", "in_progress"), "output": []}) for kind in kinds]


def kinds(messages: list[bytes]) -> list[tuple[str, str]]:
    """Type and response of each."""
    values = [json.loads(message) for message in messages]
    return [(value["type"], value.get("response", {}).get("id") or value["error"]["code"]) for value in values]


@contextlib.asynccontextmanager
async def talking(tmp_path: Path, handler: Handler, target: bytes = TARGET) -> AsyncIterator[tuple[WebSocketClient, Proxy]]:
    """A client of a replay that asks that upstream for what is not recorded."""
    async with (
        FakeUpstream({"*": handler}) as upstream,
        replaying(tmp_path, upstream, on_miss="record") as proxy,
        WebSocketClient.open(proxy.port, target) as client,
    ):
        yield client, proxy
