"""What of requests and answers decides about their price beside model, tier and usage. Pure; nothing here raises.

It is JSON that stays with the exchange, so that prices can be computed again without its bodies:
`asked_tier`, `window`: the service tier and the completion window that the request asks for; `background`: it may go on without its client; `calls`:
of hosted tools in the output, by name; `containers`: their ids; `tool_usage`, `svg_usage`: as they came; `cache_ttl`: how long what is written to the
cache stays there; `memory`: of its containers; `image_model`: of the image tool, as the answer repeats its tools; `unread`: its output could not be
read, and may have calls; `characters`: of a text to be spoken; `labels`: by what its money can be grouped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..models.wire import Wire, field, members
from ..plain import plain, text_of
from .used import are_among, billed_calls, containers_in, types_of

Get = Callable[[str], Any]
"""What an object says under a name; None if nothing."""

_MOST_ITEMS = 10_000
_MOST_CONTAINERS = 20
_MOST_NAME = 128
_MOST_PAIRS = 16  # of metadata, as the API takes them
_UNPAID = frozenset(("function", "custom", "mcp", "computer_use_preview", "computer", "local_shell", "apply_patch", "tool_search", "namespace"))
"""Types of tools that cost tokens only."""


def asked(request: Wire | Mapping[str, Any]) -> dict[str, Any]:
    """What a request says, its model or its object."""
    found: dict[str, Any] = {}
    get = members(request).get
    if tier := text_of(get("service_tier")):
        found["asked_tier"] = tier[:64]
    if (options := get("background_options")) and (window := text_of(field(options, "completion_window"))):
        found["window"] = window[:64]
    if get("background") is True:
        found["background"] = True
    if isinstance(text := get("input"), str) and get("voice") is not None:
        found["characters"] = len(text)
    if labels := _labels(get):
        found["labels"] = labels
    return found


def _labels(get: Get) -> dict[str, str]:
    key, identifier, metadata = get("prompt_cache_key"), get("safety_identifier"), get("metadata")
    if not (key or identifier or metadata):
        return {}
    labels = {name: text for name, value in (("prompt_cache_key", key), ("safety_identifier", identifier)) if (text := text_of(value))}
    if isinstance(metadata := _json(metadata), dict):
        pairs = list(metadata.items())[:_MOST_PAIRS]
        labels |= {f"metadata.{name}": text for name, value in pairs if (text := text_of(value)) and text_of(name) == name}
    return labels


def answered(answer: Wire | Mapping[str, Any], items: Iterable[Any] | None = None) -> dict[str, Any]:
    """What an answer says. `items`: its output items, where its own list is not all of them."""
    found: dict[str, Any] = {}
    get = members(answer).get
    for name in ("tool_usage", "svg_usage"):
        if (told := get(name)) and isinstance(told := plain(_json(told)), dict) and told:
            found[name] = told
    tools, listed = get("tools"), _listed(get("output") if items is None else items)
    if listed and (calls := billed_calls(listed, tools if isinstance(tools, list) else ())):
        found["calls"] = calls
        if 0 < calls.get("container", 0) <= _MOST_CONTAINERS:
            found["containers"] = [name[:_MOST_NAME] for name in containers_in(listed)]
    if items is None and isinstance(answer, Mapping) and "output" not in answer and "usage" in answer and _hosted(tools):
        found["unread"] = True
    if (options := get("prompt_cache_options")) and field(options, "mode") != "explicit" and (ttl := text_of(field(options, "ttl"))):
        found["cache_ttl"] = ttl[:8]
    if labels := _labels(get):  # which it repeats: who only retrieves it asks with none
        found["labels"] = labels
    if tools and isinstance(tools, list):
        found |= _tools(tools)
    return found


def _listed(output: Any) -> list[Any]:
    """Items of an output, if they are any."""
    if output.__class__ is list:  # most are
        return output if len(output) <= _MOST_ITEMS else output[:_MOST_ITEMS]
    return list(output)[:_MOST_ITEMS] if isinstance(output, Iterable) and not isinstance(output, str | Mapping | Wire) else []


def together(known: Mapping[str, Any] | None, more: Mapping[str, Any]) -> dict[str, Any]:
    """What is known, and more; labels of both, the known ones first."""
    labels = {**more.get("labels", {}), **(known or {}).get("labels", {})}
    return {**(known or {}), **more, **({"labels": labels} if labels else {})}


def _hosted(tools: Any) -> bool:
    """Whether calls may be in an output that could not be read: unless the tools are known, and none of them is paid by call."""
    return not isinstance(tools, list) or any(field(tool, "type") not in _UNPAID for tool in tools)


def _tools(tools: list[Any]) -> dict[str, str]:
    """The model of the image tool and the memory of containers, if the tools agree on them."""
    kinds = types_of(tools)
    if are_among(kinds, _UNPAID):
        return {}
    models, memories = set(), set()
    for kind, tool in zip(kinds, tools, strict=True):
        if kind == "image_generation":
            models.add(text_of(field(tool, "model")))
        elif kind == "code_interpreter":
            memories.add(text_of(field(field(tool, "container"), "memory_limit")))
        elif kind == "shell":
            memories.add(text_of(field(field(tool, "environment"), "memory_limit")))
    agreed = (("image_model", models), ("memory", memories))
    return {name: value for name, values in agreed if len(values) == 1 and (value := next(iter(values))) is not None}


def _json(value: Any) -> Any:
    return value.to_wire() if isinstance(value, Wire) else value
