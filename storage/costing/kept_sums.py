"""Sums over the exchanges of a part of an SQLite store, kept for the next audit.

A part is all exchanges whose id divided by KEPT is its number. It is closed when there are exchanges behind it: ids ascend and are never given again. What
is kept of it is removed by triggers in the transaction in which one of these exchanges or its cost is changed or deleted, whoever does that; a cost is
inserted only with its exchange, or with a change of it.

Who is going to sum up a part claims it before reading it, by a row without sums, which such a change removes, too: only what still stands is filled in.
So sums that are found are those of what stands beside them.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select, update

from playhead.config.errors import StoreError

from ..engine import Database
from .cost_tables import kept_sums
from .costs import CLASSES, COUNTS
from .sums import Found, Key, Sums, Times

KEPT = 25_000
"""Exchanges of a part. The triggers know it, too."""

_MOST_GROUPS = 1_000  # of a part: sums of more are nearly as many as the exchanges
_TOO_MANY = b""  # in place of them
_NAMES = frozenset((str, type(None)))

Span = tuple[datetime, datetime]


class Part(NamedTuple):
    """What was summed up of a part. `span`: when the first and the last of its exchanges began; None: there are none."""

    found: Found
    span: Span | None

    def within(self, since: datetime | None, until: datetime | None) -> bool:
        """Whether all of them began in that time."""
        return self.span is None or ((since is None or since <= self.span[0]) and (until is None or self.span[1] < until))

    def dump(self) -> bytes:
        """To be kept."""
        groups = [[key, sums, _flat(self.found.first.get(key)), _flat(self.found.whole.get(key))] for key, sums in self.found.sums.items()]
        span = None if self.span is None else [moment.isoformat() for moment in self.span]
        return zlib.compress(json.dumps([span, groups], separators=(",", ":")).encode(), 1)

    @classmethod
    def load(cls, data: bytes, width: int) -> Part:
        """From what was kept of groups with so many names. Raises ValueError, TypeError, RecursionError, zlib.error: somebody has damaged it."""
        span, groups = json.loads(zlib.decompress(data))
        found = Found({}, {}, {})
        for names, values, first, whole in groups:
            key: Key = tuple(names)
            told: Any = [tuple(value) if isinstance(value, list) else value for value in values]
            sums = Sums._make(told)
            if len(key) != width or not _are_sums(key, sums, [*(first or ()), *(whole or ())]):
                raise ValueError("these are no sums")
            found.sums[key] = sums
            for known, flat in ((found.first, first), (found.whole, whole)):
                if flat is not None:
                    known[key] = dict(zip(flat[::2], flat[1::2], strict=True))
        if span is None:
            return cls(found, None)
        first, last = map(datetime.fromisoformat, span)
        if first.tzinfo is None or last.tzinfo is None:
            raise ValueError("these are no times")
        return cls(found, (first, last))


def _are_sums(key: Key, sums: Sums, times: Sequence[Any]) -> bool:
    """Whether they are of the types that are added up."""
    lists = (sums.counts, sums.amounts)
    if not ({*map(type, key)} <= _NAMES and {*map(type, lists)} == {tuple} and [*map(len, lists)] == [len(COUNTS), len(CLASSES)]):
        return False
    alone = [value for value in sums if value not in lists]
    return {*map(type, (*sums.counts, *sums.amounts, *alone, *times))} == {int}


def loaded(data: bytes, width: int) -> Part | None:
    """From what was kept of groups with so many names; None: there are too many groups, or somebody has damaged it."""
    with contextlib.suppress(zlib.error, ValueError, TypeError, RecursionError):
        return Part.load(data, width)
    return None


def ids_of(number: int) -> range:
    """The exchanges of a part."""
    return range(number * KEPT, (number + 1) * KEPT)


class KeptSums:
    """Of one grouping. `made_by`: what tells apart how they are made: those that were made in another way are not found, and give way."""

    def __init__(self, database: Database, grouping: str, made_by: str) -> None:
        self._database, self._grouping, self._made_by = database, grouping, made_by
        self._claim = os.urandom(8)
        self._own = kept_sums.c.grouping == grouping

    def stored(self) -> Mapping[int, bytes]:
        """What is kept, by the numbers of parts."""
        k = kept_sums.c
        wanted = select(k.part, k.data).where(self._own, k.made_by == self._made_by, k.data.is_not(None))
        with self._database.reading() as connection:
            return {row.part: row.data for row in connection.execute(wanted)}

    def numbers(self) -> set[int]:
        """The parts of which something is kept."""
        k = kept_sums.c
        with self._database.reading() as connection:
            return {*connection.execute(select(k.part).where(self._own, k.made_by == self._made_by, k.data.is_not(None))).scalars()}

    def claim(self, parts: Sequence[int]) -> bool:
        """Before they are read; False: nothing can be kept, as others use the store, or it can only be read."""
        if not parts or not self._database.writable:
            return False
        rows = [{"part": part, "grouping": self._grouping, "made_by": self._made_by, "claim": self._claim} for part in parts]
        try:
            with self._database.writing() as connection:
                connection.execute(delete(kept_sums).where(self._own, kept_sums.c.part.in_(parts)))
                connection.execute(insert(kept_sums), rows)
        except StoreError:
            return False
        return True

    def keep(self, number: int, part: Part) -> None:
        """What was read after `claim`, if it still holds. Of too many groups it is only kept that they are: nobody sums them up for the next audit again."""
        k = kept_sums.c
        mine = (self._own, k.part == number, k.claim == self._claim)
        data = part.dump() if len(part.found.sums) <= _MOST_GROUPS else _TOO_MANY
        with contextlib.suppress(StoreError), self._database.writing() as connection:
            connection.execute(update(kept_sums).where(*mine).values(data=data))


def _flat(times: Times | None) -> list[int] | None:
    return None if times is None else [number for pair in times.items() for number in pair]


def grouping_of(names: Sequence[str], *, times: bool) -> str:
    """What a grouping is called."""
    return json.dumps([*names, times], separators=(",", ":"))


def names_of(grouping: str) -> tuple[list[str], bool]:
    """The same backwards. Raises ValueError."""
    parsed: Any = json.loads(grouping)
    if not isinstance(parsed, list) or not parsed:
        raise ValueError("no grouping")
    *names, times = parsed
    return names, times is True
