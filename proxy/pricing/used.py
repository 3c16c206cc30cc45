"""What models of answers and events say of usage: one way for every API. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from ..models.wire import Wire, field
from ..usage import normal_usage
from ..usage_form import Usage

_BILLED: Mapping[str, str] = {"file_search_call": "file_search", "code_interpreter_call": "code_interpreter", "image_generation_call": "image_generation"}
_FREE = frozenset(("message", "reasoning", "function_call", "custom_tool_call", "compaction"))
"""Types of items that no tool made, nearly all of them: they are passed over."""
_TYPE = attrgetter("type")
_HOLDERS = ("response", "message", "event")  # what of an event has the usage, or has what has it


def usage_in(kind: str, answer: Wire) -> Usage | None:
    """The usage that an answer, or the event that ends one, tells; None if it tells none.

    Of Anthropic's streams neither event tells all: give the message that they fold to.
    """
    found: Any = answer
    while (inner := next((inner for name in _HOLDERS if isinstance(inner := field(found, name), Wire | dict)), None)) is not None:
        if isinstance(found, Wire) and _plain(field(found, "usage")) and not _plain(field(inner, "usage")):
            break  # xAI tells it beside the response
        found = inner
    output, tools = field(found, "output"), field(found, "tools")
    tier = field(found, "service_tier")
    return normal_usage(
        kind,
        _plain(field(found, "usage")),
        tool_usage=_plain(field(found, "tool_usage")),
        svg_usage=_plain(field(found, "svg_usage")),
        service_tier=tier if isinstance(tier, str) else None,
        tool_calls=billed_calls(output, tools if isinstance(tools, list) else ()) if isinstance(output, list) else None,
    )


def billed_calls(output: Iterable[Any], tools: Sequence[Any] = ()) -> dict[str, int]:
    """Calls of hosted tools that may be billed, counted in the output of a Response. Items and tools are models or JSON objects.

    Of web searches only those that search are billed, not the opening of a page. Both web search tools make items of one type: `tools`, as the
    Response names them, tell which it was.
    """
    counts: dict[str, int] = {}
    called = _made_by_tools(output)
    if not called:
        return counts
    for kind, item in called:
        searched = kind == "web_search_call" and field(field(item, "action"), "type") == "search"
        name = _search_tool(tools) if searched else _BILLED.get(str(kind))
        if name:
            counts[name] = counts.get(name, 0) + 1
    containers = _containers(called)
    return counts | ({"container": len(containers)} if containers else {})


def containers_in(output: Iterable[Any]) -> list[str]:
    """The containers that items of an output name, each once, in their order."""
    return _containers(_made_by_tools(output))


def _made_by_tools(output: Iterable[Any]) -> list[tuple[Any, Any]]:
    """Items with their types, without those that no tool made."""
    items = [*output]
    kinds = types_of(items)
    if are_among(kinds, _FREE):
        return []
    return [(kind, item) for kind, item in zip(kinds, items, strict=True) if not (kind.__class__ is str and kind in _FREE)]


def types_of(items: Sequence[Any]) -> list[Any]:
    """What each of them calls its type; None: nothing."""
    try:
        return [*map(_TYPE, items)]
    except AttributeError:  # some are plain objects, or no objects at all
        return [field(item, "type") for item in items]


def are_among(types: Sequence[Any], known: frozenset[str]) -> bool:
    """Whether all of them are known."""
    try:
        return known.issuperset(types)
    except TypeError:  # some are no text
        return False


def _containers(called: Iterable[tuple[Any, Any]]) -> list[str]:
    named = [field(item, "container_id") or field(field(item, "environment"), "container_id") for _, item in called]
    return list(dict.fromkeys([name for name in named if isinstance(name, str) and name]))


def _search_tool(tools: Sequence[Any]) -> str:
    offered = {str(field(tool, "type")) for tool in tools}
    preview = any(name.startswith("web_search_preview") for name in offered) and not offered & {"web_search", "web_search_2025_08_26"}
    return "web_search_preview" if preview else "web_search"


def _plain(value: Any) -> dict[str, Any] | None:
    plain = value.to_wire() if isinstance(value, Wire) else value
    return plain if isinstance(plain, dict) else None
