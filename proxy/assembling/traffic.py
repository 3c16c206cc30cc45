"""What a WebSocket connection has carried: messages, bytes, pings, and the close frame of each side. Pure."""

from __future__ import annotations

from typing import Any

from playhead.storage.connecting.connected import RecordedConnection
from playhead.storage.records import Direction

from ..forwarding.frames import Opcode
from ..plain import text_of

NO_CODE = 1005
"""What stands for the code of a close frame that has none (RFC 6455 section 7.1.5)."""


class Traffic:
    """The counts of both directions. `first_close`: who sent a close frame first."""

    __slots__ = ("_bytes", "_closes", "_messages", "_pings", "first_close")

    def __init__(self) -> None:
        self._messages = [0, 0]
        self._bytes = [0, 0]
        self._pings = [0, 0]
        self._closes: list[tuple[int, str | None] | None] = [None, None]  # code and reason
        self.first_close: Direction | None = None

    def take(self, direction: Direction, messages: int, size: int) -> None:
        """Messages that have come, or pieces of one."""
        self._messages[direction] += messages
        self._bytes[direction] += size

    def control(self, direction: Direction, opcode: int, payload: bytes) -> None:
        """A control frame."""
        self._bytes[direction] += len(payload)
        self._pings[direction] += opcode == Opcode.PING
        if opcode == Opcode.CLOSE and self._closes[direction] is None:
            whole = len(payload) >= 2
            self._closes[direction] = (int.from_bytes(payload[:2], "big"), text_of(payload[2:].decode("utf-8", "replace"))) if whole else (NO_CODE, None)
            if self.first_close is None:
                self.first_close = direction

    @property
    def closed(self) -> bool:
        """Whether both sides have sent a close frame: nothing can follow (RFC 6455 section 5.5.1)."""
        return None not in self._closes

    def tell(self, connection: RecordedConnection) -> None:
        """Say all that."""
        connection.client_messages, connection.upstream_messages = self._messages
        connection.client_bytes, connection.upstream_bytes = self._bytes
        connection.client_pings, connection.upstream_pings = self._pings
        client, upstream = self._closes
        connection.client_close, connection.client_reason = client or (None, None)
        connection.upstream_close, connection.upstream_reason = upstream or (None, None)

    def state(self) -> list[Any]:
        """What `restore` needs to go on, as JSON."""
        return [[*self._messages], [*self._bytes], [*self._pings], [close and list(close) for close in self._closes], self.first_close]

    def restore(self, state: list[Any]) -> None:
        """Go on with those counts."""
        messages, sizes, pings, closes, first = state
        self._messages, self._bytes, self._pings = [*messages], [*sizes], [*pings]
        self._closes = [close and (close[0], close[1]) for close in closes]
        self.first_close = None if first is None else Direction(first)
