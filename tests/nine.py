"""An upstream that tells the same Responses over every transport, clients of every kind, and what they end with.

Recorded over one transport and replayed over another, a client must end with the same. Nothing here uses the product but `unfold`, for Responses of which
no stream is known.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import aiohttp
from aiohttp import web
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, OpenAI
from websockets.exceptions import ConnectionClosed

from playhead.proxy.unfold import unfold

Json = dict[str, Any]

MODEL = "m"
TERMINALS = ("response.completed", "response.failed", "response.incomplete", "error")


@dataclass(frozen=True)
class Scenario:
    """What upstream does with a request. `events`: as they stand in a stream over HTTP. `cut`: after so many of them the connection breaks.

    `refusal`: status, error and headers instead.
    """

    events: Sequence[Json] = ()
    cut: int | None = None
    refusal: tuple[int, Json, Mapping[str, str]] | None = None

    @classmethod
    def of(cls, response: Json, **changes: Any) -> Scenario:
        """Of a Response of which no stream is known."""
        return cls(unfold(response), **changes)

    @property
    def response(self) -> Json | None:
        """The one of the last event that has one; of one that failed by an `error` what HTTP would say."""
        found = next((filled(event["response"], self.events) for event in reversed(self.events) if "response" in event), None)
        failed = next((event for event in self.events if event["type"] == "error"), None)
        if found is None or failed is None or self.events[-1]["type"] != "error":
            return found
        return found | {"status": "failed", "error": {"code": failed["code"], "message": failed["message"]}}


@dataclass
class Upstream:
    """Plays scenarios, by the name that a request has as its input."""

    scenarios: Mapping[str, Scenario]
    asked: list[str] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/responses", self._post)
        app.router.add_get("/v1/responses", self._socket)
        return app

    def _take(self, asked: Json) -> Scenario:
        self.asked.append(asked["input"])
        return self.scenarios[asked["input"]]

    async def _post(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        scenario = self._take(asked)
        headers = {"x-request-id": "req_1"}
        if scenario.refusal is not None:
            status, error, more = scenario.refusal
            return web.json_response({"error": error}, status=status, headers=headers | dict(more))
        if not asked.get("stream"):
            if scenario.cut is None:
                return web.json_response(scenario.response, headers=headers)
            answer = web.StreamResponse(headers=headers | {"Content-Type": "application/json", "Content-Length": "1000"})
            await answer.prepare(request)
            await answer.write(b'{"id": "resp_')
            return self._broken(request, answer)
        answer = web.StreamResponse(headers=headers | {"Content-Type": "text/event-stream; charset=utf-8"})
        await answer.prepare(request)
        for event in scenario.events[: scenario.cut]:
            await answer.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        if scenario.cut is not None:
            return self._broken(request, answer)
        await answer.write_eof()
        return answer

    @staticmethod
    def _broken(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return answer

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            asked = json.loads(message.data)
            scenario = self._take(asked)
            lane = {"stream_id": asked["stream_id"]} if "stream_id" in asked else {}
            for event in self._messages(scenario):
                await socket.send_str(json.dumps(event | lane))
            if scenario.cut is not None:
                assert request.transport is not None
                request.transport.close()
                break
        return socket

    @staticmethod
    def _messages(scenario: Scenario) -> list[Json]:
        if scenario.refusal is not None:
            status, error, headers = scenario.refusal
            return [{"type": "error", "status": status, "error": error | {"headers": dict(headers)}}]
        return [_nested(event) if event["type"] == "error" else event for event in scenario.events[: scenario.cut]]


def _nested(event: Json) -> Json:
    told = {name: event[name] for name in ("code", "message", "param")}
    return {"type": "error", "error": {"type": "server_error"} | told, "sequence_number": event["sequence_number"]}


@contextlib.asynccontextmanager
async def upstream(scenarios: Mapping[str, Scenario]) -> AsyncIterator[str]:
    """Plays them on a free port; its base URL without `/v1`."""
    runner = web.AppRunner(Upstream(scenarios).app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


# What a client ends with.


def filled(response: Json, events: Sequence[Json]) -> Json:
    """The Response with the items that were done, if it tells of none, as some servers' last events do."""
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    return response if response.get("output") or not done else response | {"output": done}


def ending(events: Sequence[Json]) -> Json:
    """Of the events of a response that a client saw, whichever transport they came over."""
    last = events[-1] if events else {}
    if last.get("type") == "error":
        error = last.get("error") or last
        return {"refused": last["status"], "code": error["code"]} if "status" in last else {"failed": error["code"]}
    return body(filled(last["response"], events)) if last.get("type") in TERMINALS or _unended(last) else {"cut": True}


def _unended(event: Json) -> bool:
    """Whether it says that the response goes on in the background."""
    return bool(event.get("type") == "response.queued")


def body(response: Json) -> Json:
    """Of a Response."""
    return {"failed": (response.get("error") or {}).get("code")} if response.get("status") == "failed" else {"response": response}


def raised(error: Exception) -> Json:
    """Of what the SDK raises. That a transfer broke it passes on as its HTTP library says it."""
    if isinstance(error, APIStatusError):
        return {"refused": error.status_code, "code": error.code}
    cut = isinstance(error, APIConnectionError | ConnectionClosed) or type(error).__name__ in ("RemoteProtocolError", "ReadError")
    return {"cut": True} if cut else {"odd": repr(error)[:300]}


def plain(model: Any) -> Json:
    """A model of the SDK as JSON, without what its helpers put into it."""
    found: Json = model.to_dict(mode="json", warnings=False)
    _strip(found)
    return found


def _strip(value: Any) -> None:
    if isinstance(value, dict):
        for name in ("parsed", "parsed_arguments"):
            value.pop(name, None)
        for inner in value.values():
            _strip(inner)
    elif isinstance(value, list):
        for inner in value:
            _strip(inner)


def _over(event: Json) -> bool:
    """Whether nothing follows on a socket: behind the `error` of a running response its `response.failed` does."""
    return event["type"] in TERMINALS and not (event["type"] == "error" and "sequence_number" in event)


# Clients. Each gets a base URL with `/v1` and the names of scenarios, and tells what it ends with in each.

Client = Callable[[str, Iterable[str]], Awaitable[dict[str, Json]]]


async def raw_json(url: str, name: str) -> Json:
    async with aiohttp.ClientSession() as session, session.post(f"{url}/responses", json={"model": MODEL, "input": name}) as got:
        try:
            told = await got.json()
        except aiohttp.ClientPayloadError:
            return {"cut": True}
        return body(told) if got.status == 200 else {"refused": got.status, "code": told["error"]["code"]}


async def raw_sse(url: str, name: str) -> Json:
    seen: list[Json] = []
    asked = {"model": MODEL, "input": name, "stream": True}
    async with aiohttp.ClientSession(read_bufsize=1 << 24) as session, session.post(f"{url}/responses", json=asked) as got:
        if got.status != 200:
            return {"refused": got.status, "code": (await got.json())["error"]["code"]}
        broken = False
        try:
            seen.extend([json.loads(line[6:]) async for line in got.content if line.startswith(b"data: ")])
        except aiohttp.ClientPayloadError:
            broken = True
    numbers = [event["sequence_number"] for event in seen if "sequence_number" in event]  # a few servers of the corpus leave them out
    odd = any(other != one + 1 for one, other in pairwise(numbers)) or ("cut" in ending(seen)) != broken
    return {"odd": numbers, "broken": broken} if odd else ending(seen)


async def raw_ws(url: str, name: str, lane: str | None = None) -> Json:
    asked = {"type": "response.create", "model": MODEL, "input": name} | ({"stream_id": lane} if lane else {})
    seen: list[Json] = []
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/responses", max_msg_size=0) as socket:
        await socket.send_str(json.dumps(asked))
        async for message in socket:
            seen.append(json.loads(message.data))
            if _over(seen[-1]):
                break
    odd = [event for event in seen if event.pop("stream_id", None) != lane] or ("cut" in ending(seen) and socket.close_code != 1006)
    return {"odd": odd, "code": socket.close_code} if odd else ending(seen)


async def raw_lane(url: str, name: str) -> Json:
    return await raw_ws(url, name, "lane.1")


def _raw(call: Callable[[str, str], Awaitable[Json]]) -> Client:
    async def work(url: str, names: Iterable[str]) -> dict[str, Json]:
        return {name: await call(url, name) for name in names}

    return work


def _sync(call: Callable[[OpenAI, str], Json]) -> Client:
    def one(client: OpenAI, name: str) -> Json:
        try:
            return call(client, name)
        except Exception as error:
            return raised(error)

    def all_(url: str, names: Iterable[str]) -> dict[str, Json]:
        with OpenAI(base_url=url, api_key="sk-none", max_retries=0) as client:
            return {name: one(client, name) for name in names}

    return lambda url, names: asyncio.to_thread(all_, url, names)


def _async(call: Callable[[AsyncOpenAI, str], Awaitable[Json]]) -> Client:
    async def one(client: AsyncOpenAI, name: str) -> Json:
        try:
            return await call(client, name)
        except Exception as error:
            return raised(error)

    async def all_(url: str, names: Iterable[str]) -> dict[str, Json]:
        async with AsyncOpenAI(base_url=url, api_key="sk-none", max_retries=0) as client:
            return {name: await one(client, name) for name in names}

    return all_


def _create(client: OpenAI, name: str) -> Json:
    return body(plain(client.responses.create(model=MODEL, input=name)))


async def _create_async(client: AsyncOpenAI, name: str) -> Json:
    return body(plain(await client.responses.create(model=MODEL, input=name)))


def _create_stream(client: OpenAI, name: str) -> Json:
    return ending([plain(event) for event in client.responses.create(model=MODEL, input=name, stream=True)])


async def _create_stream_async(client: AsyncOpenAI, name: str) -> Json:
    return ending([plain(event) async for event in await client.responses.create(model=MODEL, input=name, stream=True)])


def _stream(client: OpenAI, name: str) -> Json:
    with client.responses.stream(model=MODEL, input=name) as stream:
        events = [plain(event) for event in stream]
        if events[-1]["type"] == "response.completed":
            return body(filled(plain(stream.get_final_response()), events))
    return ending(events)


async def _stream_async(client: AsyncOpenAI, name: str) -> Json:
    async with client.responses.stream(model=MODEL, input=name) as stream:
        events = [plain(event) async for event in stream]
        if events[-1]["type"] == "response.completed":
            return body(filled(plain(await stream.get_final_response()), events))
    return ending(events)


def _connect(client: OpenAI, name: str) -> Json:
    events: list[Json] = []
    with client.responses.connect() as connection:
        connection.response.create(model=MODEL, input=name)
        while not events or not _over(events[-1]):
            events.append(plain(connection.recv()))
    return ending(events)


async def _connect_async(client: AsyncOpenAI, name: str) -> Json:
    events: list[Json] = []
    async with client.responses.connect() as connection:
        await connection.response.create(model=MODEL, input=name)
        while not events or not _over(events[-1]):
            events.append(plain(await connection.recv()))
    return ending(events)


CLIENTS: Mapping[str, Mapping[str, Client]] = {
    "http": {"raw": _raw(raw_json), "create": _sync(_create), "async create": _async(_create_async)},
    "sse": {
        "raw": _raw(raw_sse),
        "create(stream=True)": _sync(_create_stream),
        "async create(stream=True)": _async(_create_stream_async),
        "stream()": _sync(_stream),
        "async stream()": _async(_stream_async),
    },
    "ws": {"raw": _raw(raw_ws), "raw on a lane": _raw(raw_lane), "connect()": _sync(_connect), "async connect()": _async(_connect_async)},
}
"""By transport."""
