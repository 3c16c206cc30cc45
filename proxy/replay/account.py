"""What a replay has come to: which exchanges nothing has asked for, and what those that were served cost when they were recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from playhead.config.errors import PlayheadError
from playhead.config.settings import Settings
from playhead.storage.store import Store

from ..player import Player
from ..pricing.setting import entries_for

if TYPE_CHECKING:
    from playhead.storage.costing.costs import Cost, Priceable

    from ..pricing.entries import Entries

log = logging.getLogger("playhead")

_LISTED = 5


class Worth(NamedTuple):
    """What exchanges cost, in 10^-12 USD, and how many of them cost something nobody knows."""

    amount: int = 0
    unpriced: int = 0


def worth(store: Store, served: Mapping[int, int], entries_of: Callable[[], Entries]) -> Worth:
    """Of these exchanges, each of which was served so many times. What is not in the ledger and came without a price is priced now. Raises PlayheadError."""
    amount, unpriced, missing = store.ledger.worth(served)
    if missing:
        entries = entries_of()
        for one, cost in _paying((one, cost) for one in missing if (cost := entries.of(one)) is not None):
            amount += served[one.id] * (cost.amount or 0)
            unpriced += served[one.id] * (cost.state in ("partly", "unpriced"))
    return Worth(amount, unpriced)


def _paying(priced: Iterable[tuple[Priceable, Cost]]) -> Iterator[tuple[Priceable, Cost]]:
    """Without those that tell of a usage that another one counts: who made the response, else the first that tells of it."""
    made: set[str | None] = set()
    telling: dict[str | None, tuple[Priceable, Cost]] = {}
    for one, cost in priced:
        if cost.told:
            telling.setdefault(one.response_id, (one, cost))
            continue
        if cost.used:
            made.add(one.response_id)
        yield one, cost
    yield from (telling[response] for response in telling if response not in made)


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
