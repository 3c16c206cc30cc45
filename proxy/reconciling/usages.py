"""Explains what differs between an endpoint's usage and the ledger. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .counted import Counted
from .exports import Cell
from .findings import Finding, total
from .measures import COMPLETIONS, INPUTS, MEASURES, Vector, plus
from .moves import Moves
from .parts import Money, Part
from .values import Values, average, placed

_LEAST_CACHED = 1024  # tokens; shorter inputs are not cached


def explained(counted: Counted, values: Values) -> Iterator[Finding]:
    """Every difference has its finding, the last ones those that nothing explains."""
    yield from Moves(counted, values).found()
    silent = _Silent(counted)
    for cell in sorted((cell for cell, vector in counted.left.items() if any(vector)), key=lambda cell: (cell.start, repr(cell))):
        yield from _Cell(counted, values, cell).found(silent)
    yield from _unpriced(counted, values)


class _Cell:
    """One cell in which something is left."""

    def __init__(self, counted: Counted, values: Values, cell: Cell) -> None:
        self._values, self._cell = values, cell
        self._endpoint, self._left = counted.table.endpoint, counted.left[cell]
        self._members = counted.members.get(cell, [])
        self._whole = counted.table.rows.get(cell)
        self._uncountable = cell in counted.uncountable

    def found(self, silent: _Silent) -> Iterator[Finding]:
        if MEASURES[self._endpoint] is COMPLETIONS and (moved := _recounted(self._left)):
            yield self._cached(moved)
            self._left = plus(self._left, moved, -1)
        more = self._left[0] > 0 or (self._uncountable and any(self._left))
        if more and all(count >= 0 for count in self._left):
            yield from self._missing(silent)
        elif any(self._left):
            worth = self._worth(self._left, average(self._whole or self._left, self._whole[0] if self._whole else 1))
            yield self._finding("unexplained", self._left, worth, self._members, exact=False)

    def _cached(self, moved: Vector) -> Finding:
        """As many requests and as much input, but more or less of it from the cache, or written to it."""
        like = average(self._whole, self._whole[0]) if self._whole and self._whole[0] else moved
        worth = self._worth(moved, like)
        parts, exact = _behind(self._members, moved[2])
        return self._finding("cached", moved, worth, parts, exact=exact)

    def _missing(self, silent: _Silent) -> Iterator[Finding]:
        """The provider counts more: exchanges whose usage is not known, and then what was never seen."""
        left, many = self._left, max(self._left[0], 1)
        parts = silent.take(self._cell, self._left[0] if not self._uncountable else None)
        pending, cut = [part for part in parts if part.pending], [part for part in parts if not part.pending]
        groups = [("no_usage", cut, min(len(cut), many)), ("late", pending, min(len(pending), many)), ("unseen", [], max(many - len(parts), 0))]
        groups = [group for group in groups if group[2]]
        for place, (cause, behind, count) in enumerate(groups):
            share = left if place == len(groups) - 1 else (count, *(each * count // many for each in self._left[1:]))
            left = plus(left, share, -1)
            note = "" if len(groups) == 1 else f"{many} requests are shared out by their number among {', '.join(group[0] for group in groups)}"
            note = note or ("background responses whose usage no exchange told" if cause == "late" else "")
            worth = self._worth(share, average(share, count))
            yield self._finding(cause, share, worth, behind, exact=len(groups) == 1, note=note)

    def _worth(self, counts: Vector, like: Vector) -> tuple[Money, ...] | None:
        return self._values.money(self._endpoint, self._cell, counts, like)

    def _finding(self, cause: str, counts: Vector, worth: tuple[Money, ...] | None, parts: list[Part], *, exact: bool, note: str = "") -> Finding:
        money = placed(self._cell, worth or ())
        ids = tuple(part.exchange for part in parts)
        return Finding(cause, self._endpoint, self._cell, counts, None if worth is None else total(money), ids, exact, money=money, note=note)


def _recounted(left: Vector) -> Vector | None:
    """What of a difference only says that input was counted in another way: some of it more, some less, together nothing."""
    inputs = left[1 : 1 + len(INPUTS)]
    less = -sum(count for count in inputs if count < 0)
    more = sum(count for count in inputs if count > 0)
    if not less or less > more:
        return None
    found, open_ = [min(count, 0) for count in inputs], less
    for place, count in enumerate(inputs):
        if count > 0 and open_:
            found[place] = min(count, open_)
            open_ -= found[place]
    return (0, *found, 0)


def _behind(members: list[Part], cached: int) -> tuple[list[Part], bool]:
    """The exchanges of which the provider may count other cached tokens, and whether it must be just these."""
    if cached < 0:
        having = [part for part in members if part.vector and part.vector[2]]
        alone = [part for part in having if part.vector and part.vector[2] == -cached]
        if sum(part.vector[2] for part in having if part.vector) == -cached:
            return having, True
        return (alone, len(alone) == 1) if alone else (having, False)
    most = [part for part in members if part.vector and sum(part.vector[1 : 1 + len(INPUTS)]) >= _LEAST_CACHED]
    without = [part for part in most if part.vector and part.vector[1] >= cached]
    return (without, len(without) == 1) if without else (most or members, False)


class _Silent:
    """Exchanges whose usage is not known, to be taken where the provider counts more."""

    def __init__(self, counted: Counted) -> None:
        self._by_time: dict[tuple[int, int], list[Part]] = {}
        for bucket, part in counted.silent:
            self._by_time.setdefault(bucket, []).append(part)
        self._pending = [part for _, part in counted.silent if part.pending]
        self._taken: set[int] = set()
        self._grouped = counted.table.grouped

    def take(self, cell: Cell, most: int | None) -> list[Part]:
        """At most so many that may have been counted in that cell: those that surely fit before those that may."""
        near = [*self._by_time.get((cell.start, cell.end), ()), *(part for part in self._pending if part.made < cell.start <= part.made + 36 * 3600)]
        fit = [part for part in near if part.exchange not in self._taken and self._may_be(part, cell)]
        fit.sort(key=lambda part: (part.pending, _tier(part) != cell.tier, part.model != cell.model, part.start))
        taken = fit if most is None else fit[:most]
        self._taken.update(part.exchange for part in taken)
        return taken

    def _may_be(self, part: Part, cell: Cell) -> bool:
        model = cell.model is None or part.model is None or cell.model == part.model or cell.model.startswith(f"{part.model}-")
        tier = cell.tier is None or part.tier in (None, "auto", cell.tier)
        named = cell.project in (None, part.project) and cell.key in (None, part.key)
        return named and model and tier and (cell.batch is None or cell.batch == part.batch)


def _tier(part: Part) -> str:
    return next((tier for tier in (part.tier, part.asked) if tier not in (None, "auto")), "default") or "default"


def _unpriced(counted: Counted, values: Values) -> Iterator[Finding]:
    """What both count, and the ledger has no price for."""
    for cell, members in counted.members.items():
        if cell not in counted.table.rows:
            continue
        without = [part for part in members if part.amount is None and part.vector and any(part.vector[1:])]
        worths = [(part, values.money(counted.table.endpoint, cell, part.vector or (), part.vector or (), part)) for part in without]
        for part, worth in worths:
            known = [each for each in part.money if each.what in ("input", "cached", "written", "output")] if worth else []
            money = (*placed(cell, worth or ()), *placed(cell, known, -1))
            zero = tuple(0 for _ in part.vector or ())
            note = part.reason or "the ledger has no price for all of it"
            yield Finding("unpriced", counted.table.endpoint, cell, zero, total(money) if worth is not None else None, (part.exchange,), money=money, note=note)
