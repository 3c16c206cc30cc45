"""How much of a turn's prompt could have come from the cache, how much did, and what the difference is due to. Pure.

Where the later prompt begins with all of the earlier one, what could have come is what the earlier one had in the cache, as its usage tells. Where it is
broken before, or only begins alike, it is estimated by characters, calibrated by the turn's own input tokens.

Where what is written to the cache is told (and paid), prompts are kept as wholes, or up to marks: there a shorter beginning may not be found at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from playhead.config.caches import CacheLimits, lifetime_of, limits_of

from .causes import Break, Broken
from .comparing import Common
from .threads import Known

Cause = Literal[
    "held", "begins", "short", "model", "tier", "organization", "key", "unmarked", "expired", "early", "cache_key", "missed",
    "tool_schema", "prompt", "tool_result", "history", "parameter", "volatile", "order", "removed", "compacted", "member_order",
]  # fmt: skip
BREAKS = frozenset(get_args(Break))

CAUSES: Mapping[Cause, str] = MappingProxyType(
    {
        "held": "what could come from the cache came from it",
        "begins": "it goes on from no turn that was recorded",
        "short": "what it has in common with the turn before is shorter than the provider caches",
        "model": "another model was asked: each has a cache of its own",
        "tier": "it ran in another service tier",
        "organization": "another organization asked: each has a cache of its own",
        "key": "another API key asked, which may be another organization's",
        "unmarked": "nothing was marked to be cached",
        "expired": "so much time had passed that the cache may have dropped it",
        "early": "it was asked before the turn before had been read",
        "cache_key": "another prompt_cache_key was given",
        "missed": "the beginning is the same, and the provider did not take it from its cache",
        "tool_schema": "the tools, which come first, are others",
        "prompt": "the instructions or a message of the program differ",
        "tool_result": "the result of a tool that was sent before differs",
        "history": "what is sent back of an earlier answer differs",
        "parameter": "a setting that is part of the prompt differs",
        "volatile": "only a value differs that is new each time: a time, an id, a temporary path",
        "order": "the same items stand elsewhere, or one was put between them",
        "removed": "something that stood there before is missing",
        "compacted": "what was said before was compacted",
        "member_order": "only the order of members of an object differs",
    }
)
_OTHERS = frozenset(("model", "tier", "organization", "key", "cache_key", "expired"))
"""What begins as another conversation did, and is of these, could have nothing of that one's."""
_GUESS = 0.25  # tokens of a character, where nothing calibrates it
_SURE = 0.9  # of an estimate
_LONG = 1_000  # characters, so that being alike tells something
_ALIKE = 0.8  # of a part, so that it is the same one, changed


class Judged(NamedTuple):
    """`common`: tokens of the beginning that both share; `allowed`: what of these could have come from the cache; `reach`: what could have, had nothing
    broken it; `lost`: what of that did not. `estimated`: by characters. `gap_s`: since the turn before."""

    cause: Cause
    common: int
    allowed: int
    reach: int
    lost: int
    estimated: bool
    gap_s: float


def ratio_of(later: Known, earlier: Known | None) -> float:
    """Tokens of a character of a turn's prompt: by its own input; of one that names what it goes on from by that."""
    if later.turn.previous_response_id is None and later.turn.conversation is None and later.prompt.size:
        return later.turn.input / later.prompt.size
    return earlier.ratio if earlier is not None and earlier.ratio else _GUESS


def available(earlier: Known) -> int:
    """Tokens that a turn left in the cache."""
    turn = earlier.turn
    limits = limits_of(turn.kind, turn.model)
    if turn.written or turn.kind == "messages":
        return turn.cached + turn.written  # as it says itself
    return _kept(turn.input, limits)


def bound(earlier: Known, later: Known, common: Common, ratio: float) -> int:
    """Tokens that may be lost at most: whether it is worth looking closely."""
    part = _part_size(later, common)
    whole = available(earlier) if common.held else int((common.size + common.again + part) * ratio)
    return min(whole if earlier.prompt.marked else earlier.turn.input, later.turn.input) - later.turn.cached


def judged(earlier: Known, later: Known, common: Common, ratio: float, broke: Broken | None = None) -> Judged:
    """What became of the cache between two turns. `broke`: what broke the beginning, if that was looked at."""
    turn, limits = later.turn, limits_of(later.turn.kind, later.turn.model)
    exact = _exact(earlier, later, common)
    same = earlier.turn.input if exact else min(int(common.size * ratio), earlier.turn.input, turn.input)
    breaks = broke is not None and (common.again > 0 or _is_changed(later, common, broke) or (bool(earlier.turn.written) and bool(common.item)))
    reach = min(_reach(earlier, later, common, ratio, broke if breaks else None), _kept(turn.input, limits))
    lost = max(0, reach - turn.cached)
    gap = (turn.started_at_ns - earlier.turn.started_at_ns) / 1e9
    cause = _cause(earlier, later, gap, reach, broke if breaks else None)
    if not common.held and not breaks and cause in _OTHERS:
        return Judged("begins", same, 0, 0, 0, estimated=True, gap_s=gap)
    if lost < max(limits.step, 2):
        cause, lost = ("short", 0) if not turn.cached and 0 <= reach < limits.minimum else ("held", 0)
    return Judged(cause, same, min(reach, _kept(same, limits)), reach, lost, not exact, gap)


def _exact(earlier: Known, later: Known, common: Common) -> bool:
    """Whether what both begin with are all the tokens of the earlier one. Where hosted tools ran, its input is that of several passes, and more."""
    return common.held and earlier.turn.input <= later.turn.input


def _kept(tokens: int, limits: CacheLimits) -> int:
    """What a cache keeps of so many."""
    return 0 if tokens < limits.minimum else tokens // limits.step * limits.step


def _is_changed(later: Known, common: Common, broke: Broken) -> bool:
    """Whether what stands at the beginning is what stood there, changed, and not just the beginning of something else."""
    return broke.alike >= _ALIKE and (common.head is not None or common.item == 0) and _part_size(later, common) >= _LONG


def _reach(earlier: Known, later: Known, common: Common, ratio: float, broke: Broken | None) -> int:
    limits = limits_of(later.turn.kind, later.turn.model)
    left = available(earlier) if earlier.prompt.marked else earlier.turn.input
    if _exact(earlier, later, common):
        reach = left
    elif broke is not None and later.turn.previous_response_id is not None:
        reach = left  # all that was said before stands there again
    elif broke is not None:
        reach = min(left, int((common.size + common.again + broke.alike * _part_size(later, common)) * ratio * _SURE))
    else:
        reach = min(left, int(common.size * ratio * _SURE))
    return _kept(reach, limits)


def _part_size(later: Known, common: Common) -> int:
    """Characters of the part that took another's place."""
    prompt = later.prompt
    if common.head is not None and common.head < len(prompt.heads):
        return prompt.heads[common.head].size
    return prompt.sizes[common.item] if common.item is not None and common.item < len(prompt.sizes) else 0


def _cause(earlier: Known, later: Known, gap: float, reach: int, broke: Broken | None) -> Cause:
    """The first that is enough by itself."""
    before, turn = earlier.turn, later.turn
    lifetime = lifetime_of(turn.kind, earlier.prompt.lifetime or _told(earlier))
    if not reach:
        return "short"
    if before.model != turn.model:
        return "model"
    if None not in (before.tier, turn.tier) and before.tier != turn.tier:
        return "tier"
    if (other := _owner(earlier, later)) is not None:
        return other
    if not earlier.prompt.marked:
        return "unmarked"
    if gap > lifetime.most:
        return "expired"
    if broke is not None:
        return broke.cause
    if gap * 1e9 < (before.first_event_ns or 0):
        return "early"
    if before.cache_key != turn.cache_key:
        return "cache_key"
    return "expired" if gap > lifetime.least else "missed"


def _told(earlier: Known) -> str | None:
    told = earlier.turn.billing.get("cache_ttl")
    return told if isinstance(told, str) else None


def _owner(earlier: Known, later: Known) -> Literal["organization", "key"] | None:
    """Whether somebody else asked, whose cache is another. Keys of one organization share theirs."""
    before, turn = earlier.turn, later.turn
    if before.organization is not None and turn.organization is not None:
        return "organization" if before.organization != turn.organization else None
    return "key" if None not in (before.key_id, turn.key_id) and before.key_id != turn.key_id else None
