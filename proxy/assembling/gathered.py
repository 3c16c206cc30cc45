"""What an exchange's frames have given so far and the store has not got yet: pure."""

from __future__ import annotations

from playhead.storage.records import EventRow, Frame


class Gathered:
    """Bodies, events and frames of one exchange, in order. Handing them over empties the lists; the counts go on."""

    __slots__ = ("chunks", "count", "first_ns", "frames", "request", "request_bytes", "response", "response_bytes", "rows")

    def __init__(self) -> None:
        self.request: list[bytes] = []
        self.response: list[bytes] = []
        self.rows: list[EventRow] = []
        self.frames: list[Frame] = []
        self.chunks: list[int] = []
        self.count = 0  # events
        self.request_bytes = 0
        self.response_bytes = 0
        self.first_ns: int | None = None  # the first event of upstream, or byte of its body

    def state(self) -> list[int | None]:
        """The counts, for `restore`."""
        return [self.count, self.request_bytes, self.response_bytes, self.first_ns]

    def restore(self, state: list[int | None]) -> None:
        """Go on with those counts."""
        count, request_bytes, response_bytes, self.first_ns = state
        self.count, self.request_bytes, self.response_bytes = count or 0, request_bytes or 0, response_bytes or 0
