"""The short way of a replay: a request that has come whole, in a form that was seen before, and whose answer is at hand, is answered in one step.

Nearly all requests of a test run are so. Whatever is unusual about a request takes the long way (`replaying`), which decides the same.
"""

from __future__ import annotations

import contextlib

from playhead.config.errors import StoreError

from ..fingerprint import Asked
from ..forwarding.clients import ClientRequest
from ..forwarding.inbound import KEPT_HEAD, Inbound, head_size
from ..player import Player
from ..redaction import RequestScanner
from ..service import Service
from .begun import ANSWERED, Answered, Begun
from .incoming import Memory

_Headers = tuple[tuple[bytes, bytes], ...]
_Key = tuple[str, bytes, _Headers]

_KNOWN = 512  # forms of requests that are remembered
_SHORT = 1 << 13  # bytes of a body; of longer ones much may be known already, and the long way is cheap beside reading them
_UNSENT = 1 << 16  # bytes for a client above which it is waited for


class AtOnce:
    """Answers at once what can be."""

    def __init__(self, service: Service, player: Player, memory: Memory) -> None:
        self._service = service
        self._player = player
        self._memory = memory
        self._known: dict[_Key, tuple[str, Asked]] = {}

    def learn(self, request: ClientRequest, inbound: Inbound, asked: Asked) -> None:
        """Remember a form of request that took the long way. `asked`: without the search for its own key in it."""
        usual = inbound.coding is None and not inbound.websocket and not inbound.chunked and request.version == (1, 1) and not request.expects_continue
        usual = usual and not inbound.address.faults
        if usual and request.keep_alive and head_size(request.target, request.raw_headers) <= KEPT_HEAD:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[_key(request)] = inbound.address.session, asked

    def answer(self, request: ClientRequest) -> Begun | Answered | None:
        """None: nothing was done. Begun: something was, and is to be gone on with. ANSWERED: all was, and the client's connection lives on."""
        known = self._known.get(_key(request))
        content, transport = request.content, request.transport
        if known is None or self._service.faults.any() or request.version != (1, 1) or transport is None or transport.get_write_buffer_size() > _UNSENT:
            return None
        session, asked = known
        playback = self._player.opened(session)
        if playback is None or not content.is_eof() or content.exception() is not None:
            return None
        body = content.read_nowait() if request.body_exists else b""
        if len(body) > _SHORT:
            return Begun(body, None)
        text = RequestScanner().whole(body) if body else body
        one = self._memory.fingerprint(asked, text, playback.rules)
        place = self._player.next(playback, one)
        if place is None:
            return Begun(body, None)
        if one.plain and self._player.hits.saw(playback, place, one, asked, text):
            self._service.counters.ruled += 1
        ready = self._player.at_hand(playback, place)
        if ready is None:
            with contextlib.suppress(StoreError):  # the long way will meet it again, and say what is wrong
                ready = self._player.read_now(playback, place)
        if ready is None or ready.plain is None:
            return Begun(body, (playback, place))
        counters = self._service.counters
        counters.requests["http"] += 1
        counters.statuses[ready.status // 100] += 1
        counters.outcomes["complete"] += 1
        counters.request_bytes += len(body)
        counters.response_bytes += len(ready.plain)
        counters.replayed += 1
        transport.write(ready.plain)
        return ANSWERED


def _key(request: ClientRequest) -> _Key:
    """What a request has in common with others of its form: all of its head but the version and the length of its body."""
    return request.method, request.target, tuple([header for header in request.raw_headers if len(header[0]) != 14 or header[0].lower() != b"content-length"])
