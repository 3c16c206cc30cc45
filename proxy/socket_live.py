"""What of a replayed WebSocket goes to upstream: turns without a recording, over a socket of playhead's own that is opened for the first of them.

A turn goes as the client sent it. Where upstream does not know the response that it goes on from, since that came from a recording, it goes once more
with the conversation in place of the id.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from playhead.config.errors import PlayheadError, UpstreamError

from .frames import Message, Opcode
from .inbound import Inbound
from .live_turns import LiveTurns
from .models.doors import client_event_door, event_door
from .models.kind import Shape
from .service import Service
from .upstream_socket import Refused, UpstreamSocket

log = logging.getLogger("playhead")

_SHAPE = Shape("responses")

Expand = Callable[[Mapping[str, Any]], Coroutine[Any, Any, "list[dict[str, Any]] | None"]]
"""The `input` that a create has without its `previous_response_id`; None if the recordings do not have all of it. Raises StoreError."""


@dataclass(frozen=True, slots=True)
class Client:
    """What is told of upstream. `say`: a message; `over`: the oldest live turn of a lane has ended; `close`: the connection does, by a close frame with
    that payload, or (None) without one."""

    say: Callable[[Message], object]
    over: Callable[[str | None], object]
    close: Callable[[bytes | None], object]


@dataclass(slots=True)
class _Turn:
    lane: str | None
    text: bytes
    request: Mapping[str, Any]


class LiveSocket:
    """The live turns of one client's WebSocket. `inbound`: its handshake, as it is to be forwarded and recorded."""

    def __init__(self, service: Service, inbound: Inbound, expand: Expand, client: Client) -> None:
        self._service = service
        self._inbound = inbound
        self._expand = expand
        self._client = client
        self._socket: UpstreamSocket | None = None
        self._turns = LiveTurns()
        self._open: dict[int, _Turn] = {}
        self._out: list[Callable[[], object]] = []
        self._door, self._sent_door = event_door(_SHAPE), client_event_door(_SHAPE)
        self._expanding: set[asyncio.Task[None]] = set()
        self._ended = False

    @property
    def number(self) -> int:
        """Of what is recorded of it."""
        return self._socket.number if self._socket is not None else 0

    def unrecordable(self, problem: str) -> None:
        """Strict durability: nothing goes to the client that is not recorded."""
        log.error("a WebSocket is broken off, since it could not be recorded: %s", problem)
        self._client.close(None)
        self.end()

    @property
    def busy(self) -> bool:
        """Whether upstream owes something."""
        return bool(self._open)

    def made(self, response_id: object) -> bool:
        """Whether upstream made that response over this socket."""
        return self._turns.made(response_id)

    # To upstream.

    async def create(self, lane: str | None, text: bytes, request: Mapping[str, Any]) -> None:
        """A turn without a recording."""
        try:
            socket = self._socket or await self._connect()
        except Refused as refused:
            self._refuse(lane, refused.status, _error_in(refused.body) or {"code": None, "message": f"{refused}."})
        except UpstreamError as error:
            self._refuse(lane, 504 if error.code == "upstream_timeout" else 502, {"code": error.code, "message": f"{error}."})
        else:
            self._open[self._turns.sent(self._sent_door(text))] = _Turn(lane, text, request)
            socket.send(text)

    def send(self, text: bytes) -> None:
        """Another message of the client, that is about what upstream said."""
        if self._socket is not None:
            self._turns.sent(self._sent_door(text))
            self._socket.send(text)

    async def _connect(self) -> UpstreamSocket:
        socket = UpstreamSocket(self._service, self._inbound, self)
        await socket.open()
        self._socket = socket
        return socket

    def end(self) -> None:
        """The client is gone. Idempotent."""
        self._ended = True
        for task in self._expanding:
            task.cancel()
        if self._socket is not None:
            self._socket.close()
            self._service.loop.call_later(1.0, self._socket.abort)
            self._socket = None

    # From upstream.

    def told(self, message: Message) -> bool:
        """A message; it is kept back if its turn is sent once more."""
        if message.opcode != Opcode.TEXT:
            self._out.append(lambda: self._client.say(message))
            return True
        heard = self._turns.heard(self._door(message.payload))
        turn = self._open.get(heard.turn)
        if heard.over:
            self._open.pop(heard.turn, None)
        if heard.lost and turn is not None:
            task = asyncio.ensure_future(self._once_more(turn, message))
            self._expanding.add(task)
            task.add_done_callback(self._expanding.discard)
            return False
        self._out.append(lambda: self._client.say(message))
        if heard.over and turn is not None:
            self._out.append(lambda: self._client.over(turn.lane))
        return True

    def settled(self) -> None:
        """What one read brought goes to the client, once the journal has it."""
        if self._out:
            out, self._out = self._out, []
            self._service.tape.then(self, self._deliver, out)

    def _deliver(self, out: list[Callable[[], object]]) -> None:
        if not self._ended:
            for step in out:
                step()

    async def _once_more(self, turn: _Turn, message: Message) -> None:
        """Send a turn with its conversation; if that is not known, the client gets what upstream said."""
        try:
            found = await self._expand(turn.request)
        except PlayheadError as error:
            log.error("the conversation of a turn could not be read: %s", error)
            found = None
        socket = self._socket
        if socket is None:
            return
        if found is None:
            socket.keep(message)
            self._out += (lambda: self._client.say(message), lambda: self._client.over(turn.lane))
            self.settled()
            return
        text = json.dumps({**{k: v for k, v in turn.request.items() if k != "previous_response_id"}, "input": found}, ensure_ascii=False).encode()
        log.info("session %s: upstream does not know the response that a turn goes on from, which is sent with its conversation", self._inbound.address.session)
        self._open[self._turns.sent(self._sent_door(text), again=True)] = turn
        socket.send(text, instead=True)

    def closed(self, code: int | None, reason: bytes) -> None:
        """Upstream is gone: so is the connection, if something is owed to the client; else the next turn opens another."""
        owed = self.busy or bool(self._expanding)
        self._socket, self._turns = None, LiveTurns()
        self._open.clear()
        if owed and not self._ended:
            payload = None if code is None else b"" if code == 1005 else code.to_bytes(2, "big") + reason
            self._service.tape.then(self, self._client.close, payload)

    def _refuse(self, lane: str | None, status: int, said: Mapping[str, Any]) -> None:
        error = {"type": "playhead_error", "param": None, **said}
        event: dict[str, Any] = {"type": "error", "status": status, "error": error}
        if lane is not None:
            event["stream_id"] = lane
        self._client.say(Message(Opcode.TEXT, json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")))
        self._client.over(lane)


def _error_in(body: bytes) -> dict[str, Any] | None:
    """What an answer of an API says of its error."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return None
    return error if isinstance(error, dict) else None
