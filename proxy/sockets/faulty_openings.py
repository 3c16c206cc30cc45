"""The opening of a WebSocket that meets a fault."""

from __future__ import annotations

import asyncio

from ..client_side import reset
from ..faults.edits import Edits, Ending, Failure, Fell, Pause
from ..faults.errors import refusal
from ..forwarding.clients import ClientRequest
from ..replay.faulting import Afflicted
from ..service import Service


class MetOpening:
    """A handshake that is refused, or to which nothing is said."""

    def __init__(self, service: Service, request: ClientRequest, afflicted: Afflicted, act: Failure | Ending) -> None:
        self._service, self._request, self._afflicted, self._act = service, request, afflicted, act

    @property
    def waits(self) -> bool:
        """It is done at once, or never."""
        return True

    def break_off(self) -> None:
        """The server stops."""
        if self._request.transport is not None:
            self._request.transport.close()

    async def run(self) -> bool:
        """Answer; the connection does not outlive it."""
        act, transport = self._act, self._request.transport
        if transport is None:
            return False
        if isinstance(act, Failure):
            head, body = refusal(act.fault, self._afflicted.asked)
            self._service.counters.statuses[act.fault.status // 100] += 1
            transport.write(head[:-2] + b"Connection: close\r\n\r\n" + body)
        elif act.how == "reset":
            reset(transport)
        elif act.how == "hang":
            await asyncio.Event().wait()  # until the client leaves, or the server ends
        return False


async def meet_opening(service: Service, request: ClientRequest, afflicted: Afflicted) -> MetOpening | None:
    """What becomes of an opening; None: it comes late, and otherwise as it was."""
    for act in Edits(afflicted.faults, "ws", afflicted.asked.place).opening():
        if isinstance(act, Fell):
            afflicted.met(act.fault)
        elif isinstance(act, Pause):
            await asyncio.sleep(act.ns / 1e9)
        elif isinstance(act, Failure | Ending):
            return MetOpening(service, request, afflicted, act)
    afflicted.ended(True)
    return None
