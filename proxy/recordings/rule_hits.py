"""Answers that a replay gave by rules: which are counted, explained and kept, off the way of the answers. No hit is silent."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from playhead.config.errors import StoreError
from playhead.storage.records import Fingerprint
from playhead.storage.replaying.replay_rows import RuleHit
from playhead.storage.store import Store

from ..fingerprint import Asked, Rules, asked_of
from ..matching.fitting import rules_between
from .replay_index import ReplayIndex

log = logging.getLogger("playhead")

ACCEPTED = "accepted"
"""In place of rules, where a request stands for a recorded one since `playhead accept`."""

_SECONDS = 0.5  # after which hits are kept
_HELD = 16 << 20  # bytes of requests that wait to be explained
_EXPLAINED = 4096


class Replayed(Protocol):
    """A session as it is replayed (`player.Playback`)."""

    session: str
    take: int | None
    index: ReplayIndex
    rules: Rules


class _Pair(NamedTuple):
    """An exchange, and a request by its fingerprint without rules. `line`: why they are equal, if that need not be found out."""

    session: str
    take: int | None
    exchange: int
    plain: bytes
    line: str


@dataclass(slots=True)
class _Seen:
    """How often, and what is needed to say why: the rules in force, and the request if there was room for it."""

    rules: Rules
    request: tuple[Asked, bytes] | None
    count: int
    first_at: datetime
    last_at: datetime


class RuleHits:
    """Those of one server. `run`: this start of it."""

    def __init__(self, store: Store, run: str) -> None:
        self._store = store
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._seen: dict[_Pair, _Seen] = {}
        self._unwritten: deque[dict[_Pair, _Seen]] = deque()
        self._held = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing = threading.Lock()
        self._why: OrderedDict[_Pair, str] = OrderedDict()  # only under the lock

    def saw(self, playback: Replayed, place: int, one: Fingerprint, asked: Asked, text: bytes) -> bool:
        """A request is answered by the exchange at that place. Whether they are equal only by a rule, or since that was accepted: then it is kept."""
        index = playback.index
        if one.unruled == index.plain(place):
            return False
        accepted = one.digest != index.digest(place)
        pair = _Pair(playback.session, playback.take, index.exchange(place), one.unruled, ACCEPTED if accepted else "")
        self._add(pair, playback.rules, None if accepted else (asked, text))
        return True

    def _add(self, pair: _Pair, rules: Rules, request: tuple[Asked, bytes] | None) -> None:
        now = datetime.now(UTC)
        seen = self._seen.get(pair)
        if seen is not None:
            seen.count += 1
            seen.last_at = now
            return
        size = len(request[1]) if request is not None else 0
        if self._held + size > _HELD:
            request = None
        else:
            self._held += size
        self._seen[pair] = _Seen(rules, request, 1, now, now)
        if self._timer is None:
            self._timer = self._loop.call_later(_SECONDS, self._keep)

    def _keep(self) -> None:
        self._timer = None
        self._hand_over()
        self._loop.run_in_executor(None, self._write)

    def _hand_over(self) -> None:
        self._unwritten.append(self._seen)
        self._seen, self._held = {}, 0

    def close(self) -> None:
        """Keep what is left; a thread that comes later finds nothing more to keep in a store that may be closed by then. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._hand_over()
        self._write()

    def _write(self) -> None:
        """In any thread."""
        with self._writing:
            while self._unwritten:
                hits = [self._hit(pair, one) for pair, one in self._unwritten.popleft().items()]
                try:
                    self._store.add_rule_hits(hits)
                except StoreError as error:
                    log.info("%d answers that were given by rules are not kept: %s", sum(hit.count for hit in hits), error)

    def _hit(self, pair: _Pair, seen: _Seen) -> RuleHit:
        why = pair.line or self._explained(pair, seen)
        log.info("session %s: exchange %d has answered a request that is not its own, by %s", pair.session, pair.exchange, why.replace("\n", ", "))
        return RuleHit(
            session=pair.session,
            take=pair.take,
            run=self._run,
            exchange=pair.exchange,
            rules=why,
            count=seen.count,
            first_at=seen.first_at,
            last_at=seen.last_at,
        )

    def _explained(self, pair: _Pair, seen: _Seen) -> str:
        """The fewest rules; all that are in force where that cannot be found out."""
        known = self._why.get(pair)
        if known is not None:
            self._why.move_to_end(pair)
            return known
        rules = seen.rules.rules
        try:
            if seen.request is not None:
                stored = self._store.stored_request(pair.exchange)
                rules = tuple(rules_between((asked_of(stored), b"".join(stored.body)), seen.request, seen.rules)) or rules
        except StoreError as error:
            log.info("why exchange %d has answered cannot be told: %s", pair.exchange, error)
        why = self._why[pair] = "\n".join(map(str, rules))
        while len(self._why) > _EXPLAINED:
            self._why.popitem(last=False)
        return why
