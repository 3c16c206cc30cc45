"""What broke the parser is read again from the journal, and kept as it came."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Set
from pathlib import Path

from playhead.storage.journal import JournalFrame, SegmentReader, segment_path

from ..matching.request_memo import RequestMemo
from ..recording import Assembly
from .tails import Open, Tail

log = logging.getLogger("playhead")


class Rereading:
    """Reads open exchanges again. `unreadable`: segments that are passed over."""

    def __init__(self, directory: Path, unreadable: Set[Path], assembly: type[Assembly], memo: RequestMemo) -> None:
        self._directory = directory
        self._unreadable = unreadable
        self._assembly = assembly
        self._memo = memo

    def stop_parsing(self, tail: Tail, one: Open) -> None:
        """The last frame that was read of it, or what followed from that, failed: it gets another assembly, which has taken the frames so far."""
        parsed, one.parse = one.parse, False
        if parsed and one.assembly.multiplex is not None and self._stop_sorting(tail, one):
            return
        one.assembly = self._again(tail, one, parse=False)
        for frame in self._frames(tail, one):
            one.assembly.feed(frame.kind, frame.at, frame.payload)

    def _stop_sorting(self, tail: Tail, one: Open) -> bool:
        """The same for a connection in Responses mode: what came before the frame that failed was parsed, and can be again; from there on it is one
        exchange, stored as it came. So nothing is there twice. False: it fails before that, too."""
        again, last = self._again(tail, one, parse=True), None
        try:
            for frame in self._frames(tail, one):
                if last is not None:
                    again.feed(last.kind, last.at, last.payload)
                last = frame
            again.give_up_turns()
            if last is not None:
                again.feed(last.kind, last.at, last.payload)
        except Exception:
            log.exception("nor could what came before (writer %s, number %d)", tail.writer, again.number)
            return False
        one.assembly = again
        return True

    def _again(self, tail: Tail, one: Open, *, parse: bool) -> Assembly:
        """An assembly that stands where this one did when it was stored in part last."""
        if one.state is None:
            again = self._assembly(tail.writer, one.assembly.number, parse=parse, memo=self._memo)
        else:
            again = self._assembly.restore(one.state, parse=parse, memo=self._memo)
        again.seq_of = one.places.of
        return again

    def _frames(self, tail: Tail, one: Open) -> Iterator[JournalFrame]:
        """Those that were read of an exchange since then."""
        for segment in range(one.since[0], tail.segment + 1):
            if segment_path(self._directory, tail.writer, segment) in self._unreadable:
                continue
            reader = SegmentReader(self._directory, tail.writer, segment, one.since[1] if segment == one.since[0] else 0)
            try:
                while frames := reader.read():
                    for frame in frames:
                        if frame.number == one.assembly.number and (segment, frame.end) <= tail.place:
                            yield frame
            finally:
                reader.close()
