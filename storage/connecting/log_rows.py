"""The log of a connection by column, as it grows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from operator import itemgetter
from typing import overload

from .connected import FLAG_HIDDEN, FLAG_OPCODE, LogEntry

_DIRECTIONS = bytes([flags & 1 for flags in range(256)])
_OPCODES = bytes([flags >> FLAG_OPCODE & 15 for flags in range(256)])
_HIDDEN = tuple([flags & FLAG_HIDDEN != 0 for flags in range(256)])
_ANSWERED = bytes([1 | (opcode & 15) << FLAG_OPCODE for opcode in range(256)])  # flags of a message of upstream, by its opcode

_COLUMNS = tuple([itemgetter(place) for place in range(len(LogEntry._fields))])  # `zip(*entries)` takes five times as long where they are many

_entry = partial(tuple.__new__, LogEntry)  # three times as quick as calling it


class LogRows(Sequence[LogEntry]):
    """Entries of which nothing but the turn changes. They are written column by column: a tuple for each would only be made to be taken apart again."""

    __slots__ = ("flags", "sizes", "times", "turns")

    def __init__(self, entries: Sequence[LogEntry] = ()) -> None:
        self.flags = bytearray()
        """As in LogColumns."""
        self.times: list[int] = []
        self.turns: list[int] = []
        self.sizes: list[int] = []
        if entries:
            directions, opcodes, self.times, self.turns, self.sizes, hidden = [[*map(pick, entries)] for pick in _COLUMNS]
            columns = zip(directions, opcodes, hidden, strict=True)
            self.flags = bytearray([direction | opcode << FLAG_OPCODE | unseen * FLAG_HIDDEN for direction, opcode, unseen in columns])

    def add(self, entry: tuple[int, int, int, int, int, bool]) -> None:
        """One more, direction, opcode, time, turn, size, whether it is hidden; opcodes are below 16."""
        direction, opcode, at, turn, size, hidden = entry
        self.flags.append(direction | opcode << FLAG_OPCODE | hidden * FLAG_HIDDEN)
        self.times.append(at)
        self.turns.append(turn)
        self.sizes.append(size)

    def add_answered(self, times: Iterable[int], opcodes: Sequence[int], sizes: Iterable[int]) -> None:
        """Messages of upstream, of no turn so far."""
        more = len(opcodes)
        self.flags += bytes(opcodes).translate(_ANSWERED)
        self.times += times
        self.turns += repeat(0, more)
        self.sizes += sizes

    def assign(self, places: slice, turn: int) -> None:
        """Those entries belong to a turn."""
        self.turns[places] = repeat(turn, places.stop - places.start)

    def take(self, count: int) -> LogRows:
        """The first of them, which are forgotten here."""
        taken = LogRows()
        for name in self.__slots__:
            column = getattr(self, name)
            setattr(taken, name, column[:count])
            del column[:count]
        return taken

    def __len__(self) -> int:
        return len(self.turns)

    def __iter__(self) -> Iterator[LogEntry]:
        flags = self.flags
        columns = (flags.translate(_DIRECTIONS), flags.translate(_OPCODES), self.times, self.turns, self.sizes, map(_HIDDEN.__getitem__, flags))
        return map(_entry, zip(*columns, strict=True))

    @overload
    def __getitem__(self, place: int) -> LogEntry: ...

    @overload
    def __getitem__(self, place: slice) -> list[LogEntry]: ...

    def __getitem__(self, place: int | slice) -> LogEntry | list[LogEntry]:
        if isinstance(place, slice):
            return [*self][place]
        flags = self.flags[place]
        at, turn, size = self.times[place], self.turns[place], self.sizes[place]
        return LogEntry(flags & 1, flags >> FLAG_OPCODE & 15, at, turn, size, flags & FLAG_HIDDEN != 0)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and [*self] == [*other]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"LogRows({[*self]!r})"
