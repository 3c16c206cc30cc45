"""Which earlier turn a turn goes on from: by the ids that it names, else by what it repeats, else by its prompt_cache_key. Pure.

Many conversations may go on side by side, in one session and under one key. What is remembered is bounded: of what has not been met again for long nothing
is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from xxhash import xxh3_64_intdigest

from playhead.storage.costing.prompted import Prompted

from .prompts import Prompt

K = TypeVar("K")
V = TypeVar("V")

_MOST = 400_000  # items, heads, keys and responses that are remembered, each
_TURNS = 800_000  # items of the turns that are, each turn counted as so many more:
_TURN = 32
_LOOKED_AT = 8  # known items, from the end
_CANDIDATES = 3


class Known(NamedTuple):
    """A turn that has been. `items`: of its whole context; `ratio`: tokens for each character of its prompt; 0: not known."""

    turn: Prompted
    prompt: Prompt
    items: int
    ratio: float = 0.0


class Recent(Generic[K, V]):
    """The newest entries: when there are too many, the older half goes."""

    def __init__(self, most: int) -> None:
        self._most = most // 2
        self._weight = 0
        self._new: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Its value; None: it is not known, or no longer."""
        found = self._new.get(key)
        return found if found is not None else self._old.get(key)

    def put(self, key: K, value: V, weight: int = 1) -> None:
        """Remember it."""
        self._new[key] = value
        self._weight += weight
        if self._weight > self._most:
            self._old, self._new, self._weight = self._new, {}, 0


class Threads:
    """All turns so far."""

    def __init__(self) -> None:
        self._turns: Recent[int, Known] = Recent(_TURNS)
        self._responses: Recent[str, int] = Recent(_MOST)
        self._conversations: Recent[tuple[str, str], int] = Recent(_MOST)
        self._items: Recent[int, int] = Recent(_MOST)
        self._places: Recent[tuple[object, ...], int] = Recent(_MOST)

    def known(self, id_: int) -> Known | None:
        """A turn, if it is remembered."""
        return self._turns.get(id_)

    def made(self, response_id: str) -> int | None:
        """The turn that made a response."""
        return self._responses.get(response_id)

    def conversing(self, turn: Prompted) -> int | None:
        """The turn before in its conversation."""
        return None if turn.conversation is None else self._conversations.get((turn.session, turn.conversation))

    def like(self, turn: Prompted, prompt: Prompt) -> Iterator[int]:
        """Turns that it may go on from, as far as what it says tells: those that share its last items, one with the same head, the last one of its key."""
        found: list[int] = []
        seen = 0
        session = xxh3_64_intdigest(turn.session.encode())
        for digest in reversed(prompt.digests):
            id_ = self._items.get(session ^ digest)
            if id_ is None:
                continue
            seen += 1
            if id_ not in found:
                found.append(id_)
            if seen >= _LOOKED_AT or len(found) >= _CANDIDATES:
                break
        for place in _places(turn, prompt):
            id_ = self._places.get(place)
            if id_ is not None and id_ not in found:
                found.append(id_)
        return iter(found)

    def add(self, known: Known) -> None:
        """One more turn."""
        turn, prompt = known.turn, known.prompt
        self._turns.put(turn.id, known, _TURN + len(prompt.digests))
        if turn.response_id is not None:
            self._responses.put(turn.response_id, turn.id)
        if turn.conversation is not None:
            self._conversations.put((turn.session, turn.conversation), turn.id)
        if turn.previous_response_id is None:
            session = xxh3_64_intdigest(turn.session.encode())
            for digest in prompt.digests:
                self._items.put(session ^ digest, turn.id)
        for place in _places(turn, prompt):
            self._places.put(place, turn.id)


def _places(turn: Prompted, prompt: Prompt) -> Iterator[tuple[object, ...]]:
    """Where to look for one that is like it, from the most telling on."""
    where = (turn.session, turn.kind)
    if prompt.heads:
        yield (*where, "head", *(part.digest for part in prompt.heads[:1]), *(part.digest for part in prompt.heads[-1:]), len(prompt.heads))
    if turn.cache_key is not None:
        yield (*where, "key", turn.cache_key)
    else:
        yield (*where, "last", turn.model, turn.key_id)
