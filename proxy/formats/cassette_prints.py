"""What recordings are matched by, made anew of a cassette: another version may make it otherwise, so that no cassette holds it. Pure."""

from __future__ import annotations

from playhead.storage.carrying.cassettes import Cassette
from playhead.storage.records import Direction, Fingerprint, Recorded, StoredRequest

from ..fingerprint import Asked, fingerprint
from ..matching.request_memo import RequestMemo

_CREATE = "response.create"


def with_fingerprints(cassette: Cassette) -> Cassette:
    """The same, with the fingerprints that the recorder would have given to exchanges and handshakes."""
    memo = RequestMemo()
    for one in cassette.connections:
        if one.heads[0]:
            one.digest = fingerprint(Asked.of(one.heads[0], one.upstream), b"").digest
    for r in cassette.exchanges:
        r.fingerprint = r.fingerprint or _of(r, memo)
    return cassette


def _of(r: Recorded, memo: RequestMemo) -> Fingerprint | None:
    """None: a turn that began without a request."""
    turn = r.number < 0
    body = _create(r) if turn else r.raw.request
    return None if body is None else memo.stored_fingerprint(StoredRequest(r.raw.request_head, r.upstream, r.facts.problem, iter((body,)), turn))


def _create(r: Recorded) -> bytes | None:
    """The request of a turn."""
    start = 0
    for row in r.events:
        if row.direction == Direction.CLIENT:
            if row.type == _CREATE:
                return r.raw.request[start : start + row.bytes]
            start += row.bytes
    return None
