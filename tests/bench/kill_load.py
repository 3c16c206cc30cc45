"""What the kill rounds work with: an upstream whose answers follow from the request's id, and clients that note what they got of them."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

KINDS = {"json": 10, "big": 2, "sse": 6, "json-cut": 1, "sse-cut": 2, "sse-left": 2, "ws": 3, "ws-cut": 1}
KEY = b"sk-canary-0123456789"
HISTORY = random.Random(1).randbytes(40_000).hex()


def blocks(kind: str, name: str) -> list[bytes]:
    """What the upstream answers to this request, piece by piece: events of a stream, messages of a WebSocket, or one body."""
    chance = random.Random(name)
    if kind.startswith("json"):
        return [json.dumps({"id": name, "object": "response", "output": chance.randbytes(chance.randrange(2000)).hex()}).encode()]
    if kind == "big":
        return [json.dumps({"id": name, "output": chance.randbytes(150_000).hex()}).encode()]
    deltas = range(1, chance.randrange(5, 40))
    if kind.startswith("ws"):
        said = [{"type": "response.output_text.delta", "sequence_number": n, "delta": chance.randbytes(60).hex()} for n in deltas]
        begun = {"type": "response.created", "sequence_number": 0, "response": {"id": name}}
        ended = {"type": "response.completed", "sequence_number": len(deltas) + 1, "response": {"id": name}}
        return [json.dumps(event).encode() for event in (begun, *said, ended)]
    events = [{"type": "response.delta", "id": name, "sequence_number": n, "delta": chance.randbytes(60).hex()} for n in deltas]
    texts = [*map(json.dumps, events)]
    return [f"event: response.delta\ndata: {text}\n\n".encode() for text in texts]


def question(kind: str, name: str) -> bytes:
    """The body of the request: a third of them begin with a long history that they have in common."""
    chance = random.Random(name)
    text = "x" * chance.randrange(3000) if chance.randrange(3) else HISTORY[: chance.randrange(10_000, 80_000)] + name
    of_a_socket = {"type": "response.create"} if kind.startswith("ws") else {"stream": kind.startswith("sse")}
    return json.dumps({**of_a_socket, "model": "m", "kind": kind, "input": text, "id": name}).encode()


def drop(request: web.Request) -> None:
    """Break the connection off."""
    if request.transport is not None:
        request.transport.abort()


class Upstream:
    """Answers requests by what they ask for: whole, or cut where it is told to."""

    def __init__(self) -> None:
        self.port = 0

    async def start(self) -> web.AppRunner:
        """Listen on a free port."""
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/v1/responses", self._post)
        app.router.add_get("/v1/responses", self._socket)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    async def _post(self, request: web.Request) -> web.StreamResponse:
        name, asked = request.headers["x-request-id"], await request.json()
        kind = str(asked["kind"])
        stream = kind.startswith("sse")
        response = web.StreamResponse(headers={"x-request-id": name, "content-type": "text/event-stream" if stream else "application/json"})
        pieces = blocks(kind, name)
        if not stream:
            response.content_length = len(pieces[0])
        if kind == "json-cut":
            pieces = [pieces[0][:-1]]
        await response.prepare(request)
        for number, piece in enumerate(pieces):
            if kind == "sse-cut" and number == len(pieces) // 2:
                break
            await response.write(piece)
            if stream:
                await asyncio.sleep(0.01)
        if kind.endswith("-cut"):
            await asyncio.sleep(0.01)
            drop(request)
        return response

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        """Answers one create after the other until the client leaves, or drops the line in the midst."""
        sock = web.WebSocketResponse(compress=False, max_msg_size=1 << 24)
        await sock.prepare(request)
        async for message in sock:
            asked = json.loads(message.data)
            pieces = blocks(asked["kind"], asked["id"])
            for number, piece in enumerate(pieces):
                if asked["kind"] == "ws-cut" and number == len(pieces) // 2:
                    drop(request)
                    return sock
                await sock.send_str(piece.decode())
                await asyncio.sleep(0.003)
        return sock


@dataclass(slots=True)
class Seen:
    """What one client got, of a WebSocket in one turn. `answered`: the head came. `whole`: so did the end, as one that says that all is there."""

    kind: str
    name: str
    body: bytes = b""
    answered: bool = False
    whole: bool = False


@dataclass
class Load:
    """Clients that ask one question after the other until they are stopped."""

    base: str
    seen: dict[str, Seen] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    stopping: bool = False

    async def run(self, clients: int) -> None:
        """Until `stopping`."""
        limits = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=limits) as session:
            await asyncio.gather(*(self._client(session, number) for number in range(clients)))

    async def _client(self, session: aiohttp.ClientSession, number: int) -> None:
        chance = random.Random()
        while not self.stopping:
            kind = chance.choices([*KINDS], [*KINDS.values()])[0]
            seen = Seen(kind, f"r{number}-{len(self.seen)}-{chance.getrandbits(32):08x}")
            self.seen[seen.name] = seen
            url = f"{self.base}{chance.choice(('', '/@side'))}/v1/responses"
            try:
                await (self._socket if kind.startswith("ws") else self._post)(session, url, seen)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self.errors[type(error).__name__] += 1
                await asyncio.sleep(0.03)

    async def _post(self, session: aiohttp.ClientSession, url: str, seen: Seen) -> None:
        headers = {"x-request-id": seen.name, "content-type": "application/json", "authorization": f"Bearer {KEY.decode()}"}
        async with session.post(url, data=question(seen.kind, seen.name), headers=headers) as response:
            if "playhead-error" in response.headers:
                self.errors[response.headers["playhead-error"]] += 1
                return
            seen.answered = True
            async for piece in response.content.iter_any():
                seen.body += piece
                if seen.kind == "sse-left" and len(seen.body) > 400:
                    response.close()
                    return
            seen.whole = True

    async def _socket(self, session: aiohttp.ClientSession, url: str, first: Seen) -> None:
        """Some turns; the last may be one that upstream cuts."""
        turns = [first] if first.kind == "ws-cut" else [first, *(Seen("ws", f"{first.name}-{number}") for number in range(2))]
        async with session.ws_connect(url, autoping=False) as sock:
            for seen in turns:
                self.seen[seen.name] = seen
                await sock.send_str(question(seen.kind, seen.name).decode())
                for _ in blocks(seen.kind, seen.name):
                    message = await sock.receive()
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        return
                    seen.answered = True
                    seen.body += message.data.encode()
                seen.whole = True
