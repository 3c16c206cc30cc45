"""How far two prompts are the same from their beginning, and what of the earlier one stands behind the place where the later one differs. Pure."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import NamedTuple

from .prompts import Prompt


class Common(NamedTuple):
    """`parts`: how many of them the beginning has that both share, and `size`, in characters. `held`: all of the earlier prompt is the beginning of the
    later one. `head`, `item`: where the later one differs: in what part of the head, or in which item. `gone`: nothing stands there any more that stood there.
    `again`: characters of what stood in the earlier one and stands behind that place. `edited`: what stands there took the place of one that is gone."""

    parts: int
    size: int
    held: bool = False
    head: int | None = None
    item: int | None = None
    again: int = 0
    edited: bool = False


def compared(earlier: Prompt, later: Prompt) -> Common:
    """Of two prompts that are sent as wholes."""
    heads = _same_heads(earlier, later)
    size = sum(part.size for part in later.heads[:heads])
    if heads < max(len(earlier.heads), len(later.heads)):
        known = Counter(part.digest for part in earlier.heads[heads:])
        edited = _edited_head(earlier, later, heads)
        again = sum(part.size for part in later.heads[heads + edited :] if known[part.digest])
        same = _same(earlier.digests, later.digests)
        again += sum(later.sizes[:same]) + _again(earlier, later, same, same)
        return Common(heads, size, head=heads, again=again, edited=edited)
    same = _same(earlier.digests, later.digests)
    size += sum(later.sizes[:same])
    if same == len(earlier.digests):
        return Common(heads + same, size, held=True)
    edited = same < len(later.digests) and later.digests[same] not in earlier.digests[same:] and earlier.digests[same] not in later.digests[same:]
    again = _again(earlier, later, same + edited, same + edited)
    return Common(heads + same, size, item=same, again=again, edited=edited)


def continued(earlier: Prompt, later: Prompt) -> Common:
    """Of one that goes on from the other by its id: the items are the same, and only what stands in front of them may differ."""
    heads = _same_heads(earlier, later)
    size = sum(part.size for part in later.heads[:heads])
    if heads < max(len(earlier.heads), len(later.heads)):
        return Common(heads, size, head=heads, again=1, edited=_edited_head(earlier, later, heads))
    return Common(heads, size, held=True)


def _same_heads(earlier: Prompt, later: Prompt) -> int:
    pairs = zip(earlier.heads, later.heads, strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one[:2] != other[:2]), min(len(earlier.heads), len(later.heads)))


def _edited_head(earlier: Prompt, later: Prompt, place: int) -> bool:
    """Whether the same part is there, and is another."""
    return place < min(len(earlier.heads), len(later.heads)) and earlier.heads[place].path == later.heads[place].path


def _same(one: array[int], other: array[int]) -> int:
    """How many both begin with."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(place for place in range(length) if one[place] != other[place])


def _again(earlier: Prompt, later: Prompt, before: int, after: int) -> int:
    """Characters of the later one's items from a place on that stood in the earlier one from a place on."""
    left = Counter(earlier.digests[before:])
    found = 0
    for digest, size in zip(later.digests[after:], later.sizes[after:], strict=True):
        if left[digest] > 0:
            left[digest] -= 1
            found += size
    return found
