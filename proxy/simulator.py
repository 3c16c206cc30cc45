"""A simulated upstream: answers Responses requests without a model, a key or a network, the same request always in the same way.

It knows one trick for each thing that an agent meets: it calls the first function tool it is offered, answers in words once it has the tool's
result, streams where asked to, and fails the first try of a request whose metadata says `"simulate": "error_once"`. Every answer says that it is
simulated. Nothing here reads a clock: ids come from the request, times are constants.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from aiohttp import web

Json = dict[str, Any]

CREATED_AT = 1_767_225_600  # 2026-01-01T00:00:00Z
PACE = 0.015  # seconds between the pieces of a stream, so that there are times to look at
_HEADERS: Mapping[str, str] = {"Server": "playhead-simulator", "openai-version": "2020-10-01"}


class Simulator:
    """The behaviour, and which requests have failed already."""

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self._failed: set[str] = set()

    def app(self) -> web.Application:
        """An application that answers `POST /v1/responses`, and everything else as an unknown URL."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/responses", self._create)
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
        if _metadata(asked).get("simulate") == "error_once" and digest not in self._failed:
            self._failed.add(digest)
            return _error(500, digest, "server_error", "The simulated upstream fails this request once. Try again.")
        response = _response(asked, model, digest)
        if not asked.get("stream"):
            return web.json_response(response, headers=_headers(digest))
        return await self._stream(request, response, digest)

    async def _stream(self, request: web.Request, response: Json, digest: str) -> web.StreamResponse:
        answer = web.StreamResponse(headers=_headers(digest) | {"Content-Type": "text/event-stream; charset=utf-8"})
        await answer.prepare(request)
        for number, event in enumerate(_events(response)):
            event["sequence_number"] = number
            await answer.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            await asyncio.sleep(self._pace)
        await answer.write_eof()
        return answer

    async def _unknown(self, request: web.Request) -> web.Response:
        digest = sha256(request.path_qs.encode()).hexdigest()
        return _error(404, digest, "invalid_request_error", f"The simulated upstream knows only POST /v1/responses, not {request.method} {request.path}.")


@asynccontextmanager
async def simulated_upstream(pace: float = PACE) -> AsyncIterator[str]:
    """A simulator on a free port of this machine, while the context lasts; its base URL without `/v1`. `pace`: seconds between events."""
    runner = web.AppRunner(Simulator(pace).app(), access_log=None)
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


def _metadata(asked: Json) -> Json:
    metadata = asked.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _error(status: int, digest: str, kind: str, message: str) -> web.Response:
    error = {"message": message, "type": kind, "param": None, "code": None}
    return web.json_response({"error": error}, status=status, headers=_headers(digest))


def _response(asked: Json, model: str, digest: str) -> Json:
    items = asked.get("input")
    items = items if isinstance(items, list) else [{"role": "user", "content": items}]
    output = _output(asked, items, digest)
    taken, given = len(json.dumps(items)) // 4, len(json.dumps(output)) // 4
    return {
        "id": f"resp_{digest[:48]}",
        "object": "response",
        "created_at": CREATED_AT,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "metadata": _metadata(asked),
        "model": model,
        "output": [output],
        "parallel_tool_calls": True,
        "previous_response_id": asked.get("previous_response_id"),
        "service_tier": "default",
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": asked.get("tools") or [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": taken,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": given,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": taken + given,
        },
    }


def _output(asked: Json, items: list[Any], digest: str) -> Json:
    """The one output item: a call of the first function tool, until a result of it is there; then a message."""
    results = [item.get("output") for item in items if isinstance(item, dict) and item.get("type") == "function_call_output"]
    tools = [tool for tool in asked.get("tools") or [] if isinstance(tool, dict) and tool.get("type") == "function"]
    if tools and not results and not asked.get("previous_response_id"):
        schema = tools[0].get("parameters") or {}
        arguments = {name: _example(prop) for name, prop in (schema.get("properties") or {}).items()}
        return {
            "id": f"fc_{digest[:48]}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{digest[:24]}",
            "name": tools[0].get("name"),
            "arguments": json.dumps(arguments),
        }
    said = f"The tool said: {results[-1]}." if results else "No model was asked."
    text = f"This is a simulated answer. {said}"
    return {
        "id": f"msg_{digest[:48]}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "annotations": [], "text": text}],
    }


def _example(schema: Any) -> Any:
    """A value that a property's schema allows: its first example or choice, else something of its type."""
    schema = schema if isinstance(schema, dict) else {}
    for name in ("examples", "enum"):
        if isinstance(schema.get(name), list) and schema[name]:
            return schema[name][0]
    return {"integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}}.get(str(schema.get("type")), "simulated")


def _events(response: Json) -> Iterator[Json]:
    """The events of a streamed response, numbers not yet given."""
    begun = response | {"status": "in_progress", "output": [], "usage": None}
    item = response["output"][0]
    place = {"item_id": item["id"], "output_index": 0}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    if item["type"] == "function_call":
        yield {"type": "response.output_item.added", "output_index": 0, "item": item | {"status": "in_progress", "arguments": ""}}
        for piece in _pieces(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
        yield {"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]}
    else:
        part = item["content"][0]
        place["content_index"] = 0
        yield {"type": "response.output_item.added", "output_index": 0, "item": item | {"status": "in_progress", "content": []}}
        yield {"type": "response.content_part.added", **place, "part": part | {"text": ""}}
        for piece in _pieces(part["text"]):
            yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed", "response": response}


def _pieces(text: str) -> Iterator[str]:
    """The text word by word, spaces kept."""
    start = 0
    while start < len(text):
        end = text.find(" ", start + 1)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end
