"""A small agent on OpenAI's own client, and changes of it, each of which a replay of what the unchanged one did must find."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from openai import AsyncOpenAI

Json = dict[str, Any]
Ask = Callable[[Json], Awaitable[Json]]
"""Asks for a Response; the whole of it."""

RUN, LATER_RUN = "6f1c1f6e-3f0f-4a58-9b1c-6f5f7d1f2a10", "0b6f8a52-91d5-4f0c-8a6e-2d7b1c9e4f33"
TOOL: Mapping[str, Any] = MappingProxyType(
    {
        "type": "function",
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "examples": ["Paris"]}}},
    }
)


@dataclass(frozen=True)
class Agent:
    """Asks about two cities, calls a tool for both, sends both results, and asks for a summary: four requests, each with what was said before."""

    model: str = "gpt-5"
    instructions: str = "You help to pack."
    tool: Json = field(default_factory=lambda: dict(TOOL))
    results: Json = field(default_factory=lambda: {"Paris": "rain, 12 degrees", "Rome": "sun, 24 degrees"})
    order: tuple[str, ...] = ("Paris", "Rome")
    last: str = "Now sum it up for me in one short sentence, please."
    of_results: Json = field(default_factory=dict)
    """Parameters of the third request."""
    drops: bool = False
    title: str = ""
    """A request more, in front of the last one."""

    async def work(self, ask: Ask) -> list[Json]:
        """The Responses."""
        told: list[Json] = []

        async def create(**asked: Any) -> Json:
            told.append(await ask({"model": self.model, "instructions": self.instructions, "tools": [self.tool], **asked}))
            return told[-1]

        cities = {city: {"role": "user", "content": f"What is the weather like in {city}?"} for city in ("Paris", "Rome")}
        calls = {city: (await create(input=[question]))["output"][0] for city, question in cities.items()}
        results = [{"type": "function_call_output", "call_id": calls[city]["call_id"], "output": self.results[city]} for city in self.order]
        history = [*cities.values(), *calls.values(), *results]
        if not self.drops:
            history += (await create(input=history, **self.of_results))["output"]
        if self.title:
            await create(input=self.title)
        await create(input=[*history, {"role": "user", "content": self.last}], stream=True)
        return told


@dataclass(frozen=True)
class Change:
    """One change of the agent, and what a replay must say of it."""

    agent: Agent
    exchange: int
    path: str
    cause: str


_TOOL = {**TOOL, "description": "The weather in a town."}
AGENT = Agent()
CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        "prompt word": Change(replace(AGENT, last=AGENT.last.replace("short", "long")), 4, "$.input[7].content", "prompt"),
        "tool schema": Change(replace(AGENT, tool=_TOOL), 1, "$.tools[0].description", "tool_schema"),
        "tool result": Change(replace(AGENT, results={**AGENT.results, "Rome": "snow, 2 degrees"}), 3, "$.input[5].output", "tool_result"),
        "model": Change(replace(AGENT, model="gpt-6"), 1, "$.model", "model"),
        "parameter": Change(replace(AGENT, of_results={"temperature": 0.2}), 3, "$.temperature", "parameter"),
        "order": Change(replace(AGENT, order=("Rome", "Paris")), 3, "$.input[4]", "order"),
        "extra call": Change(replace(AGENT, title="Write a title for this talk with no more than five words."), 4, "$.input", "extra_call"),
        "dropped call": Change(replace(AGENT, drops=True), 4, "$.input[6]", "dropped_call"),
        "volatile": Change(replace(AGENT, instructions=f"{AGENT.instructions} Run {LATER_RUN}."), 1, "$.instructions", "volatile"),
    }
)
RECORDED = replace(AGENT, instructions=f"{AGENT.instructions} Run {RUN}.")
"""The agent that is recorded: there is a value in its prompt that the others share, but for the one in which it is new."""


def changed(name: str) -> Change:
    """As it is asked: all changes but the volatile one go with the run that was recorded."""
    found = CHANGES[name]
    return found if name == "volatile" else replace(found, agent=replace(found.agent, instructions=RECORDED.instructions))


async def over_http(base_url: str, agent: Agent) -> list[Json]:
    """Its work, over HTTP, the last answer in a stream. Raises what the client raises."""
    async with AsyncOpenAI(base_url=base_url, api_key="unused", max_retries=0) as client:

        async def ask(asked: Json) -> Json:
            if not asked.get("stream"):
                return dict((await client.responses.create(**asked)).to_dict(mode="json"))
            stream: Any = await client.responses.create(**asked)
            events: list[Any] = [event async for event in stream]
            return dict(events[-1].response.to_dict(mode="json"))

        return await agent.work(ask)


class Refused(Exception):
    """An `error` event came in place of a Response."""


async def over_websocket(base_url: str, agent: Agent) -> list[Json]:
    """Its work, over one WebSocket. Raises Refused."""
    async with AsyncOpenAI(base_url=base_url, api_key="unused", max_retries=0) as client, client.responses.connect() as connection:

        async def ask(asked: Json) -> Json:
            await connection.response.create(**{name: value for name, value in asked.items() if name != "stream"})
            while True:
                event: Any = await connection.recv()
                if event.type == "error":
                    raise Refused(event.to_dict(mode="json")["error"])
                if event.type == "response.completed":
                    return dict(event.response.to_dict(mode="json"))

        return await agent.work(ask)
