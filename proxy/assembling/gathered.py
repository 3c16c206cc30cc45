"""What an exchange's frames have given so far and the store has not got yet: pure."""

from __future__ import annotations

from functools import partial

from playhead.storage.event_rows import EventRows
from playhead.storage.records import Frame

as_frame = partial(tuple.__new__, Frame)
"""Of a tuple, at half the cost of Frame(...)."""


class Gathered:
    """Bodies, events and frames of one exchange, in order. Handing them over empties the lists; the counts go on."""

    __slots__ = ("chunks", "first_ns", "frames", "request", "request_bytes", "response", "response_bytes", "rows")

    def __init__(self) -> None:
        self.request: list[bytes] = []
        self.response: list[bytes] = []
        self.rows = EventRows()
        self.frames: list[Frame] = []
        self.chunks: list[int] = []
        self.request_bytes = 0
        self.response_bytes = 0
        self.first_ns: int | None = None  # the first event of upstream, or byte of its body

    @property
    def count(self) -> int:
        """How many events there were so far."""
        return self.rows.end

    def give_rows(self) -> EventRows:
        """The events since the last time; they are forgotten here."""
        given, self.rows = self.rows, EventRows(self.rows.end)
        return given

    def state(self) -> list[int | None]:
        """The counts, for `restore`."""
        return [self.count, self.request_bytes, self.response_bytes, self.first_ns]

    def restore(self, state: list[int | None]) -> None:
        """Go on with those counts."""
        count, request_bytes, response_bytes, self.first_ns = state
        self.rows = EventRows(count or 0)
        self.request_bytes, self.response_bytes = request_bytes or 0, response_bytes or 0
