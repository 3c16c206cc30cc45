"""What of a recorded WebSocket connection may leave now, when its messages are said again: decided by the recorded order. Pure: times are arguments.

A message from upstream leaves when everything before it in the log has left or is not to be expected here, and what the client had sent before it has come.
What a client does not send keeps others back for a while only, and only if something waits behind it. A turn that comes later than the log has it says
what was passed over at once, the rest in its place.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple

from playhead.storage.connecting.connected import FLAG_HIDDEN, FLAG_OPCODE, LogColumns, LogEntry

from ..forwarding.frames import Opcode
from ..script import AT_ONCE

OPCODE, CLIENT, HIDDEN = 0x0F, 0x10, 0x20
"""In the flags of an entry: what of them is its opcode, and what stands beside it."""

_GRACE = 1_000_000_000  # ns for what may come in another order than it was recorded in: short, and a machine under load changes a replay
_MOST_GRACE = 3_000_000_000
_CONTROL = 0x08  # in an opcode
_KINDS = bytes([flags & (CLIENT | HIDDEN) | (flags & _CONTROL if flags & CLIENT else 0) for flags in range(256)])
_FLAGS = bytes(  # as they are kept to those here; without an opcode it is no whole message
    [kept >> FLAG_OPCODE & OPCODE | CLIENT * (not kept & 1) | HIDDEN * bool(kept & FLAG_HIDDEN or not kept >> FLAG_OPCODE & OPCODE) for kept in range(256)]
)
_AT, _TURN, _SIZE = itemgetter(2), itemgetter(3), itemgetter(4)  # of an entry


class Log:
    """The messages of a recorded connection in their order, as arrays: some 35 bytes each.

    `roots`: of each turn that began without a create, the turn that has the create behind it. A turn with all that follow from it is a group, which is
    known by its root; group 0 is what belongs to the connection itself. `answers`, `requests`: by turn, where its messages stand, control frames of the
    client left out; `groups`: the same of upstream's by group.
    """

    __slots__ = ("answers", "ats", "flags", "groups", "ranks", "requests", "roots", "runs", "sizes", "turns")

    def __init__(self, columns: Iterable[LogColumns]) -> None:
        self.ats, self.turns, self.sizes = array("q"), array("i"), array("q")
        flags: list[bytes] = []
        for part in columns:
            flags.append(part.flags.translate(_FLAGS))
            self.ats.extend(part.times)
            self.turns.extend(part.turns)
            self.sizes.extend(part.sizes)
        self.flags = b"".join(flags)
        self.ranks = array("I")  # which message of its turn and direction it is
        self.runs = array("I")  # where the messages end that follow it in the same turn, way and visibility without a break
        self.answers: dict[int, array[int]] = {}
        self.requests: dict[int, array[int]] = {}
        self.groups: dict[int, array[int]] = {}
        self.roots: Mapping[int, int] = {}
        place = 0
        for (turn, kind), same in groupby(zip(self.turns, self.flags.translate(_KINDS), strict=True)):
            count = sum(1 for _ in same)
            self._add(turn, kind, place, count)
            place += count
        self.join({})

    @classmethod
    def of(cls, entries: Iterable[LogEntry], roots: Mapping[int, int] = MappingProxyType({})) -> Log:
        """Of single entries."""
        known = [*entries]
        flags = bytes([way | opcode << FLAG_OPCODE | FLAG_HIDDEN * hidden for way, opcode, _, _, _, hidden in known])
        made = cls([LogColumns(flags, [*map(_TURN, known)], [*map(_SIZE, known)], [*map(_AT, known)])])
        made.join(roots)
        return made

    def __len__(self) -> int:
        return len(self.ats)

    @property
    def size(self) -> int:
        """Bytes of memory, roughly."""
        return 35 * len(self.ats) + 400 * len(self.groups)

    def root(self, turn: int) -> int:
        """The group of a turn."""
        return self.roots.get(turn, turn)

    def asked(self, root: int) -> int | None:
        """Where the create of a group stands; None if it has none."""
        known = self.requests.get(root)
        return known[0] if known else None

    @property
    def asked_for(self) -> list[int]:
        """The groups that a create began."""
        return [root for root in self.groups if root and self.asked(root) is not None]

    def _add(self, turn: int, kind: int, place: int, count: int) -> None:
        """So many messages of one kind from that place on."""
        self.runs.extend([place + count] * count)
        if kind & CLIENT and kind & _CONTROL:
            self.ranks.extend([0] * count)
            return
        known = (self.requests if kind & CLIENT else self.answers).setdefault(turn, array("I"))
        self.ranks.extend(range(len(known), len(known) + count))
        known.extend(range(place, place + count))

    def join(self, roots: Mapping[int, int]) -> None:
        """Put the turns that began without a create to those from which they follow."""
        self.roots = roots
        self.groups.clear()
        for turn, places in self.answers.items():
            root = self.root(turn)
            known = self.groups.get(root)
            self.groups[root] = places if known is None else array("I", sorted((*known, *places)))
        for turn in self.requests:
            self.groups.setdefault(self.root(turn), array("I"))


class Play(NamedTuple):
    """These messages of upstream in that turn leave, `start` to `stop` as they count in it; turn 0: the connection's own."""

    turn: int
    start: int
    stop: int


class Over(NamedTuple):
    """All messages of that group have left."""

    root: int


class Ending(Enum):
    """Everything was said: the connection ends as it was recorded."""

    ENDING = True


ENDING = Ending.ENDING
Out = Play | Over | Ending


class _Group:
    """A group whose create has come. `sent`, `passed`: of its messages, how many have left and how many the log's cursor has behind it."""

    __slots__ = ("asked", "at", "entries", "held", "passed", "root", "sent", "time")

    def __init__(self, root: int, entries: array[int], asked: int, passed: int) -> None:
        self.root, self.entries, self.asked, self.passed = root, entries, asked, passed
        self.sent = 0
        self.held = False
        self.time = self.at = 0  # its clock: that time of the recording is at this time of ours

    @property
    def over(self) -> bool:
        return self.sent == len(self.entries)

    @property
    def behind(self) -> bool:
        """Whether the log has passed over something of it that has not left."""
        return self.sent < self.passed


def _never(_: int) -> bool:
    return False


class Interleaving:
    """One recorded connection as it is said again to one client. Times are in ns of one clock.

    `own`: the connection's own messages and its end are for this client, too. `elsewhere`: whether a group is not to be expected here, since it was
    served to somebody else. `gracious`: whether that message of the client, by its place in the log, is waited for for a while only; None: each is, and
    none that stands behind its group: that may be told to somebody else.
    """

    def __init__(
        self, log: Log, *, speed: float, now: int, own: bool = True, elsewhere: Callable[[int], bool] = _never, gracious: Callable[[int], bool] | None = None
    ) -> None:
        self.log = log
        self.wake: int | None = None
        """When `advance` is to be called again, if nothing comes before."""
        self._speed = speed
        self._own = own
        self._elsewhere = elsewhere
        self._gracious = gracious
        self._cursor = 0
        self._groups: dict[int, _Group] = {}  # those that have come and are not over
        self._over: set[int] = set()
        self._came: dict[int, int] = {}  # messages of the client that are no creates, by their place in the log: when
        self._time, self._at = now, 0  # the connection's own clock
        self._patience = 0  # what stands before it in the log is not waited for
        self._blocked = (-1, 0, 0)  # where, since when, and for how long it is waited
        self._heard = now  # when the client said something last
        self._roots = log.asked_for
        self._checked = 0
        self._ended = False

    # What comes from the client.

    def come(self, root: int, now: int, *, held: bool = False) -> None:
        """The create of a group has come. `held`: what belongs to it waits for `release`."""
        self._heard = now
        asked = self.log.asked(root)
        assert asked is not None
        entries = self.log.groups[root]
        group = self._groups[root] = _Group(root, entries, asked, bisect_left(entries, self._cursor))
        group.held, group.time, group.at = held, now, self.log.ats[asked]

    def release(self, root: int, now: int) -> None:
        """Nothing else is in the way of that group any more: its clock stood still."""
        group = self._groups.get(root)
        if group is not None and group.held:
            group.held = False
            if group.entries and (late := now - self._due(group, group.entries[0])) > 0:
                group.time += late

    def said(self, place: int, now: int) -> None:
        """Another message of the client than a create has come: the one at that place of the log."""
        self._heard = now
        if place >= self._cursor:
            self._came[place] = now

    def has_come(self, root: int) -> bool:
        """Whether the create of a group has come."""
        return root in self._groups or root in self._over

    # What leaves.

    def advance(self, now: int) -> list[Out]:
        """All that leaves now, in order."""
        out: list[Out] = []
        self.wake = None
        for group in [group for group in self._groups.values() if not group.held and (group.behind or group.over)]:
            self._catch_up(group, now, out)
        end = len(self.log)
        while self._cursor < end and self._step(self._cursor, now, out):
            pass
        if self._cursor == end and self._own and not self._ended and self._all_over():
            self._ended = True
            out.append(ENDING)
        return out

    def _step(self, place: int, now: int, out: list[Out]) -> bool:
        """Get behind the entry at that place; False if it has to wait."""
        log = self.log
        flags, turn = log.flags[place], log.turns[place]
        if flags & CLIENT:
            if not self._expects_not(place, turn, flags, now):
                return False
            self._cursor = place + 1
            return True
        if not turn:
            return self._say(place, flags, now, out)
        group = self._groups.get(log.root(turn))
        stop = log.runs[place]
        if group is not None and (group.held or group.behind):
            group.passed += stop - place
        elif group is not None:
            stop = self._until(group, place, stop, now)
            if stop == place:
                return False
            group.passed += stop - place
            self._leave(group, place, stop, out)
        self._cursor = stop
        return True

    def _say(self, place: int, flags: int, now: int, out: list[Out]) -> bool:
        """A message of upstream that belongs to no turn. Pongs answered pings of that client, not of this one."""
        opcode, log = flags & OPCODE, self.log
        if self._own and not flags & HIDDEN and opcode != Opcode.PONG:
            if opcode == Opcode.CLOSE and not self._all_over():
                return False
            due = self._time if self._speed == AT_ONCE else self._time + int((log.ats[place] - self._at) / self._speed)
            if due > now:
                self._wait(due)
                return False
            out.append(Play(0, log.ranks[place], log.ranks[place] + 1))
            if opcode == Opcode.CLOSE:
                self._ended = True
                self._cursor = len(log)
                return True
        self._cursor = place + 1
        return True

    def _catch_up(self, group: _Group, now: int, out: list[Out]) -> None:
        """Say what the log has passed over."""
        entries, log = group.entries, self.log
        while group.behind:
            place = entries[group.sent]
            stop = self._until(group, place, min(log.runs[place], entries[group.passed - 1] + 1), now)
            if stop == place:
                return
            self._leave(group, place, stop, out)
        if group.over:
            self._finish(group, out)

    def _leave(self, group: _Group, place: int, stop: int, out: list[Out]) -> None:
        log = self.log
        if not log.flags[place] & HIDDEN:
            out.append(Play(log.turns[place], log.ranks[place], log.ranks[place] + stop - place))
        group.sent += stop - place
        if group.over:
            self._finish(group, out)

    def _finish(self, group: _Group, out: list[Out]) -> None:
        if self._groups.pop(group.root, None) is not None:
            self._over.add(group.root)
            out.append(Over(group.root))

    def _until(self, group: _Group, place: int, stop: int, now: int) -> int:
        """How far the messages from `place` on are due."""
        if self._speed == AT_ONCE:
            return stop
        for one in range(place, stop):
            if (due := self._due(group, one)) > now:
                self._wait(due)
                return one
        return stop

    def _due(self, group: _Group, place: int) -> int:
        return group.time if self._speed == AT_ONCE else group.time + int((self.log.ats[place] - group.at) / self._speed)

    def _wait(self, until: int) -> None:
        self.wake = until if self.wake is None else min(self.wake, until)

    # What is waited for.

    def _expects_not(self, place: int, turn: int, flags: int, now: int) -> bool:
        """Whether a message of the client need not be waited for: it is here, or will not come, or not in time."""
        log = self.log
        if flags & HIDDEN or flags & OPCODE in (Opcode.PING, Opcode.PONG) or not (turn or self._own):
            return True
        if not turn:
            said = self._came.pop(place, None)
            if said is not None:
                self._time, self._at = max(self._time, said), log.ats[place]
            return said is not None or self._given_up(place, now)
        root = log.root(turn)
        group = self._groups.get(root)
        if place == log.asked(root):
            if group is not None:
                if group.time >= self._time:
                    self._time, self._at = group.time, log.ats[place]
                return True
            return root in self._over or self._elsewhere(root) or self._is_past(root) or self._given_up(place, now)
        came = self._came.pop(place, None)
        if group is None and root in self._over and self._gracious is not None:  # the end of the connection waits for it, too
            if came is not None:
                self._time, self._at = max(self._time, came), log.ats[place]
            return came is not None or (self._gracious(place) and self._is_silent(now))
        if came is not None and group is not None:
            group.time, group.at = max(came, self._due(group, place)), log.ats[place]
        return came is not None or group is None or self._given_up(place, now)

    def _is_silent(self, now: int) -> bool:
        """Whether the client has said nothing for a while."""
        if now < (deadline := self._heard + _GRACE):
            self._wait(deadline)
            return False
        return True

    def _is_past(self, root: int) -> bool:
        """Whether a group was over in the recording before anything was asked that waits now: then this client has left it out."""
        entries, waiting = self.log.groups[root], [group.asked for group in self._groups.values() if not group.held and not group.behind]
        return bool(waiting) and (not entries or entries[-1] < min(waiting))

    def _given_up(self, place: int, now: int) -> bool:
        """Whether it has been waited for long enough. There is no hurry while nothing waits behind it."""
        waiting = [group for group in self._groups.values() if not group.held and not group.behind and not group.over]
        if not waiting or not (self._gracious is None or self._gracious(place)):
            return False
        if place < self._patience:
            return True
        first = min(group.entries[group.sent] for group in waiting)
        if self._blocked[0] != place:
            self._blocked = (place, now, self._grace(place, first))
        _, since, grace = self._blocked
        begin = max(since, min(self._due(group, group.entries[group.sent]) for group in waiting))
        deadline = min(max(begin, self._heard) + grace, begin + _MOST_GRACE)
        if now < deadline:
            self._wait(deadline)
            return False
        self._patience = first
        return True

    def _grace(self, place: int, first: int) -> int:
        """How long the client may be silent before it says what it had sent before the message `first`: by the time it took then."""
        log = self.log
        last = next((one for one in range(first - 1, place, -1) if log.flags[one] & CLIENT), place)
        gap = log.ats[last] - (log.ats[place - 1] if place else 0)
        return min(_GRACE + gap * 3 // 2, _MOST_GRACE)

    def _all_over(self) -> bool:
        """Whether nothing of the recording is left that this client could still ask for."""
        roots = self._roots
        while self._checked < len(roots) and (roots[self._checked] in self._over or self._elsewhere(roots[self._checked])):
            self._checked += 1
        return self._checked == len(roots)
