"""What is recorded of a session, by fingerprint, and how much of it has been served: pure, and small, since a session may have a million exchanges.

A place is the number of an exchange in the order of the recording: by take and seq, those that were recorded later behind. Exchanges with one digest and
one transport form a group, which is known by its first place and is served in order. About 60 bytes an exchange: arrays instead of objects, and a hash
table with open addressing, in which 0 is empty and everything else a first place plus one. What is known of the turns of WebSockets on top stands in
arrays of its own, in the order of their places.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple, get_args

from playhead.config.policies import Exhausted
from playhead.storage.records import Asks, Outcome
from playhead.storage.replaying.replay_rows import ReplayRow

_ASKS: Sequence[Asks] = get_args(Asks)
_OUTCOMES: Sequence[Outcome] = get_args(Outcome)
_ASKS_CODE: Mapping[Asks, int] = MappingProxyType({asks: code for code, asks in enumerate(_ASKS)})
_OUTCOME_CODE: Mapping[Outcome, int] = MappingProxyType({outcome: code << 2 for code, outcome in enumerate(_OUTCOMES)})
_ASKS_BITS, _OUTCOME_BITS, _BIG = 0b11, 0b11100, 0b100000
_DIGEST = 16
_NONE = -1


class Lane(NamedTuple):
    """A lane of a recorded connection; `name`: None for the default lane."""

    connection: int
    name: str | None


class _Turns:
    """Which turns of which lanes are at which places."""

    def __init__(self) -> None:
        self.places = array("I")
        self.turns = array("I")
        self.lanes = array("I")
        self.known: list[Lane] = []
        self.numbers: dict[Lane, int] = {}
        self.of_lane: list[array[int]] = []  # their places
        self.firsts: list[int] = []  # which of them is the first that has not been served
        self.of_connection: dict[int, list[int]] = {}  # its lanes

    def add(self, place: int, turn: int, lane: Lane) -> None:
        number = self.numbers.get(lane)
        if number is None:
            number = self.numbers[lane] = len(self.known)
            self.known.append(lane)
            self.of_lane.append(array("I"))
            self.firsts.append(0)
            self.of_connection.setdefault(lane.connection, []).append(number)
        self.places.append(place)
        self.turns.append(turn)
        self.lanes.append(number)
        self.of_lane[number].append(place)

    def restart(self, place: int) -> None:
        """The turn at a place, if there is one, has not been served."""
        if (at := self.at(place)) is not None:
            self.firsts[self.lanes[at]] = 0

    def at(self, place: int) -> int | None:
        """Where a place stands in the arrays."""
        at = bisect_left(self.places, place)
        return at if at < len(self.places) and self.places[at] == place else None


class ReplayIndex:
    """The index of one session, or of one take of it."""

    def __init__(self, rows: Iterable[ReplayRow] = ()) -> None:
        self.last = 0
        """The greatest id of an exchange in it."""
        self._ids = array("q")
        self._digests = bytearray()
        self._plain = bytearray()  # digests without rules; empty where no rules are in force
        self._flags = bytearray()
        self._served = bytearray()
        self._next = array("i")  # the place of the next exchange of the same group
        self._due = array("i")  # at a group's first place: which of it is served next
        self._end = array("i")  # at a group's first place: its last one
        self._table = array("I", bytes(4 * 16))
        self._groups = 0
        self._turns = _Turns()
        self.add(rows)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, rows: Iterable[ReplayRow], less: Counter[bytes] | None = None) -> None:
        """Put these behind what is there, in the order of their takes and seqs. Exchanges that have not ended are left out.

        `less`: how many of each digest are left out, too; what was is taken off.
        """
        start = len(self._ids)
        order = array("q")  # take and seq of each
        turns: dict[int, ReplayRow] = {}  # by exchange
        for row in rows:
            self.last = max(self.last, row.exchange)
            if row.outcome is None:
                continue
            if less and less[row.digest]:
                less[row.digest] -= 1
                continue
            self._ids.append(row.exchange)
            self._digests += row.digest
            if row.plain:
                self._plain += row.plain
            self._flags.append(_ASKS_CODE[row.asks] | _OUTCOME_CODE[row.outcome] | (_BIG if row.big else 0))
            order.extend((row.take, row.seq))
            if row.turn and row.connection is not None:
                turns[row.exchange] = row
        self._sort(start, order)
        for place in range(start, len(self._ids)):
            self._link(place)
            if turns and (turn := turns.pop(self._ids[place], None)) is not None:
                self._turns.add(place, turn.turn, Lane(turn.connection or 0, turn.stream_id))

    def _sort(self, start: int, order: array[int]) -> None:
        """Ids mostly count as takes and seqs do: what comes in the right order is left alone."""
        takes, seqs = order[::2], order[1::2]
        count = len(takes)
        if all(takes[place] < takes[place + 1] or (takes[place] == takes[place + 1] and seqs[place] < seqs[place + 1]) for place in range(count - 1)):
            return
        places = [start + place for place in sorted(range(count), key=lambda place: (takes[place], seqs[place], place))]
        self._ids[start:] = array("q", [self._ids[place] for place in places])
        self._flags[start:] = bytes([self._flags[place] for place in places])
        self._digests[_DIGEST * start :] = b"".join([self._digest(place) for place in places])
        if self._plain:
            self._plain[_DIGEST * start :] = b"".join([self.plain(place) for place in places])

    def _link(self, place: int) -> None:
        self._served.append(0)
        self._next.append(_NONE)
        self._due.append(place)
        self._end.append(place)
        if 2 * self._groups >= len(self._table):
            self._grow()
        slot = self._slot(self._digest(place), self._flags[place] & _ASKS_BITS)
        if not self._table[slot]:
            self._table[slot] = place + 1
            self._groups += 1
            return
        first = self._table[slot] - 1
        self._next[self._end[first]] = place
        self._end[first] = place
        if self._due[first] == _NONE:
            self._due[first] = place

    def _digest(self, place: int) -> bytes:
        return bytes(self._digests[_DIGEST * place : _DIGEST * (place + 1)])

    def _slot(self, digest: bytes, asks: int) -> int:
        """Where the group stands in the table, or the empty slot where it would."""
        table, mask = self._table, len(self._table) - 1
        slot = (int.from_bytes(digest[:8], "little") ^ asks) & mask
        while entry := table[slot]:
            at = _DIGEST * (entry - 1)
            if self._digests[at : at + _DIGEST] == digest and self._flags[entry - 1] & _ASKS_BITS == asks:
                break
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        firsts = [entry - 1 for entry in self._table if entry]
        self._table = array("I", bytes(4 * 2 * len(self._table)))
        for first in firsts:
            self._table[self._slot(self._digest(first), self._flags[first] & _ASKS_BITS)] = first + 1

    # Serving.

    def group(self, digest: bytes, asks: Asks) -> int | None:
        """The first place of a group; None if there is no such exchange."""
        entry = self._table[self._slot(digest, _ASKS_CODE[asks])]
        return entry - 1 if entry else None

    def serve(self, group: int) -> int | None:
        """The place of the next exchange of a group, which is served with this; None if all of them were."""
        place = self._due[group]
        if place == _NONE:
            return None
        self._serve(group, place)
        return place

    def _serve(self, group: int, place: int) -> None:
        self._served[place] = 1
        if place == self._due[group]:
            while place != _NONE and self._served[place]:
                place = self._next[place]
            self._due[group] = place

    def serve_this(self, place: int) -> None:
        """The exchange at this place is served, whichever is due."""
        group = self.group(self._digest(place), self.asks(place))
        if group is not None:
            self._serve(group, place)

    def take_back(self, place: int) -> None:
        """The exchange at this place has not been served after all: it is due again, before those of its group that come behind it."""
        group = self.group(self._digest(place), self.asks(place))
        if group is None or not self._served[place]:
            return
        self._served[place] = 0
        self._turns.restart(place)
        if self._due[group] == _NONE or place < self._due[group]:
            self._due[group] = place

    def others(self, digest: bytes, asks: Asks) -> list[int]:
        """The groups of the same request on all other transports."""
        groups = (self.group(digest, other) for other in _ASKS if other != asks)
        return [group for group in groups if group is not None]

    def due(self, groups: Iterable[int]) -> int | None:
        """The one of these groups whose next exchange comes first in the recording; None if all were served."""
        found = [(self._due[group], group) for group in groups if self._due[group] != _NONE]
        return min(found)[1] if found else None

    def again(self, own: int | None, others: Sequence[int], exhausted: Exhausted) -> int | None:
        """The place that is served once more, with this, where a group and those of the same request on other transports were served; None: nothing is."""
        groups = others if own is None else [own]
        if not groups or exhausted == "fail":
            return None
        if exhausted == "last":
            return max(self._end[group] for group in groups)
        self.restart([*groups, *others])
        due = self.due(groups)
        return None if due is None else self.serve(due)

    def restart(self, groups: Iterable[int]) -> None:
        """Nothing of these groups has been served."""
        for group in groups:
            place = self._due[group] = group
            while place != _NONE:
                self._served[place] = 0
                self._turns.restart(place)
                place = self._next[place]

    def places(self, group: int, most: int = 1000) -> list[int]:
        """The first of a group."""
        found: list[int] = []
        place = group
        while place != _NONE and len(found) < most:
            found.append(place)
            place = self._next[place]
        return found

    def unserved(self, group: int) -> Iterator[int]:
        """The places of a group that have not been served, in order."""
        place = self._due[group]
        while place != _NONE:
            if not self._served[place]:
                yield place
            place = self._next[place]

    def find(self, exchange: int) -> int | None:
        """The place of an exchange; slow."""
        try:
            return self._ids.index(exchange)
        except ValueError:
            return None

    def serve_at(self, place: int) -> int:
        """The place of the exchange that is due in the group of this one, which is served with this; if all are, this one again."""
        group = self.group(self._digest(place), self.asks(place))
        due = None if group is None else self.serve(group)
        return place if due is None else due

    @property
    def count_served(self) -> int:
        """How many have been."""
        return self._served.count(1)

    def served(self, place: int) -> bool:
        """Whether the exchange has been served."""
        return bool(self._served[place])

    # Turns.

    def lane(self, place: int) -> Lane | None:
        """The recorded lane of a turn; None: it is no turn."""
        at = self._turns.at(place)
        return None if at is None else self._turns.known[self._turns.lanes[at]]

    def turn(self, place: int) -> int:
        """Which turn of its connection it is; 0: none."""
        at = self._turns.at(place)
        return 0 if at is None else self._turns.turns[at]

    def waiting_on(self, lane: Lane) -> Iterator[int]:
        """The places of the turns of a recorded lane that have not been served, in order."""
        number = self._turns.numbers.get(lane)
        if number is None:
            return
        places, first = self._turns.of_lane[number], self._turns.firsts[number]
        while first < len(places) and self._served[places[first]]:
            first += 1
        self._turns.firsts[number] = first
        yield from (place for place in islice(places, first, None) if not self._served[place])

    def on_connection(self, connection: int) -> dict[int, int]:
        """The places of the turns of a recorded connection, by turn."""
        numbers = self._turns.of_connection.get(connection, ())
        return {self.turn(place): place for number in numbers for place in self._turns.of_lane[number]}

    def alike(self, group: int, place: int) -> bool:
        """Whether that place belongs to the group."""
        return self._flags[place] & _ASKS_BITS == self._flags[group] & _ASKS_BITS and self._digest(place) == self._digest(group)

    # What is known of a place.

    def plain(self, place: int) -> bytes:
        """The digest of its request without match rules; where none are in force, that is the only one."""
        return bytes(self._plain[_DIGEST * place : _DIGEST * (place + 1)]) if self._plain else self._digest(place)

    def exchange(self, place: int) -> int:
        """Its id."""
        return self._ids[place]

    def digest(self, place: int) -> bytes:
        """Of its request."""
        return self._digest(place)

    def asks(self, place: int) -> Asks:
        """The transport that its request asks for."""
        return _ASKS[self._flags[place] & _ASKS_BITS]

    def outcome(self, place: int) -> Outcome:
        """How it ended."""
        return _OUTCOMES[(self._flags[place] & _OUTCOME_BITS) >> 2]

    def big(self, place: int) -> bool:
        """Whether it is to be streamed from the store."""
        return bool(self._flags[place] & _BIG)
