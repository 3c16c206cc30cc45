"""Random sessions with the simulated upstream: lanes say of every message what the upstream's own log says, and the usage adds up."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from random_sessions import Session, faults, play

BATCHES = [range(start, start + 100) for start in range(0, 300, 100)]
"""Seeds; `bench/ws_sessions.py --dry` plays thousands."""


@pytest.mark.parametrize("seeds", BATCHES, ids=str)
def test_lanes_say_what_the_upstream_knows(seeds: range) -> None:
    found = {seed: wrong for seed in seeds if (wrong := faults(session := play(seed)) + (["nobody left"] if session.quiet else []))}

    assert found == {}


def happened(session: Session) -> Counter[str]:
    """What is worth a test, by how often it came."""
    counts = Counter[str]()
    for _, text in session.heard.messages:
        try:
            event = json.loads(text)
            counts[event["type"]] += 1
        except (ValueError, TypeError, KeyError):
            counts["garbage"] += 1
            continue
        error = event.get("error") or {}
        counts[f"{event['type']} {error.get('code')}"] += 1
        counts[f"error {'with' if 'stream_id' in event else 'without'} lane"] += event["type"] == "error"
        counts["warm-up"] += event.get("generate") is False
        reason = (event.get("response") or {}).get("incomplete_details") or {}
        counts[f"incomplete {reason.get('reason')}"] += 1
    counts["successor"] += sum(made.create is None for made in session.socket.made)
    return counts


def test_the_sessions_meet_everything() -> None:
    counts = Counter[str]()
    for seed in range(60):
        counts += happened(play(seed))
    wanted = (
        *(f"response.{name}" for name in ("created", "completed", "failed", "incomplete", "done", "steer.accepted", "steer.pending", "steer.failed")),
        *("keepalive", "codex.rate_limits", "codex.response.metadata", "responsesapi.websocket_timing", "warm-up", "successor", "garbage"),
        *("incomplete steered", "incomplete max_output_tokens", "error with lane", "error without lane", "response.function_call_arguments.delta"),
        *(f"error {code}" for code in ("invalid_stream_id", "previous_response_not_found", "invalid_json", "invalid_value", "rate_limit_exceeded")),
        *(f"error {code}" for code in ("server_error", "websocket_stream_limit_reached", "websocket_connection_limit_reached")),
        *(f"response.steer.failed {code}" for code in ("response_not_found", "response_already_completed", "invalid_input", "successor_creation_failed")),
    )

    assert [name for name in wanted if not counts[name]] == []


def test_a_session_is_the_same_whenever_it_is_played() -> None:
    first, second = play(7), play(7)

    assert (first.client.received, first.client.sent, first.heard.messages) == (second.client.received, second.client.sent, second.heard.messages)
