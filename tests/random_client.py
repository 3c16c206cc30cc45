"""A client of the Responses API on one WebSocket that does all that such a client can do, at random.

What it does is a pure function of its seed and of what it has received so far, whenever that came: played back to it in the same order, the same
messages make it say the same again, and leave at the same point.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

Json = dict[str, Any]

ENDINGS = ("failed", "incomplete", "done", "empty", "error", "error_failed", "error_status", "refuse", "overloaded")
EXTRAS = ("keepalive", "metadata", "limits", "timing", "long", "no_successor")
_PLACE = "at the place that was named last, or at the one before if that is nearer to the sea, where there is one"
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {"where": {"type": "string", "examples": [_PLACE]}}}}
GARBAGE = ("no json", "[1, 2]", '{"type": "response.cancel"}', '{"no": "type"}', "")
STRANGE = ("", "a b", 5, "x" * 300, ["l"])
_ODD_CODES = ("invalid_json", "invalid_value")
_UNFAIR_CODES = ("invalid_stream_id", "websocket_stream_limit_reached")
_TERMINALS = tuple(f"response.{name}" for name in ("completed", "failed", "incomplete", "done"))


class Leave(NamedTuple):
    """How the client ends the connection: with a close frame, or without a word."""

    code: int | None
    reason: str


@dataclass
class _Open:
    """A response that goes on, as far as the client knows."""

    lane: str | None
    words: list[str]
    rest: int = 0  # events that follow its end


@dataclass
class _Lane:
    asked: deque[Json] = field(default_factory=deque)  # creates without an answer
    running: str | None = None
    latest: str | None = None


class RandomClient:
    """`say` is called once at the beginning and after each message received: what to send now. Then `leaves`."""

    def __init__(self, seed: int) -> None:
        random = self._random = Random(seed)
        more = random.choice((0, 0, 2, 2, 2, 36))
        names: list[str | None] = [None, "a", "b.1", "C_c", *(f"lane-{number}" for number in range(more))]
        self._names = random.sample(names, len(names) if more > 30 else random.randrange(1, len(names) + 1))
        self._fresh = self._names[:] if more > 30 else []  # that are used one after the other
        self._left = len(names) if more > 30 else random.choice((1, 3, 5, 8, 12))
        self._may_steer = random.randrange(7)
        self._tidy = random.random() < 0.8  # leaves when all is answered
        self._patience = random.randrange(5, 120)  # else: messages until it leaves
        self._last = random.choice(("leave", "leave", "leave", "drop", "close:1000", "close:1001", "close:1008", "close:1011", "close:4000"))
        self._lanes: dict[str | None, _Lane] = {}
        self._open: dict[str, _Open] = {}
        self._steers: dict[str, int] = {}  # without an answer, by the response
        self._accepted: dict[str, list[str]] = {}  # without an outcome
        self._lanes_of: dict[str, str | None] = {}  # of responses
        self._nonsense = 0
        self._unfair = 0  # creates that a server refuses for their lane
        self._used: list[str] = []
        self._said: list[str] = []
        self._done = False
        self.leaves: Leave | None = None
        self.sent: list[str] = []
        self.received: list[str] = []

    def begin(self) -> list[str]:
        """What it says first."""
        for _ in range(self._random.randrange(1, 5)):
            self._ask()
        return self._take()

    def hear(self, text: str) -> list[str]:
        """A message of the server; gives what it says to it."""
        if self.leaves is None:
            self.received.append(text)
            event = json.loads(text)
            self._patience -= 1
            self._note(event)
            self._act(event)
            if self._patience < 0 and not self._tidy:
                self._leave()
            elif self._left <= 0 and not self._busy:
                self._finish()
        return self._take()

    def _take(self) -> list[str]:
        said, self._said = self._said, []
        self.sent += said
        return said

    def _send(self, event: Json) -> None:
        self._said.append(json.dumps(event))

    @property
    def _busy(self) -> bool:
        waits = any(lane.asked for lane in self._lanes.values()) or bool(self._open or self._accepted)
        return waits or any(self._steers.values()) or self._nonsense > 0 or self._unfair > 0

    # What it has understood.

    def _note(self, event: Json) -> None:
        kind, lane = event["type"], self._lane(event.get("stream_id"))
        response = event.get("response") or {}
        if kind == "response.created":
            self._created(response, event.get("stream_id"), lane)
        elif kind in _TERMINALS:
            self._over(response["id"], lane, kind)
        elif kind == "error":
            self._error(event, lane)
        elif kind.startswith("response.steer."):
            self._steered(kind, event["steer"])
        elif kind == "responsesapi.websocket_timing":
            late = next((id_ for id_, known in self._open.items() if known.rest and known.lane == event.get("stream_id")), None)
            self._less(late)

    def _lane(self, name: Any) -> _Lane:
        return self._lanes.setdefault(name, _Lane())

    def _created(self, response: Json, name: str | None, lane: _Lane) -> None:
        previous = response["previous_response_id"]
        if previous in self._accepted and self._lanes_of[previous] == name:
            del self._accepted[previous]
        else:
            lane.asked.popleft()
        words = (response["metadata"].get("simulate") or "").split()
        self._open[response["id"]] = _Open(name, words)
        self._lanes_of[response["id"]] = name
        lane.running = response["id"]

    def _over(self, id_: str, lane: _Lane, kind: str) -> None:
        known = self._open.get(id_)
        if known is None:
            return
        if lane.running == id_:
            lane.running, known.rest = None, 1 + ("timing" in known.words)
        if kind in ("response.completed", "response.incomplete", "response.done"):
            lane.latest = id_
        self._less(id_)

    def _less(self, id_: str | None) -> None:
        if id_ is not None:
            self._open[id_].rest -= 1
            if self._open[id_].rest <= 0:
                del self._open[id_]

    def _error(self, event: Json, lane: _Lane) -> None:
        code = event["error"]["code"]
        if code in _ODD_CODES:
            self._nonsense -= 1
        elif code == "server_error" and lane.running is not None:
            id_, lane.running = lane.running, None
            self._open[id_].rest = 1 + ("timing" in self._open[id_].words) + ("error_failed" in self._open[id_].words)
            self._less(id_)
        elif code in _UNFAIR_CODES:
            self._unfair -= 1
        elif lane.asked:
            lane.asked.popleft()

    def _steered(self, kind: str, steer: Json) -> None:
        id_, parent = steer.get("id"), steer["previous_response_id"]
        accepted = self._accepted.get(parent, [])
        if kind == "response.steer.accepted":
            self._steers[parent] -= 1
            self._accepted.setdefault(parent, []).append(steer["id"])
        elif id_ in accepted:
            accepted.remove(id_)
            if not accepted:
                del self._accepted[parent]
        else:
            self._steers[parent] -= 1

    # What it does.

    def _act(self, event: Json) -> None:
        random, kind = self._random, event["type"]
        if self._done:
            return
        chance = random.random()
        item = event.get("item") or {}
        if kind == "response.output_item.done" and item["type"] == "function_call" and chance < 0.8:
            self._ask(event.get("stream_id"), answer=item["call_id"], previous=self._lane(event.get("stream_id")).running)
        elif kind == "response.steer.pending":
            calls = event["required_input"]
            self._ask(event.get("stream_id"), answer=calls[0]["call_id"], previous=event["steer"]["previous_response_id"])
        elif kind == "response.created" and event["response"]["tools"] and chance < 0.4:
            self._steer()
        elif kind in (*_TERMINALS, "error") or chance < 0.03:
            if self._left > 0:
                self._ask()
        elif chance < 0.1:
            self._steer()
        elif chance < 0.12:
            self._speak_nonsense()

    def _ask(self, name: Any = ..., *, answer: str | None = None, previous: str | None = None) -> None:
        """Send a create."""
        random, asked = self._random, self._request()
        self._left -= 1
        if name is ... and random.random() < 0.04:
            asked["stream_id"] = random.choice(STRANGE)
            self._unfair += 1
            self._send(asked)
            return
        if name is ...:
            name = self._fresh.pop() if self._fresh else random.choice(self._names)
        if name is not None:
            asked["stream_id"] = name
        lane = self._lane(name)
        if answer is not None:
            asked["input"] = [{"type": "function_call_output", "call_id": answer, "output": "rain"}]
            asked["previous_response_id"] = previous
        elif random.random() < 0.6:
            asked["previous_response_id"] = self._previous(lane)
        if self._is_new(name):
            self._unfair += 1
        else:
            lane.asked.append(asked)
        self._send(asked)

    def _is_new(self, name: str | None) -> bool:
        """Whether a server refuses this name as one too many."""
        if name is None or name in self._used:
            return False
        if len(self._used) >= 32:
            return True
        self._used.append(name)
        return False

    def _request(self) -> Json:
        random = self._random
        words = [random.choice(ENDINGS)] if random.random() < 0.35 else []
        words += random.sample(EXTRAS, random.choice((0, 0, 1, 2)))
        asked: Json = {"type": "response.create", "model": "simulated", "input": f"question {random.randrange(4)}", "metadata": {"simulate": " ".join(words)}}
        for chance, key, value in (
            (0.5, "store", False),
            (0.25, "tools", [TOOL]),
            (0.1, "generate", False),
            (0.2, "stream_options", {"include_obfuscation": False}),
            (0.03, "conversation", "conv_1"),
            (0.03, "model", None),
        ):
            if random.random() < chance:
                asked[key] = value
        return asked

    def _previous(self, lane: _Lane) -> str | None:
        """A response to continue: the newest of this lane, or of another one, or one that there never was."""
        others = [other.latest for other in self._lanes.values() if other.latest is not None]
        chance = self._random.random()
        if chance < 0.08:
            return "resp_never"
        return self._random.choice(others) if chance < 0.4 and others else lane.latest

    def _steer(self) -> None:
        random = self._random
        if self._may_steer <= 0:
            return
        self._may_steer -= 1
        running = [id_ for id_, known in self._open.items() if not known.rest]
        id_ = random.choice(running) if running and random.random() < 0.9 else "resp_never"
        given = random.choice(("faster", "faster", [{"type": "message", "role": "user", "content": "now"}], [{"role": "assistant", "content": "no"}]))
        self._steers[id_] = self._steers.get(id_, 0) + 1
        self._send({"type": "response.steer", "previous_response_id": id_, "input": given})

    def _speak_nonsense(self) -> None:
        self._nonsense += 1
        self._said.append(self._random.choice(GARBAGE))

    def _finish(self) -> None:
        """All is answered."""
        if self._last == "leave":
            self._leave()
        elif not self._done:
            self._done = True
            self._lane(None).asked.append({})
            self._send({"type": "response.create", "model": "simulated", "input": "good bye", "metadata": {"simulate": self._last}})

    def _leave(self) -> None:
        self.leaves = self._random.choice((Leave(1000, ""), Leave(1000, "done"), Leave(1001, "going"), Leave(4001, "enough"), Leave(None, "")))
