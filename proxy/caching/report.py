"""What is told of lost cache: rows for programs, a few lines for people, and what can be done about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict

from playhead.storage.costing.costs import about, dollars

from .forensics import Finding, Total
from .judging import CAUSES, Cause

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = ((86_400, "d"), (3_600, "h"), (60, "min"))

ADVICE: Mapping[Cause, str] = MappingProxyType(
    {
        "model": "keep one model for a conversation, or count the change as a new beginning",
        "tier": "keep one service tier for a conversation",
        "organization": "ask with keys of one organization",
        "key": "ask with keys of one organization",
        "unmarked": "mark what stays the same: cache_control at the end of the tools, of the system prompt and of the newest message",
        "expired": "ask for a longer time (prompt_cache_retention 24h, prompt_cache_options.ttl, cache_control.ttl 1h), or keep it warm",
        "early": "let the first of several requests with one beginning be answered before the others are sent",
        "cache_key": "give all requests with one beginning the same prompt_cache_key",
        "missed": "give prompt_cache_key, and not more than some 15 requests a minute under one of them",
        "tool_schema": "send the same tools in the same order in each turn; forbid some of them with tool_choice instead of leaving them out",
        "prompt": "keep instructions as they are, and put what changes into the newest message",
        "tool_result": "send a result back as it was sent first: do not shorten or replace it later",
        "history": "send items of earlier answers back as they came",
        "parameter": "keep the output's format, the reasoning effort and the verbosity for a conversation",
        "volatile": "leave the value out, round it, or put it behind what stays the same: into the newest message",
        "order": "append only: keep the order of what was sent before",
        "removed": "cut history seldom and by much, not a little in each turn",
        "member_order": "write JSON with its members in one order: sort the keys",
    }
)


class CacheRow(BaseModel):
    """What was lost in one turn, as `playhead audit --cache --json` prints it. Tokens are of its prompt; `cost`: decimal text in USD, null if a price is not
    known.

    `before`: the exchange that it goes on from. `path`: where its prompt differs from that one's. `common_parts`: tools, instructions and items that both
    begin with, `common_tokens`: what these are. `possible_tokens`: what could have come from the cache, had nothing broken the beginning; `estimated`: by
    characters. `provider_says`: its own diagnosis, where it gives one.
    """

    model_config = ConfigDict(frozen=True)

    exchange: int
    before: int
    session: str
    started_at: datetime
    kind: str
    transport: str
    model: str | None
    prompt_cache_key: str | None
    cause: str
    path: str | None
    patterns: list[str]
    differences: list[dict[str, str | None]]
    common_parts: int
    common_tokens: int
    input_tokens: int
    cached_tokens: int
    written_tokens: int
    allowed_tokens: int
    possible_tokens: int
    lost_tokens: int
    estimated: bool
    gap_ms: int
    cost: str | None
    provider_says: str | None


def row_of(found: Finding, says: str | None = None) -> CacheRow:
    """`says`: the provider's own diagnosis."""
    turn, judged, broke = found.turn, found.judged, found.broke
    differences = broke.differences if broke is not None else ()
    return CacheRow(
        exchange=turn.id,
        before=found.earlier.id,
        session=turn.session,
        started_at=_EPOCH + timedelta(microseconds=turn.started_at_ns // 1000),
        kind=turn.kind,
        transport=turn.transport,
        model=turn.model,
        prompt_cache_key=turn.cache_key,
        cause=judged.cause,
        path=broke.path if broke is not None else None,
        patterns=list(broke.patterns) if broke is not None else [],
        differences=[{"path": one.path, "before": one.recorded, "now": one.asked} for one in differences],
        common_parts=found.parts,
        common_tokens=judged.common,
        input_tokens=turn.input,
        cached_tokens=turn.cached,
        written_tokens=turn.written,
        allowed_tokens=judged.allowed,
        possible_tokens=judged.reach,
        lost_tokens=judged.lost,
        estimated=judged.estimated,
        gap_ms=round(judged.gap_s * 1000),
        cost=None if found.money is None else dollars(found.money),
        provider_says=says,
    )


def summary(totals: Mapping[Cause, Total], unread: int, pruned: int) -> dict[str, Any]:
    """The last line of the JSON: all turns by cause. `unread`, `pruned`: requests that are there and cannot be read, and those that are not there any more."""
    causes = {
        cause: {"turns": total.turns, "lost_tokens": total.lost, "cost": dollars(total.money), "unpriced": total.unpriced} for cause, total in in_order(totals)
    }
    whole = Total(*(sum(each) for each in zip(*totals.values(), strict=True))) if totals else Total()
    told = {"turns": whole.turns, "lost_tokens": whole.lost, "cost": dollars(whole.money), "unpriced": whole.unpriced, "unread": unread, "pruned": pruned}
    return {**told, "causes": causes}


def in_order(totals: Mapping[Cause, Total]) -> list[tuple[Cause, Total]]:
    """The dearest first, those that cost nothing at the end."""
    return sorted(totals.items(), key=lambda one: (-one[1].money, -one[1].lost, list(CAUSES).index(one[0])))


def story(found: Finding, says: str | None = None) -> Iterator[str]:
    """A finding, for people: what it cost, why, how far both were the same, and what can be done."""
    turn, judged = found.turn, found.judged
    cost = "nobody knows what it cost" if found.money is None else about(found.money)
    circa = "about " if judged.estimated else ""
    yield f"exchange {turn.id} after {found.earlier.id} ({', '.join(filter(None, (turn.session, turn.model)))}): {cost}, {circa}{judged.lost:,} tokens"
    yield f"{judged.cause}: {CAUSES[judged.cause]}{_where(found)}"
    if found.broke is not None:
        for one in found.broke.differences:
            yield f"  {one.path}: {_before_and_now(one.recorded, one.asked)}"
    same = "nothing of the beginning was the same"
    if found.parts:
        same = (
            f"{found.parts:,} part{'s'[: found.parts != 1]} of the beginning ({circa}{judged.common:,} tokens) {'were' if found.parts != 1 else 'was'} the same"
        )
    written = f", {turn.written:,} were written to it" if turn.written else ""
    possible = f"{circa}{judged.reach:,} could have come from the cache{_as_it_was(found)}, {turn.cached:,} did{written}"
    yield f"{same}; of {turn.input:,} input tokens {possible}; {_span(judged.gap_s)} after that turn"
    if says is not None:
        yield f"the provider says: {says}"
    if judged.cause in ADVICE:
        yield f"what helps: {ADVICE[judged.cause]}"


def _where(found: Finding) -> str:
    broke, earlier, turn = found.broke, found.earlier, found.turn
    if found.judged.cause == "model":
        return f" ({earlier.model}, then {turn.model})"
    if found.judged.cause == "tier":
        return f" ({earlier.tier}, then {turn.tier})"
    if found.judged.cause == "cache_key":
        return f" ({earlier.cache_key or 'none'}, then {turn.cache_key or 'none'})"
    if broke is None or broke.cause != found.judged.cause:
        return ""
    return f" ({', '.join((broke.path, *broke.patterns))})"


def _as_it_was(found: Finding) -> str:
    return "" if found.judged.allowed == found.judged.reach else f", {found.judged.allowed:,} as it was"


def _before_and_now(was: str | None, now: str | None) -> str:
    if was is None:
        return f"new: {now}"
    return f"gone: {was}" if now is None else f"before {was}, now {now}"


def _span(seconds: float) -> str:
    for unit, name in _TIMES:
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.1f} s"
