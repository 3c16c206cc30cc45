"""Digests of items, written in few bytes: a conversation's list begins with that of the turn before, so that only what is new is kept. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from .records import ItemRow

DEPTH = 32
"""How many lists are read at most to know one."""

DIGEST = 4
"""Bytes of a digest."""

LISTS = 16
"""Lists remembered of each session."""

_SESSIONS = 64
_WORTH = 16  # bytes; fewer are written again
_POSITION = attrgetter("position")
_PART = attrgetter("part")


class WrittenItems(NamedTuple):
    """What is kept of a list: what follows the list of `base`, an older exchange; all of it if that is None."""

    base: int | None
    data: bytes


@dataclass(slots=True, eq=False)
class _List:
    exchange: int
    items: bytes
    depth: int
    parent: str | None


class ItemMemory:
    """Remembers the last lists of the last sessions; a bounded memory."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, list[_List]] = OrderedDict()  # of each the newest last

    def write(self, session: str, exchange: int, items: bytes, parent: str | None = None) -> tuple[WrittenItems, int]:
        """What to keep of a list, which is remembered, and how many bytes of it an older exchange had sent already.

        `parent`: the response that the request goes on from. Behind another one the same items are sent anew: a user may say yes twice.
        """
        if not items:
            return WrittenItems(None, items), 0
        lists = self._lists(session)
        known, shared = _alike(lists, exchange, items, parent) if lists else (None, 0)
        base = known if known is not None and known.depth < DEPTH and len(known.items) >= _WORTH else None
        _remember(lists, known, _List(exchange, items, 0 if base is None else base.depth + 1, parent))
        return WrittenItems(None, items) if base is None else WrittenItems(base.exchange, items[len(base.items) :]), shared

    def knows(self, session: str) -> bool:
        """Whether anything was remembered of it, or it was told to be new."""
        return session in self._sessions

    def recall(self, session: str, lists: Iterable[tuple[int, bytes, str | None]]) -> None:
        """Remember what was stored before, the oldest first, each with its parent, as if it had been written here; nothing is written as what follows these."""
        kept = self._lists(session)
        kept.clear()
        for exchange, items, parent in lists:
            if items:
                _remember(kept, _alike(kept, exchange, items, parent)[0], _List(exchange, items, DEPTH, parent))

    def _lists(self, session: str) -> list[_List]:
        lists = self._sessions.get(session)
        if lists is None:
            lists = self._sessions[session] = []
            if len(self._sessions) > _SESSIONS:
                self._sessions.popitem(last=False)
        else:
            self._sessions.move_to_end(session)
        return lists

    def forget(self, exchange: int) -> None:
        """It was deleted, or never stored. Idempotent."""
        for lists in self._sessions.values():
            lists[:] = [one for one in lists if one.exchange != exchange]


def _remember(lists: list[_List], known: _List | None, new: _List) -> None:
    """In place of the one that it goes on from, behind the same response."""
    if known is not None and known.parent == new.parent:
        lists.remove(known)
    lists.append(new)
    if len(lists) > LISTS:
        del lists[:-LISTS]


def _alike(lists: list[_List], exchange: int, items: bytes, parent: str | None) -> tuple[_List | None, int]:
    """The longest list of an older exchange that these items begin with, the newest of several; and how many bytes of the items were sent behind `parent`."""
    known, longest, shared = None, 0, 0
    for one in reversed(lists):
        theirs = one.items
        if one.exchange >= exchange:
            continue
        if items.startswith(theirs):
            common = len(theirs)
            if common > longest:
                known, longest = one, common
        elif theirs.startswith(items):
            common = len(items)
        else:
            continue
        if common > shared and one.parent == parent:
            shared = common
    return known, shared


def new_items(rows: Sequence[ItemRow], items: bytes, shared: int) -> Sequence[ItemRow]:
    """Without those of the request that an older exchange had sent. `rows`: the request's in their order, then the response's.

    `items`: the digests of the request's list; `shared`: bytes of them that the older exchange had sent.
    """
    if not shared:
        return rows
    end = bisect_left(rows, "output", key=_PART)
    count = rows[end - 1].position + 1 if end else 0
    # Of a very long list the first digests are let go: those of both lists, since they begin alike.
    start = max(count - len(items) // DIGEST, 0) + shared // DIGEST
    if start >= count:
        return rows[end:]
    return rows[bisect_left(rows, start, 0, end, key=_POSITION) :]


def read_items(wanted: Sequence[int], load: Callable[[list[int]], Mapping[int, WrittenItems]]) -> dict[int, bytes]:
    """The lists of exchanges. `load`: gives what is kept of some of them; those that are not there are left out.

    A list whose base is not there is left out as well.
    """
    rows = dict(load([*wanted]))
    missing = {row.base for row in rows.values() if row.base is not None} - rows.keys()
    while missing:
        more = load(sorted(missing))
        rows.update(more)
        missing = {row.base for row in more.values() if row.base is not None} - rows.keys()
    lists: dict[int, bytes] = {}
    for exchange in sorted(rows):  # bases are older
        base, data = rows[exchange]
        if base is None:
            lists[exchange] = data
        elif base in lists:
            lists[exchange] = lists[base] + data
    return {exchange: lists[exchange] for exchange in wanted if exchange in lists}
