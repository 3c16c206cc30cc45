"""Exchanges that the provider counts, but elsewhere: in another tier, in a later bucket, under another name. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .counted import Counted, when
from .exports import DIMENSIONS, Cell
from .findings import Finding, total
from .measures import MEASURES, Vector, plus, within
from .parts import Money, Part
from .subsets import pick
from .values import Values, average, placed

_SOON = 3600  # seconds by which a provider may count any response late
_LATER = 36 * 3600  # and one that went on in the background
_MANY = 50  # places that are tried for one exchange


class Moves:
    """Where one endpoint has too much and too little of the same."""

    def __init__(self, counted: Counted, values: Values) -> None:
        self._counted, self._values, self._left = counted, values, counted.left
        self._open: dict[tuple[str, Cell], list[Cell]] = {}
        for cell, vector in self._left.items():
            if all(count >= 0 for count in vector):
                for name in ("time", *DIMENSIONS):
                    self._open.setdefault((name, _without(cell, name)), []).append(cell)

    def found(self) -> Iterator[Finding]:
        """Takes what is found out of what is left."""
        for cell in sorted((cell for cell, vector in self._left.items() if vector[0] < 0), key=_order):
            if self._counted.table.endpoint in ("file_searches", "code_interpreter_sessions"):
                yield self._gone(cell, None)
                continue
            parts = sorted(self._counted.members.get(cell, ()), key=lambda part: (part.start, part.exchange))
            target = tuple(-count for count in self._left[cell])
            suspects = frozenset(place for place, part in enumerate(parts) if part.suspect or self._at_border(part, cell))
            places = pick([part.vector or () for part in parts], target, suspects)
            yield from self._some(cell, parts, target) if places is None else self._each(cell, [parts[place] for place in places])
        yield from self._before()

    def _each(self, cell: Cell, parts: Sequence[Part]) -> Iterator[Finding]:
        """Those that are known one by one: each goes where it is missing."""
        gone: list[Part] = []
        for part in parts:
            assert part.vector is not None
            place = self._place(cell, part)
            if place is None:
                gone.append(part)
                continue
            cause, there = place
            worth = self._worth(there, part)
            money = (*placed(cell, part.money, -1), *placed(there, worth or ()))
            amount = None if worth is None else total(money)
            yield Finding(cause, self._counted.table.endpoint, there, part.vector, amount, (part.exchange,), where=cell, money=money)
            self._take(there, part.vector)
            self._left[cell] = plus(self._left[cell], part.vector)
            self._counted.members[cell].remove(part)
        if gone:
            yield self._gone(cell, gone)

    def _some(self, cell: Cell, parts: Sequence[Part], target: Vector) -> Iterator[Finding]:
        """It cannot be told which they are."""
        likely = [part for part in parts if part.vector and within(part.vector, target)] or list(parts)
        for cause, there in self._places(cell, likely[0], every=True) if likely else ():
            if within(target, self._left[there]):
                like = average(target, target[0])
                before, after = (self._values.money(self._counted.table.endpoint, each, target, like) for each in (cell, there))
                money = (*placed(cell, before or (), -1), *placed(there, after or ()))
                ids = tuple(part.exchange for part in likely)
                amount = None if before is None or after is None else total(money)
                yield Finding(cause, self._counted.table.endpoint, there, target, amount, ids, exact=False, where=cell, money=money)
                self._take(there, target)
                self._left[cell] = tuple(0 for _ in target)
                return
        if likely and all(count >= 0 for count in target):
            yield self._gone(cell, None)

    def _gone(self, cell: Cell, parts: Sequence[Part] | None) -> Finding:
        """The provider does not count them. None: it is not known which."""
        members = self._counted.members.get(cell, [])
        endpoint = self._counted.table.endpoint
        if parts is None:
            counts = self._left[cell]
            worth = self._values.money(endpoint, cell, counts, average(counts, -counts[0]))
            money, exact, parts = placed(cell, worth or ()), False, members
            amount = None if worth is None else total(money)
        else:
            vectors = [part.vector for part in parts if part.vector is not None]
            counts = tuple(-sum(each) for each in zip(*vectors, strict=True))
            money, exact = tuple(one for part in parts for one in placed(cell, part.money, -1)), True
            amount = total(money)
        self._left[cell] = plus(self._left[cell], counts, -1)
        if cell.end == max(self._counted.table.buckets)[1] and all(part.late for part in parts):
            return Finding("late", endpoint, cell, counts, amount, tuple(part.exchange for part in parts), exact, money=money, note="after the export's end")
        return Finding("not_billed", endpoint, cell, counts, amount, tuple(part.exchange for part in parts), exact, money=money)

    def _worth(self, there: Cell, part: Part) -> tuple[Money, ...] | None:
        """What it costs there: its tokens by the prices of that place, all else as much as here. None: no price is known."""
        endpoint = self._counted.table.endpoint
        if "input" not in MEASURES[endpoint]:
            return part.money
        worth = self._values.money(endpoint, there, part.vector or (), part.vector or (), part)
        return None if worth is None else (*worth, *part.beside)

    def _take(self, there: Cell, vector: Vector) -> None:
        self._left[there] = plus(self._left[there], vector, -1)

    # Where to.

    def _place(self, cell: Cell, part: Part) -> tuple[str, Cell] | None:
        """The best place where it is missing."""
        vector = part.vector or ()
        fit = [(cause, there) for cause, there in self._places(cell, part) if within(vector, self._left[there])]
        first = ("late", "tier", "regrouped") if part.late else ("tier", "late", "regrouped")
        return min(fit, key=lambda each: (self._left[each[1]] != vector, first.index(each[0]), abs(each[1].start - cell.start)), default=None)

    def _places(self, cell: Cell, part: Part, *, every: bool = False) -> Iterator[tuple[str, Cell]]:
        for name in ("tier", "time", "batch", "model", "key", "project"):
            for there in self._open.get((name, _without(cell, name)), ())[:_MANY] if name != "time" else self._open.get((name, _without(cell, name)), ()):
                if there != cell and self._left[there][0] > 0 and (name != "time" or self._may_wait(part, there)):
                    yield "tier" if name == "tier" else "late" if name == "time" else "regrouped", there

    def _may_wait(self, part: Part, there: Cell) -> bool:
        """Whether the provider may have counted it in that bucket."""
        return there.end > part.made and there.start <= part.end + (_LATER if part.late else _SOON)

    def _at_border(self, part: Part, cell: Cell) -> bool:
        return part.start < cell.start or part.end >= cell.end

    def _before(self) -> Iterator[Finding]:
        """What the ledger counts just outside of the export, and the provider within."""
        first, last = min(self._counted.table.buckets)[0], max(self._counted.table.buckets)[1]
        near = [part for part in self._counted.beside if part.vector and (part.made < last and part.end >= first - (_LATER if part.late else _SOON))]
        near = [part for part in near if part.late or part.start < first <= part.end + _SOON or part.start < last <= part.end]
        for part in sorted(near, key=lambda one: when(one, self._counted.moment)):
            assert part.vector is not None
            for there, left in self._left.items():
                if left == part.vector and self._may_wait(part, there) and there.model in (None, part.model) and there.tier in (None, part.tier):
                    worth = self._worth(there, part)
                    money = placed(there, worth or ())
                    amount = None if worth is None else total(money)
                    note = "the ledger counts it outside of the export's time"
                    yield Finding("late", self._counted.table.endpoint, there, part.vector, amount, (part.exchange,), money=money, note=note)
                    self._take(there, part.vector)
                    break


def _without(cell: Cell, name: str) -> Cell:
    """The cell without one of its dimensions."""
    return cell._replace(start=0, end=0) if name == "time" else cell._replace(**{name: None})  # type: ignore[arg-type]


def _order(cell: Cell) -> tuple[int, str]:
    return cell.start, repr(cell)
