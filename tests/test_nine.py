"""Recorded over one transport and replayed over another, each of nine ways: every client ends with the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nine import CLIENTS, Scenario, upstream
from replays import recording, replaying
from streams import MESSAGE, PART, RESPONSE, USAGE, WHOLE, lifecycle, numbered

Json = dict[str, Any]

DONE = RESPONSE | {
    "status": "completed",
    "usage": USAGE,
    "created_at": 1,
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "output": [
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Thinking of rain"}]},
        {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"city": "Köln"}', "status": "completed"},
        WHOLE | {"content": [PART | {"text": "It rains, it pours."}, {"type": "refusal", "refusal": "No more."}]},
    ],
}
ERROR = {"type": "invalid_request_error", "code": "previous_response_not_found", "message": "No.", "param": "previous_response_id"}
SLOWER = {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slower.", "param": None}
CUT_OFF = DONE | {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": [WHOLE | {"status": "incomplete"}]}
FAILING = numbered(
    lifecycle("created"),
    {"type": "error", "code": "server_error", "message": "Sorry.", "param": None},
    lifecycle("failed", status="failed", error={"code": "server_error", "message": "Sorry."}, output=[MESSAGE]),
)
SCENARIOS: Mapping[str, Scenario] = {
    "done": Scenario.of(DONE),
    "incomplete": Scenario.of(CUT_OFF),
    "failed": Scenario(FAILING),
    "refused": Scenario(refusal=(400, ERROR, {})),
    "slower": Scenario(refusal=(429, SLOWER, {"retry-after": "20"})),
    "cut": Scenario.of(DONE, cut=9),
}
ENDS: Mapping[str, Json] = {
    "done": {"response": DONE},
    "incomplete": {"response": CUT_OFF},
    "failed": {"failed": "server_error"},
    "refused": {"refused": 400, "code": "previous_response_not_found"},
    "slower": {"refused": 429, "code": "rate_limit_exceeded"},
    "cut": {"cut": True},
}


async def ends(port: int, session: str, asks: str, client: str) -> Mapping[str, Json]:
    """What a client ends with in each scenario."""
    return await CLIENTS[asks][client](f"http://127.0.0.1:{port}/@{session}/v1", SCENARIOS)


@pytest.mark.parametrize("asks", ["http", "sse", "ws"])
async def test_a_client_ends_with_the_same_whatever_was_recorded(asks: str, tmp_path: Path) -> None:
    async with upstream(SCENARIOS) as url, recording(tmp_path, url) as proxy:
        recorded = {transport: await ends(proxy.port, transport, transport, "raw") for transport in ("http", "sse", "ws")}
    async with replaying(tmp_path, exhausted="last") as replay:
        replayed = {(transport, client): await ends(replay.port, transport, asks, client) for client in CLIENTS[asks] for transport in recorded}

    assert all(found == ENDS for found in recorded.values())
    assert {way: found for way, found in replayed.items() if found != ENDS} == {}
