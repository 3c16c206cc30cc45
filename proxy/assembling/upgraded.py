"""What a WebSocket carries once upstream has agreed to it: all of it as one exchange, or sorted into turns. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from playhead.storage.connecting.connected import RecordedConnection
from playhead.storage.records import Outcome

from ..models.kind import Shape
from .gathered import Gathered
from .multiplex import Multiplex
from .transcript import Transcript


class Upgraded:
    """One connection after its 101. `multiplex`: in Responses mode, its turns. `transcript`: it is one exchange, or the rest of it is, since it broke the
    parser in the midst."""

    __slots__ = ("_extensions", "_gathered", "_shape", "multiplex", "transcript")

    def __init__(self, extensions: bytes, gathered: Gathered, shape: Shape, *, parse: bool, multiplex: Multiplex | None = None) -> None:
        self._extensions, self._gathered, self._shape = extensions, gathered, shape
        self.multiplex = multiplex
        self.transcript = self._new_transcript(parse=parse) if multiplex is None else None

    def _new_transcript(self, *, parse: bool) -> Transcript:
        return Transcript(self._extensions, self._gathered, self._shape, parse=parse)

    @property
    def channels(self) -> Multiplex | Transcript:
        """Who takes what comes."""
        channels = self.transcript or self.multiplex
        assert channels is not None  # there is always one
        return channels

    @property
    def is_exchange(self) -> bool:
        """Whether it is one, as far as anything has come that is of it."""
        return self.multiplex is None or self._gathered.request_bytes + self._gathered.response_bytes > 0

    def end_turns(self, at: int, outcome: Outcome, problems: Sequence[str], *, redacted: Literal["response"] | None) -> None:
        """The connection ended so."""
        if self.multiplex is not None and self.transcript is None:
            self.multiplex.end(at, outcome, problems, redacted=redacted)

    def give_up(self, at: int) -> None:
        """It cannot be parsed on: what is held goes as it is, and what comes from now on is kept as it comes."""
        if self.multiplex is None:
            self.channels.close(at)
        elif self.transcript is None:
            self.multiplex.give_up(at)
            self._go_on_unparsed(self.multiplex)
            if undecoded := self.multiplex.undecoded:
                self.channels.upstream(at, undecoded)

    def _go_on_unparsed(self, multiplex: Multiplex) -> None:
        self.transcript = self._new_transcript(parse=False)
        self.transcript.traffic = multiplex.traffic

    def tell(self, connection: RecordedConnection, *, give: bool) -> None:
        """Say what was counted. `give`: with what is new in the log, which is forgotten here."""
        if self.multiplex is not None:
            self.multiplex.tell(connection, give=give)
        else:
            self.channels.traffic.tell(connection)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON; what was gathered so far is not in it."""
        return {"transcript": self.transcript and self.transcript.state(), "multiplex": self.multiplex and self.multiplex.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on, in a new one of the same handshake, where the one stood that gave this state."""
        if self.multiplex is not None:
            self.multiplex.restore(state["multiplex"])
            if state["transcript"] is not None:
                self._go_on_unparsed(self.multiplex)
        elif self.transcript is not None and state["transcript"] is not None:
            self.transcript.restore(state["transcript"])
