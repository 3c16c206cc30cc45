"""The journal: append-only segment files that proxy workers write and the recorder reads.

A worker (a `writer`) appends frames to `DIR/<writer>-<n>.seg`; each frame says to which exchange of that writer it belongs. A segment begins with
MAGIC and a salt; a frame is a header (check, length, kind, number, at), then the payload. The check covers salt, name of the segment, header and
payload, so that a torn or damaged frame is recognised, and so is what an earlier life of the file left there: drained segments are used again, since
writing over pages that exist costs a third of making new ones. A writer holds a lock on its newest segment as long as it lives: a pid would prove nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
from pathlib import Path

from .frame_codec import DATA, HEADER, KIND_AT, LIKE_A_FRAME, SEGMENT_BYTES, SHORTENED, decode, encode, longest_segment, salt_of, told_by, torn
from .frame_codec import MAGIC as MAGIC
from .frame_codec import START as START
from .frame_codec import JournalFrame as JournalFrame
from .packing.repetition import Repeated, Repetition, shortened
from .records import Kind as Kind

FREE_SEGMENTS = 4
_OBSTACLES = ("the disk of the journal is full", "the journal has reached its limit")
_WINDOW = 1 << 17
_WINDOW_MAX = 8 << 20
_FRESH = 16 << 20  # bytes of payloads that are read at once
_EDGES = frozenset(map(int, (Kind.OPEN, Kind.BEGIN, Kind.END, Kind.FINISH)))
_AROUND_DATA = _EDGES - {int(Kind.BEGIN)} | {int(Kind.REQUEST_END)}
_NOTED = _AROUND_DATA | {DATA}  # what must be known to see that a request repeats another
_RENEW = "renew"
_HEADER = HEADER.size
_SMALL = 1 << 13  # bytes that are copied behind their header faster than they are written with it
_IOV_MAX = 1000  # buffers of one writev; Linux takes 1024


def segment_path(directory: Path, writer: str, segment: int) -> Path:
    """Where a segment lies."""
    return directory / f"{writer}-{segment:06d}.seg"


def segments(directory: Path) -> dict[str, list[int]]:
    """The segments in a journal, by writer, in order."""
    found: dict[str, list[int]] = {}
    for path in directory.glob("*.seg"):
        writer, _, number = path.stem.rpartition("-")
        if writer and number.isdigit():
            found.setdefault(writer, []).append(int(number))
    return {writer: sorted(numbers) for writer, numbers in found.items()}


def size_of(directory: Path) -> int:
    """Bytes that the journal holds."""
    total = 0
    for path in directory.glob("*.seg"):
        with contextlib.suppress(FileNotFoundError):  # removed since it was listed
            total += path.stat().st_size
    return total


class JournalWriter:
    """Appends the frames of one worker; never raises for a full or broken disk once it is open, nor at its beginning unless `needed`.

    `append` collects, `flush` writes all that was collected with one call of the system. Frames that cannot be written are dropped, and the exchanges
    they belonged to are in `lost`.
    """

    def __init__(self, directory: Path, writer: str, *, limit: int, segment_bytes: int = SEGMENT_BYTES, durable: bool = False, needed: bool = True) -> None:
        self.writer = writer
        self._durable = durable
        self.lost: set[int] = set()
        self.edges: list[tuple[int, int, int, bytes]] = []  # first and last frames that were dropped, until somebody takes them: kind, number, at, payload
        self.insists = False  # whether to write though there is no room that may be used: for a little, without which the journal could not shrink
        self.problem: str | None = None  # why frames are being dropped now
        self._directory = directory
        self._limit = limit
        self._segment_bytes = longest_segment(limit, segment_bytes)
        self._segment = 0
        self._salt = 0
        self._fd = -1
        self._end = 0
        self._buffers: list[bytes] = []
        self._bytes = 0
        self._look_at = 0  # from this end on it is to be seen whether there is room, on the disk and in the segment; 0: always, as while frames are dropped
        self._whole = True  # whether everything since the last flush was written
        self._repetition = Repetition()
        self._reserve = 64 << 20  # room that is left to the store: a journal that fills the disk could never be drained
        try:
            statistics = os.statvfs(directory)
            self._reserve = min(self._reserve, statistics.f_blocks * statistics.f_frsize // 4)
            self._roll()
        except OSError as error:
            if needed:
                raise
            self.problem = f"the journal cannot begin: {error.strerror}"
            self._end = segment_bytes  # each frame tries again
        self._check_every = min(4 << 20, self._reserve // 8, limit // 8)

    @property
    def end(self) -> tuple[int, int]:
        """Segment and offset behind the last frame that was written."""
        return self._segment, self._end

    @property
    def begun(self) -> bool:
        """Whether there is a segment to write to."""
        return self._fd >= 0

    def append(self, kind: int, number: int, at: int, payload: bytes) -> None:
        """Collect a frame."""
        if kind == DATA:
            self._append_data(number, at, payload)
            return
        if kind in _AROUND_DATA:
            self._repetition.note(kind, number)
        if self._end + self._bytes + _HEADER + len(payload) > self._segment_bytes:
            self._make_room(len(payload))
        self._buffers += (encode(self._salt, kind, number, at, payload), payload)
        self._bytes += _HEADER + len(payload)

    def _append_data(self, number: int, at: int, payload: bytes) -> None:
        """A piece of a request, less what stands in the segment already."""
        spans = self._repetition.spans(number, payload)
        stored = payload if spans is None else shortened(payload, spans)
        if self._make_room(len(stored)) and spans is not None:
            spans, stored = None, payload
        self._repetition.written(number, self._end + self._bytes, payload, spans)
        self._buffers += (encode(self._salt, DATA, number, at, stored, short=spans is not None), stored)
        self._bytes += _HEADER + len(stored)

    def _make_room(self, size: int) -> bool:
        """For a payload of so many bytes; whether there is another segment now, or nothing to write to."""
        end = self._end + self._bytes
        if end + _HEADER + size <= self._segment_bytes or end <= START:
            return False
        self._repetition.forget()
        self._next_segment()
        return True

    def _next_segment(self, *, reuse: bool = True) -> None:
        self._write()
        first = not self.begun
        try:
            self._roll(reuse=reuse)
        except OSError as error:
            self.problem = f"the journal cannot begin a new segment: {error.strerror}"
            self._look_at = 0
        else:
            self.problem = None if first else self.problem

    @property
    def waiting(self) -> int:
        """Bytes that were appended and not written yet."""
        return self._bytes

    def write(self, kind: int, number: int, at: int, payload: bytes) -> bool:
        """As `append` and `flush`. A small piece of an answer takes one call of the system and little else, while nothing is wrong and nothing waits."""
        size = _HEADER + len(payload)
        end = self._end + size
        if end < self._look_at and size < _SMALL and kind not in _NOTED and not self._buffers:
            header = encode(self._salt, kind, number, at, payload)
            try:
                done = os.pwrite(self._fd, header + payload, self._end)
            except OSError:
                done = 0
            if done == size:
                self._end = end
                return True
            self._put([header, payload], size, done)
        else:
            self.append(kind, number, at, payload)
        return self.flush()

    def look_again(self) -> None:
        """Whether what was in the way still is, where nobody writes who would see it. What the last write said of the file stays until the next one."""
        if self.problem in _OBSTACLES:
            self.problem = self._obstacle(0)

    def flush(self) -> bool:
        """Write what was collected; False if something that was appended since the last flush had to be dropped."""
        if self._buffers:
            self._write()
        whole, self._whole = self._whole, True
        return whole

    def _write(self) -> None:
        buffers, size = self._buffers, self._bytes
        self._buffers, self._bytes = [], 0
        end = self._end + size
        if end >= self._look_at and self.begun:
            self.problem = self._obstacle(size)
            self._look_at = min(end + self._check_every, self._segment_bytes + 1) if self.problem is None else 0
        if self.problem is None or self.insists:
            self._put(buffers, size, 0)
        else:
            self._lose(buffers)

    def _put(self, buffers: list[bytes], size: int, done: int) -> None:
        """Write frames, of which so many bytes are written already."""
        done, error = _write_all(self._fd, buffers, size, self._end, done)
        if error is None:
            self._end += size
            return
        self.problem = f"the journal cannot be written: {error.strerror}"
        # Whole frames may have been read already: they stay. The torn one behind them is written over by the next.
        buffers, size = torn(buffers, done)
        self._end += size
        self._lose(buffers)

    def _lose(self, buffers: list[bytes]) -> None:
        self._look_at = 0
        if buffers:
            frames = [(*told_by(header), payload) for header, payload in zip(buffers[::2], buffers[1::2], strict=True)]
            self.lost.update(number for _, number, _, _ in frames)
            self.edges += [frame for frame in frames if frame[0] in _EDGES]
            self._whole = False
            self._repetition.forget()

    def _obstacle(self, size: int) -> str | None:
        try:
            statistics = os.statvfs(self._directory)
        except OSError as error:
            return f"the journal cannot be reached: {error.strerror}"
        if statistics.f_bavail * statistics.f_frsize < self._reserve + size:
            return _OBSTACLES[0]
        if size_of(self._directory) + size > self._limit:
            return _OBSTACLES[1]
        return None

    def duplicate(self) -> int:
        """A descriptor of the segment for bringing it to the disk; the caller closes it. The segments before it are on disk if `durable`."""
        return os.dup(self._fd)

    def _roll(self, *, reuse: bool = True) -> None:
        """Begin a new segment, in a drained one if there is one to `reuse`, and give up the one before it. Raises OSError."""
        path = segment_path(self._directory, self.writer, self._segment + 1)
        # The segment appears under its name only when it is locked, or the recorder would take its writer for dead.
        hidden = path.with_suffix(".new")
        if reuse:
            _claim_free(self._directory, hidden)
        salt = os.urandom(8)
        fd = os.open(hidden, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_size > self._segment_bytes:
                os.ftruncate(fd, 0)  # it was used under a higher limit, and counts with its size
            _, error = _write_all(fd, [MAGIC, salt], START, 0)
            if error is not None:
                raise error
            if self._durable and self._fd >= 0:
                os.fdatasync(self._fd)
            os.rename(hidden, path)
            if self._durable:
                _sync_directory(self._directory)  # the name must survive with what will be brought to disk under it
        except OSError:
            os.close(fd)
            hidden.unlink(missing_ok=True)
            raise
        before, self._fd = self._fd, fd
        self._segment += 1
        self._salt, self._end, self._look_at = salt_of(path.name, salt), START, 0
        if before >= 0:
            os.close(before)

    def renew(self) -> None:
        """Begin a new segment, in a new file, if this one holds anything, be it of an earlier life: so it goes when all of it is stored."""
        if self.begun and (self._bytes or os.fstat(self._fd).st_size > START):
            self._repetition.forget()
            self._next_segment(reuse=False)

    def close(self) -> None:
        """Write what is left and give up the segment; idempotent."""
        if self._fd < 0:
            return
        self.flush()
        os.close(self._fd)
        self._fd = -1


def _claim_free(directory: Path, path: Path) -> None:
    for free in directory.glob("*.free"):
        with contextlib.suppress(OSError):  # another worker was faster
            free.rename(path)
            return


def retire(directory: Path, path: Path, *, reuse: bool) -> None:
    """Give up a drained segment: a few are kept for the workers to write over, the others are removed."""
    if reuse and len(list(directory.glob("*.free"))) < FREE_SEGMENTS:
        path.rename(path.with_suffix(".free"))
    else:
        path.unlink(missing_ok=True)


def set_aside(path: Path) -> None:
    """Keep a segment that was damaged, under a name that nobody reads."""
    path.rename(path.with_suffix(".bad"))


def damaged(directory: Path) -> list[Path]:
    """The segments that were set aside."""
    return sorted(directory.glob("*.bad"))


def remove_free(directory: Path, *, workers: bool) -> None:
    """Remove the drained segments that were kept: they hold what was recorded. `workers`: some may live, and be about to use one."""
    for pattern in ("*.free",) if workers else ("*.free", "*.new"):
        for path in directory.glob(pattern):
            path.unlink(missing_ok=True)


def ask_renewal(directory: Path) -> None:
    """Ask the workers to begin new segments, so that those which they write now go soon, too. Raises OSError."""
    (directory / _RENEW).touch(mode=0o600)


def renewal_asked(directory: Path) -> int:
    """When that was asked for last; 0: never."""
    try:
        return (directory / _RENEW).stat().st_mtime_ns
    except OSError:
        return 0


def _write_all(fd: int, buffers: list[bytes], size: int, offset: int, done: int = 0) -> tuple[int, OSError | None]:
    """Write all buffers, `size` bytes, of which `done` stand there, at an offset: how many bytes stand there then, and what stopped it."""
    try:
        done = done or os.pwritev(fd, buffers if len(buffers) <= _IOV_MAX else [b"".join(buffers)], offset)
        if done < size:
            rest = memoryview(b"".join(buffers))[done:]
            while rest:
                count = os.pwrite(fd, rest, offset + done)
                if count == 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                done += count
                rest = rest[count:]
    except OSError as error:
        return done, error
    return done, None


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class SegmentReader:
    """Reads one segment from an offset on, while it may still grow. Raises OSError; ValueError if it is no segment."""

    def __init__(self, directory: Path, writer: str, segment: int, offset: int = 0) -> None:
        self.path = segment_path(directory, writer, segment)
        self.offset = max(offset, START)
        self.more = False  # whether the last read may have ended before what is there does
        self._window = _WINDOW
        self._memory = bytearray()
        self._repeated = Repeated(self._stored)
        self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        head = os.pread(self._fd, START, 0)
        if len(head) < START or not head.startswith(MAGIC):
            self.close()
            raise ValueError(f"{self.path} is no journal segment")
        self._salt = salt_of(self.path.name, head[len(MAGIC) :])

    def read(self) -> list[JournalFrame]:
        """The next whole frames; empty at the end, or before a frame that is torn or damaged."""
        data = self._pread(self._window)
        if len(data) >= _HEADER:
            needed = _HEADER + (HEADER.unpack_from(data)[1] & ~SHORTENED)
            if len(data) < needed <= os.fstat(self._fd).st_size - self.offset:
                data = self._pread(needed)
        frames, fresh = [], 0
        for frame in decode(self._salt, data, self.offset, self._repeated):
            frames.append(frame)
            fresh += frame.fresh
            if fresh > _FRESH:
                break
        consumed = frames[-1].end - self.offset if frames else 0
        self.more = fresh > _FRESH or consumed > self._window // 2 or self._cut_off(data[consumed:], self.offset + consumed)
        # Far behind, read much at a time; near the end, do not read again and again what an earlier life left there.
        self._window = min(self._window * 4, _WINDOW_MAX) if consumed > self._window // 2 else _WINDOW
        self.offset += consumed
        return frames

    def _cut_off(self, rest: memoryview, offset: int) -> bool:
        """Whether what is left of a read is the beginning of a frame; what an earlier life left there may look like one."""
        if len(rest) < _HEADER:
            return len(rest) > 0
        needed: int = _HEADER + (HEADER.unpack_from(rest)[1] & ~SHORTENED)
        return len(rest) < needed <= os.fstat(self._fd).st_size - offset

    def _pread(self, size: int) -> memoryview:
        """Into memory that is used again, since making it anew costs more than reading; much is mapped instead, and copied but once."""
        if size > _WINDOW:
            start = self.offset - self.offset % mmap.ALLOCATIONGRANULARITY
            length = min(os.fstat(self._fd).st_size, self.offset + size) - start
            if length <= self.offset - start:
                return memoryview(b"")  # nothing can be mapped behind the end
            return memoryview(mmap.mmap(self._fd, length, prot=mmap.PROT_READ, offset=start))[self.offset - start :]
        if len(self._memory) < size:
            self._memory = bytearray(size)
        view = memoryview(self._memory)[:size]
        return view[: os.preadv(self._fd, [view], self.offset)]

    def _stored(self, offset: int) -> bytes | None:
        """The payload of the frame at an offset, as it is stored; None if there is no sound one."""
        header = os.pread(self._fd, _HEADER, offset) if offset >= START else b""
        if len(header) < _HEADER:
            return None
        needed = _HEADER + (HEADER.unpack(header)[1] & ~SHORTENED)
        if needed > os.fstat(self._fd).st_size - offset:
            return None
        found = next(decode(self._salt, os.pread(self._fd, needed, offset), offset), None)
        return found.payload if found is not None else None

    def skip_damage(self) -> bool:
        """Go on at the next sound frame behind one that is not; False if there is none, as behind a torn last one. For a segment that is abandoned."""
        rest = memoryview(os.pread(self._fd, max(0, os.fstat(self._fd).st_size - self.offset), self.offset))
        for match in LIKE_A_FRAME.finditer(rest, KIND_AT + 1):
            start = match.start() - KIND_AT
            if next(decode(self._salt, rest[start:], 0), None) is not None:
                self.offset += start
                return True
        return False

    @property
    def behind(self) -> bool:
        """Whether the last read found so much that more is likely to be there."""
        return self._window > _WINDOW

    def abandoned(self) -> bool:
        """Whether no worker holds the segment any more: nothing will be added."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        return True

    def close(self) -> None:
        """Give up the file; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
