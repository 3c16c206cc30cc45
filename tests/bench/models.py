"""What the wire models cost: parsing a delta and a Response, the first parse, writing back, and the import.

    python tests/bench/models.py

Each number is the least of many rounds, the import that of fresh processes: what the machine can do when nothing else runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from typing import Any

from playhead.proxy.assembling.event_stream import EventStream
from playhead.proxy.assembling.gathered import Gathered
from playhead.proxy.models import Door, Unparsed, Wire
from playhead.proxy.models.kind import Shape
from playhead.proxy.models.responses import Response
from playhead.proxy.models.ws_events import ServerEvent
from playhead.storage.records import Facts

DELTA = json.dumps(
    {
        "type": "response.output_text.delta",
        "sequence_number": 17,
        "item_id": "msg_" + "0" * 48,
        "output_index": 0,
        "content_index": 0,
        "delta": "x" * 160,
        "logprobs": [],
        "obfuscation": "y" * 130,
    }
).encode()
RESPONSE = json.dumps(
    {
        **{"id": "resp_" + "0" * 48, "object": "response", "created_at": 1790000000, "status": "completed", "background": False, "error": None},
        **{"incomplete_details": None, "instructions": "Be brief.", "max_output_tokens": None, "max_tool_calls": None, "model": "gpt-5-2025-08-07"},
        "output": [
            {"id": "rs_" + "0" * 48, "type": "reasoning", "summary": []},
            {
                **{"id": "msg_" + "0" * 48, "type": "message", "status": "completed", "role": "assistant"},
                "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": "word " * 200}],
            },
            {"id": "fc_" + "0" * 48, "type": "function_call", "status": "completed", "arguments": '{"a": 1}', "call_id": "call_1", "name": "f"},
        ],
        **{"parallel_tool_calls": True, "previous_response_id": None, "prompt_cache_key": None, "reasoning": {"effort": "medium", "summary": None}},
        **{"safety_identifier": None, "service_tier": "default", "store": True, "temperature": 1.0, "text": {"format": {"type": "text"}}},
        **{"tool_choice": "auto", "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "user": None, "metadata": {}},
        "tools": [
            {"type": "function", "description": "d" * 80, "name": name, "parameters": {"type": "object", "properties": {}}, "strict": True} for name in "fg"
        ],
        "usage": {
            **{"input_tokens": 100, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 200},
            **{"output_tokens_details": {"reasoning_tokens": 64}, "total_tokens": 300},
        },
    }
).encode()


def least(work: Callable[[], object], times: int) -> float:
    """Microseconds of one call, in the best of 20 rounds."""
    return min(timeit.repeat(work, number=times, repeat=20)) / times * 1e6


def stream() -> bytes:
    """A stream as OpenAI sends it: 64 events, nearly all of them deltas."""
    response = json.loads(RESPONSE)
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    place = {"item_id": "msg_" + "0" * 48, "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**response, "status": "in_progress", "output": [], "usage": None}},
        {"type": "response.in_progress", "response": {**response, "status": "in_progress", "output": [], "usage": None}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**response["output"][1], "content": [], "status": "in_progress"}},
        {"type": "response.content_part.added", **place, "part": part},
        *[{"type": "response.output_text.delta", **place, "delta": f" word {n}", "logprobs": [], "obfuscation": "y" * 40} for n in range(56)],
        {"type": "response.output_text.done", **place, "text": "word " * 100, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": response["output"][1]},
        {"type": "response.completed", "response": response},
    ]
    numbered = [{"type": event["type"], "sequence_number": number, **event} for number, event in enumerate(events)]
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode() for event in numbered)


def recorded(text: bytes) -> Gathered:
    """The recorder's work on a stream: split, parse, fold, rows."""
    gathered = Gathered()
    events = EventStream(Shape("responses", "create"), gathered)
    events.feed(0, text)
    events.judge(Facts("responses"))
    return gathered


def first(door: Door[Wire], text: bytes) -> float:
    """Milliseconds of the parse that has to build the door."""
    begin = time.perf_counter()
    door(text)
    return (time.perf_counter() - begin) * 1e3


def imports(rounds: int = 10) -> float:
    """Milliseconds of the import in a new process, Python's own start not counted."""
    program = "import time; begin = time.perf_counter(); import playhead.proxy.models; print(time.perf_counter() - begin)"
    return min(float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout) for _ in range(rounds)) * 1e3


def main() -> None:
    event, response = Door[Wire](ServerEvent), Door[Wire](Response)
    print(f"first event {first(event, DELTA):.0f} ms, first Response {first(response, RESPONSE):.0f} ms")
    whole = response(RESPONSE)
    assert not isinstance(whole, Unparsed)
    assert whole.problems == ()
    print(f"a delta of {len(DELTA)} bytes: {least(lambda: event(DELTA), 5000):.2f} us; in hundreds {least(lambda: event.many([DELTA] * 100), 100) / 100:.2f}")
    print(f"a Response of {len(RESPONSE)} bytes: {least(lambda: response(RESPONSE), 1000):.1f} us; written back {least(whole.to_wire, 300):.1f}")
    text = stream()
    count = len(recorded(text).rows)
    print(f"an event of a stream of {count}, split, parsed, folded and in a row: {least(lambda: recorded(text), 200) / count:.2f} us")
    print(f"import playhead.proxy.models: {imports():.0f} ms")


if __name__ == "__main__":
    main()
