"""Which exchange the recorder was working on when it died: one that kills it twice is stored without being parsed.

Twice at the same frame, that is: a connection of many turns is at hand most of the time, and must not be blamed for whatever else ends the recorder.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import struct
from pathlib import Path

_MARK = struct.Struct("<QQQH200s")  # number + 1 (0: none), segment and offset of the frame, length of the writer's name, its name
_NUMBER = struct.Struct("<QQQ")
_NONE = (0, 0)
_KILLS = 2  # at one frame
_MOST_KILLS = 8  # at any


class Suspects:
    """A mark on the exchange at hand that survives the process (not the machine), and how often each marked one was there at a death."""

    def __init__(self, directory: Path) -> None:
        self._counts_path = directory / "suspects.json"
        path = directory / "recorder.mark"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size < _MARK.size:
                os.pwrite(fd, bytes(_MARK.size), 0)  # not only made longer: on a full disk, writing to a hole in a map would kill
            self._mark = mmap.mmap(fd, _MARK.size)
        finally:
            os.close(fd)
        self._writer: str | None = None
        self._counts = self._load()
        number, segment, offset, length, name = _MARK.unpack(self._mark[: _MARK.size])
        if number:
            key = f"{name[:length].decode(errors='replace')}:{number - 1}@{segment}.{offset}"
            self._counts[key] = self._counts.get(key, 0) + 1
            self._save()
        self.clear()

    def _load(self) -> dict[str, int]:
        try:
            loaded = json.loads(self._counts_path.read_text())
        except (OSError, ValueError):
            return {}
        return {key: count for key, count in loaded.items() if isinstance(count, int)} if isinstance(loaded, dict) else {}

    def _save(self) -> None:
        hidden = self._counts_path.with_suffix(".tmp")
        with contextlib.suppress(OSError):  # a full disk must not stop the recorder
            hidden.write_text(json.dumps(self._counts))
            os.replace(hidden, self._counts_path)

    def mark(self, writer: str, number: int, place: tuple[int, int] = _NONE) -> None:
        """The exchange is at hand, with the frame at that place of the journal: segment and offset."""
        if writer != self._writer:
            name = writer.encode()[:200]
            _MARK.pack_into(self._mark, 0, 0, 0, 0, len(name), name)
            self._writer = writer
        _NUMBER.pack_into(self._mark, 0, number + 1, *place)

    def clear(self) -> None:
        """None is."""
        _NUMBER.pack_into(self._mark, 0, 0, *_NONE)

    def convicted(self, writer: str, number: int) -> bool:
        """Whether the exchange was at hand at two deaths at one frame, or at many."""
        if not self._counts:
            return False
        known = f"{writer}:{number}"  # older versions did not say at which frame
        deaths = [count for key, count in self._counts.items() if key == known or key.startswith(known + "@")]
        return max(deaths, default=0) >= _KILLS or sum(deaths) >= _MOST_KILLS

    def close(self) -> None:
        """Give up the file."""
        self._mark.close()
