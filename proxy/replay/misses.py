"""What becomes of a request that has no recorded twin: the nearest recording is found, the difference is told, and both are kept in the store."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple, Protocol

from xxhash import xxh3_64_hexdigest

from playhead.config.errors import StoreError
from playhead.storage.records import Direction, Divergence, DivergenceCode, DivergenceRecord
from playhead.storage.replay_rows import RequestRow

from ..differences import Compared, Difference, differences
from ..divergence import Candidate, Miss, Wanted, rank
from ..fingerprint import Asked, create_over, kind_of_body, leave_out, line_of
from ..inbound import Inbound
from ..multipart import Part, boundary_of, parts_of
from ..player import Missing, Playback, Player
from ..service import Diverged
from .incoming import SHOWN

log = logging.getLogger("playhead")

_NEAR = 2_000  # exchanges before and behind the place where a request was expected, among which the nearest is looked for
_COMPARED = 4  # of them in full
_LONGEST = 8 << 20  # bytes of a body that is compared


class Asking(Protocol):
    """A request on its way into a replay: an `Incoming`, or a message over a WebSocket."""

    @property
    def asked(self) -> Asked:
        """What is known of it but its body, all secrets replaced."""

    @property
    def head(self) -> bytes:
        """The request's head, all secrets replaced."""

    @property
    def whole(self) -> bool:
        """Whether `text` is all of the body."""

    def text(self) -> bytes:
        """The body, decoded, all secrets replaced; the start of a long one."""

    @property
    def bytes(self) -> int:
        """Of the body."""


class Expected(NamedTuple):
    """A recorded message in place of which another one came. `exchange`: whose it is; `name`: what it is."""

    exchange: int
    name: str
    text: bytes


class Misses:
    """Tells, keeps and logs what a replay could not answer. `diverged` hears of it, too."""

    def __init__(self, player: Player, diverged: Diverged) -> None:
        self._player = player
        self._diverged = diverged

    def without_recordings(self, inbound: Inbound, code: DivergenceCode, message: str) -> None:
        """There is nothing to compare the request with: nothing is kept either."""
        self._diverged(unrecorded(inbound, self._player.run, code, message))

    async def tell_message(self, playback: Playback, incoming: Asking, name: str, expected: Expected | None) -> str:
        """The same of a message over a WebSocket that is no create. `name`: what it is; `expected`: what was recorded where it came."""
        path = incoming.asked.target.partition("?")[0]
        known = Miss(code="no_match", session=playback.session, take=playback.take, method="GET", path=path, asks="ws", message=name)
        request = _Request(incoming.asked, incoming.head, incoming.text(), incoming.whole, incoming.bytes)
        return await asyncio.get_running_loop().run_in_executor(None, self._tell_message, known, request, expected)

    def _tell_message(self, known: Miss, request: _Request, expected: Expected | None) -> str:
        """In a thread."""
        miss = known
        if expected is not None:
            found = differences(_message(known, expected.text), _message(known, request.text))
            miss = replace(known, nearest=expected.exchange, nearest_request=expected.name, differences=found)
        log.warning("%s", miss.story)
        self._keep(miss, request, None)
        return miss.answer

    async def tell(self, playback: Playback, incoming: Asking, missing: Missing, note: str = "") -> str:
        """What to answer; the divergence is in the store, if that can be written, when this returns."""
        index, group = playback.index, missing.group
        places = index.places(group) if group is not None else []
        if group is not None and missing.code == "exhausted":  # those of other transports were served to it, too
            others = index.others(missing.print.digest, index.asks(group))
            places = sorted(chain(places, *map(index.places, others)))
        lowest, highest = max(playback.place - _NEAR, 0), min(playback.place + _NEAR, len(index))
        near = {index.exchange(place): (place, index.served(place)) for place in range(lowest, highest)}
        known = Miss(
            code=missing.code,
            session=playback.session,
            take=playback.take,
            method=incoming.asked.method,
            path=incoming.asked.target.partition("?")[0],
            asks=missing.print.asks,
            recorded=[index.exchange(place) for place in places],
            recorded_over=index.asks(group) if group is not None and missing.code == "no_match" else None,
            note=note,
        )
        loop = asyncio.get_running_loop()
        request = _Request(incoming.asked, incoming.head, incoming.text(), incoming.whole, incoming.bytes)
        return await loop.run_in_executor(None, self._tell, known, request, _Around(near, playback.place + 1, missing.print.items))

    def _tell(self, known: Miss, request: _Request, around: _Around) -> str:
        """In a thread."""
        body = _json(request.text)
        model = body.get("model") if isinstance(body, dict) else None
        model = model if isinstance(model, str) else None
        try:
            miss = self._nearest(known, request, around, model)
        except StoreError as error:
            log.error("the nearest recording of a request could not be looked for: %s", error)
            miss = known
        log.warning("%s", miss.story)
        self._keep(miss, request, model)
        return miss.answer

    def _keep(self, miss: Miss, request: _Request, model: str | None) -> None:
        divergence = Divergence(
            session=miss.session,
            take=miss.take,
            run=self._player.run,
            at_ns=time.time_ns(),
            code=miss.code,
            method=miss.method,
            path=request.asked.target,
            model=model,
            asks=miss.asks,
            request_head=request.head,
            request=request.text[:SHOWN],
            request_bytes=request.size,
            nearest=miss.nearest,
            differences=miss.details,
            message=miss.story,
        )
        id_ = 0
        try:
            id_ = self._player.store.add_divergence(divergence)
        except StoreError as error:
            log.info("a divergence is not kept: %s", error)
        self._diverged(divergence.listed(id_))

    def _nearest(self, known: Miss, request: _Request, around: _Around, model: str | None) -> Miss:
        """The same with the nearest recording and the differences from that. Raises StoreError."""
        if known.recorded:
            return replace(known, nearest=known.recorded[-1 if known.code == "exhausted" else 0])
        method, path, *_ = _line(request.asked)
        records = {record.exchange: record for record in self._player.store.requests(list(around.near))}
        items = self._player.store.item_digests(list(records)) if around.items else {}
        candidates = (self._candidate(record, around, items.get(id_, b"")) for id_, record in records.items())
        asked = _compared(request.asked, request.text if request.whole else None)
        best: tuple[Candidate, list[Difference]] | None = None
        for candidate in rank(Wanted(method, path, model, around.items, around.place), candidates, _COMPARED):
            found = differences(self._recorded(records[candidate.exchange]), asked)
            if best is None or len(found) < len(best[1]):
                best = candidate, found
        if best is None:
            return known
        record = records[best[0].exchange]
        named = ", ".join(filter(None, (f"{best[0].method} {record.path.partition('?')[0]}", record.model)))
        return replace(known, nearest=record.exchange, nearest_request=named, differences=best[1])

    def _candidate(self, record: RequestRow, around: _Around, items: bytes) -> Candidate:
        place, served = around.near[record.exchange]
        method = "POST" if record.turn else record.method
        _, path, *_ = _line(Asked(method, record.path, {}, record.upstream))
        return Candidate(record.exchange, place, method, path, record.model, items, served)

    def _recorded(self, record: RequestRow) -> Compared:
        """A recorded request, as far as it can be compared. Raises StoreError."""
        store = self._player.store
        body: bytes | None = None
        if record.request_bytes <= _LONGEST:
            body = b"".join(store.request_chunks(record.exchange))
        asked = Asked.of(store.heads(record.exchange).request_head, record.upstream)
        if not record.turn:
            return _compared(asked, body)
        # What the client said after the create stands behind it.
        create = next((row.bytes for row in store.event_rows(record.exchange) if row.direction == Direction.CLIENT), None)
        return _compared(create_over(asked), body and body[:create])


def unrecorded(inbound: Inbound, run: str, code: DivergenceCode, message: str) -> DivergenceRecord:
    """A request where there is nothing that it could be compared with."""
    return DivergenceRecord(
        id=0,
        session=inbound.address.session,
        take=None,
        run=run,
        at=datetime.now(UTC),
        code=code,
        method=inbound.method,
        path=inbound.address.target.partition(b"?")[0].decode("utf-8", "replace"),
        model=None,
        asks="ws" if inbound.websocket else "http",
        nearest=None,
        differences=[],
        message=message,
        request_bytes=0,
    )


class _Request(NamedTuple):
    """What is known of the request, all secrets replaced. `text`: its body, or, if it is not `whole`, the start of it. `size`: of it on the wire."""

    asked: Asked
    head: bytes
    text: bytes
    whole: bool
    size: int


class _Around(NamedTuple):
    """Where the nearest recording is looked for. `near`: place, and whether it was served, of each exchange. `place`, `items`: of the request."""

    near: Mapping[int, tuple[int, bool]]
    place: int
    items: bytes


def _line(asked: Asked) -> tuple[str, str, str, str]:
    """Method, path, query and OpenAI-Beta, as they count."""
    _, method, path, query, beta, *_ = line_of(asked).start.decode("utf-8", "surrogatepass").split("\n")
    return method, path, query, beta


def _message(known: Miss, text: bytes) -> Compared:
    value = _json(text)
    if isinstance(value, dict):
        value.pop("event_id", None)  # clients make it up anew each time
    return Compared(known.method, known.path, "", {}, text if value is None else value)


def _compared(asked: Asked, body: bytes | None) -> Compared:
    """What counts of a request. `body`: None if it is too big."""
    method, path, query, beta = _line(asked)
    headers = {"openai-beta": beta} if beta else {}
    return Compared(method, path, query, headers, None if body is None else _body(asked, body))


def _body(asked: Asked, body: bytes) -> Any:
    content_type = asked.headers.get(b"content-type", b"")
    kind = kind_of_body(content_type)
    if kind == "multipart":
        boundary = boundary_of(content_type)
        parts = parts_of(body, boundary) if boundary else None
        return body if parts is None else [_part(part) for part in parts]
    value = _json(body) if kind == "json" or body[:64].lstrip()[:1] in (b"{", b"[") else None
    if isinstance(value, dict) and line_of(asked).create:
        leave_out(value)
    return body if value is None else value


def _part(part: Part) -> dict[str, Any]:
    """One part of a form as JSON would have it."""
    said = (("name", part.name), ("filename", part.filename), ("content_type", part.content_type))
    told: dict[str, Any] = {name: value.decode("latin-1") for name, value in said if value is not None}
    try:
        told["content"] = part.content.decode()
    except UnicodeDecodeError:
        told["content"] = f"{len(part.content):,} bytes, xxh3 {xxh3_64_hexdigest(part.content)}"
    return told


def _json(text: bytes) -> Any:
    """The value of a JSON text with all digits of its numbers; None if it is no JSON."""
    try:
        return json.loads(text.decode(), parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
