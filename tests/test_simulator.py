"""The simulated upstream: deterministic, shaped like the real one, and plain about what it is."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from playhead.proxy.simulator import simulated_upstream

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"n": {"type": "integer"}, "c": {"enum": ["x"]}, "s": {}}}}


async def ask(body: object, times: int = 1) -> list[tuple[int, bytes]]:
    """Status and body of the answers to the same request, one after the other."""
    answers = []
    async with simulated_upstream(pace=0) as url, aiohttp.ClientSession() as client:
        for _ in range(times):
            async with client.post(f"{url}/v1/responses", json=body) as answer:
                answers.append((answer.status, await answer.read()))
    return answers


def events(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream; their names must be their types."""
    found = []
    for block in stream.decode().removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


@pytest.mark.parametrize("body", [{"model": "m", "input": "hi"}, {"model": "m", "input": "hi", "stream": True}])
async def test_the_same_request_gets_the_same_answer(body: dict[str, Any]) -> None:
    answers = await ask(body, 2) + await ask(body)

    assert answers == [answers[0]] * 3


async def test_every_answer_says_that_it_is_simulated() -> None:
    [(status, body)] = await ask({"model": "m", "input": "hi"})

    assert status == 200
    assert "simulated answer" in json.loads(body)["output"][0]["content"][0]["text"]


@pytest.mark.parametrize("asked", [{"input": "hi"}, {"input": "hi", "tools": [TOOL]}])
async def test_a_stream_ends_with_the_response_that_is_given_without_one(asked: dict[str, Any]) -> None:
    stream = events((await ask({"model": "m", "stream": True, **asked}))[0][1])
    [(_, whole)] = await ask({"model": "m", **asked})

    assert [event["sequence_number"] for event in stream] == list(range(len(stream)))
    assert (stream[0]["type"], stream[-1]["type"]) == ("response.created", "response.completed")
    assert stream[-1]["response"].keys() == json.loads(whole).keys()


async def test_the_deltas_are_the_text() -> None:
    stream = events((await ask({"model": "m", "input": "hi", "stream": True}))[0][1])
    text = "".join(event["delta"] for event in stream if event["type"] == "response.output_text.delta")

    assert text == stream[-1]["response"]["output"][0]["content"][0]["text"]


async def test_a_tool_is_called_with_arguments_that_its_schema_allows() -> None:
    [(_, body)] = await ask({"model": "m", "input": "hi", "tools": [{"type": "web_search"}, TOOL]})
    call = json.loads(body)["output"][0]

    assert (call["type"], call["name"], json.loads(call["arguments"])) == ("function_call", "f", {"n": 1, "c": "x", "s": "simulated"})


async def test_with_the_tools_result_it_answers_in_words() -> None:
    result = {"type": "function_call_output", "call_id": "c", "output": "rain"}
    [(_, body)] = await ask({"model": "m", "input": [result], "tools": [TOOL]})

    assert "The tool said: rain." in json.loads(body)["output"][0]["content"][0]["text"]


async def test_it_fails_once_where_asked_to() -> None:
    answers = await ask({"model": "m", "input": "hi", "metadata": {"simulate": "error_once"}}, 3)

    assert [status for status, _ in answers] == [500, 200, 200]


@pytest.mark.parametrize("body", [[], {}, {"model": 5}, "text"])
async def test_what_is_no_request_is_refused_in_the_apis_shape(body: object) -> None:
    [(status, text)] = await ask(body)

    assert status == 400
    assert json.loads(text)["error"].keys() == {"message", "type", "param", "code"}


async def test_anything_else_is_unknown() -> None:
    async with simulated_upstream() as url, aiohttp.ClientSession() as client, client.get(f"{url}/v1/models") as answer:
        assert answer.status == 404
        assert "not GET /v1/models" in (await answer.json())["error"]["message"]
