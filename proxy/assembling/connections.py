"""What is stored of a WebSocket connection beside its exchanges, out of what its journal frames have told. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from playhead.storage.connecting.connected import RecordedConnection
from playhead.storage.records import Recorded

from ..heads import header_text


def connection_of(one: Recorded, heads: tuple[bytes, bytes], answered: Mapping[bytes, bytes], digest: bytes) -> RecordedConnection:
    """A connection of which nothing has been counted so far. `one`: all of it as one exchange. `answered`: headers of the answer to the handshake."""
    upgraded = one.status == 101
    return RecordedConnection(
        writer=one.writer,
        number=one.number,
        session=one.session,
        run=one.run,
        path=one.path,
        upstream=one.upstream,
        started_at_ns=one.started_at_ns,
        status=one.status,
        outcome=one.outcome,
        duration_ns=one.duration_ns,
        subprotocol=header_text(answered, b"sec-websocket-protocol") if upgraded else None,
        extensions=header_text(answered, b"sec-websocket-extensions") if upgraded else None,
        problem=one.facts.problem,
        key_id=one.key_id,
        digest=digest,
        heads=heads,
    )
