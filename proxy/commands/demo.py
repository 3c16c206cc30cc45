"""`demo`: a small agent talks to a simulated upstream through a recording proxy, and what was recorded is compared with what it received."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import click

from playhead.config.settings import Settings, shown
from playhead.storage.records import ExchangeRecord

from .. import listing
from ..simulator import simulated_upstream
from .child import Child, ChildFailedError
from .options import RECORDINGS, arguments, loaded, recordings, setting_flags
from .saying import say

SESSION = "demo"
MODEL = "simulated-model"
KEY = "sk-demo-not-a-real-key"
QUESTION = "Do I need an umbrella in Paris today?"
TOOL: Mapping[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "examples": ["Paris"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as the agent received it."""

    status: int
    body: bytes

    def response(self) -> dict[str, Any]:
        """The Response in it: the body, or what the last event of a stream holds."""
        if not self.body.startswith(b"event:"):
            whole: dict[str, Any] = json.loads(self.body)
            return whole
        last = self.body.rstrip().rpartition(b"\n\n")[2]
        final: dict[str, Any] = json.loads(last.partition(b"data: ")[2])["response"]
        return final


class Agent:
    """A client of the Responses API such as any other: it knows a base URL and a key, and nothing of playhead."""

    def __init__(self, client: aiohttp.ClientSession, base_url: str) -> None:
        self.received: list[Answer] = []
        self._client = client
        self._url = f"{base_url}/v1/responses"

    async def work(self) -> None:
        """Ask, call a tool, go on with its result, ask again and meet an error. Says each step."""
        asked = [{"role": "user", "content": QUESTION}]
        _tell("asks, offers a tool", QUESTION)
        first = (await self._create({"input": asked, "tools": [TOOL]})).response()
        call = first["output"][0]
        _tell("is told to call it", f"{call['name']}({call['arguments']})")
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain, 12 degrees"}
        second = await self._create({"input": [*asked, call, result], "tools": [TOOL], "stream": True})
        _tell("streams the rest", f"{second.body.count(b'event: ')} events: {text_of(second)}")
        question = {"input": "And tomorrow?", "previous_response_id": second.response()["id"], "metadata": {"simulate": "error_once"}}
        failed = await self._create(question)
        _tell("asks once more", f"{failed.status} {json.loads(failed.body)['error']['message']}")
        _tell("tries again", text_of(await self._create(question, attempt=1)))

    async def _create(self, body: Mapping[str, Any], attempt: int = 0) -> Answer:
        headers = {"Authorization": f"Bearer {KEY}", "x-stainless-retry-count": str(attempt)}
        async with self._client.post(self._url, json={"model": MODEL, **body}, headers=headers) as response:
            answer = Answer(response.status, await response.read())
        self.received.append(answer)
        return answer


def _tell(what: str, text: str) -> None:
    print(f"  {what:<21}{text}", flush=True)


def text_of(answer: Answer) -> str:
    """What the model is made to have said."""
    return str(answer.response()["output"][0]["content"][0]["text"])


@click.command()
@setting_flags(*RECORDINGS, "session", "durability")
def demo(**flags: Any) -> int:
    """Record a short agent session with a simulated upstream, and check the recording.

    It needs no key and no network. Unless another is named, the session is demo; every run of the demo adds a take to it.
    """
    settings = loaded(flags)
    name = SESSION if settings.sources["session"] == "default" else settings.settings.session
    try:
        received = asyncio.run(_record({**flags, "session": name}, settings.settings))
    except ChildFailedError as error:
        return error.status
    with recordings(settings.settings) as store:
        every = list(store.exchanges(name))
        rows = [row for row in every if row.take == every[-1].take]
        stored = [Answer(row.status or 0, b"".join(store.response_chunks(row.id))) for row in rows]
    where = shlex.join(arguments({each: flags.get(each) for each in ("data", "store", "config")}))
    return _report(name, rows, stored == received, f" {where}" if where else "")


async def _record(flags: Mapping[str, Any], settings: Settings) -> list[Answer]:
    """The agent's work through a proxy that is started for it; what it received."""
    async with simulated_upstream() as upstream:
        places = {"upstream": upstream, "listen": "127.0.0.1:0", "console": "127.0.0.1:0"}
        child = Child(["record", *arguments({**flags, **places})])
        await asyncio.to_thread(child.__enter__)
        try:
            print("An agent works with a simulated upstream, through a recording proxy. No key, no network.\n")
            _tell("simulated upstream", f"{upstream}/v1")
            _tell("proxy", f"{child.base_url}/v1")
            _tell("store", f"{shown(settings)['store']}\n")
            async with aiohttp.ClientSession(trust_env=False) as client:
                agent = Agent(client, child.base_url)
                await agent.work()
        finally:
            await asyncio.to_thread(child.stop)
    return agent.received


def _report(session: str, rows: Sequence[ExchangeRecord], same: bool, where: str) -> int:
    """Say what is in the store, whether it is what the agent received, and what to try on it."""
    print(f"\nThe proxy has stopped. In the store, session {session}, take {rows[-1].take}:\n")
    listing.print_table(listing.terminal(), listing.EXCHANGES, rows)
    if not same:
        say("what is in the store differs from what the agent received")
        return 1
    print(f"\nThe {len(rows)} answers in the store are what the agent received, byte for byte. Try:\n")
    streamed = next((row.id for row in rows if row.transport == "sse"), rows[0].id)
    for command in (f"exchanges {session}", f"events {streamed}", f"show {streamed}", f"exchanges {session} --json", "verify"):
        print(f"  playhead {command}{where}")
    return 0
