"""What of a replayed WebSocket goes to upstream: turns without a recording, over a socket of playhead's own that is opened for the first of them.

A turn goes as the client sent it. Where upstream does not know the response that it goes on from, since that came from a recording, it goes once more
with the conversation in place of the id.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from playhead.config.errors import PlayheadError, UpstreamError

from ..assembling.traffic import NO_CODE
from ..forwarding.answers import ERRORS
from ..forwarding.frames import Message, Opcode
from ..forwarding.inbound import Inbound
from ..models.doors import client_event_door, event_door
from ..models.kind import Shape
from ..recordings.error_shapes import message_of
from ..service import Service
from .live_turns import LiveTurns
from .socket_goings import object_in
from .upstream_socket import RECORDING, HandshakeRefused, Unrecordable, UpstreamSocket

log = logging.getLogger("playhead")

_SHAPE = Shape("responses")
_GOODBYE_SECONDS = 1.0  # for upstream's close frame
_AHEAD = 1 << 20  # bytes of turns that wait for the socket before the client does

Expand = Callable[[Mapping[str, Any]], Coroutine[Any, Any, "list[dict[str, Any]] | None"]]
"""The `input` that a create has without its `previous_response_id`; None if the recordings do not have all of it. Raises StoreError."""


class Listens(Protocol):
    """Who is told of upstream, for the client."""

    def say(self, message: Message) -> None:
        """A message for the client; it leaves with `flush`."""

    def over(self, lane: str | None) -> None:
        """The oldest live turn of a lane has ended."""

    def drop(self, payload: bytes | None) -> None:
        """The connection ends, by a close frame with that payload, or (None) without one."""

    def flush(self) -> None:
        """All has been said for now."""


class _Turn(NamedTuple):
    """`text`: as long as it may have to be sent once more."""

    lane: str | None
    text: bytes


class _Other(NamedTuple):
    """A message of the client that is no create."""

    message: Message

    @property
    def text(self) -> bytes:
        return self.message.payload


class LiveSocket:
    """The live turns of one client's WebSocket. `inbound`: its handshake, as it is to be forwarded and recorded."""

    def __init__(self, service: Service, inbound: Inbound, expand: Expand, client: Listens) -> None:
        self._service = service
        self._inbound = inbound
        self._expand = expand
        self._client = client
        self._socket: UpstreamSocket | None = None
        self._turns = LiveTurns()
        self._open: dict[int, _Turn] = {}
        self._waiting: list[_Turn | _Other] = []  # for the socket
        self._connecting: asyncio.Task[None] | None = None  # that they wait for
        self._asked = False  # whether the client has said something that is no create, and upstream nothing since
        self._held = False  # whether upstream is, since the client is slower
        self._out: list[Callable[[], None]] = []
        self._door, self._sent_door = event_door(_SHAPE), client_event_door(_SHAPE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False

    @property
    def number(self) -> int:
        """Of what is recorded of it."""
        return self._socket.number if self._socket is not None else 0

    def unrecordable(self, problem: str) -> None:
        """Strict durability: nothing goes to the client that is not recorded."""
        log.error("a WebSocket is broken off, since it could not be recorded: %s", problem)
        self._client.drop(None)
        self._client.flush()

    @property
    def busy(self) -> bool:
        """Whether upstream owes something."""
        return bool(self._turns.owed or self._open or self._tasks)

    def made(self, response_id: object) -> bool:
        """Whether upstream made that response over this socket."""
        return self._turns.made(response_id)

    def may_be_lost(self, request: Mapping[str, Any]) -> bool:
        """Whether upstream need not know what a create goes on from."""
        previous = request.get("previous_response_id")
        return previous is not None and not self.made(previous)

    @property
    def silent_since(self) -> int:
        """When something last passed, on the monotonic clock, if upstream owes something; now if not, or if it cannot speak."""
        return self._socket.last if self._socket is not None and self._turns.owed and not self._held else time.monotonic_ns()

    def timed_out(self) -> None:
        """Upstream is silent in its turns: where it has said nothing of any of them they have an error, else the client sees them broken off."""
        socket, turns, owed = self._socket, self._turns, self._open
        if socket is None or not turns.owed:
            return
        status, said = self._failure(socket.timed_out())
        again = bool(self._tasks)  # a turn is about to go once more, over that socket
        self._socket, self._turns, self._open, self._asked = None, LiveTurns(), {}, False
        if turns.silent and not again:
            self._out += [step for turn in owed.values() for step in self._fail(turn.lane, status, said)]
        else:
            self._out.append(partial(self._client.drop, None))
        self.settled()

    # To upstream.

    async def open(self) -> bytes:
        """Shake hands now, and not when the first turn asks for it: upstream's answer. Raises UpstreamError, HandshakeRefused, Unrecordable."""
        socket = UpstreamSocket(self._service, self._inbound, self)
        await socket.open()
        self._socket = socket
        return socket.answer

    def create(self, lane: str | None, text: bytes) -> None:
        """A turn without a recording."""
        self._ask(_Turn(lane, text))

    def send(self, message: Message) -> None:
        """Another message of the client."""
        self._asked = True
        self._ask(_Other(message))

    def _ask(self, asked: _Turn | _Other) -> None:
        if self._socket is not None:
            self._send(self._socket, asked)
            return
        self._waiting.append(asked)
        if len(self._waiting) == 1:
            self._connecting = self._begin(self._connect())

    def _send(self, socket: UpstreamSocket, asked: _Turn | _Other) -> None:
        number = self._turns.sent(self._sent_door(asked.text))
        if isinstance(asked, _Turn):
            self._open[number] = asked if self._turns.unsure(number) else _Turn(asked.lane, b"")
            socket.send(asked.text)
        else:
            socket.send(asked.text, asked.message.opcode)

    async def _connect(self) -> None:
        status, said = 502, {}
        try:
            await self.open()
        except HandshakeRefused as refused:
            told = message_of(refused.status, refused.head.first, refused.text)
            status, said = told["status"], told["error"] | ({} if told["error"]["message"] else {"message": f"{refused}."})
        except UpstreamError as error:
            status, said = self._failure(error)
        except Unrecordable as error:
            status, said = ERRORS[RECORDING].status, {"code": RECORDING, "message": str(error)}
        waiting, self._waiting = self._waiting, []
        for asked in waiting:
            if self._socket is not None:
                self._send(self._socket, asked)
            elif isinstance(asked, _Turn):
                for step in self._fail(asked.lane, status, said):
                    step()
            else:
                self._client.say(error_event(None, status, said))
        self._client.flush()

    def _failure(self, error: UpstreamError) -> tuple[int, dict[str, Any]]:
        """Status and error of what is told of it."""
        self._service.counters.error(error.code)
        return ERRORS[error.code].status, {"code": error.code, "message": f"{error}."}

    def _fail(self, lane: str | None, status: int, said: Mapping[str, Any]) -> tuple[Callable[[], None], ...]:
        """A turn that upstream cannot answer."""
        return partial(self._client.say, error_event(lane, status, said)), partial(self._client.over, lane)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def room(self) -> Awaitable[None] | None:
        """To be awaited before the client says more: upstream takes less than it is sent, or has not agreed to the socket yet."""
        if self._socket is not None:
            return self._socket.room()
        if self._connecting is None or self._connecting.done() or sum([len(turn.text) for turn in self._waiting]) < _AHEAD:
            return None
        return asyncio.shield(self._connecting)

    def pause(self) -> None:
        """The client is slower."""
        self._held = True
        if self._socket is not None:
            self._socket.pause()

    def resume(self) -> None:
        """Go on."""
        self._held = False
        if self._socket is not None:
            self._socket.resume()

    def end(self) -> None:
        """The client is gone. Idempotent."""
        self._ended = True
        for task in self._tasks:
            task.cancel()
        if self._socket is not None:
            self._socket.resume()  # else its goodbye would not be heard
            self._socket.close()
            self._service.loop.call_later(_GOODBYE_SECONDS, self._socket.abort)
            self._socket = None

    # From upstream.

    def told(self, message: Message) -> bool:
        """A message; it is kept back if its turn is sent once more."""
        self._asked = False
        if message.opcode != Opcode.TEXT:
            self._out.append(partial(self._client.say, message))
            return True
        heard = self._turns.heard(self._door(message.payload))
        ended = {number: turn for number in heard.over if (turn := self._open.pop(number, None)) is not None}
        lost = ended.pop(heard.turn, None) if heard.lost else None
        if lost is None:
            self._out.append(partial(self._client.say, message))
        else:
            self._begin(self._once_more(lost, message))
        self._out += [partial(self._client.over, turn.lane) for turn in ended.values()]
        return lost is None

    def settled(self) -> None:
        """What one read brought goes to the client, once the journal has it."""
        if self._out:
            out, self._out = self._out, []
            self._service.tape.then(self, self._deliver, out)

    def _deliver(self, out: list[Callable[[], None]]) -> None:
        if not self._ended:
            for step in out:
                step()
            self._client.flush()

    async def _once_more(self, turn: _Turn, message: Message) -> None:
        """Send a turn with its conversation; if that is not known, the client gets what upstream said."""
        request = object_in(turn.text)
        try:
            found = await self._expand(request)
        except PlayheadError as error:
            log.error("the conversation of a turn could not be read: %s", error)
            found = None
        socket = self._socket
        if socket is None:
            return
        if found is None:
            socket.keep(message)
            self._out += (partial(self._client.say, message), partial(self._client.over, turn.lane))
            self.settled()
            return
        session = self._inbound.address.session
        log.info("session %s: upstream does not know the response that a turn goes on from, which is sent with its conversation", session)
        request.pop("previous_response_id", None)
        text = json.dumps({**request, "input": found}, ensure_ascii=False).encode("utf-8", "replace")
        self._open[self._turns.sent(self._sent_door(text), again=True)] = _Turn(turn.lane, b"")
        socket.send(text, instead=True)

    def closed(self, code: int | None, reason: bytes) -> None:
        """Upstream is gone: so is the connection, if something is owed to the client; else the next turn opens another."""
        owed = self.busy or self._asked
        self._socket, self._turns, self._asked = None, LiveTurns(), False
        self._open.clear()
        if owed and not self._ended:
            payload = None if code is None else b"" if code == NO_CODE else code.to_bytes(2, "big") + reason
            self._service.tape.then(self, self._deliver, [partial(self._client.drop, payload)])


def error_event(lane: str | None, status: int, said: Mapping[str, Any]) -> Message:
    """An error of a request over a WebSocket (PROTOCOL.md 3.9). `said`: its code, its message, and what else is known."""
    event: dict[str, Any] = {"type": "error", "status": status, "error": {"type": "playhead_error", "param": None, **said}}
    if lane is not None:
        event["stream_id"] = lane
    return Message(Opcode.TEXT, json.dumps(event, ensure_ascii=False).encode("utf-8", "replace"))
