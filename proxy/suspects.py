"""Which exchange the recorder was working on when it died: one that kills it twice is stored without being parsed."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import struct
from pathlib import Path

_MARK = struct.Struct("<QH200s")  # number + 1 (0: none), length of the writer's name, its name
_NUMBER = struct.Struct("<Q")
_KILLS = 2


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
        self._number: int | None = None
        self._counts = self._load()
        number, length, name = _MARK.unpack(self._mark[:])
        if number:
            key = f"{name[:length].decode(errors='replace')}:{number - 1}"
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

    def mark(self, writer: str, number: int) -> None:
        """The exchange is at hand."""
        if number == self._number and writer == self._writer:
            return
        if writer != self._writer:
            name = writer.encode()[:200]
            _MARK.pack_into(self._mark, 0, 0, len(name), name)
            self._writer = writer
        _NUMBER.pack_into(self._mark, 0, number + 1)
        self._number = number

    def clear(self) -> None:
        """None is."""
        self._number = None
        _NUMBER.pack_into(self._mark, 0, 0)

    def convicted(self, writer: str, number: int) -> bool:
        """Whether the exchange was at hand at two deaths."""
        return bool(self._counts) and self._counts.get(f"{writer}:{number}", 0) >= _KILLS

    def close(self) -> None:
        """Give up the file."""
        self._mark.close()
