"""Turns of conversations with the usage that their provider told, for tests of the prompt cache."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playhead.proxy.caching.forensics import Body, Finding, Forensics
from playhead.proxy.caching.prompts import MARKS
from playhead.storage.costing.prompted import Prompted

SECOND = 10**9
WORDS = "the quick brown fox jumps over the lazy dog and reads another line of the code "


def text(tokens: int, start: str = "") -> str:
    """A text of about so many tokens, at four characters each."""
    return start + (WORDS * (4 * tokens // len(WORDS) + 1))[: 4 * tokens]


def user(content: str) -> dict[str, Any]:
    return {"role": "user", "content": content}


def tool(name: str, description: str = "does it") -> dict[str, Any]:
    return {"type": "function", "name": name, "description": description, "parameters": {"type": "object", "properties": {}}}


def prompted(id_: int, **changes: Any) -> Prompted:
    """A turn, 10 s after the one before."""
    plain: dict[str, Any] = {
        **{"id": id_, "session": "s", "started_at_ns": id_ * 10 * SECOND, "first_event_ns": SECOND, "kind": "responses", "transport": "http"},
        **{
            "path": "/v1/responses",
            "model": "m",
            "tier": "default",
            "key_id": "k",
            "organization": None,
            "project": None,
            "upstream": "https://api.openai.com",
        },
        **{"response_id": f"resp_{id_}", "previous_response_id": None, "conversation": None, "steer": None, "request_bytes": 0, "turn": False},
        **{"billing": {}, "dimensions": (), "fresh": 0, "cached": 0, "written": 0, "fresh_amount": 0, "cached_amount": 0, "written_amount": 0, "outputs": 0},
    }
    return Prompted(**(plain | changes))


@dataclass
class Talk:
    """Turns that have been, as a store would tell them, and what is found out about them. Tokens cost a dollar each, from the cache a tenth."""

    most: int = 10
    turns: dict[int, tuple[Prompted, bytes | None]] = field(default_factory=dict)
    read: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.forensics = Forensics(self, lambda turn, lost: lost, self.most)

    def say(self, body: Mapping[str, Any] | None, *, tokens: int | None = None, cached: int = 0, **changes: Any) -> str:
        """One more turn; what became of its cache. `tokens`: of its prompt; by its characters unless told."""
        raw = None if body is None else json.dumps(body).encode()
        whole = tokens if tokens is not None else len(raw or b"") // 4
        turn = prompted(len(self.turns) + 1, **({"fresh": whole - cached - changes.get("written", 0), "cached": cached} | changes))
        self.turns[turn.id] = turn, raw
        found = self.forensics.look(turn, self.body(turn))
        self.read.clear()
        return "unread" if found is None else found.cause

    @property
    def worst(self) -> Finding:
        return self.forensics.dearest[0]

    # As recordings.

    def one(self, id_: int) -> Prompted | None:
        return self.turns[id_][0]

    def making(self, response_id: str) -> int | None:
        return next((id_ for id_, (turn, _) in self.turns.items() if turn.response_id == response_id), None)

    def body(self, turn: Prompted) -> Body | None:
        self.read.append(turn.id)
        raw = self.turns[turn.id][1]
        return None if raw is None else Body(json.loads(raw), any(mark in raw for mark in MARKS))
