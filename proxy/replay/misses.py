"""What becomes of a request that has no recorded twin: the nearest recording is found, the difference is told, and both are kept in the store."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple, Protocol

from playhead.config.errors import StoreError
from playhead.storage.records import Direction, Divergence, DivergenceCode, DivergenceRecord
from playhead.storage.replaying.replay_rows import RequestRow

from ..divergence import Candidate, Miss, Wanted, rank
from ..diverging.causes import Case, cause_of, class_of
from ..diverging.differences import places, told
from ..fingerprint import F1, HELD, Asked, Rules, create_over, undecoded_of
from ..forwarding.inbound import Inbound
from ..player import Missing, Playback, Player
from ..service import Diverged
from .comparing import Side, head, json_of, message
from .incoming import SHOWN
from .likeness import Around, Likeness, closest, explained

log = logging.getLogger("playhead")

_NEAR = 2_000  # exchanges before and behind the place where a request was expected, among which the nearest is looked for
_COMPARED = 4  # of them in full, of those that were not served
_COMPARED_SERVED = 2  # and of those that were
_TIED = 64  # with those that seem as near as the nearest, as long as they have
_LITTLE = 1 << 20  # bytes together
_LONGEST = 8 << 20  # bytes of a body that is compared
_MOST = 64 << 20  # bytes of all that are read together


class ReplayedRequest(Protocol):
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


class Told(NamedTuple):
    """What a client is told: a sentence or two, and the same for programs."""

    message: str
    divergence: Mapping[str, Any]

    @property
    def more(self) -> Mapping[str, Any]:
        """What stands beside the usual in an error."""
        return {"divergence": self.divergence}


class Misses:
    """Tells, keeps and logs what a replay could not answer. `diverged` hears of it, too; `reported`: and says all of it, so that the log need not."""

    def __init__(self, player: Player, diverged: Diverged, *, reported: bool = False) -> None:
        self._player = player
        self._reported = reported
        self._diverged = diverged

    def without_recordings(self, inbound: Inbound, code: DivergenceCode, message: str) -> None:
        """There is nothing to compare the request with: nothing is kept either."""
        self._diverged(unrecorded(inbound, self._player.run, code, message))

    async def tell_message(self, playback: Playback, incoming: ReplayedRequest, name: str, expected: Expected | None, note: str = "") -> Told:
        """The same of a message over a WebSocket that is no create. `name`: what it is; `expected`: what was recorded where it came."""
        path = incoming.asked.target.partition("?")[0]
        known = Miss(code="no_match", session=playback.session, take=playback.take, method="GET", path=path, asks="ws", message=name, note=note)
        request = _Request(incoming.asked, incoming.head, incoming.text(), incoming.whole, incoming.bytes)
        return await asyncio.get_running_loop().run_in_executor(None, self._tell_message, known, request, expected)

    def _tell_message(self, known: Miss, request: _Request, expected: Expected | None) -> Told:
        """In a thread."""
        miss = known
        if expected is not None:
            recorded, asked = (message(known.path, text) for text in (expected.text, request.text))
            found = places(recorded, asked)
            causes = [class_of(place, recorded, asked) for place in found]
            cause = cause_of(Case(recorded, asked, found)) if found else None
            differing = [told(place) for place in found]
            miss = replace(known, nearest=expected.exchange, nearest_request=expected.name, differences=differing, causes=causes, cause=cause)
        return self._told(miss, request, None)

    async def tell(self, playback: Playback, incoming: ReplayedRequest, missing: Missing, note: str = "") -> Told:
        """What to answer; the divergence is in the store, if that can be written, when this returns."""
        index, group = playback.index, missing.group
        if missing.anew is not None:
            note = f"It was to be recorded anew in place of exchange {index.exchange(missing.anew)} (`playhead rerecord`). {note}"
        if playback.pruned:
            note = f"The content of {playback.pruned:,} exchange{'s'[: playback.pruned != 1]} of what is replayed is pruned: no request matches those. {note}"
        if incoming.bytes > HELD:
            note = f"Of more than {HELD >> 20} MiB every byte is compared: the order of members and white space count. {note}"
        places = index.places(group) if group is not None else []
        if group is not None and missing.code == "exhausted":  # those of other transports were served to it, too
            others = index.others(missing.print.digest, index.asks(group))
            places = sorted(chain(places, *map(index.places, others)))
        over = index.asks(group) if group is not None and missing.code == "no_match" else None
        known = Miss(
            code=missing.code,
            session=playback.session,
            take=playback.take,
            method=incoming.asked.method,
            path=incoming.asked.target.partition("?")[0],
            asks=missing.print.asks,
            recorded=[index.exchange(place) for place in places],
            recorded_over=over,
            cause="extra_call" if missing.code == "exhausted" else "transport" if over is not None else None,
            after=index.exchange(playback.place) if playback.place >= 0 else None,
            expected=_expected(playback),
            note=note,
        )
        around = _around(playback, missing.print.items)
        playback.missed += 1
        sizes = incoming.text(), incoming.whole, incoming.bytes
        request = _Request(incoming.asked, incoming.head, *sizes, missing.print.unruled, playback.rules)
        return await asyncio.get_running_loop().run_in_executor(None, self._tell, known, request, around)

    def _tell(self, known: Miss, request: _Request, around: Around) -> Told:
        """In a thread."""
        body = json_of(request.text)
        model = body.get("model") if isinstance(body, dict) else None
        model = model if isinstance(model, str) else None
        try:
            miss = self._nearest(known, request, around, model)
        except StoreError as error:
            log.error("the nearest recording of a request could not be looked for: %s", error)
            miss = known
        except Exception:  # a fault of ours in explaining it must not cost the client its answer
            log.exception("why a request has no twin could not be found out")
            miss = known
        return self._told(miss, request, model)

    def _told(self, miss: Miss, request: _Request, model: str | None) -> Told:
        miss = replace(miss, from_cassette=self._player.from_cassette, cassette=self._player.cassette)
        if not self._reported:
            log.warning("%s", miss.story)
        id_ = self._keep(miss, request, model)
        return Told(miss.answer(id_), miss.told(id_))

    def _keep(self, miss: Miss, request: _Request, model: str | None) -> int:
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
            cause=miss.cause,
            proposal=miss.proposal,
            parted=miss.after,
            expected=miss.expected,
            served=miss.served,
            digest=request.digest,
        )
        id_ = 0
        try:
            id_ = self._player.store.add_divergence(divergence)
        except StoreError as error:
            log.info("a divergence is not kept: %s", error)
        self._diverged(divergence.listed(id_))
        return id_

    def _nearest(self, known: Miss, request: _Request, around: Around, model: str | None) -> Miss:
        """The same with the nearest recording and the differences from that. Raises StoreError."""
        if known.recorded:
            return replace(known, nearest=known.recorded[-1 if known.code == "exhausted" else 0])
        method, path, *_ = head(request.asked)
        records = {record.exchange: record for record in self._player.store.requests(list(around.near))}
        items = self._player.store.item_digests(list(records), request.rules.name) if around.items else {}
        candidates = [self._candidate(record, around, items.get(id_, b"")) for id_, record in records.items()]
        wanted = Wanted(method, path, model, around.items, around.place)
        asked = Side.of(request.asked, request.text if request.whole else None, request.rules, size=request.size)
        chosen = [
            candidate
            for served, most in ((False, _COMPARED), (True, _COMPARED_SERVED))
            for candidate in _few(rank(wanted, (one for one in candidates if one.served == served), most, _TIED), most, records)
        ]
        sides = self._recorded([records[one.exchange] for one in chosen], around.big, request.rules)
        found = [Likeness.of(candidate, side, asked) for candidate, side in zip(chosen, sides, strict=True)]
        best = closest(found, asked, around.place)
        if best is None:
            return known
        record = records[best.candidate.exchange]
        named = ", ".join(filter(None, (f"{best.candidate.method} {record.path.partition('?')[0]}", record.model)))
        return replace(explained(known, best.proven(asked, request.rules), asked, around), nearest_request=named)

    def _candidate(self, record: RequestRow, around: Around, items: bytes) -> Candidate:
        place, served = around.near[record.exchange]
        method = "POST" if record.turn else record.method
        counts = head(Asked(method, record.path, {}, record.upstream))
        return Candidate(record.exchange, place, method, counts.path, record.model, items, served)

    def _recorded(self, records: Sequence[RequestRow], big: Collection[int], rules: Rules) -> Iterator[Side]:
        """Recorded requests, as far as they can be compared. Raises StoreError."""
        store = self._player.store
        small = [record.exchange for record in records if record.exchange not in big]
        raws = dict(zip(small, store.replayable(small, _MOST, times=False) if small else (), strict=False))
        for record in records:
            raw = raws.get(record.exchange) or store.heads(record.exchange)
            asked = Asked.of(raw.request_head, record.upstream)
            body: bytes | None = raw.request
            if record.exchange not in raws:
                body = b"".join(store.request_chunks(record.exchange)) if record.request_bytes <= _LONGEST else None
            if record.turn:  # what the client said after the create stands behind it
                create = next((row.bytes for row in store.event_rows(record.exchange) if row.direction == Direction.CLIENT), None)
                asked, body = create_over(asked), body and body[:create]
            elif body == b"" and record.request_bytes:
                asked = asked._replace(undecoded=undecoded_of(record.problem) or "")
            yield Side.of(asked, body, rules, size=record.request_bytes)


def _few(ranked: Sequence[Candidate], most: int, records: Mapping[int, RequestRow]) -> Iterator[Candidate]:
    """So many, and of the others those that are read in no time."""
    left = _LITTLE
    for number, one in enumerate(ranked):
        left -= records[one.exchange].request_bytes
        if number < most or left >= 0:
            yield one


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
    """What is known of the request, all secrets replaced. `text`: its body, or, if it is not `whole`, the start of it. `size`: of it on the wire.

    `digest`: of its fingerprint; `rules`: those that are in force.
    """

    asked: Asked
    head: bytes
    text: bytes
    whole: bool
    size: int
    digest: bytes | None = None
    rules: Rules = F1


def _expected(playback: Playback) -> int | None:
    """The exchange that is due behind what was served last, or else the first that was not served."""
    index = playback.index
    unserved = (place for place in (*range(playback.place + 1, len(index)), *range(playback.place + 1)) if not index.served(place))
    place = next(unserved, None)
    return None if place is None else index.exchange(place)


def _around(playback: Playback, items: bytes) -> Around:
    index = playback.index
    lowest, highest = max(playback.place - _NEAR, 0), min(playback.place + _NEAR, len(index))
    near = {index.exchange(place): (place, index.served(place)) for place in range(lowest, highest)}
    big = frozenset([index.exchange(place) for place in range(lowest, highest) if index.big(place)])
    return Around(near, playback.place + 1, items, playback.missed > 0, big)
