"""Usage of one endpoint beside the exchanges that belong to it: what is left, cell by cell. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .exports import Cell, Table
from .measures import COMPLETIONS, MEASURES, Vector, joined_writes, plus, same_writes
from .parts import Part

Moment = Literal["end", "start"]
"""By which moment the provider counts: when a response has ended, or when it began."""


@dataclass(slots=True)
class Counted:
    """The exchanges of one endpoint by the provider's cells. `left`: what the provider counts less what they do; `silent`: those without usage, by bucket;
    `beside`: those just before and after the export."""

    table: Table
    moment: Moment
    members: dict[Cell, list[Part]] = field(default_factory=dict)
    left: dict[Cell, Vector] = field(default_factory=dict)
    silent: list[tuple[tuple[int, int], Part]] = field(default_factory=list)
    beside: list[Part] = field(default_factory=list)
    uncountable: set[Cell] = field(default_factory=set)

    @property
    def distance(self) -> int:
        """How far apart both are."""
        return sum(abs(vector[0]) * 1000 + sum(map(abs, vector[1:])) for vector in self.left.values())


class Buckets:
    """Time buckets, to be found by moments."""

    def __init__(self, buckets: Iterable[tuple[int, int]]) -> None:
        self._all = sorted(buckets)
        self._starts = [start for start, _ in self._all]

    def at(self, moment: int) -> tuple[int, int] | None:
        """The one that holds that moment."""
        place = bisect_right(self._starts, moment) - 1
        return self._all[place] if place >= 0 and moment < self._all[place][1] else None


def count(table: Table, parts: Sequence[Part], names: Mapping[str, Mapping[str, str]]) -> Counted:
    """Lay exchanges beside an endpoint's usage, by the moment that fits better. `names`: what the provider calls projects and keys."""
    return min((_count(table, parts, names, moment) for moment in ("end", "start")), key=lambda counted: counted.distance)


def when(part: Part, moment: Moment) -> int:
    """The moment by which it is counted."""
    return part.end if moment == "end" else part.start


def cell_of(table: Table, part: Part, bucket: tuple[int, int], names: Mapping[str, Mapping[str, str]]) -> Cell:
    """Where the ledger would count it."""
    by = table.grouped
    return Cell(
        *bucket,
        names.get("project", {}).get(part.project or "", part.project) if "project" in by else None,
        names.get("key", {}).get(part.key or "", part.key) if "key" in by else None,
        part.model if "model" in by else None,
        (None if part.tier == "auto" else part.tier) if "tier" in by else None,
        part.batch if "batch" in by else None,
    )


def _count(table: Table, parts: Sequence[Part], names: Mapping[str, Mapping[str, str]], moment: Moment) -> Counted:
    found, buckets = Counted(table, moment), Buckets(table.buckets)
    first, last = min(table.buckets)[0], max(table.buckets)[1]
    joined = MEASURES[table.endpoint] is COMPLETIONS and not table.split_writes
    for part in parts:
        bucket = buckets.at(when(part, moment))
        if bucket is None:
            if not first <= when(part, moment) < last:
                found.beside.append(part)
            continue
        if part.vector is None:
            named = cell_of(table, part, bucket, names)
            found.silent.append((bucket, part._replace(project=named.project, key=named.key)))
            continue
        if joined:
            part = part._replace(vector=joined_writes(part.vector))
        cell = cell_of(table, part, bucket, names)
        found.members.setdefault(cell, []).append(part)
        if not part.countable:
            found.uncountable.add(cell)
    _subtract(found)
    return found


def _subtract(found: Counted) -> None:
    nothing = (0,) * len(MEASURES[found.table.endpoint])
    for cell in found.table.rows.keys() | found.members.keys():
        members = found.members.get(cell, ())
        vector = found.table.rows.get(cell, nothing)
        if members:
            vector = plus(vector, tuple(map(sum, zip(*(part.vector or nothing for part in members), strict=True))), -1)
        if cell in found.uncountable:  # a connection is many requests to the provider
            vector = (0, *vector[1:])
        if MEASURES[found.table.endpoint] is COMPLETIONS:
            vector = same_writes(vector)
        if any(vector):
            found.left[cell] = vector


def names_of(table: Table, parts: Sequence[Part], dimension: str, given: Mapping[str, str]) -> dict[str, str]:
    """What the provider calls the projects or keys of recordings (`dimension`): as `given`, else by the same name, else by equal counts.

    Keys are known here by their key_id alone, and there by another id: what was used the same in every respect is the same.
    """
    theirs = {value for cell in table.rows if (value := getattr(cell, dimension)) is not None}
    ours = {value for part in parts if (value := getattr(part, dimension)) is not None}
    found = {our: given[our] for our in ours if our in given} | {name: name for name in ours & theirs}
    open_, wanted = ours - found.keys(), theirs - set(found.values())
    if not open_ or not wanted:
        return found
    votes = Counter[tuple[str, str]]()
    for mine, their in _alike(table, parts, dimension):
        if mine in open_ and their in wanted:
            votes[mine, their] += 1
    for (mine, their), _ in votes.most_common():
        if mine in open_ and their in wanted:
            found[mine] = their
            open_.discard(mine)
            wanted.discard(their)
    return found


def _alike(table: Table, parts: Sequence[Part], dimension: str) -> Iterable[tuple[str, str]]:
    """Pairs of our and their names that stand for the same counts in some bucket, of one model where that is told."""
    model = "model" in table.grouped
    theirs: dict[tuple[int, str | None, str], Vector] = {}
    for cell, vector in table.rows.items():
        if (name := getattr(cell, dimension)) is not None:
            key = (cell.start, cell.model if model else None, name)
            theirs[key] = plus(theirs[key], vector) if key in theirs else vector
    by_counts: dict[tuple[int, str | None, Vector], set[str]] = {}
    for (start, named, name), vector in theirs.items():
        by_counts.setdefault((start, named, vector), set()).add(name)
    for (start, named, name), vector in _ours(table, parts, dimension, model=model).items():
        for their in by_counts.get((start, named, vector), ()):
            yield name, their


def _ours(table: Table, parts: Sequence[Part], dimension: str, *, model: bool) -> dict[tuple[int, str | None, str], Vector]:
    buckets, found = Buckets(table.buckets), dict[tuple[int, str | None, str], Vector]()
    joined = MEASURES[table.endpoint] is COMPLETIONS and not table.split_writes
    for part in parts:
        bucket, name = buckets.at(part.end), getattr(part, dimension)
        if bucket is None or name is None or part.vector is None:
            continue
        vector = joined_writes(part.vector) if joined else part.vector
        key = (bucket[0], part.model if model else None, name)
        found[key] = plus(found[key], vector) if key in found else vector
    return found
