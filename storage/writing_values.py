"""What the writer of batches is made of, apart from it: groups of numbers, values of rows, what it looks up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from operator import lt
from typing import Any

from sqlalchemy import Connection, Double, delete

from .bodies import BodyKey, StoredBody
from .evidence.chained import ExchangeRows, without_ends
from .items import WrittenItems
from .records import Recorded
from .rows import PARTS, Literals, Row
from .tables import exchanges, item_rows

PARAMETERS = 1000
"""Of one statement."""

_GAP = 100  # numbers that are asked for in vain rather than by one more statement
_ITEM = len(item_rows.columns)
_FLOATS = tuple(place for place, column in enumerate(exchanges.columns) if isinstance(column.type, Double))


def replace_items(connection: Connection, id_: int, parts: Iterable[str]) -> None:
    """Make room for other items of an exchange."""
    for part in parts:
        connection.execute(delete(item_rows).where(item_rows.c.exchange == id_, item_rows.c.part == PARTS[part]))


def parts(values: list[int]) -> Iterator[list[int]]:
    return (values[i : i + PARAMETERS] for i in range(0, len(values), PARAMETERS))


def ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Few ranges that hold the numbers, which ascend, and not many others."""
    low = high = numbers[0]
    for number in numbers:
        if number - high > _GAP:
            yield low, high
            low = number
        high = number
    yield low, high


def fingerprint_values(items: Mapping[int, WrittenItems], recorded: Mapping[int, Recorded]) -> dict[int, Row]:
    """Rows of fingerprints of exchanges that have one."""
    return {id_: (id_, one.digest, one.asks, *written) for id_, written in items.items() if (one := recorded[id_].fingerprint) is not None}


def _entered(values: Row) -> Row:
    """A fingerprint as it is entered, each value as `typed`."""
    id_, made, asks, base, items = values
    return id_, {"hex": made.hex()}, asks, base, {"hex": items.hex()}


def key(id_: int, r: Recorded) -> BodyKey:
    facts = r.facts
    return BodyKey(r.session, id_, facts.kind, facts.prompt_cache_key, facts.previous_response_id, facts.response_id, facts.model)


_rows = partial(tuple.__new__, ExchangeRows)  # three times as quick as calling it
_NO_COST: tuple[list[Any], list[Any]] = ([], [])
_NO_EVENTS: tuple[Literals, list[Any]] = ((), [])


@dataclass(slots=True)
class Inserted:
    """What is inserted of new exchanges beside their own rows and bodies, by id, as it is inserted: to enter it, nothing has to be read again."""

    fingerprints: dict[int, Row] = field(default_factory=dict)
    items: dict[int, list[Any]] = field(default_factory=dict)
    costs: dict[int, tuple[list[Any], list[Any]]] = field(default_factory=dict)
    events: dict[int, tuple[Literals, list[Any]]] = field(default_factory=dict)

    def of(self, row: Row, body: StoredBody) -> ExchangeRows:
        """All rows of one of them, as `chain_rows` reads them."""
        id_, values = row[0], without_ends(row)
        base, data, codec, digest, raw_bytes, depth = body
        for place in _FLOATS:  # as `plain` does it, which looks everywhere
            if (value := values[place]) is not None:
                values[place] = repr(value)
        fingerprint = _entered(found) if (found := self.fingerprints.get(id_)) is not None else ()
        items: Sequence[Any] = self.items.get(id_, ())
        if len(items) > _ITEM:
            items = _in_order(items)
        cost, lines = self.costs.get(id_, _NO_COST)
        told = (id_, base, depth, codec, digest, raw_bytes)
        return _rows((values, told, data, fingerprint, items, cost, lines, self.events.get(id_, _NO_EVENTS), (), ()))


def _in_order(items: Sequence[Any]) -> Sequence[Any]:
    """Values of items as they come back: by part and position, of two in one place the first."""
    places = [*zip(items[1::_ITEM], items[2::_ITEM], strict=True)]
    if all(map(lt, places, places[1:])):
        return items
    found: dict[tuple[int, int], Sequence[Any]] = {}
    for number, place in enumerate(places):
        found.setdefault(place, items[number * _ITEM : (number + 1) * _ITEM])
    return [*chain.from_iterable(found[place] for place in sorted(found))]
