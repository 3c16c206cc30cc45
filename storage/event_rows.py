"""The events of an exchange by column. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import count, repeat
from typing import Any, overload

from .records import EventRow

_row = partial(tuple.__new__, EventRow)  # of a tuple, at a third of the cost of EventRow(*row)

Row = tuple[int, int, str | None, int | None, str | None, int, int]
"""An EventRow without its `seq`."""


class EventRows(Sequence[EventRow]):
    """Rows that stand one behind the other, the first of them with that `seq`.

    They are written column by column: a tuple for each would only be made to be taken apart again.
    """

    __slots__ = ("directions", "first", "flags", "numbers", "offsets", "sizes", "streams", "types")

    def __init__(self, first: int = 0) -> None:
        self.first = first
        self.offsets: list[int] = []
        self.directions: list[int] = []
        self.types: list[str | None] = []
        self.numbers: list[int | None] = []
        self.streams: list[str | None] = []
        self.sizes: list[int] = []
        self.flags: list[int] = []

    def add(self, row: Row) -> None:
        """One more."""
        offset, direction, type_, number, stream, size, flags = row
        self.offsets.append(offset)
        self.directions.append(direction)
        self.types.append(type_)
        self.numbers.append(number)
        self.streams.append(stream)
        self.sizes.append(size)
        self.flags.append(flags)

    def add_answered(
        self, offsets: Iterable[int], types: Sequence[str | None], numbers: Iterable[int | None], sizes: Iterable[int], flags: Iterable[int]
    ) -> None:
        """Some that upstream sent, on no lane."""
        more = len(types)
        self.offsets += offsets
        self.directions += repeat(1, more)
        self.types += types
        self.numbers += numbers
        self.streams += repeat(None, more)
        self.sizes += sizes
        self.flags += flags

    @property
    def end(self) -> int:
        """The `seq` of the next one."""
        return self.first + len(self.types)

    def __len__(self) -> int:
        return len(self.types)

    def __iter__(self) -> Iterator[EventRow]:
        columns = (self.offsets, self.directions, self.types, self.numbers, self.streams, self.sizes, self.flags)
        return map(_row, zip(count(self.first), *columns, strict=False))

    @overload
    def __getitem__(self, place: int) -> EventRow: ...

    @overload
    def __getitem__(self, place: slice) -> list[EventRow]: ...

    def __getitem__(self, place: int | slice) -> EventRow | list[EventRow]:
        if isinstance(place, slice):
            return [*self][place]
        seq = range(self.first, self.end)[place]
        told = self.types[place], self.numbers[place], self.streams[place]
        return EventRow(seq, self.offsets[place], self.directions[place], *told, self.sizes[place], self.flags[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and [*self] == [*other]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"EventRows({[*self]!r})"


def columns_of(events: Sequence[EventRow]) -> tuple[Sequence[Any], ...]:
    """All columns of events, of which there are some, in the order of EventRow."""
    if not isinstance(events, EventRows):
        return tuple(zip(*events, strict=True))
    e = events
    return (range(e.first, e.end), e.offsets, e.directions, e.types, e.numbers, e.streams, e.sizes, e.flags)
