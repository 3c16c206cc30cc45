"""The recorder: the one writer of the store. It reads the journals of the workers, makes exchanges of their frames, and commits them in batches.

Each exchange has an identity from its journal (writer, number), unique in the store; the position, stored with the rows, is the start of the oldest open
exchange. So what is read again after a restart is recognised, and each exchange is stored exactly once, whatever dies when. The turns of a WebSocket
have identities made of that of their connection; they are stored as they end.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from playhead.config.errors import StoreError
from playhead.storage.journal import JournalFrame, SegmentReader, segment_path, segments
from playhead.storage.records import Batch, Kind, Position, Recorded, Spill
from playhead.storage.store import Store

from .assembling.multiplex import Multiplex
from .assembling.turn_places import TurnPlaces
from .matching.request_memo import RequestMemo
from .notes import read_opening, with_loss
from .pricing.header_labels import label
from .pricing.setting import CostOf
from .recorders.beginnings import OPENS, beginnings, too_early
from .recorders.drained import Drained
from .recorders.endings import Ended, Endings
from .recorders.progress import Progress
from .recorders.rereading import Rereading
from .recorders.storing import store_batch
from .recorders.suspects import Suspects
from .recorders.tails import Limits, Open, Place, Tail
from .recording import Assembly

log = logging.getLogger("playhead")

_ROUNDS = 32
_STEP_BYTES = 4 << 20  # some 0.2 s: whoever calls for steps may want to do something else by then
_TURN = 8  # frames; some 0.3 ms
_TICK_NS = 50_000_000  # within which the file system may give two changes of a directory one time
_ENDS = frozenset(map(int, (Kind.END, Kind.FINISH)))  # plain numbers, as frames have them
_MOST_TURNS = 256  # of a connection, that are read again after a restart
_CHEAP = 4  # where no turn is open, a connection is stored in part at that fraction of the usual size: nothing is torn by it


class Recorder:
    """Drains a journal directory into a store. `step` does what there is to do now."""

    def __init__(
        self,
        store: Store,
        directory: Path,
        *,
        reuse: bool = False,
        limits: Limits | None = None,
        assembly: type[Assembly] = Assembly,
        cost_of: CostOf | None = None,
        label_headers: Sequence[str] = (),
    ) -> None:
        self.exchanges = 0
        self.commits = 0
        self.commit_seconds = 0.0
        self._store = store
        store.enter_as_recorder(directory)
        self._directory = directory
        self._limits = limits or Limits()
        self._assembly = assembly
        self._cost_of = cost_of  # None: nothing is priced
        self._label_headers = label_headers
        self._tails: dict[str, Tail] = {}
        self._batch = Batch()
        self._batch_bytes = self._step_bytes = 0
        self._changed: dict[tuple[str, int], Open] = {}  # connections with turns in the batch
        self._seqs: dict[tuple[str, int], int] = {}  # given to exchanges whose beginning is about to be taken in
        self._latest: dict[str, int] = {}  # when the exchange began that each writer began last, of several
        self._looked_at = 0  # when the directory was changed last, as far as it has been looked through
        self._unreadable: set[Path] = set()  # segments that have been complained about, and stay where they are
        self._drained = Drained(directory, self._unreadable, reuse=reuse)  # `reuse`: whether workers live that may write over them
        self._progress = Progress(directory)
        self._suspects = Suspects(directory)
        self._endings = Endings(self._suspects, self._add, partial(self._stop_parsing, ended=True))
        self._memo = RequestMemo()
        self._rereading = Rereading(directory, self._unreadable, self._assembly, self._memo)

    def step(self) -> bool:
        """Read on and commit; whether anything was read. Raises StoreError if the store does not take it: call again, nothing is lost."""
        self._commit()
        self._discover()
        try:
            read = self._read()
        except BaseException as error:
            for tail in self._tails.values():
                tail.reader.offset = tail.offset  # what was read and not taken in is read again
            if isinstance(error, (StoreError, OSError, KeyboardInterrupt)):
                self._suspects.clear()  # no exchange is to blame
            raise
        self._suspects.clear()
        return read

    def _read(self) -> bool:
        read, self._step_bytes = False, 0
        for _ in range(_ROUNDS):  # all there is now goes into one transaction, if it is not too much
            if self._step_bytes > _STEP_BYTES or not self._round():
                break
            read = True
        self._spill_long()
        self._commit()
        return read

    def _round(self) -> bool:
        read = False
        looked_at = time.time_ns()
        found = {writer: tail.reader.read() for writer, tail in self._tails.items()}
        if len(found) > 1:
            self._number_opens(found, looked_at)
        for writer, frames in found.items():
            tail = self._tails[writer]
            for place, frame in enumerate(frames):
                if not place % _TURN:
                    _give_way()
                self._frame(tail, frame)
            read = bool(frames) or self._advance(tail) or read
        return read

    @property
    def idle(self) -> bool:
        """Whether no worker lives and everything is stored."""
        return not self._tails and not self._pending and not self._drained

    @property
    def behind(self) -> bool:
        """Whether more is likely to be there: the next step should come at once."""
        return self._step_bytes > _STEP_BYTES or any(tail.reader.behind for tail in self._tails.values())

    @property
    def open_exchanges(self) -> int:
        """How many exchanges have begun and not ended."""
        return sum(len(tail.open) for tail in self._tails.values())

    def close(self) -> None:
        """Give up the files; idempotent."""
        for tail in self._tails.values():
            tail.reader.close()
        self._tails.clear()
        self._suspects.close()
        self._progress.close()
        self._store.keep_heads()

    # Reading.

    def _discover(self) -> None:
        """Begin with writers that are new, where the store says."""
        try:
            changed = os.stat(self._directory).st_mtime_ns
        except FileNotFoundError:  # what is open is read to its end all the same
            return
        if changed == self._looked_at:
            return
        # A change that follows too fast to be told from this one by its time must not be missed.
        looked_at = changed if time.time_ns() - changed > _TICK_NS else 0
        fresh = {}
        for writer, numbers in segments(self._directory).items():
            left = [number for number in numbers if segment_path(self._directory, writer, number) not in self._unreadable]
            if left and writer not in self._tails:
                fresh[writer] = left
        if not fresh:
            self._looked_at = looked_at
            return
        known = {position.writer: position for position in self._store.positions()}
        for writer in sorted(fresh):
            self._begin_tail(known.get(writer) or Position(writer, 0, 0, {}), fresh[writer])
        self._drained.give_up(self._store.make_durable)

    def _begin_tail(self, position: Position, numbers: list[int]) -> None:
        writer = position.writer
        kept = {int(number): memory for number, memory in position.open.items()}
        for memory in kept.values():
            self._store.seq_taken(memory["session"], memory["seq"])
        for segment in numbers:
            try:
                reader = self._open_segment(writer, segment, position.offset if segment == position.segment else 0)
            except OSError as error:
                path = segment_path(self._directory, writer, segment)
                self._unreadable.update(segment_path(self._directory, writer, number) for number in numbers)
                log.error("the journal cannot be read from %s on, and stays where it is: %s", path, error.strerror)
                return
            if reader is None:
                continue
            if segment >= position.segment:
                self._tails[writer] = Tail(writer, segment, reader.offset, reader, kept=kept, first=segment)
                return
            reader.close()
            self._drained.add(writer, (segment,))

    def _open_segment(self, writer: str, segment: int, offset: int = 0) -> SegmentReader | None:
        """None if it is not a segment. Raises OSError."""
        try:
            return SegmentReader(self._directory, writer, segment, offset)
        except ValueError as error:
            log.error("a part of the journal is lost: %s", error)
            self._unreadable.add(segment_path(self._directory, writer, segment))
            return None

    def _number_opens(self, found: dict[str, list[JournalFrame]], looked_at: int) -> None:
        """Exchanges of several workers get their places in the order in which their requests came."""
        begun = beginnings(found)
        behind = {writer: self._latest.get(writer, 0) for writer, frames in found.items() if frames and self._tails[writer].reader.more}
        for writer, place in too_early(begun, looked_at, behind).items():  # from there on it is read again
            tail = self._tails[writer]
            tail.reader.offset = found[writer][place - 1].end if place else tail.offset
            del found[writer][place:]
        for one in begun:
            if one.place >= len(found[one.writer]):
                continue
            self._latest[one.writer] = one.started_at
            key = (one.writer, one.number)
            if one.number not in self._tails[one.writer].kept and key not in self._seqs:
                self._seqs[key] = self._store.next_seq(one.session)

    def _frame(self, tail: Tail, frame: JournalFrame) -> None:
        kind, number, at, payload, end, fresh = frame
        place = tail.segment, tail.offset
        self._suspects.mark(tail.writer, number, place)
        one = tail.open.get(number) or self._begin(tail, frame)
        tail.offset = end
        if one is None or (one.state is not None and place < one.since):
            return  # the rest of an exchange that is stored, or its state holds this frame
        if kind in _ENDS and number in tail.damaged:
            payload = with_loss(payload, bundled=kind == Kind.FINISH)
        try:
            one.assembly.feed(kind, at, payload)
        except Exception:
            self._make_ended(tail, number, place)
            self._stop_parsing(tail, one, ended=kind in _ENDS)
        self._batch_bytes += fresh
        self._step_bytes += fresh
        if kind in _ENDS:
            del tail.open[number]
            self._finish(tail, one, aborted=False)
        else:
            self._goes_on(tail, one, len(payload))
        if self._batch_bytes > self._limits.batch_bytes:
            self._commit()

    def _goes_on(self, tail: Tail, one: Open, size: int) -> None:
        """So much more of it has come: what of it has ended is stored, and a part of it when it grows big."""
        one.bytes += size
        due = one.bytes > self._limits.spill_bytes
        if (multiplex := one.assembly.multiplex) is not None and multiplex.ready:
            self._make_ended(tail, one.assembly.number, tail.place)
            self._take_turns(one, multiplex)
            due = due or one.places.count >= _MOST_TURNS or (not multiplex.busy and one.bytes > self._limits.spill_bytes // _CHEAP)
        if due:
            self._spill(tail, one)

    def _stop_parsing(self, tail: Tail, one: Open, *, ended: bool = False) -> None:
        """Parsing failed: the exchange again, from its frames in the journal, without that. `ended`: nothing more will come of it."""
        log.exception("an exchange could not be parsed and is stored as it came (writer %s, number %d)", tail.writer, one.assembly.number)
        self._rereading.stop_parsing(tail, one)
        self._take_given_up(one, ended=ended)

    def _take_given_up(self, one: Open, *, ended: bool = False) -> None:
        if (multiplex := one.assembly.multiplex) is not None:
            self._take_turns(one, multiplex)
            if one.assembly.is_exchange or not ended:
                one.places.keep_own()

    def _begin(self, tail: Tail, frame: JournalFrame) -> Open | None:
        kind, number = frame[:2]
        memory = tail.kept.pop(number, None) if tail.kept else None
        if memory is not None and "state" in memory:
            return self._restore(tail, number, memory)
        if kind not in OPENS:
            return None
        opened = read_opening(frame.payload, bundled=kind == Kind.BEGIN)
        session = opened[0].session
        seq = memory["seq"] if memory else self._seqs.pop((tail.writer, number), None) or self._store.next_seq(session)
        parse = not self._suspects.convicted(tail.writer, number)
        assembly = self._assembly(tail.writer, number, parse=parse, memo=self._memo)
        assembly.opened = opened
        give = partial(self._store.next_seq, session)
        places = TurnPlaces.restore(memory, give) if memory else TurnPlaces(seq, give)
        assembly.seq_of = places.of
        one = tail.open[number] = Open(assembly, tail.place, time.monotonic(), session, places, parse=parse)
        return one

    def _restore(self, tail: Tail, number: int, memory: dict[str, Any]) -> Open:
        segment, offset = map(int, memory["since"])
        state, parse = memory["state"], memory["parse"] and not self._suspects.convicted(tail.writer, number)
        assembly = self._assembly.restore(state, parse=parse, memo=self._memo)
        places = TurnPlaces.restore(memory, partial(self._store.next_seq, memory["session"]))
        assembly.seq_of = places.of
        one = tail.open[number] = Open(assembly, (segment, offset), time.monotonic(), memory["session"], places, state=state, parse=parse)
        if not parse and memory["parse"]:
            self._take_given_up(one)
        return one

    def _advance(self, tail: Tail) -> bool:
        """At the end of what a segment holds: go on to the next one, or find that there is none and never will be. Whether anything changed."""
        if not tail.reader.abandoned():
            return False
        if tail.reader.read():  # what was written between the last read and the end of the lock: it has its turn among what others have written
            tail.reader.offset = tail.offset
            return True
        if self._skip_damage(tail):
            return True
        for segment in segments(self._directory).get(tail.writer, []):
            if segment > tail.segment and (reader := self._open_segment(tail.writer, segment)) is not None:
                tail.reader.close()
                tail.segment, tail.offset, tail.reader = segment, reader.offset, reader
                return True
        self._bury(tail)
        return True

    def _skip_damage(self, tail: Tail) -> bool:
        """Whether the segment goes on behind a place that cannot be read: what is open there may lack something, and says so."""
        if not tail.reader.skip_damage():
            return False
        path = tail.reader.path
        log.error(
            "the journal is damaged, and what stood there is lost: %d bytes of %s, which is kept", tail.reader.offset - tail.offset, path.with_suffix(".bad")
        )
        tail.offset = tail.reader.offset
        tail.damaged.update(tail.open)
        self._drained.damaged(path)
        return True

    def _bury(self, tail: Tail) -> None:
        """Its worker is gone: what it left open has no end, and never will."""
        for number, memory in list(tail.kept.items()):
            if "state" in memory:
                self._restore(tail, number, memory)
        for one in tail.open.values():
            self._finish(tail, one, aborted=True)
        tail.reader.close()
        self._latest.pop(tail.writer, None)
        del self._tails[tail.writer]
        self._batch.gone.append(tail.writer)
        self._drained.add(tail.writer, range(tail.first, tail.segment + 1))

    # Storing.

    def _finish(self, tail: Tail, one: Open, *, aborted: bool) -> None:
        self._endings.add(Ended(tail, one, tail.place, aborted))

    def _make_ended(self, tail: Tail, number: int, place: Place) -> None:
        """What ended before something of an exchange is stored is stored before it; then that exchange is at hand again."""
        if self._endings:
            self._endings.finish()
            self._suspects.mark(tail.writer, number, place)

    def _add(self, ended: Ended) -> None:
        one, assembly = ended.open, ended.open.assembly
        if assembly.multiplex is not None:
            assembly.end_turns(aborted=ended.aborted)
            self._take_turns(one, assembly.multiplex)
            ended.make_own()
        if ended.made is not None:
            self._take(ended.made, one.places.own)
            self.exchanges += 1
        if (connection := assembly.connection(final=True, aborted=ended.aborted, give=True)) is not None:
            self._batch.connections.append(connection)
        self._changed.pop((ended.tail.writer, assembly.number), None)

    def _take(self, made: Recorded | Spill, seq: int | None) -> None:
        """Into the batch."""
        recorded = made.recorded if isinstance(made, Spill) else made
        if self._label_headers:
            label(recorded, recorded.raw.request_head, self._label_headers)
        if self._cost_of is not None and recorded.outcome is not None:
            recorded.cost = self._cost_of(recorded)
        recorded.seq = seq
        if isinstance(made, Spill):
            self._batch.spills.append(made)
        else:
            self._batch.finished.append(made)

    def _take_turns(self, one: Open, multiplex: Multiplex) -> None:
        """Turns that have ended go into the batch, though their connection lives."""
        for made in multiplex.ready:
            self._take(made, (made.recorded if isinstance(made, Spill) else made).seq)
        self.exchanges += len(multiplex.ready)
        multiplex.ready.clear()
        self._changed[one.assembly.writer, one.assembly.number] = one

    def _spill(self, tail: Tail, one: Open) -> None:
        """Store what an exchange holds so far, and forget it."""
        self._suspects.mark(tail.writer, one.assembly.number, tail.place)
        try:
            spills, connection, state = one.assembly.parts()
        except Exception:
            self._stop_parsing(tail, one)
            spills, connection, state = one.assembly.parts()
        for spill in spills:
            self._take(spill, spill.recorded.seq if spill.recorded.number < 0 else one.places.own)
        if connection is not None:
            self._batch.connections.append(connection)
        one.places.settle()
        one.state, one.bytes, one.begun, one.since = state, 0, time.monotonic(), tail.place

    def _spill_long(self) -> None:
        """Exchanges that stay open would hold the journal back: their turn comes when they have something, every half minute, or when it has gone on far."""
        now = time.monotonic()
        for tail in self._tails.values():
            for one in tail.open.values():
                held = tail.segment - one.since[0]
                if held >= self._limits.spill_segments or (now - one.begun > self._limits.spill_seconds and (one.bytes or held)):
                    self._spill(tail, one)

    @property
    def _pending(self) -> bool:
        batch = self._batch
        passed = any(tail.segment > tail.first and tail.position().segment > tail.first for tail in self._tails.values())  # segments that may go
        return bool(self._endings or batch.finished or batch.spills or batch.gone or batch.connections or passed)

    def _commit(self) -> None:
        """Bring the batch and the positions into the store. Raises StoreError; then the batch stays."""
        self._endings.finish()
        batch = self._batch
        for (writer, number), one in self._changed.items():
            self._suspects.mark(writer, number)
            batch.connections += [told] if (told := one.assembly.connection()) is not None else []
        self._changed.clear()
        if self._pending:
            self._suspects.clear()
            began = time.perf_counter()
            batch.positions = [tail.position() for tail in self._tails.values()]
            store_batch(self._store, batch)
            self.commits += 1
            self.commit_seconds += time.perf_counter() - began
            self._batch = Batch()
            for tail in self._tails.values():
                keep = tail.position().segment
                self._drained.add(tail.writer, range(tail.first, keep))
                tail.first = keep
        self._batch_bytes = 0
        self._drained.give_up(self._store.make_durable)
        self._progress.publish({tail.writer: (tail.segment, tail.offset) for tail in self._tails.values()})


def _give_way() -> None:
    """Traffic first: a worker that waits for this processor gets it now, and not when our slice of it ends."""
    if hasattr(os, "sched_yield"):  # not everywhere
        os.sched_yield()
