"""The simulated upstream on a WebSocket in Responses mode (PROTOCOL.md 4.1 and 4.2), decided without I/O.

Messages of the client go in, what is to be said comes out, one message at a time; which of the things that could be done next is done, a chooser
decides: round and round for the demo, at random for tests. `simulated_plan` says what trouble a request can ask for. A log tells what every message
was: no reader of the connection knows better.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import count
from typing import Any, NamedTuple

from .simulated import Json, response_to, usage
from .simulated_plan import TERMINALS, TIMING, UNNUMBERED, Chooser, Close, Cut, Planned, lengthened, obfuscation, plan, simulated_error, steered, words_of

MAX_ACTIVE = 16
MAX_NAMES = 32
_MAX_STEERS = 4  # without an outcome, of one response
_ENDS = TERMINALS | {"error", "response.output_text.done"}
_FAIR = re.compile(r"[A-Za-z0-9_.-]{1,256}").fullmatch


class Say(NamedTuple):
    """A message for the client."""

    text: str


Act = Say | Close | Cut


@dataclass(slots=True, eq=False)
class Made:
    """A response, or a create that was refused. `create`: the message of the client that it answers, counted from 0; None: it follows a steer.

    `events`: the messages of the server that are its own, counted from 0. `ending`: the type of the event that
    ended it, `end`: which of the server's messages that is; None: it did not end.
    """

    lane: Any
    create: int | None
    id: str | None = None
    parent: str | None = None
    steers: list[str] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    usage: Json | None = None
    ending: str | None = None
    end: int | None = None


@dataclass(slots=True)
class _Job:
    """A response that is to be made."""

    number: int
    made: Made
    asked: Json
    words: frozenset[str]


@dataclass(slots=True)
class _Run:
    """A response that is being made. `plan`: what is still to be said, None where it ends for a steer."""

    job: _Job
    response: Json
    plan: deque[Planned]
    number: int = 0
    text: str | None = None  # what it has said; None: it has not begun to
    over: bool = False
    accepted: dict[str, list[Any]] = field(default_factory=dict)  # by id of the steer: its input


def in_turns() -> Chooser:
    """Chooses each in its turn."""
    numbers = count()
    return lambda size: next(numbers) % size


class SimulatedSocket:
    """One connection. `name`: what makes its ids different from those of others; `stored`: tokens by the id of each response that all may continue;
    `limit`: creates until the connection has lived long enough."""

    def __init__(self, name: str, choose: Chooser, stored: MutableMapping[str, int] | None = None, *, limit: int = 1 << 30) -> None:
        self._name, self._choose, self._limit = name, choose, limit
        self._stored: MutableMapping[str, int] = {} if stored is None else stored
        self._latest: dict[str | None, tuple[str, int]] = {}  # by lane: the newest response, and its tokens
        self._inbox: deque[tuple[int, str | bytes]] = deque()
        self._received = self._sent = self._creates = self._steers = 0
        self._queues: dict[str | None, deque[_Job]] = {}
        self._runs: dict[str | None, _Run] = {}
        self._by_id: dict[str, Made] = {}
        self._names: set[str] = set()
        self._closing: Close | None = None
        self._over = False
        self.made: list[Made] = []
        """The log: what was made, and refused."""
        self.nobody: list[int] = []
        """The log: messages of the server that belong to none of those."""
        self.steered: dict[int, str | None] = {}
        """The log: steers, by which message of the client they were, with the response that they name."""

    @property
    def over(self) -> bool:
        """Whether the connection has ended, for the simulator's part."""
        return self._over

    def receive(self, data: str | bytes) -> None:
        """A message of the client."""
        self._inbox.append((self._received, data))
        self._received += 1

    def next(self) -> Act | None:
        """What to do next. None: nothing, until the client says more, or for ever if the connection is over."""
        while not self._over:
            act: Act | None = self._closing
            if act is None:
                possible = self._possible()
                if not possible:
                    return None
                act = possible[self._choose(len(possible))]()
            self._over = isinstance(act, Close | Cut)
            if act is not None:
                return act
        return None

    def _possible(self) -> list[Callable[[], Act | None]]:
        possible: list[Callable[[], Act | None]] = [partial(self._go_on, run) for run in self._runs.values()]
        if len(self._runs) < MAX_ACTIVE:
            possible += (partial(self._begin, queue) for lane, queue in self._queues.items() if queue and lane not in self._runs)
        return [*possible, self._read] if self._inbox else possible

    def _say(self, event: Json, made: Made | None, lane: Any = None) -> Say:
        (self.nobody if made is None else made.events).append(self._sent)
        self._sent += 1
        return Say(json.dumps(event if lane is None else event | {"stream_id": lane}, separators=(",", ":")))

    # What the client says.

    def _read(self) -> Act | None:
        place, data = self._inbox.popleft()
        try:
            event = json.loads(data)
            kind = event["type"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return self._say(simulated_error("invalid_json", "The simulated upstream takes JSON objects with a type.", status=400), None)
        if kind == "response.create":
            return self._create(place, event)
        if kind == "response.steer":
            return self._steer(place, event)
        return self._say(simulated_error("invalid_value", "The simulated upstream does not know this type.", status=400, param="type"), None)

    def _create(self, place: int, asked: Json) -> Act | None:
        lane = asked.get("stream_id")
        job = self._job(Made(lane, place), asked)
        self._creates += 1
        if lane is not None and not (isinstance(lane, str) and _FAIR(lane)):
            said = isinstance(lane, str) and self._choose(2) == 1
            return self._refuse(job, simulated_error("invalid_stream_id", "This is no name of a lane.", status=400, param="stream_id"), said=said)
        if lane is not None and lane not in self._names and len(self._names) >= MAX_NAMES:
            error = simulated_error("websocket_stream_limit_reached", "There are too many lanes.", status=400, param="stream_id")
            return self._refuse(job, error, said=self._choose(2) == 1)
        if self._creates > self._limit:
            self._closing = Close(1000, "the time is over")
            job = next((waiting for waiting in self._queues.get(lane, ()) if waiting.made.create is not None), job)
            return self._refuse(job, simulated_error("websocket_connection_limit_reached", "This connection has lived long enough.", status=400))
        if lane is not None:
            self._names.add(lane)
        queue = self._queues.setdefault(lane, deque())
        run = self._runs.get(lane)
        goes_on = run is not None and run.number > 0 and not run.over and not run.accepted
        if not queue and goes_on and self._choose(2):  # it need not wait to hear that it is refused
            refusal = self._early_refusal(job)
            if refusal is not None:
                return self._refuse(job, refusal)
        queue.append(job)
        return None

    def _refuse(self, job: _Job, error: Json, *, said: bool = True) -> Say:
        made, previous = job.made, job.asked.get("previous_response_id")
        made.ending, made.end = "error", self._sent
        latest = self._latest.get(made.lane) if isinstance(made.lane, str | None) else None
        if latest is not None and latest[0] == previous:
            del self._latest[made.lane]
        return self._say(error, made, made.lane if said else None)

    def _early_refusal(self, job: _Job) -> Json | None:
        if "refuse" in job.words:
            headers = {"retry-after": "1", "x-request-id": f"req_{self._digest(job)[:32]}"}
            return simulated_error("rate_limit_exceeded", "The simulated upstream refuses this request.", status=429, headers=headers)
        if "overloaded" in job.words:
            return simulated_error("server_is_overloaded", "The simulated upstream cannot take this request now.", status=503)
        return None

    def _refusal(self, job: _Job) -> Json | None:
        previous = job.asked.get("previous_response_id")
        if not isinstance(job.asked.get("model"), str):
            return simulated_error("missing_required_parameter", "The simulated upstream needs a model.", status=400, param="model")
        if previous is not None and job.asked.get("conversation") is not None:
            return simulated_error("mutually_exclusive_parameters", "Only one of them.", status=400, param="previous_response_id")
        if previous is not None and self._tokens(previous) is None:
            message = f"Previous response with id '{previous}' not found."
            return simulated_error("previous_response_not_found", message, status=400, param="previous_response_id")
        return self._early_refusal(job)

    def _tokens(self, id_: Any) -> int | None:
        """The tokens of a response that can be continued."""
        known = next((tokens for latest, tokens in self._latest.values() if latest == id_), None)
        return self._stored.get(id_) if known is None and isinstance(id_, str) else known

    # Responses.

    def _job(self, made: Made, asked: Json) -> _Job:
        self.made.append(made)
        return _Job(len(self.made), made, asked, words_of(asked))

    def _digest(self, job: _Job) -> str:
        return sha256(f"{self._name}/{job.number}/{json.dumps(job.asked)}".encode()).hexdigest()

    def _begin(self, queue: deque[_Job]) -> Act | None:
        job = queue.popleft()
        error = self._refusal(job) if job.made.create is not None else None
        if error is not None:
            return self._refuse(job, error)
        response = response_to(job.asked, job.asked["model"], self._digest(job))
        if "long" in job.words:
            response = lengthened(response)
        before = self._tokens(job.asked.get("previous_response_id")) or 0
        taken, given = before + response["usage"]["input_tokens"], response["usage"]["output_tokens"]
        response["usage"] = usage(taken, given, before)
        if job.asked.get("generate") is False:
            response |= {"output": [], "usage": usage(taken, 0, before)}
        job.made.id = response["id"]
        self._by_id[response["id"]] = job.made
        self._runs[job.made.lane] = run = _Run(job, response, deque(plan(response, job.words, self._choose)))
        return self._go_on(run)

    def _go_on(self, run: _Run) -> Act:
        event = run.plan.popleft()
        made = run.job.made
        if isinstance(event, Close | Cut):
            return event
        mine: Made | None = made
        kind = event["type"]
        if kind in UNNUMBERED:
            mine = made if not run.over or run.accepted or made.ending == "error" else None
        elif kind != "error" or "status" not in event:
            event = {"type": kind, "sequence_number": run.number, **event}
            run.number += 1
        if kind.endswith(".delta"):
            run.text = (run.text or "") + event["delta"]
            if (run.job.asked.get("stream_options") or {}).get("include_obfuscation") is not False:
                event["obfuscation"] = obfuscation(event, run.number)
        elif kind in TERMINALS or kind == "error":
            self._terminate(run, event)
        elif kind in ("response.steer.pending", "response.steer.failed"):
            run.accepted.pop(event["steer"]["id"])
        said = self._say(event, mine, made.lane)
        if not run.plan:
            self._finish(run)
        return said

    def _terminate(self, run: _Run, event: Json) -> None:
        """The event that ends it, or a second one."""
        made, asked = run.job.made, run.job.asked
        run.over, made.ending, made.end = True, event["type"], made.end or self._sent
        made.usage = (event.get("response") or {}).get("usage")
        latest = self._latest.get(made.lane)
        if made.ending in ("error", "response.failed"):
            if latest is not None and latest[0] == asked.get("previous_response_id"):
                del self._latest[made.lane]
        else:
            self._latest[made.lane] = run.response["id"], event["response"]["usage"]["total_tokens"]
            if asked.get("store") is not False:
                self._stored[run.response["id"]] = event["response"]["usage"]["total_tokens"]
        if run.accepted and not any(isinstance(planned, dict) and planned["type"] in TERMINALS for planned in run.plan):
            run.plan += self._outcomes(run)

    def _outcomes(self, run: _Run) -> list[Planned]:
        """What becomes of accepted steers, but for a successor."""
        calls = [item for item in run.response["output"] if item["type"] == "function_call"]
        if run.job.made.ending in ("error", "response.failed") or "no_successor" in run.job.words:
            error = {"type": "invalid_request_error", "code": "successor_creation_failed", "message": "The simulated upstream goes no further."}
            return [{"type": "response.steer.failed", "steer": self._named(run, id_, given), "error": error} for id_, given in run.accepted.items()]
        if not calls:
            return []
        stubs = [{"type": "function_call_output", "call_id": call["call_id"], "name": call["name"]} for call in calls]
        waits = {"reason": "waiting_for_required_input", "required_input": stubs}
        return [{"type": "response.steer.pending", "steer": self._named(run, id_), **waits} for id_ in run.accepted]

    def _named(self, run: _Run, id_: str, given: Any = None) -> Json:
        return {"id": id_, "previous_response_id": run.response["id"]} | ({} if given is None else {"input": given})

    def _finish(self, run: _Run) -> None:
        """All is said. Steers that were accepted, and came to nothing else, make a successor, before all that waits."""
        made, asked = run.job.made, run.job.asked
        del self._runs[made.lane]
        if run.accepted:
            parent = run.response["id"]
            given = [item for items in run.accepted.values() for item in items]
            metadata = {"simulate": "long"} if "long" in run.job.words else {}
            follows = {**asked, "input": given, "previous_response_id": parent, "metadata": metadata}
            self._queues[made.lane].appendleft(self._job(Made(made.lane, None, parent=parent, steers=[*run.accepted]), follows))

    # Steering.

    def _steer(self, place: int, event: Json) -> Act:
        id_, given = event.get("previous_response_id"), event.get("input")
        made = self._by_id.get(id_) if isinstance(id_, str) else None
        self.steered[place] = made.id if made is not None else None
        run = next((run for run in self._runs.values() if run.job.made is made), None)
        self._steers += 1
        items: Any = [{"role": "user", "content": given}] if isinstance(given, str) else given
        code = self._unsteerable(made, run, items)
        number = 0 if run is None else run.number
        if run is not None:
            run.number += 1
        lane = None if made is None else made.lane
        if code is not None or run is None:
            error = {"type": "invalid_request_error", "code": code, "message": "The simulated upstream does not take this steer."}
            failed = {"type": "response.steer.failed", "sequence_number": number, "steer": {"input": given, "previous_response_id": id_}, "error": error}
            return self._say(failed, made, lane)
        steer = f"steer_{sha256(f'{self._name}/{self._steers}'.encode()).hexdigest()[:32]}"
        run.accepted[steer] = items
        if run.response["output"] and run.response["output"][0]["type"] == "message" and self._choose(2):
            self._shorten(run)
        return self._say({"type": "response.steer.accepted", "sequence_number": number, "steer": self._named(run, steer)}, made, lane)

    def _unsteerable(self, made: Made | None, run: _Run | None, items: Any) -> str | None:
        """Why a steer fails; None if it does not."""
        if made is None:
            return "response_not_found"
        if run is None or run.over:
            return "response_already_completed"
        if run.job.asked.get("generate") is False:
            return "response_not_active"
        if run.job.asked.get("conversation") is not None or run.job.asked.get("context_management") is not None:
            return "steering_not_supported"
        if not isinstance(items, list) or not all(isinstance(item, dict) and item.get("role") == "user" for item in items):
            return "invalid_input"
        return "too_many_pending_steers" if len(run.accepted) >= _MAX_STEERS else None

    def _shorten(self, run: _Run) -> None:
        """It ends early."""
        rest = [event for event in run.plan if isinstance(event, dict)]
        ends = next((place for place, event in enumerate(rest) if event["type"] in _ENDS), len(rest))
        kept = rest[: self._choose(ends + 1)]
        after = [event for event in run.plan if isinstance(event, Close) or event == TIMING]
        said = "".join(event.get("delta", "") for event in kept)
        text = said or None if run.text is None else run.text + said
        run.plan = deque([*kept, steered(run.response, text), *after])
