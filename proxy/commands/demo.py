"""`demo`: a small agent works with a simulated upstream through a recording proxy; then again, with the upstream gone, through a replay."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import click

from playhead.config.settings import Settings, shown
from playhead.storage.costing.sums import Wanted
from playhead.storage.records import ExchangeRecord

from .. import listing
from ..simulator import simulated_upstream
from .auditing import print_audit
from .child import Child, ChildFailedError
from .options import RECORDINGS, arguments, loaded, recordings, setting_flags
from .saying import say

if TYPE_CHECKING:
    from playhead.storage.store import Store

SESSION = "demo"
_PRICES = Path(__file__).with_name("demo_prices.toml")
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
LANES: Mapping[str, str] = {"paris": "What do I wear in Paris?", "rome": "And in Rome?"}
_BETWEEN_NEIGHBOURS = frozenset((b"connection", b"keep-alive"))
_PLACES: Mapping[str, Any] = {"listen": "127.0.0.1:0", "console": "127.0.0.1:0", "workers": 1}
# Whatever the settings of this place say: the newest take, as it was, and nothing else.
_REPLAY: Mapping[str, Any] = {"on_miss": "fail", "take": "newest", "pace": "instant", "exhausted": "fail", "retry_after": "none"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as the agent received it. `headers`: all but those that are between neighbours, in their order.

    `body`: of a turn over a WebSocket its messages, a line for each, behind the place that it had among all that came.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def response(self) -> dict[str, Any]:
        """The Response in it: the body, or what the last event of a stream holds."""
        if self.body.startswith(b"{"):
            whole: dict[str, Any] = json.loads(self.body)
            return whole
        last = self.body.rstrip().rpartition(b"\n")[2]
        final: dict[str, Any] = json.loads(last[last.index(b"{") :])["response"]
        return final


def difference(recorded: Answer | None, replayed: Answer | None) -> str:
    """What is not the same in a replayed answer, in a few words; empty if nothing is."""
    if recorded is None or replayed is None:
        return "missing" if replayed is None else "not recorded"
    if recorded.status != replayed.status:
        return f"status {replayed.status}"
    if recorded.headers != replayed.headers:
        return "other headers"
    if recorded.body == replayed.body:
        return ""
    pairs = zip_longest(recorded.body, replayed.body)
    return f"another byte at {next(place for place, (left, right) in enumerate(pairs) if left != right):,}"


class Agent:
    """A client of the Responses API such as any other: it knows a base URL and a key, and nothing of playhead."""

    def __init__(self, client: aiohttp.ClientSession, base_url: str, *, key: str = KEY, aloud: bool = True) -> None:
        self.received: list[Answer] = []
        self._client = client
        self._url = f"{base_url}/v1/responses"
        self._key = key
        self._aloud = aloud

    async def work(self) -> None:
        """Ask, call a tool, go on with its result, ask again and meet an error; then ask two things at once over a WebSocket.

        Raises what an answer that it cannot use makes it raise.
        """
        asked = [{"role": "user", "content": QUESTION}]
        self._tell("asks, offers a tool", QUESTION)
        first = (await self._create({"input": asked, "tools": [TOOL]})).response()
        call = first["output"][0]
        self._tell("is told to call it", f"{call['name']}({call['arguments']})")
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain, 12 degrees"}
        second = await self._create({"input": [*asked, call, result], "tools": [TOOL], "stream": True})
        self._tell("streams the rest", f"{second.body.count(b'event: ')} events: {text_of(second)}")
        question = {"input": "And tomorrow?", "previous_response_id": second.response()["id"], "metadata": {"simulate": "error_once"}}
        failed = await self._create(question)
        self._tell("asks once more", f"{failed.status} {json.loads(failed.body)['error']['message']}")
        self._tell("tries again", text_of(await self._create(question, attempt=1)))
        lanes = (await self._at_once(LANES)).values()
        events = sum(answer.body.count(b"\n") for answer in lanes)
        self._tell("asks on two lanes", f"{events} events of {len(lanes)} answers, mixed, over one WebSocket")

    async def _create(self, body: Mapping[str, Any], attempt: int = 0) -> Answer:
        headers = {"Authorization": f"Bearer {self._key}", "x-stainless-retry-count": str(attempt)}
        async with self._client.post(self._url, json={"model": MODEL, **body}, headers=headers) as response:
            kept = tuple(header for header in response.raw_headers if header[0].lower() not in _BETWEEN_NEIGHBOURS)
            answer = Answer(response.status, kept, await response.read())
        self.received.append(answer)
        return answer

    async def _at_once(self, questions: Mapping[str, str]) -> Mapping[str, Answer]:
        """Ask each question on a lane of its own, all over one WebSocket."""
        said: dict[str, list[bytes]] = {lane: [] for lane in questions}
        async with self._client.ws_connect(self._url, headers={"Authorization": f"Bearer {self._key}"}) as socket:
            for lane, question in questions.items():
                await socket.send_json({"type": "response.create", "stream_id": lane, "model": MODEL, "input": question})
            for place in count():
                event = json.loads(text := await socket.receive_str())
                said[event["stream_id"]].append(b"%d %b\n" % (place, text.encode()))
                if all(b'"response.completed"' in b"".join(lines[-1:]) for lines in said.values()):
                    break
        answers = {lane: Answer(101, (), b"".join(lines)) for lane, lines in said.items()}
        self.received += answers.values()
        return answers

    def _tell(self, what: str, text: str) -> None:
        if self._aloud:
            _tell(what, text)


def _tell(what: str, text: str) -> None:
    print(f"  {what:<21}{text}", flush=True)


def text_of(answer: Answer) -> str:
    """What the model is made to have said."""
    return str(answer.response()["output"][0]["content"][0]["text"])


@click.command()
@setting_flags(*RECORDINGS, "session", "durability")
def demo(**flags: Any) -> int:
    """Record a short agent session with a simulated upstream, replay it without, and compare every byte.

    It needs no key and no network, and takes a few seconds. Unless another is named, the session is demo; every run of the demo adds a take to it. Exit
    status 1 if anything that was replayed differs from what was recorded.
    """
    settings = loaded(flags)
    name = SESSION if settings.sources["session"] == "default" else settings.settings.session
    try:
        return Demo(flags, settings.settings, name).run()
    except ChildFailedError as error:
        return error.status


class Demo:
    """The demo on one store. `flags`: those that were given."""

    def __init__(self, flags: Mapping[str, Any], settings: Settings, session: str) -> None:
        self._flags = {**flags, "session": session}
        self._settings = settings
        self._session = session

    def run(self) -> int:
        """Tell the story; the exit status. Raises ChildFailedError, StoreError."""
        print("An agent works with a simulated upstream: first it is recorded, then the upstream is stopped and it is replayed. No key, no network.")
        recorded = asyncio.run(self.record())
        replayed = asyncio.run(self.replay())
        with recordings(self._settings) as store:
            every = list(store.exchanges(self._session))
            return self._report(store, [row for row in every if row.take == every[-1].take], recorded, replayed)

    async def record(self) -> list[Answer]:
        """The agent's work through a recording proxy; what it received. The upstream has stopped when this returns."""
        async with simulated_upstream() as upstream:
            child = Child(["record", *arguments({**self._flags, **_PLACES, "upstream": upstream, "price_table": (str(_PRICES),)})])
            child.start()
            await asyncio.to_thread(child.wait_until_ready)
            try:
                print("\nRecord: everything passes a proxy untouched, and is kept.\n")
                _tell("simulated upstream", f"{upstream}/v1")
                _tell("proxy", f"{child.base_url}/v1")
                _tell("store", f"{shown(self._settings)['store']}\n")
                return await _work(child.base_url, KEY, aloud=True)
            finally:
                await asyncio.to_thread(child.stop)

    async def replay(self) -> list[Answer]:
        """The same through `playhead replay`."""
        child = Child(["replay", *arguments({**self._flags, **_PLACES, **_REPLAY})])
        child.start()
        await asyncio.to_thread(child.wait_until_ready)
        try:
            print("\nReplay: the upstream has stopped. The same agent asks the same again, of recordings alone.\n", flush=True)
            token = self._settings.replay_token
            return await _work(child.base_url, "unused" if token is None else token.get_secret_value(), aloud=False)
        finally:
            await asyncio.to_thread(child.stop)

    def _report(self, store: Store, rows: Sequence[ExchangeRecord], recorded: Sequence[Answer], replayed: Sequence[Answer]) -> int:
        """Say how the two compare, what it cost, and what to try on the store."""
        found = [difference(*pair) for pair in zip_longest(recorded, replayed)]
        lines = [_Line.of(row, how) for row, how in zip(rows, found, strict=False)]
        listing.print_table(listing.terminal(), COMPARED, [*lines, _Line.sum(lines)])
        print()
        name, wrong = self._session, sum(map(bool, found)) or abs(len(rows) - len(recorded))
        if wrong:
            say(f"{wrong} of {len(recorded)} answers differ from what was recorded; `playhead verify` and `playhead exchanges {name}` tell more")
            return 1
        print(f"All {len(found)} answers are the same, byte for byte: the stream, the error, the retry and both lanes, too.")
        print("\nAudit: what was recorded, at the prices of a model that the demo invents. Replaying it cost nothing.\n")
        print_audit(store, Wanted(("model", "transport"), (name,), min(row.started_at for row in rows)))
        print(f"\nIt is take {rows[-1].take} of session {name}. Try on it:\n")
        where = shlex.join(arguments({name: self._flags.get(name) for name in ("data", "store", "config")}))
        streamed = next((row.id for row in rows if row.transport == "sse"), rows[0].id)
        socket = next((f"connection {row.connection}" for row in rows if row.connection is not None), f"connections {name}")
        looking = (f"exchanges {name}", f"events {streamed}", f"show {streamed}", socket, f"exchanges {name} --json")
        for command in (
            *looking,
            f"show {streamed} --cost",
            f"audit --by day,model {name}",
            f"audit --html audit.html {name}",
            f"replay --session {name}",
            "verify",
        ):
            print(f"  playhead {command} {where}".rstrip())
        return 0


async def _work(base_url: str, key: str, *, aloud: bool) -> list[Answer]:
    """What an agent received, which stops at what it cannot use."""
    async with aiohttp.ClientSession(trust_env=False) as client:
        agent = Agent(client, base_url, key=key, aloud=aloud)
        try:
            await agent.work()
        except (LookupError, TypeError, ValueError, aiohttp.ClientError) as error:
            say(f"the agent gives up: {type(error).__name__}: {error}")
    return agent.received


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the comparison."""

    id: str
    via: str
    result: str
    bytes: int
    tokens: tuple[int | None, int | None]
    replayed: str

    @classmethod
    def of(cls, row: ExchangeRecord, how: str) -> _Line:
        """Of one exchange."""
        return cls(str(row.id), row.transport, listing.result(row), row.response_bytes, listing.usage(row), how or "the same")

    @classmethod
    def sum(cls, lines: Sequence[_Line]) -> _Line:
        """Of all."""
        given, made = (sum(line.tokens[side] or 0 for line in lines) for side in (0, 1))
        return cls("", "", "in all", sum(line.bytes for line in lines), (given, made), "")


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


COMPARED = listing.Layout(
    (
        listing.Column("ID", lambda line: line.id, right=True),
        listing.Column("VIA", lambda line: line.via),
        listing.Column("RESULT", lambda line: line.result, least=16),
        listing.Column("BYTES", lambda line: _number(line.bytes), right=True),
        listing.Column("TOKENS IN", lambda line: _number(line.tokens[0]), right=True),
        listing.Column("OUT", lambda line: _number(line.tokens[1]), right=True),
        listing.Column("TOTAL", lambda line: _number(None if line.tokens == (None, None) else sum(side or 0 for side in line.tokens)), right=True),
        listing.Column("REPLAYED", lambda line: line.replayed),
    )
)
