"""The recorder: the one writer of the store. It reads the journals of the workers, makes exchanges of their frames, and commits them in batches.

Each exchange has an identity from its journal (writer, number), unique in the store; the position, stored with the rows, is the start of the oldest open
exchange. So what is read again after a restart is recognised, and each exchange is stored exactly once, whatever dies when.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playhead.storage.journal import JournalFrame, Kind, SegmentReader, retire, segment_path, segments
from playhead.storage.records import Batch, Position, Recorded
from playhead.storage.store import Store

from .progress import write_progress
from .recording import Assembly
from .suspects import Suspects

SPILL_BYTES = 4 << 20
SPILL_SECONDS = 30.0
_BATCH_BYTES = 16 << 20
log = logging.getLogger("playhead")

_Place = tuple[int, int]  # segment, offset


@dataclass(slots=True)
class _Open:
    """An exchange whose end has not been read. `since`: where reading starts again if the process ends now; what stands before is stored."""

    assembly: Assembly
    since: _Place
    begun: float
    session: str
    seq: int
    bytes: int = 0
    state: dict[str, Any] | None = None  # since it was stored in part: what is needed to go on from `since`


@dataclass(slots=True)
class _Tail:
    """How far one writer's journal has been read: up to `offset` in `segment`."""

    writer: str
    segment: int
    offset: int
    reader: SegmentReader
    open: dict[int, _Open] = field(default_factory=dict)
    kept: dict[int, dict[str, Any]] = field(default_factory=dict)  # what the store remembers of exchanges whose next frame is still to be read
    first: int = 0  # the oldest segment that has not been given up

    def position(self) -> Position:
        """Where to start again, and what to remember until then."""
        start = min((one.since for one in self.open.values()), default=(self.segment, self.offset))
        memory: dict[str, Any] = {str(number): kept for number, kept in self.kept.items()}
        for number, one in self.open.items():
            memory[str(number)] = {"session": one.session, "seq": one.seq}
            if one.state is not None:
                memory[str(number)] |= {"since": one.since, "state": one.state}
        return Position(self.writer, *start, memory)


class Recorder:
    """Drains a journal directory into a store. `step` does what there is to do now."""

    def __init__(self, store: Store, directory: Path, *, reuse: bool = False) -> None:
        self.exchanges = 0
        self.commits = 0
        self.commit_seconds = 0.0
        self._store = store
        self._directory = directory
        self._reuse = reuse  # whether workers live that may write over drained segments
        self._tails: dict[str, _Tail] = {}
        self._batch = Batch()
        self._batch_bytes = 0
        self._drained: list[Path] = []  # segments to give up once what they held is durable
        self._published: dict[str, _Place] = {}
        self._suspects = Suspects(directory)

    def step(self) -> bool:
        """Read on and commit; whether anything was read. Raises StoreError if the store does not take it: call again, nothing is lost."""
        self._commit()
        self._discover()
        try:
            return self._read()
        except BaseException:
            for tail in self._tails.values():
                tail.reader.offset = tail.offset  # what was read and not taken in is read again
            raise
        finally:
            self._suspects.clear()

    def _read(self) -> bool:
        read = False
        found = {writer: tail.reader.read() for writer, tail in self._tails.items()}
        seqs = self._number_opens(found) if len(found) > 1 else {}
        for writer, frames in found.items():
            tail = self._tails[writer]
            for frame in frames:
                self._frame(tail, frame, seqs)
            read = bool(frames) or self._advance(tail) or read
        self._spill_long()
        self._commit()
        return read

    @property
    def idle(self) -> bool:
        """Whether no worker lives and everything is stored."""
        return not self._tails and not self._pending

    @property
    def behind(self) -> bool:
        """Whether more is likely to be there: the next step should come at once."""
        return any(tail.reader.behind for tail in self._tails.values())

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

    # Reading.

    def _discover(self) -> None:
        """Begin with writers that are new, where the store says."""
        found = segments(self._directory)
        fresh = found.keys() - self._tails.keys()
        if not fresh:
            return
        known = {position.writer: position for position in self._store.positions()}
        for writer in sorted(fresh):
            position = known.get(writer) or Position(writer, 0, 0, {})
            for segment in [segment for segment in found[writer] if segment < position.segment]:
                retire(self._directory, segment_path(self._directory, writer, segment), reuse=False)
            left = [segment for segment in found[writer] if segment >= position.segment]
            if left:
                self._begin_tail(position, left[0])

    def _begin_tail(self, position: Position, segment: int) -> None:
        writer = position.writer
        try:
            reader = SegmentReader(self._directory, writer, segment, position.offset if segment == position.segment else 0)
        except (OSError, ValueError) as error:
            log.error("a segment of the journal cannot be read, and stays where it is: %s", error)
            return
        kept = {int(number): memory for number, memory in position.open.items()}
        for memory in kept.values():
            self._store.seq_taken(memory["session"], memory["seq"])
        self._tails[writer] = _Tail(writer, segment, reader.offset, reader, kept=kept, first=segment)

    def _number_opens(self, found: dict[str, list[JournalFrame]]) -> dict[tuple[str, int], int]:
        """Exchanges of several workers get their places in the order in which their requests came."""
        opens = []
        for writer, frames in found.items():
            for frame in frames:
                if frame.kind == Kind.OPEN and frame.number not in self._tails[writer].kept:
                    meta = json.loads(frame.payload[: frame.payload.find(b"\n")])
                    opens.append((meta["started_at"], writer, frame.number, meta["session"]))
        return {(writer, number): self._store.next_seq(session) for _, writer, number, session in sorted(opens)}

    def _frame(self, tail: _Tail, frame: JournalFrame, seqs: dict[tuple[str, int], int]) -> None:
        number, before, after = frame.number, (tail.segment, tail.offset), (tail.segment, frame.end)
        self._suspects.mark(tail.writer, number)
        one = tail.open.get(number) or self._begin(tail, frame, before, seqs)
        tail.offset = frame.end
        if one is None or (one.state is not None and before < one.since):
            return  # it is stored, or its state holds this frame
        try:
            one.assembly.feed(frame.kind, frame.at, frame.payload)
        except Exception:
            log.exception("an exchange could not be parsed and is stored as it came (writer %s, number %d)", tail.writer, number)
            one.assembly = self._unparsed(tail, number, one, after)
        size = len(frame.payload)
        one.bytes += size
        self._batch_bytes += size
        if frame.kind == Kind.END:
            del tail.open[number]
            self._finish(tail, number, one, aborted=False)
        elif one.bytes > SPILL_BYTES:
            self._spill(tail, one)
        if self._batch_bytes > _BATCH_BYTES:
            self._commit()

    def _unparsed(self, tail: _Tail, number: int, one: _Open, until: _Place) -> Assembly:
        """The exchange again, from its frames in the journal, without parsing."""
        assembly = Assembly(tail.writer, number, parse=False) if one.state is None else Assembly.restore(one.state, parse=False)
        for segment in range(one.since[0], until[0] + 1):
            reader = SegmentReader(self._directory, tail.writer, segment, one.since[1] if segment == one.since[0] else 0)
            while frames := reader.read():
                for frame in frames:
                    if frame.number == number and (segment, frame.end) <= until:
                        assembly.feed(frame.kind, frame.at, frame.payload)
            reader.close()
        return assembly

    def _begin(self, tail: _Tail, frame: JournalFrame, before: _Place, seqs: dict[tuple[str, int], int]) -> _Open | None:
        number = frame.number
        memory = tail.kept.pop(number, None)
        if memory is not None and "state" in memory:
            return self._restore(tail, number, memory)
        if frame.kind != Kind.OPEN:
            return None
        assembly = Assembly(tail.writer, number, parse=not self._suspects.convicted(tail.writer, number))
        session = str(json.loads(frame.payload[: frame.payload.find(b"\n")])["session"])
        seq = memory["seq"] if memory else seqs.get((tail.writer, number)) or self._store.next_seq(session)
        one = tail.open[number] = _Open(assembly, before, time.monotonic(), session, seq)
        return one

    def _restore(self, tail: _Tail, number: int, memory: dict[str, Any]) -> _Open:
        segment, offset = memory["since"]
        assembly = Assembly.restore(memory["state"])
        place = (int(segment), int(offset))
        one = tail.open[number] = _Open(assembly, place, time.monotonic(), memory["session"], memory["seq"], state=memory["state"])
        return one

    def _advance(self, tail: _Tail) -> bool:
        """At the end of what a segment holds: go on to the next one, or find that there is none and never will be. Whether anything changed."""
        if not tail.reader.abandoned():
            return False
        # What was written between the last read and the end of the lock:
        more = tail.reader.read()
        for frame in more:
            self._frame(tail, frame, {})
        if more:
            return True
        tail.reader.close()
        if segment_path(self._directory, tail.writer, tail.segment + 1).exists():
            tail.segment += 1
            tail.reader = SegmentReader(self._directory, tail.writer, tail.segment)
            tail.offset = tail.reader.offset
        else:
            self._bury(tail)
        return True

    def _bury(self, tail: _Tail) -> None:
        """Its worker is gone: what it left open has no end, and never will."""
        for number, memory in list(tail.kept.items()):
            if "state" in memory:
                self._restore(tail, number, memory)
        for number, one in tail.open.items():
            self._finish(tail, number, one, aborted=True)
        del self._tails[tail.writer]
        self._batch.gone.append(tail.writer)
        self._drained += [segment_path(self._directory, tail.writer, segment) for segment in range(tail.first, tail.segment + 1)]

    # Storing.

    def _finish(self, tail: _Tail, number: int, one: _Open, *, aborted: bool) -> None:
        try:
            self._add(one, aborted=aborted)
        except Exception:
            log.exception("an exchange could not be parsed and is stored as it came (writer %s, number %d)", tail.writer, number)
            one.assembly = self._unparsed(tail, number, one, (tail.segment, tail.offset))
            self._add(one, aborted=aborted)
        self.exchanges += 1

    def _add(self, one: _Open, *, aborted: bool) -> None:
        if one.state is None:
            recorded: Recorded = one.assembly.finish(aborted=aborted)
            recorded.seq = one.seq
            self._batch.finished.append(recorded)
        else:
            spill = one.assembly.spill(final=True, aborted=aborted)
            spill.recorded.seq = one.seq
            self._batch.spills.append(spill)

    def _spill(self, tail: _Tail, one: _Open) -> None:
        """Store what an exchange holds so far, and forget it."""
        spill = one.assembly.spill(final=False)
        spill.recorded.seq = one.seq
        self._batch.spills.append(spill)
        one.state, one.bytes, one.begun = one.assembly.snapshot(), 0, time.monotonic()
        one.since = (tail.segment, tail.offset)

    def _spill_long(self) -> None:
        """Exchanges that stay open would hold the journal back: their turn comes when they have something, every half minute."""
        now = time.monotonic()
        for tail in self._tails.values():
            for one in tail.open.values():
                if now - one.begun > SPILL_SECONDS and (one.bytes or tail.segment > one.since[0]):
                    self._spill(tail, one)

    @property
    def _pending(self) -> bool:
        batch = self._batch
        return bool(batch.finished or batch.spills or batch.gone)

    def _commit(self) -> None:
        """Bring the batch and the positions into the store. Raises StoreError; then the batch stays."""
        batch = self._batch
        if self._pending:
            began = time.perf_counter()
            batch.positions = [tail.position() for tail in self._tails.values()]
            self._store.write(batch)
            self.commits += 1
            self.commit_seconds += time.perf_counter() - began
            self._batch, self._batch_bytes = Batch(), 0
            self._give_up_segments()
        progress = {tail.writer: (tail.segment, tail.offset) for tail in self._tails.values()}
        if progress != self._published:
            write_progress(self._directory, progress)
            self._published = progress

    def _give_up_segments(self) -> None:
        for tail in self._tails.values():
            keep = tail.position().segment
            self._drained += [segment_path(self._directory, tail.writer, segment) for segment in range(tail.first, keep)]
            tail.first = keep
        if self._drained:
            self._store.make_durable()
            for path in self._drained:
                if path.exists():
                    retire(self._directory, path, reuse=self._reuse)
            self._drained.clear()
