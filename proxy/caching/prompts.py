"""A request as its provider reads it from the beginning: tools, settings that stand in front, instructions, then what was said. Pure.

Of each part a digest and a size is kept. What a prompt cache does not look at does not count: marks for caching, ids and states of items; the order of the
members of an object does count, since it is sent as it is written.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json
from xxhash import xxh3_64_intdigest

MARKS = (b'"cache_control"', b'"prompt_cache_breakpoint"')
_MARKS = frozenset(("cache_control", "prompt_cache_breakpoint"))
_UNSEEN = frozenset(("id", "status"))  # of items of the Responses API
_BIG = 4_000  # characters: longer ones may be pictures
_PICTURE = 3_000  # characters as which a picture or a file counts, about 750 tokens
_PLAIN = 200  # characters without a blank in what is text
_HEADS: Mapping[str, Sequence[tuple[str, ...]]] = {
    "responses": (("tools",), ("text", "format"), ("reasoning", "effort"), ("text", "verbosity"), ("prompt",), ("instructions",)),
    "chat.completions": (("tools",), ("functions",), ("response_format",), ("reasoning_effort",), ("verbosity",)),
    "messages": (("tools",), ("system",), ("tool_choice",), ("thinking",)),
}
_LISTS: Mapping[str, str] = {"responses": "input", "chat.completions": "messages", "messages": "messages"}


class Part(NamedTuple):
    """A part of a prompt. `path`: as JSONPath writes it; `digest`, `size`: of its JSON."""

    path: str
    digest: int
    size: int


class Prompt(NamedTuple):
    """`heads`: what stands in front; `name`: of the list behind them, `digests` and `sizes`: of its items. `marked`: something is marked to be cached, or it
    needs no mark. `lifetime`: how long it asks to be kept. `truncates`: upstream may have left out its oldest items."""

    heads: tuple[Part, ...]
    name: str
    digests: array[int]
    sizes: array[int]
    marked: bool = True
    lifetime: str | None = None
    truncates: bool = False

    @property
    def size(self) -> int:
        """Of all of it."""
        return self.head_size + sum(self.sizes)

    @property
    def head_size(self) -> int:
        """Of what stands in front."""
        return sum(part.size for part in self.heads)

    def path(self, item: int) -> str:
        """Of an item."""
        return f"$.{self.name}[{item}]"


def prompt_of(kind: str, body: Mapping[str, Any], *, marks: bool) -> Prompt:
    """`marks`: whether marks for caching may stand in it."""
    heads, items = values_of(kind, body, marks=marks)
    marked, lifetime = _caching(kind, body, marks=marks)
    digests, sizes = array("Q"), array("L")
    for value in items:
        digest, size = _measured(value)
        digests.append(digest)
        sizes.append(size)
    listed = tuple(Part(path, *_measured(value)) for path, value in heads)
    return Prompt(listed, _LISTS[kind], digests, sizes, marked, lifetime, body.get("truncation") == "auto")


def values_of(kind: str, body: Mapping[str, Any], *, marks: bool) -> tuple[list[tuple[str, Any]], list[Any]]:
    """What stands in front, by path, and the items behind it, both as they count."""
    heads = [(path, _bare(value) if marks else value) for names in _HEADS[kind] for path, value in _head(body, names)]
    given = body.get(_LISTS[kind])
    listed = [{"role": "user", "content": given}] if isinstance(given, str) else given if isinstance(given, list) else []
    if kind == "responses":
        return heads, [_seen(_bare(item) if marks else item) for item in listed]
    return heads, [_in_blocks(_bare(item) if marks else item) if kind == "messages" else _bare(item) if marks else item for item in listed]


def _head(body: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    value: Any = body
    for name in names:
        value = value.get(name) if isinstance(value, dict | Mapping) else None
    path = f"$.{'.'.join(names)}"
    if isinstance(value, list):
        yield from ((f"{path}[{place}]", item) for place, item in enumerate(value))
    elif value is not None and value != "":
        yield path, value


def _seen(item: Any) -> Any:
    """What a model sees of an item."""
    if isinstance(item, dict) and not _UNSEEN.isdisjoint(item) and item.get("type") != "item_reference":
        return {name: value for name, value in item.items() if name not in _UNSEEN}
    return item


def _in_blocks(message: Any) -> Any:
    """A text is the same as a list of one block with it; who marks it for caching has to write it so."""
    if isinstance(message, dict) and isinstance(message.get("content"), str):
        return {**message, "content": [{"type": "text", "text": message["content"]}]}
    return message


def _bare(value: Any) -> Any:
    """Without marks for caching, which move on from turn to turn."""
    if isinstance(value, dict):
        return {name: _bare(member) for name, member in value.items() if name not in _MARKS}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def _measured(value: Any) -> tuple[int, int]:
    text = to_json(value)
    return xxh3_64_intdigest(text), len(text) if len(text) < _BIG else _weight(value)


def _weight(value: Any) -> int:
    """As the size of its JSON, but for pictures and files, whose tokens have nothing to do with it."""
    if isinstance(value, str):
        encoded = len(value) > _BIG and " " not in value[:_PLAIN] and "\n" not in value[:_PLAIN]
        return _PICTURE if encoded else len(value) + 2
    if isinstance(value, dict):
        return 2 + sum(len(name) + 4 + _weight(member) for name, member in value.items())
    return 2 + sum(1 + _weight(item) for item in value) if isinstance(value, list) else 4


def _caching(kind: str, body: Mapping[str, Any], *, marks: bool) -> tuple[bool, str | None]:
    """Whether anything is to be cached, and for how long."""
    if kind == "messages":
        return marks, next(iter(_lifetimes(body)), None) if marks else None
    options = body.get("prompt_cache_options")
    told = options if isinstance(options, dict) else {}
    asked = told.get("ttl") or body.get("prompt_cache_retention")
    return marks or told.get("mode") != "explicit", asked if isinstance(asked, str) else None


def _lifetimes(value: Any) -> Iterator[str]:
    """Of all marks."""
    if isinstance(value, dict):
        mark = value.get("cache_control")
        if isinstance(mark, dict) and isinstance(mark.get("ttl"), str):
            yield mark["ttl"]
        for member in value.values():
            yield from _lifetimes(member)
    elif isinstance(value, list):
        for item in value:
            yield from _lifetimes(item)
