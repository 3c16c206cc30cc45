"""What a replay is given of recorded exchanges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from ..records import Asks, Frame, Outcome, Raw, Record

CREATES = ("/responses", "/chat/completions", "/completions", "/messages")
"""How the paths of requests end that ask for a response of a model."""


class ReplayRow(NamedTuple):
    """What a replay needs to know of every recorded exchange of a take.

    `big`: it is to be streamed (`Store.stream`), not decoded whole. `raw_bytes`: what it takes in memory when it is decoded, roughly.
    `turn`: which turn of its WebSocket `connection` it is, on the lane `stream_id`; 0: none. An empty name: it was
    refused for its lane's name. `plain`: the digest without rules, where `digest` is one under rules.
    """

    exchange: int
    take: int
    seq: int
    digest: bytes
    asks: Asks
    outcome: Outcome | None
    big: bool
    raw_bytes: int
    turn: int = 0
    connection: int | None = None
    stream_id: str | None = None
    plain: bytes = b""


class RequestRow(NamedTuple):
    """What is known of a recorded request without reading it. `turn`: of its WebSocket connection; 0: none. `problem`: as in exchanges."""

    exchange: int
    method: str
    path: str
    upstream: str
    model: str | None
    request_bytes: int
    turn: int = 0
    problem: str | None = None


class TakeRow(NamedTuple):
    """One take of a session. `run`: the start of `record` that it is; exchanges recorded with the same run belong to it."""

    take: int
    run: str
    started_at: datetime


class RuleHit(Record):
    """Answers of one replay, `run`, that an exchange gave to requests which equal its own only by a rule, as `playhead rules --hits --json` prints it.

    `rules`: what made them equal, each on a line: rules, or `accepted`: a divergence was.
    """

    session: str
    take: int | None
    run: str
    exchange: int
    rules: str
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Streamed:
    """A recorded exchange that is not whole in memory. The iterators read from the store as they are drawn; each may be drawn once, on any thread.

    `heads`: request head, response heads and trailers; everything else of it is empty. `frames`: of both directions, in order.
    """

    heads: Raw
    frames: Iterator[Frame]
    chunks: Iterator[int]
    response: Iterator[bytes]


class TurnRow(NamedTuple):
    """What a replay needs to know of a turn of a connection. The names are those of exchanges."""

    turn: int
    id: int
    stream_id: str | None
    response_id: str | None
    previous_response_id: str | None
    steer: str | None
    outcome: Outcome | None


class Equivalence(NamedTuple):
    """A request that stands for a recorded one. `digest`: of its fingerprint without rules; `asks`: its transport. `divergence`: that was accepted."""

    session: str
    exchange: int
    digest: bytes
    asks: Asks
    divergence: int


class Rerecording(NamedTuple):
    """An exchange that is recorded anew. `after`: what takes its place has a greater id."""

    exchange: int
    after: int
