"""A simulated upstream: answers Responses requests without a model, a key or a network, the same request always in the same way.

It knows one trick for each thing that an agent meets: it calls the first function tool it is offered, answers in words once it has the tool's
result, streams where asked to, and fails the first try of a request whose metadata says `"simulate": "error_once"`. On a WebSocket it is asked for
further trouble in the same way (`simulated_plan`). Every answer says that it is simulated. Nothing here reads a clock.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from hashlib import sha256

from aiohttp import WSMsgType, web

from .simulation.simulated import Json, events_of, metadata_of, response_to
from .simulation.simulated_plan import Close, Cut
from .simulation.simulated_socket import SimulatedSocket, in_turns

PACE = 0.015  # seconds between the pieces of a stream, so that there are times to look at
_HEADERS: Mapping[str, str] = {"Server": "playhead-simulator", "openai-version": "2020-10-01"}


SocketFor = Callable[[web.Request, dict[str, int]], SimulatedSocket]


class Simulator:
    """The behaviour, and what it has to remember: which requests have failed already, which responses can be continued.

    `socket_for`: makes what decides about one WebSocket, given its handshake and the responses that all may continue.
    """

    def __init__(self, pace: float, socket_for: SocketFor | None = None) -> None:
        self._pace = pace
        self._failed: set[str] = set()
        self._stored: dict[str, int] = {}
        self._sockets = 0
        self._socket_for = socket_for or self._next_socket

    def app(self) -> web.Application:
        """An application that answers `POST /v1/responses`, and everything else as an unknown URL."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/responses", self._create)
        app.router.add_get("/v1/responses", self._connect)
        app.router.add_route("*", "/{path:.*}", self._unknown)
        return app

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        digest = sha256(body).hexdigest()
        try:
            asked = json.loads(body)
            model = asked["model"] + ""
        except (ValueError, TypeError, KeyError):
            return _error(400, digest, "invalid_request_error", "The simulated upstream needs a JSON object with a model.")
        if metadata_of(asked).get("simulate") == "error_once" and digest not in self._failed:
            self._failed.add(digest)
            return _error(500, digest, "server_error", "The simulated upstream fails this request once. Try again.")
        response = response_to(asked, model, digest)
        if not asked.get("stream"):
            return web.json_response(response, headers=_headers(digest))
        return await self._stream(request, response, digest)

    async def _stream(self, request: web.Request, response: Json, digest: str) -> web.StreamResponse:
        answer = web.StreamResponse(headers=_headers(digest) | {"Content-Type": "text/event-stream; charset=utf-8"})
        await answer.prepare(request)
        for number, event in enumerate(events_of(response)):
            event["sequence_number"] = number
            await answer.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            await asyncio.sleep(self._pace)
        await answer.write_eof()
        return answer

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        answer = web.WebSocketResponse(max_msg_size=0)
        if not answer.can_prepare(request).ok:
            return await self._unknown(request)
        answer.headers.update(_headers(sha256(request.path_qs.encode()).hexdigest()))
        await answer.prepare(request)
        socket, said = self._socket_for(request, self._stored), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            speaking = tasks.create_task(self._speak(request, answer, socket, said))
            async for message in answer:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    socket.receive(message.data)
                    said.set()
            if not socket.over:
                speaking.cancel()
        return answer

    async def _speak(self, request: web.Request, answer: web.WebSocketResponse, socket: SimulatedSocket, said: asyncio.Event) -> None:
        with suppress(ConnectionError):  # the client has left
            while not socket.over:
                said.clear()
                while (act := socket.next()) is not None:
                    if isinstance(act, Cut):
                        if request.transport is not None:
                            request.transport.abort()
                    elif isinstance(act, Close):
                        await answer.close(code=act.code, message=act.reason.encode())
                    else:
                        await answer.send_str(act.text)
                        await asyncio.sleep(self._pace)
                if not socket.over:
                    await said.wait()

    def _next_socket(self, request: web.Request, stored: dict[str, int]) -> SimulatedSocket:
        self._sockets += 1
        return SimulatedSocket(str(self._sockets), in_turns(), stored)

    async def _unknown(self, request: web.Request) -> web.Response:
        digest = sha256(request.path_qs.encode()).hexdigest()
        return _error(404, digest, "invalid_request_error", f"The simulated upstream knows only POST /v1/responses, not {request.method} {request.path}.")


@asynccontextmanager
async def simulated_upstream(pace: float = PACE, socket_for: SocketFor | None = None) -> AsyncIterator[str]:
    """A simulator on a free port of this machine, while the context lasts; its base URL without `/v1`. `pace`: seconds between events."""
    runner = web.AppRunner(Simulator(pace, socket_for).app(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def _headers(digest: str) -> dict[str, str]:
    return {**_HEADERS, "x-request-id": f"req_{digest[:32]}"}


def _error(status: int, digest: str, kind: str, message: str) -> web.Response:
    error = {"message": message, "type": kind, "param": None, "code": None}
    return web.json_response({"error": error}, status=status, headers=_headers(digest))
