"""The player: which recorded exchange answers which request, and its steps, read from the store ahead of the requests.

A playback is one session as it is replayed: its index is read once, and what has been served of it is known until the server stops. Everything that
asks the store runs in a thread, in batches; what is decided is decided in the event loop, at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Literal

from playhead.config.errors import StoreError
from playhead.config.settings import Settings
from playhead.storage.records import Asks, Fingerprint, Frame, Outcome
from playhead.storage.replaying.replay_rows import ReplayRow
from playhead.storage.replaying.replays import Under
from playhead.storage.store import Store

from .fingerprint import F1, Asked, Rules, line_of
from .forwarding.http1 import ProtocolError
from .matching.request_memo import RequestMemo
from .recordings.decided import Decided, replaced, waiting_text
from .recordings.playback import Missing as Missing
from .recordings.playback import Playback as Playback
from .recordings.playback import SessionMissing as SessionMissing
from .recordings.ready import Ready, Spoken, Usual, ready, usual
from .recordings.replay_index import ReplayIndex
from .recordings.retell import retell
from .recordings.rewinding import Rewound
from .recordings.rule_hits import RuleHits
from .recordings.told import Recording
from .script import AT_ONCE, Source, Step, script, with_retry_after

log = logging.getLogger("playhead")

_Kept = Ready | Usual | Spoken

_AHEAD = 40  # exchanges that are read together: those that were recorded behind the one that is asked for
_AHEAD_IN_TIMES = 12  # where the first of them is waited for, and there is time enough for the others
_LOOKED_AT = 80
_MOST = 1 << 62
_BATCH = 4 << 20  # bytes of them
_LITTLE = 1 << 19  # bytes that are read in the event loop itself: what a thread would add to them costs more than they do
_KEPT = 24 << 20  # bytes of exchanges that are ready to be served
_RETOLD = 64 << 20  # bytes of an answer that is told as another transport has it, for which all of it is needed


class Player:
    """All playbacks of a server. `run` names this start of it; `settled` waits until the store holds what the server has recorded.

    `reopens`: sessions are read again for each request, since this server adds to them what it may have to replay. `from_cassette`: the store is made of
    one, and nobody else sees it; `cassette`: where that is, as somebody would name it to a command.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        run: str,
        settled: Callable[[], Awaitable[None]] | None = None,
        reopens: bool = False,
        from_cassette: bool = False,
    ) -> None:
        self.store = store
        self.run = run
        self.speed = settings.speed
        self.exhausted = settings.exhausted
        self.from_cassette = from_cassette
        self.cassette = "" if settings.cassette is None else str(settings.cassette)
        self.hits = RuleHits(store, run)
        self._own_rules, self._stored_rules = settings.match_rules, settings.stored_rules
        self._take = settings.take
        self._may_go_live = settings.mode != "replay" or settings.on_miss != "fail"
        self._retry_after = settings.retry_after
        self._settled = settled
        self.reopens = reopens
        self._little = store.local and self.speed == AT_ONCE
        self._few = _AHEAD  # so many are little enough, by those that were read last
        self._loop = asyncio.get_running_loop()
        self._playbacks: dict[str, Playback] = {}
        self._passed: Counter[int] = Counter()  # exchanges that were served before a rewind
        self._reopening = asyncio.Lock()
        self._opening: dict[str, asyncio.Task[Playback]] = {}
        self._cache: OrderedDict[int, _Kept] = OrderedDict()
        self._room = _KEPT
        self._reading: dict[int, asyncio.Task[dict[int, _Kept]]] = {}

    # Sessions.

    def opened(self, session: str) -> Playback | None:
        """A playback that need not be asked for, because nothing can have changed."""
        found = None if self.reopens else self._playbacks.get(session)
        return found if found is None or not found.decided.anew else None

    async def missing(self, session: str) -> str | None:
        """What a request for that session would be told; None if there is something to replay."""
        try:
            await self.open(session, begin=False)
        except SessionMissing as missing:
            return str(missing)
        return None

    def unserved(self, session: str) -> list[int] | None:
        """The exchanges of a playback that nothing has been answered with; None: it was never asked for."""
        playback = self._playbacks.get(session)
        return None if playback is None else [playback.index.exchange(place) for place in range(len(playback.index)) if not playback.index.served(place)]

    @property
    def served(self) -> Counter[int]:
        """How often each exchange was served; within a pass once."""
        return sum((Counter(_served(playback)) for playback in self._playbacks.values()), self._passed)

    def served_of(self, session: str) -> list[int]:
        """The exchanges of a session that were served in this pass."""
        return [*_served(playback)] if (playback := self._playbacks.get(session)) is not None else []

    def moved(self, session: str) -> list[tuple[int, int]]:
        """The first of the exchanges of a session that were served behind a later one in this pass, each with that."""
        return [*playback.moved] if (playback := self._playbacks.get(session)) is not None else []

    def close(self) -> None:
        """Keep what was counted, and close the store; idempotent."""
        self.hits.close()
        self.store.close()

    async def open(self, session: str, *, begin: bool) -> Playback:
        """The playback of a session. `begin`: one that has no recordings is begun. Raises SessionMissing, StoreError."""
        if self.reopens:
            await self._settle()
            async with self._reopening:  # each sees what was stored before it asked
                return await self._open(session, begin=begin)
        task = under_way = self._opening.get(session)
        if task is None:
            task = self._opening[session] = asyncio.ensure_future(self._open(session, begin=begin))
            task.add_done_callback(lambda _: self._opening.pop(session, None))
        try:
            return await asyncio.shield(task)
        except SessionMissing:
            if under_way is None or not begin:
                raise
        return await self.open(session, begin=begin)  # who was first would not begin it

    async def _settle(self) -> None:
        if self._settled is not None:
            await self._settled()

    async def rewind(self, session: str) -> Rewound:
        """Begin a pass over a session again, over what is recorded of it and which rules it has now. Raises SessionMissing, StoreError.

        What is in flight is served to its end. A WebSocket that stays open goes on with the new pass.
        """
        await self._settle()
        if (opening := self._opening.get(session)) is not None:
            await asyncio.wait((opening,))  # it may have read the store before what is to be seen now was there
        before = self._playbacks.pop(session, None)
        self._passed.update(_served(before) if before is not None else ())
        after = await self.open(session, begin=before is not None)
        return Rewound(session, after.take, len(after.index), 0 if before is None else before.index.count_served)

    async def _open(self, session: str, *, begin: bool) -> Playback:
        known = self._playbacks.get(session)
        if known is not None and not self.reopens:
            return known
        found, rows = await self._loop.run_in_executor(None, self._read_index, session, begin, known)
        found.index.add(rows, found.live)
        self._playbacks[session] = found
        return found

    def _read_index(self, session: str, begin: bool, known: Playback | None) -> tuple[Playback, Sequence[ReplayRow]]:
        """In a thread: the playback, and what is new for its index, which belongs to the event loop once it is known."""
        takes, rules = self.store.takes(session), self._rules(session)
        if not takes and begin:
            return known or Playback(session, None, None, ReplayIndex(), rules=rules), ()
        if not takes:
            raise SessionMissing(f"Nothing is recorded in session {session}: `playhead sessions` lists those there are.")
        numbers = [one.take for one in takes]
        take = numbers[-1] if self._take == "newest" else None if self._take == "all" else self._take
        if take is not None and take not in numbers:
            raise SessionMissing(f"Session {session} has no take {take}; it has {_numbers(numbers)}.")
        wanted: int | Literal["all"] = take if take is not None else "all"
        fresh = known is None or known.run is None or (known.take, known.rules) != (take, rules)
        before = 0 if known is None or fresh else known.final
        final = self.store.ended_up_to(session, before) if self.reopens else _MOST
        under = Under(rules.name, *[RequestMemo(one, tells=False).stored_fingerprint for one in (rules, F1)])
        rows = self.store.replay_index(session, wanted, after=before, under=under)
        if known is not None and not fresh:
            known.handshakes.known(self.store.handshakes(session, take))
            return known, list(known.passing(rows, final))
        live = known.live if known is not None and known.run is None else Counter[bytes]()
        found = Playback(session, take, next((one.run for one in takes if one.take == take), takes[-1].run), ReplayIndex(), live=live, rules=rules)
        accepted = self.store.decisions.accepted(session)
        placed, waiting = replaced(found.passing(rows, final), self.store.decisions.rerecorded(session), accepted)
        found.index.add(placed, live)
        found.lacks(self.store.pruned(session, take), begin=begin)
        found.decided = Decided.of(accepted, waiting if self._may_go_live else ())
        if waiting and not self._may_go_live:
            log.warning("session %s: %s be recorded anew: `playhead auto --session %s` does it", session, waiting_text(waiting), session)
        found.handshakes.known(self.store.handshakes(session, take))
        return found, ()

    def _rules(self, session: str) -> Rules:
        """In force for a session: those that are stored with it and those of the settings."""
        return Rules.of([*(self.store.match_rules(session) if self._stored_rules else ()), *self._own_rules])

    # Matching.

    def next(self, playback: Playback, one: Fingerprint) -> int | None:
        """The place of the exchange that is due for a fingerprint, which is served with this; None if `match` has to say what becomes of it."""
        index = playback.index
        group = index.group(one.digest, one.asks)
        place = None if group is None else index.serve(group)
        if group is not None and place is None and self.exhausted != "fail":
            others = index.others(one.digest, one.asks)
            place = index.again(group, others, self.exhausted) if index.due(others) is None else None
            playback.at = playback.at if place is None else place  # once more is no other order
        elif place is not None:
            playback.place = place
        return place

    def match(self, playback: Playback, prints: Iterable[Fingerprint], *, create: bool = False) -> int | Missing:
        """The place of the exchange that answers a request, which is served with this. `prints`: the request's fingerprints, at least one.

        `create`: it makes a Response, so that a recording of another transport will do where those of its own are used up.
        """
        index = playback.index
        tried: list[Fingerprint] = []
        for one in prints:
            tried.append(one)
            if (place := self.next(playback, one)) is not None:
                return place
            if create and (place := self._elsewhere(playback, one)) is not None:
                return place
            own = index.group(one.digest, one.asks)
            if own is not None or (create and index.others(one.digest, one.asks)):
                return Missing("exhausted", one, own if own is not None else index.others(one.digest, one.asks)[0])
        accepted = next((place for each in tried if (place := self.accepted(playback, each)) is not None), None)
        return accepted if accepted is not None else Missing("no_match", one, next(iter(index.others(one.digest, one.asks)), None))

    def accepted(self, playback: Playback, one: Fingerprint) -> int | None:
        """The place of an exchange that stands for such a request since it was accepted, and is served with this."""
        place = next(playback.decided.places(playback.index, one.unruled), None)
        if place is not None:
            playback.index.serve_this(place)
            playback.place = place
        return place

    def _elsewhere(self, playback: Playback, one: Fingerprint) -> int | None:
        """The place of the exchange that is due on another transport, which is served with this; or of the last one again."""
        index = playback.index
        others = index.others(one.digest, one.asks)
        group = index.due(others)
        place = index.serve(group) if group is not None else None
        if place is not None:
            playback.place = place
        elif (place := index.again(None, others, self.exhausted)) is not None:
            playback.at = place
        return place

    async def match_start(self, playback: Playback, asked: Asked, text: bytes) -> int | None:
        """The place of an exchange whose request was answered before it was whole, and begins this one; it is served with this.

        Of such a request the record knows only a part, so that the fingerprint of the whole finds nothing. Raises StoreError.
        """
        ids = await self._loop.run_in_executor(None, self.store.answered_early, playback.session, playback.take)
        index = playback.index
        places = [place for id_ in ids if (place := index.find(id_)) is not None and not index.served(place)]
        found = await self._loop.run_in_executor(None, self._begins, [(place, index.exchange(place)) for place in places], asked, text) if places else None
        if found is None or index.served(found):
            return None
        playback.place = index.serve_at(found)
        return playback.place

    def _begins(self, candidates: list[tuple[int, int]], asked: Asked, text: bytes) -> int | None:
        """In a thread."""
        wanted = line_of(asked)
        for place, exchange in candidates:
            head = Asked.of(self.store.heads(exchange).request_head, self.store.exchange(exchange).upstream)
            if line_of(head) == wanted and text.startswith(b"".join(self.store.request_chunks(exchange))):
                return place
        return None

    # Reading.

    def at_hand(self, playback: Playback, place: int) -> _Kept | None:
        """The exchange, if it is ready to be served."""
        exchange = playback.index.exchange(place)
        found = self._cache.get(exchange)
        if found is not None:
            if self.exhausted != "fail":
                self._cache.move_to_end(exchange)
            else:  # it is not served a second time
                del self._cache[exchange]
                self._room += found.size
        return found

    async def fetch(self, playback: Playback, place: int) -> _Kept | Iterator[Step]:
        """The exchange, or of a big one its steps, to be drawn in a thread. Raises StoreError: it is damaged."""
        exchange, outcome = playback.index.exchange(place), playback.index.outcome(place)
        if playback.index.big(place):
            return await self._loop.run_in_executor(None, self._stream, exchange, outcome)
        if (at_hand := self.read_now(playback, place)) is not None:
            return at_hand
        under_way = self._reading.get(exchange)
        try:
            found = await asyncio.shield(under_way or self._read(self._ahead(playback, place, _AHEAD if self.speed == AT_ONCE else _AHEAD_IN_TIMES)))
        except StoreError:
            if under_way is None:
                raise
            found = {}  # it may be another one that is damaged
        if exchange not in found:  # there was no room for it among the others
            found = await asyncio.shield(self._read([(exchange, outcome)]))
        self.at_hand(playback, place)
        return found[exchange]

    async def fetch_retold(self, playback: Playback, place: int, *, streams: bool) -> Ready:
        """An exchange that was recorded over another transport, as HTTP tells it, in a stream or not. Raises StoreError, ProtocolError."""
        return await self._loop.run_in_executor(None, self._retold, playback, place, streams)

    async def fetch_steps(self, playback: Playback, place: int, asks: Asks) -> Iterator[Step]:
        """The steps of an exchange each by itself, to be edited and drawn in a thread. `asks`: over which transport. Raises StoreError, ProtocolError."""
        return await self._loop.run_in_executor(None, self._single_steps, playback, place, asks)

    def _single_steps(self, playback: Playback, place: int, asks: Asks) -> Iterator[Step]:
        index = playback.index
        if index.asks(place) == asks and index.big(place):
            return self._stream(index.exchange(place), index.outcome(place))
        recording = self.recording(playback, place)
        raw, outcome = recording.raw, recording.outcome
        if index.asks(place) != asks:
            raw, outcome = retell(recording, streams=asks == "sse", exchange=index.exchange(place))
        return self._steps(Source.of(raw, outcome, recording.ended_ns))

    def _retold(self, playback: Playback, place: int, streams: bool) -> Ready:
        recording = self.recording(playback, place)
        raw, outcome = retell(recording, streams=streams, exchange=playback.index.exchange(place))
        return ready(self._steps(Source.of(raw, outcome, recording.ended_ns)), self.speed == AT_ONCE)

    def recording(self, playback: Playback, place: int) -> Recording:
        """In a thread: an exchange as a whole, to be told as another transport has it. Raises StoreError."""
        index, exchange = playback.index, playback.index.exchange(place)
        ended = self.store.durations([exchange]).get(exchange, 0)
        if not index.big(place):
            raw = self.store.replayable([exchange])[0]
        elif self.store.exchange(exchange).response_bytes <= _RETOLD:
            raw = self.store.raw(exchange)
        else:
            raise StoreError(f"it has more than {_RETOLD >> 20} MiB")
        if index.asks(place) == "ws" and not raw.frames:  # a turn
            raw = replace(raw, frames=tuple([Frame(row.direction, row.offset_ns, row.bytes) for row in self.store.event_rows(exchange)]))
        return Recording(index.asks(place), raw, index.outcome(place), ended)

    def read_now(self, playback: Playback, place: int) -> _Kept | None:
        """The exchange with some of those behind it, if they can be read without waiting. Raises StoreError: it is damaged."""
        index = playback.index
        if not self._little or index.big(place) or index.exchange(place) in self._reading:
            return None
        wanted = self._ahead(playback, place, self._few)
        found = self._decode(wanted, _LITTLE)
        self._few = min(2 * len(found) if len(found) == len(wanted) else len(found) + 1, _AHEAD)
        self._keep_all(found)
        self.at_hand(playback, place)
        return found[index.exchange(place)]

    def _ahead(self, playback: Playback, place: int, most: int) -> list[tuple[int, Outcome]]:
        """The exchange at that place and those behind it that are likely to be asked for next, so many at most."""
        index = playback.index
        behind = (next_ for next_ in range(place + 1, min(place + _LOOKED_AT, len(index))) if not index.big(next_) and not index.served(next_))
        wanted = [place, *islice((next_ for next_ in behind if self._is_new(index.exchange(next_))), most - 1)]
        return [(index.exchange(one), index.outcome(one)) for one in wanted]

    def _is_new(self, exchange: int) -> bool:
        return exchange not in self._cache and exchange not in self._reading

    def _read(self, wanted: list[tuple[int, Outcome]]) -> asyncio.Task[dict[int, _Kept]]:
        task = asyncio.ensure_future(self._read_all(wanted))
        for exchange, _ in wanted:
            self._reading[exchange] = task
        return task

    async def _read_all(self, wanted: list[tuple[int, Outcome]]) -> dict[int, _Kept]:
        try:
            found = await self._loop.run_in_executor(None, self._decode, wanted, _BATCH)
        finally:
            for exchange, _ in wanted:
                self._reading.pop(exchange, None)
        self._keep_all(found)
        return found

    def _keep_all(self, found: dict[int, _Kept]) -> None:
        for exchange, one in found.items():
            self._keep(exchange, one)

    def _keep(self, exchange: int, one: _Kept) -> None:
        if exchange in self._cache:
            return
        self._cache[exchange] = one
        self._room -= one.size
        while self._room < 0:
            _, forgotten = self._cache.popitem(last=False)
            self._room += forgotten.size

    def _decode(self, wanted: list[tuple[int, Outcome]], most: int) -> dict[int, _Kept]:
        """The first of them, as many as take `most` bytes. Raises StoreError: the first one is damaged."""
        at_once = self.speed == AT_ONCE
        try:
            raws = self.store.replayable([exchange for exchange, _ in wanted], most, times=not at_once)
        except StoreError:
            if len(wanted) == 1:
                raise
            return self._decode(wanted[:1], most)  # it may be another one that is damaged
        found: dict[int, _Kept] = {}
        ended = {} if at_once else self.store.durations([exchange for exchange, _ in wanted[: len(raws)]])
        for (exchange, outcome), raw in zip(wanted, raws, strict=False):
            one = Spoken.of(raw) or (usual(raw, outcome) if at_once and self._retry_after is None else None)
            try:
                found[exchange] = one or ready(self._steps(Source.of(raw, outcome, ended.get(exchange, 0))), at_once)
            except ProtocolError as error:
                if len(found) == 0:
                    raise StoreError(f"exchange {exchange} cannot be served: {error}") from None
        return found

    def _stream(self, exchange: int, outcome: Outcome) -> Iterator[Step]:
        """In a thread."""
        record, streamed = self.store.exchange(exchange), self.store.stream(exchange)
        heads, ended = streamed.heads, round((record.duration_ms or 0) * 1_000_000)
        method = heads.request_head.partition(b" ")[0].decode("latin-1")
        size = record.response_bytes
        return self._steps(Source(method, outcome, heads.response_heads, heads.trailers, size, ended, streamed.frames, streamed.chunks, streamed.response))

    def _steps(self, source: Source) -> Iterator[Step]:
        steps = script(source)
        return steps if self._retry_after is None else with_retry_after(steps, self._retry_after)


def _numbers(takes: list[int]) -> str:
    return f"take {takes[0]}" if len(takes) == 1 else f"takes {', '.join(map(str, takes[:-1]))} and {takes[-1]}" if len(takes) < 6 else f"{len(takes)} takes"


def _served(playback: Playback) -> Iterator[int]:
    index = playback.index
    return (index.exchange(place) for place in range(len(index)) if index.served(place))
