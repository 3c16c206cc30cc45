"""What the simulated upstream answers, on every transport: a Response, and the events that tell of it. Pure: ids come from the request, times are constants."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

CREATED_AT = 1_767_225_600  # 2026-01-01T00:00:00Z


def metadata_of(asked: Json) -> Json:
    """What a request says of itself."""
    metadata = asked.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def response_to(asked: Json, model: str, digest: str) -> Json:
    """The Response to a request, when it is completed. `digest`: hexadecimal; what the ids are made of."""
    items = items_of(asked)
    output = _output(asked, items, digest)
    return {
        "id": f"resp_{digest[:48]}",
        "object": "response",
        "created_at": CREATED_AT,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "metadata": metadata_of(asked),
        "model": model,
        "output": [output],
        "parallel_tool_calls": True,
        "previous_response_id": asked.get("previous_response_id"),
        "service_tier": "default",
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": asked.get("tools") or [],
        "top_p": 1.0,
        "usage": usage(tokens(items), tokens(output)),
    }


def items_of(asked: Json) -> list[Any]:
    """The input items of a request."""
    items = asked.get("input")
    return items if isinstance(items, list) else [{"role": "user", "content": items}]


def tokens(value: Any) -> int:
    """About as many as a tokenizer would count."""
    return len(json.dumps(value)) // 4


def usage(taken: int, given: int, cached: int = 0) -> Json:
    """As a Response tells it. `taken`: of the input, of which `cached`."""
    return {
        "input_tokens": taken,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": given,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": taken + given,
    }


def _output(asked: Json, items: list[Any], digest: str) -> Json:
    """The one output item: a call of the first function tool, until a result of it is there; then a message."""
    results = [item.get("output") for item in items if isinstance(item, dict) and item.get("type") == "function_call_output"]
    tools = [tool for tool in asked.get("tools") or [] if isinstance(tool, dict) and tool.get("type") == "function"]
    if tools and not results and not asked.get("previous_response_id"):
        schema = tools[0].get("parameters") or {}
        arguments = {name: _example(prop) for name, prop in (schema.get("properties") or {}).items()}
        return {
            "id": f"fc_{digest[:48]}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{digest[:24]}",
            "name": tools[0].get("name"),
            "arguments": json.dumps(arguments),
        }
    said = f"The tool said: {results[-1]}." if results else "No model was asked."
    text = f"This is a simulated answer. {said}"
    return {
        "id": f"msg_{digest[:48]}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "annotations": [], "text": text}],
    }


def _example(schema: Any) -> Any:
    """A value that a property's schema allows: its first example or choice, else something of its type."""
    schema = schema if isinstance(schema, dict) else {}
    for name in ("examples", "enum"):
        if isinstance(schema.get(name), list) and schema[name]:
            return schema[name][0]
    return {"integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}}.get(str(schema.get("type")), "simulated")


def events_of(response: Json) -> Iterator[Json]:
    """The events of a streamed response, numbers not yet given."""
    begun = response | {"status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(response["output"]):
        yield from _events_of_item(item, index)
    yield {"type": "response.completed", "response": response}


def _events_of_item(item: Json, index: int) -> Iterator[Json]:
    place = {"item_id": item["id"], "output_index": index}
    if item["type"] == "function_call":
        yield {"type": "response.output_item.added", "output_index": index, "item": item | {"status": "in_progress", "arguments": ""}}
        for piece in _pieces(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
        yield {"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]}
    else:
        part = item["content"][0]
        place["content_index"] = 0
        yield {"type": "response.output_item.added", "output_index": index, "item": item | {"status": "in_progress", "content": []}}
        yield {"type": "response.content_part.added", **place, "part": part | {"text": ""}}
        for piece in _pieces(part["text"]):
            yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _pieces(text: str) -> Iterator[str]:
    """The text word by word, spaces kept."""
    start = 0
    while start < len(text):
        end = text.find(" ", start + 1)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end
