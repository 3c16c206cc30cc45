"""What was recorded anew in a session, as its replays have it, for whoever makes something of the session."""

from __future__ import annotations

from typing import Literal

from playhead.storage.replaying.replays import Under
from playhead.storage.store import Store

from ..fingerprint import F1, Rules
from ..matching.request_memo import RequestMemo
from ..recordings.decided import replacements


def recorded_anew(store: Store, session: str, take: int | Literal["newest", "all"]) -> dict[int, int]:
    """The exchanges of a take in whose place another one is served, with that. Raises StoreError."""
    marks = store.decisions.rerecorded(session)
    if not marks:
        return {}
    rules = Rules.of(store.match_rules(session))
    under = Under(rules.name, *[RequestMemo(one, tells=False).stored_fingerprint for one in (rules, F1)])
    rows = store.replay_index(session, None if take == "newest" else take, under=under)
    return replacements({row.exchange: row for row in rows}, marks, store.decisions.accepted(session))[0]


def newest_of(exchange: int, anew: dict[int, int]) -> int:
    """What is served in the place of an exchange; itself, if it was not recorded anew."""
    while (found := anew.get(exchange)) is not None:
        exchange = found
    return exchange
