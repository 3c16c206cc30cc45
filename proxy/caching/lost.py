"""What tokens cost that could have come from the cache. Pure; money in 10^-12 USD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playhead.storage.costing.prompted import Prompted

from ..pricing.priced import Billable
from ..pricing.pricing import Pricer, usage_of

_RAW: Mapping[str, tuple[str, str]] = {
    "responses": ("input_tokens", "input_tokens_details"),
    "chat.completions": ("prompt_tokens", "prompt_tokens_details"),
}


def money_of(turn: Prompted, lost: int, pricer: Pricer) -> int | None:
    """The difference between what these tokens cost and what they would have cost from the cache; None: one of the two is not known.

    What was paid is what the ledger says that input costs which did not come from the cache: on the average, of what was written to it and what was not.
    """
    paid, tokens = (turn.fresh_amount or 0) + (turn.written_amount or 0), turn.fresh + turn.written
    if not lost or not tokens or (turn.fresh and turn.fresh_amount is None) or (turn.written and turn.written_amount is None):
        return None if lost else 0
    cheap = _cached(turn, lost, pricer)
    return None if cheap is None else max(0, lost * paid // tokens - cheap)


def _cached(turn: Prompted, lost: int, pricer: Pricer) -> int | None:
    """What so many tokens cost from the cache: as much as those that came from it, else what the price tables say."""
    if turn.cached and turn.cached_amount is not None:
        return lost * turn.cached_amount // turn.cached
    usage = usage_of(turn.kind, _usage(turn), {}, turn.tier)
    priced = pricer.price(Billable(turn.kind, turn.path, turn.upstream, turn.model, turn.started_at_ns, usage, turn.tier, extra=turn.billing))
    amounts = [line.amount for line in priced.lines if line.item in ("cached_input", "input")]
    if priced.reason or not amounts or None in amounts:
        return None
    return lost * sum(filter(None, amounts)) // turn.input


def _usage(turn: Prompted) -> dict[str, Any]:
    """As if all of its input had come from the cache; nothing else."""
    if turn.kind == "messages":  # which tells its tier and its region there, too
        known = {name: value for name, value, *_ in turn.dimensions}
        where = {"service_tier": known.get("tier"), "inference_geo": known.get("region")}
        return {"input_tokens": 0, "cache_read_input_tokens": turn.input, "output_tokens": 0, **where}
    total, details = _RAW[turn.kind]
    return {total: turn.input, details: {"cached_tokens": turn.input}, total.replace("input", "output").replace("prompt", "completion"): 0}
