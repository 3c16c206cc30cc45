"""What a replay has come to: which exchanges nothing has asked for, and what those that were served cost when they were recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from playhead.config.errors import PlayheadError
from playhead.config.settings import Settings
from playhead.storage.store import Store

from ..player import Player
from ..pricing.setting import entries_for

if TYPE_CHECKING:
    from ..pricing.entries import Entries

log = logging.getLogger("playhead")

_LISTED = 5


class Worth(NamedTuple):
    """What exchanges cost, in 10^-12 USD, and how many of them cost something nobody knows."""

    amount: int = 0
    unpriced: int = 0


def worth(store: Store, served: Mapping[int, int], entries_of: Callable[[], Entries]) -> Worth:
    """Of these exchanges, each of which was served so many times. What is not in the ledger, such as what was imported, is priced now. Raises PlayheadError."""
    amount, unpriced, missing = store.ledger.worth(served)
    if missing:
        entries = entries_of()
        for one in missing:
            cost = entries.of(one)
            amount += served[one.id] * ((cost.amount or 0) if cost is not None else 0)
            unpriced += served[one.id] * (cost is not None and cost.state in ("partly", "unpriced"))
    return Worth(amount, unpriced)


def account(player: Player, settings: Settings) -> dict[str, object]:
    """At the end of a replay, in a thread: `saved`, `unpriced`; and of its own session, if that was asked for anything: `unused`, `first` of them."""
    unused = player.unserved(settings.session) or []
    told: dict[str, object] = {"unused": len(unused), "first": unused[:_LISTED]}
    try:
        found = worth(player.store, player.served, partial(entries_for, settings))
    except PlayheadError as error:
        log.info("what the replay has saved is not known: %s", error)
        return told
    return {**told, "saved": found.amount, "unpriced": found.unpriced}
