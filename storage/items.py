"""Digests of items, written in few bytes: a conversation's list begins with that of the turn before, so that only what is new is kept. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from .packing.splits import longest
from .records import ItemRow

DEPTH = 32
"""How many lists are read at most to know one."""

DIGEST = 4
"""Bytes of a digest."""

LISTS = 16
"""Lists remembered of each session."""

_MOST = 16 << 20  # bytes of all lists that are remembered
_OVERHEAD = 256  # bytes that a list takes beside its digests, and a session beside its lists, roughly
_WORTH = 16  # bytes; fewer are written again
_NEWEST = 3  # items that tell whether a list goes on from another one
_POSITION = attrgetter("position")
_PART = attrgetter("part")


class WrittenItems(NamedTuple):
    """What is kept of a list: what follows the list of `base`, an older exchange; all of it if that is None."""

    base: int | None
    data: bytes


class Sent(NamedTuple):
    """What of a list an older exchange had sent, in bytes of its digests: the first `shared`, and of those before `upto` what is in `old`, too."""

    shared: int = 0
    upto: int = 0
    old: bytes = b""


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
        self._size = 0

    def write(self, session: str, exchange: int, items: bytes, parent: str | None = None) -> tuple[WrittenItems, Sent]:
        """What to keep of a list, which is remembered, and what of it older exchanges had sent already.

        `parent`: the response that the request goes on from. Behind another one the same items are sent anew: a user may say yes twice.
        """
        if not items:
            return WrittenItems(None, items), Sent()
        lists = self._lists(session)
        known, shared = _alike(lists, exchange, items, parent) if lists else (None, 0)
        sent = Sent(shared) if shared == len(items) else _sent(lists, _List(exchange, items, 0, parent), known, shared)
        base = known if known is not None and known.depth < DEPTH and len(known.items) >= _WORTH else None
        self._size += _remember(lists, known, _List(exchange, items, 0 if base is None else base.depth + 1, parent))
        if self._size > _MOST:
            self._let_go()
        return WrittenItems(None, items) if base is None else WrittenItems(base.exchange, items[len(base.items) :]), sent

    def knows(self, session: str) -> bool:
        """Whether anything was remembered of it, or it was told to be new."""
        return session in self._sessions

    def recall(self, session: str, lists: Iterable[tuple[int, bytes, str | None]]) -> None:
        """Remember what was stored before, the oldest first, each with its parent, as if it had been written here; nothing is written as what follows these."""
        kept = self._lists(session)
        self._size -= sum(map(_size, kept))
        kept[:] = remembered(lists)
        self._size += sum(map(_size, kept))
        self._let_go()

    def _lists(self, session: str) -> list[_List]:
        lists = self._sessions.get(session)
        if lists is None:
            lists = self._sessions[session] = []
            self._size += _OVERHEAD
        else:
            self._sessions.move_to_end(session)
        return lists

    def _let_go(self) -> None:
        """Of the sessions that were asked for longest ago, but never of the last one."""
        while self._size > _MOST and len(self._sessions) > 1:
            self._size -= _OVERHEAD + sum(map(_size, self._sessions.popitem(last=False)[1]))

    def forget(self, exchange: int) -> None:
        """It was deleted, or never stored. Idempotent."""
        for lists in self._sessions.values():
            self._size -= sum([_size(one) for one in lists if one.exchange == exchange])
            lists[:] = [one for one in lists if one.exchange != exchange]


def _size(one: _List) -> int:
    return len(one.items) + _OVERHEAD


def remembered(lists: Iterable[tuple[int, bytes, str | None]]) -> list[_List]:
    """What is remembered of the lists of a session, each with its parent, the oldest first."""
    kept: list[_List] = []
    for exchange, items, parent in lists:
        if items:
            _remember(kept, _alike(kept, exchange, items, parent)[0], _List(exchange, items, DEPTH, parent))
    return kept


def _remember(lists: list[_List], known: _List | None, new: _List) -> int:
    """In place of the one that it goes on from, behind the same response. How many bytes more are taken."""
    more = _size(new)
    if known is not None and known.parent == new.parent:
        lists.remove(known)
        more -= _size(known)
    lists.append(new)
    if len(lists) > LISTS:
        more -= _size(lists.pop(0))
    return more


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


def _sent(lists: list[_List], new: _List, known: _List | None, shared: int) -> Sent:
    """What of the list was sent: the beginning that it shares, and what the newest list had that it goes on from in another way."""
    items, rest = new.items, new.items[shared:]
    for one in reversed(lists):
        if one.parent != new.parent or one.exchange >= new.exchange:
            continue
        if one is known:
            break
        old = one.items
        # Most lists have nothing to do with it, which is told quickly.
        if old[-4:] not in rest and old[-8:-4] not in rest and old[-12:-8] not in rest and not items.startswith(old[:8]):
            continue
        upto = sent_before(items, old, start=shared)
        if upto > shared:
            return Sent(upto) if old.startswith(items[:upto]) else Sent(shared, upto, old)
    return Sent(shared)


def sent_before(items: bytes, old: bytes, size: int = DIGEST, start: int = 0) -> int:
    """Up to where, in bytes, a list goes on from an older one: before that place, what the older one had was sent; 0: it is another conversation.

    Both are digests, of `size` bytes each; of the first `start` bytes it is known that they were sent.
    What goes on from a list still has its newest items, though the oldest were let go, or the prompt has another time in it. What only begins like it is
    another conversation, with the same prompt or examples, and sends these for the first time. So is what goes back and says something else, which looks
    alike: a row too many is of something that was sent, one that is missing is never found. The same once more, or less of it, sends nothing.
    """
    if items.startswith(old):
        return len(old)
    if old.startswith(items):
        return len(items)
    newest = digests_of(old[-_NEWEST * size :], size)
    if any(items.find(one, start) >= 0 for one in newest) and (upto := _behind(items, old, newest, start)):
        return upto
    # Of a list that grows the newest may be the one that changes: what is told anew at the end of each request.
    head = len(old) - size
    return head if head > size and len(items) >= len(old) + 2 * size and items.startswith(old[:head]) else 0


def _behind(items: bytes, old: bytes, newest: list[bytes], start: int) -> int:
    """The place behind the newest items of the older list, where they stand behind what both begin with; 0: too few of them do."""
    size = len(newest[0])
    common = longest(min(len(items), len(old)), lambda low, high: items.startswith(old[low:high], low)) // size * size
    head, newest = max(common, start), newest[-((len(old) - common) // size) :]
    now = digests_of(items[head:], size)
    last = next((number for number in range(len(newest), 0, -1) if newest[number - 1] in now), 0)
    if not last:
        return 0
    runs = {place: _run(now[: place + 1], newest[:last]) for place, one in enumerate(now) if one == newest[last - 1]}
    place = max(runs, key=runs.__getitem__)
    goes_on, whole = place + 1 < len(now), len(newest) > 1 and {*newest} <= {*now}
    if runs[place] == 1 and whole:
        return len(items)  # not in their order: what stands behind may have been moved there
    # One alone may be what everybody says.
    alone = last == len(newest) and ((not place and head == common > 0) or (place == 1 and len(old) == 2 * size))
    if whole or (goes_on and (runs[place] > 1 or alone)):
        return head + (place + 1) * size
    return 0


def _run(one: list[bytes], other: list[bytes]) -> int:
    """With how many of the same both end."""
    return next((count for count, (a, b) in enumerate(zip(reversed(one), reversed(other), strict=False)) if a != b), min(len(one), len(other)))


def digests_of(items: bytes, size: int = DIGEST) -> list[bytes]:
    """One by one."""
    return [items[at : at + size] for at in range(0, len(items), size)]


def new_items(rows: Sequence[ItemRow], items: bytes, sent: Sent) -> Sequence[ItemRow]:
    """Without those of the request that an older exchange had sent. `rows`: the request's in their order, then the response's.

    `items`: the digests of the request's list; `sent`: which of them the older exchange had sent.
    """
    shared, upto, old = sent
    if not shared and not upto:
        return rows
    end = bisect_left(rows, "output", key=_PART)
    count = rows[end - 1].position + 1 if end else 0
    # Of a very long list the first digests are let go: those of both lists, since they begin alike.
    first = max(count - len(items) // DIGEST, 0)
    if first + shared // DIGEST >= count:
        return rows[end:]
    start = bisect_left(rows, first + shared // DIGEST, 0, end, key=_POSITION)
    if not upto:
        return rows[start:]
    behind, seen = bisect_left(rows, first + upto // DIGEST, start, end, key=_POSITION), {*digests_of(old)}
    edited = [row for row in rows[start:behind] if items[(at := DIGEST * (row.position - first)) : at + DIGEST] not in seen]
    return [*edited, *rows[behind:]]


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
