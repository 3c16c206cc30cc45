"""Random sessions over real sockets: the simulated upstream on a port, a random client for each connection, and what a store says of them.

What the client says depends on nothing but its seed and what it has received: played back in the same order, a session is the same once more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from aiohttp import web

from playhead.proxy.lanes import Begun
from playhead.proxy.simulator import simulated_upstream
from playhead.storage.records import Direction
from playhead.storage.store import Store
from random_client import RandomClient
from random_sessions import Heard, LoggedSocket, Session, faults, upstream_of
from websocket_fakes import BINARY, CLOSE, PING, PONG, TEXT, WebSocketClient

SEED = b"X-Simulate-Seed"
PATIENCE = 30  # seconds without a message, after which a session hangs


@dataclass
class Spoken:
    """What a client saw of a session. `end`: code and reason of the close frame that came, `left` if the client ended it, `cut`, or that it hangs."""

    seed: int
    received: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    end: tuple[int | None, str] | str = "hangs"

    def difference(self, other: Spoken) -> str:
        """Where the other differs, in words; empty if nowhere."""
        for name, mine, theirs in (("received", self.received, other.received), ("sent", self.sent, other.sent)):
            if mine != theirs:
                place = next((place for place, (one, two) in enumerate(zip(mine, theirs, strict=False)) if one != two), min(len(mine), len(theirs)))
                shown = [messages[place][:160] if place < len(messages) else "nothing" for messages in (mine, theirs)]
                return f"{name} {place} of {len(mine)} and {len(theirs)}: {shown[0]} <> {shown[1]}"
        return "" if self.end == other.end else f"end {self.end} <> {other.end}"


async def converse(port: int, seed: int, session: str) -> Spoken:
    """One connection, from its handshake to its end."""
    client, spoken = RandomClient(seed), Spoken(seed)
    target = f"/@{session}/v1/responses".encode() if session else b"/v1/responses"
    async with WebSocketClient.open(port, target, (SEED, b"%d" % seed)) as socket:
        with contextlib.suppress(TimeoutError):
            spoken.end = await _talk(client, socket)
    spoken.received, spoken.sent = client.received, client.sent
    return spoken


async def _talk(client: RandomClient, socket: WebSocketClient) -> tuple[int | None, str] | str:
    reader = socket.reader
    reader.set_exception = lambda exc: reader.feed_eof()  # type: ignore[method-assign]  # a reset: what had come before it is read all the same
    try:
        await _send(socket, client.begin())
        while client.leaves is None:
            message = await asyncio.wait_for(socket.receive(), PATIENCE)
            if message.opcode == CLOSE:
                with contextlib.suppress(ConnectionError):
                    await socket.frame(CLOSE, message.payload)
                await asyncio.wait_for(socket.receive_until_closed(), PATIENCE)
                return message.close
            if message.opcode == PING:
                await socket.frame(PONG, message.payload)
            elif message.opcode in (TEXT, BINARY):
                await _send(socket, client.hear(message.payload.decode()))
    except asyncio.IncompleteReadError:
        return "cut"
    except (LookupError, TypeError) as error:  # it was told what cannot be
        return f"confused: {error!r}"
    if client.leaves.code is not None:
        with contextlib.suppress(ConnectionError):
            await socket.send_close(client.leaves.code, client.leaves.reason)
            await asyncio.wait_for(socket.receive_until_closed(), PATIENCE)
    return "left"


async def _send(socket: WebSocketClient, texts: Iterable[str]) -> None:
    with contextlib.suppress(ConnectionError):  # it ends; what came before that is still to be read
        for text in texts:
            if not socket.writer.is_closing():
                await socket.send(text.encode())


async def converse_all(port: int, seeds: Iterable[int], *, at_once: int = 8, named: bool = True) -> dict[int, Spoken]:
    """Many connections, so many at a time; session `s7` for seed 7, unless not `named`."""
    room = asyncio.Semaphore(at_once)

    async def one(seed: int) -> Spoken:
        async with room:
            return await converse(port, seed, f"s{seed}" if named else "")

    return {spoken.seed: spoken for spoken in await asyncio.gather(*map(one, seeds))}


@contextlib.asynccontextmanager
async def random_upstream() -> AsyncIterator[tuple[str, dict[int, LoggedSocket]]]:
    """The simulated upstream: its URL, and its end of each connection by the seed that the client sent."""
    sockets: dict[int, LoggedSocket] = {}

    def socket_for(request: web.Request, _: dict[str, int]) -> LoggedSocket:
        seed = int(request.headers[SEED.decode()])
        sockets[seed] = upstream_of(seed)
        return sockets[seed]

    async with simulated_upstream(0, socket_for) as url:
        yield url, sockets


def stored_faults(store: Store, spoken: Spoken, socket: LoggedSocket) -> list[str]:
    """Where what is stored of a session says something else than the upstream's log."""
    session = f"s{spoken.seed}"
    [connection] = store.connections(session)
    client = RandomClient(spoken.seed)
    client.sent, client.received = spoken.sent, spoken.received
    heard, wrong = _heard(store, connection.id, spoken, socket)
    if wrong:
        return wrong
    wrong = [f"{connection.unassigned} are unassigned"] if connection.unassigned != list(heard.turns.values()).count(0) else []
    return wrong + faults(Session(client, socket, heard, quiet=False)) + _wrong_bytes(store, connection.id, heard)


def _heard(store: Store, connection: int, spoken: Spoken, socket: LoggedSocket) -> tuple[Heard, list[str]]:
    """The session as it is stored, with the texts that both ends know."""
    heard, texts = Heard(), {Direction.CLIENT: iter(spoken.sent), Direction.UPSTREAM: iter(socket.texts)}
    for entry in store.connection_log(connection):
        if entry.opcode not in (TEXT, BINARY):
            continue
        direction = Direction(entry.direction)
        text = next(texts[direction], None)
        if text is None or len(text.encode()) != entry.bytes:
            return heard, [f"message {len(heard.messages)} has {entry.bytes} bytes and is not {text!r:.80}"]
        heard.turns[len(heard.messages)] = entry.turn
        heard.messages.append(("<" if direction == Direction.UPSTREAM else ">", text))
    last = {turn: place for place, turn in heard.turns.items()}
    for turn, exchange in store.turns(connection).items():
        parent = exchange.previous_response_id if exchange.steer is not None else None
        heard.begun[turn] = Begun(turn, exchange.stream_id, parent, exchange.steer)
        heard.ended[turn], heard.ended_at[turn] = exchange.outcome == "complete", last.get(turn, 0) + 1
    return heard, []


def _wrong_bytes(store: Store, connection: int, heard: Heard) -> list[str]:
    wrong = []
    for turn, exchange in store.turns(connection).items():
        raw = store.raw(exchange.id)
        for direction, kept in ((">", raw.request), ("<", raw.response)):
            texts = [text for place, (way, text) in enumerate(heard.messages) if way == direction and heard.turns[place] == turn]
            if kept != "".join(texts).encode():
                wrong.append(f"turn {turn} ({direction}) has other bytes: {kept[:80]!r}")
        if exchange.events != sum(1 for each in heard.turns.values() if each == turn):
            wrong.append(f"turn {turn} has {exchange.events} events")
        wrong += _wrong_facts(heard, turn, exchange.response_id, exchange.usage)
    return wrong


def _wrong_facts(heard: Heard, turn: int, response_id: str | None, usage: object) -> list[str]:
    """The response and the usage of an exchange are those that its last event with a Response tells."""
    told = [text for place, (way, text) in enumerate(heard.messages) if way == "<" and heard.turns[place] == turn and '"response":{' in text]
    response = json.loads(told[-1])["response"] if told else {}
    if (response.get("id"), response.get("usage")) != (response_id, usage):
        return [f"turn {turn} is {response_id} with {usage} and not {response.get('id')} with {response.get('usage')}"]
    return []
