"""OpenAI's own client takes what was unfolded for a stream of OpenAI's."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from openai import AsyncOpenAI

from conformance import their, their_models
from playhead.proxy.unfold import unfold
from samples import samples
from unfolded import corpus

Json = dict[str, Any]


def signature(response: Json) -> tuple[str, ...]:
    """What there is about a Response: how it ended, the types of its items, whether parts have annotations or log probabilities."""
    parts = [part for item in response["output"] for part in item.get("content") or () if isinstance(part, dict)]
    special = {f"{part['type']} {name}" for part in parts for name in ("annotations", "logprobs") if part.get(name)}
    return response["status"], *sorted({item["type"] for item in response["output"]} | special)


@contextlib.asynccontextmanager
async def playing(responses: Mapping[str, Json]) -> AsyncIterator[AsyncOpenAI]:
    """A client of a server that plays these, by the name that a request has as its input."""

    async def create(request: web.Request) -> web.StreamResponse:
        events = unfold(responses[(await request.json())["input"]])
        text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        return web.Response(text=text, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/v1/responses", create)
    async with TestServer(app) as server, AsyncOpenAI(base_url=f"{server.make_url('/v1')}", api_key="sk-none", max_retries=0) as client:
        yield client


async def told(client: AsyncOpenAI, name: str) -> Any:
    """The Response of the last event."""
    events: list[Any] = [event async for event in await client.responses.create(model="m", input=name, stream=True)]
    return events[-1].response.to_dict(mode="json")


async def helped(client: AsyncOpenAI, name: str) -> Any:
    """The Response that the helper puts together, or the last it was told where that is not completed."""
    async with client.responses.stream(model="m", input=name) as stream:
        events: list[Any] = [event async for event in stream]
        if events[-1].type == "response.completed":
            return (await stream.get_final_response()).to_dict(mode="json")
    return events[-1].response.to_dict(mode="json")


def plain(response: Json) -> Json:
    """Without what the helper puts into its copy."""
    text: Json = json.loads(json.dumps(response))
    for item in text["output"]:
        item.pop("parsed_arguments", None)
        for part in item.get("content") or ():
            part.pop("parsed", None)
    return text


async def test_the_sdk_takes_each_kind_of_response_of_the_corpus(shared: Path) -> None:
    kinds = {signature(response): response for _, response in corpus(shared)}
    responses = {str(number): response for number, response in enumerate(kinds.values())}
    async with playing(responses) as client:
        for name, response in responses.items():
            assert await told(client, name) == response
            assert plain(await helped(client, name)) == response

    assert len(responses) > 30


async def test_the_sdk_takes_each_item_that_it_knows() -> None:
    (model,) = their_models(their("responses.Response"))
    whole = samples(model)[0]
    items = [samples(model)[0] for model in their_models(their("responses.ResponseOutputItem"))]
    responses = {item["type"]: whole | {"status": "completed", "background": False, "output": [item]} for item in items}
    async with playing(responses) as client:
        for name, response in responses.items():
            assert await told(client, name) == response
            assert plain(await helped(client, name)) == response
