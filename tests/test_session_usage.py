"""What a Realtime or Live connection uses in all."""

from __future__ import annotations

import json
from typing import Any

from journalled import fold, fold_in_parts
from sockets import frame, socket, upstream

REALTIME, LIVE = "/v1/realtime?model=gpt-realtime", "/v1/live/sessions"


def done(tokens: int, cached: int = 0) -> dict[str, Any]:
    usage = {"total_tokens": tokens + 1, "input_tokens": tokens, "output_tokens": 1, "input_token_details": {"cached_tokens": cached}}
    return {"type": "response.done", "response": {"id": f"resp_{tokens}", "status": "completed", "usage": usage}}


def transcribed(**usage: Any) -> dict[str, Any]:
    return {"type": "conversation.item.input_audio_transcription.completed", "item_id": "item_1", "content_index": 0, "transcript": "a", "usage": usage}


def used(path: str, *events: dict[str, Any]) -> dict[str, Any] | None:
    """By a connection with these events, however it is cut."""
    frames = socket(*(upstream(frame(json.dumps(event).encode())) for event in events), path=path)
    usage = fold(frames).facts.usage
    for cut in range(2, len(frames)):
        assert fold_in_parts(frames, [cut])[0].facts.usage == usage, cut
    return usage


def test_the_responses_of_a_realtime_connection_add_up() -> None:
    assert used(REALTIME, done(10, 4), done(20, 8)) == {
        "total_tokens": 32,
        "input_tokens": 30,
        "output_tokens": 2,
        "input_token_details": {"cached_tokens": 12},
    }


def test_one_response_is_told_as_it_came() -> None:
    assert used(REALTIME, done(10, 4)) == done(10, 4)["response"]["usage"]


def test_a_response_without_usage_adds_nothing() -> None:
    cancelled = {"type": "response.done", "response": {"id": "resp_0", "status": "cancelled", "usage": None}}

    assert used(REALTIME, done(10, 4), cancelled) == done(10, 4)["response"]["usage"]


def test_usage_beside_the_response_counts() -> None:
    assert used(REALTIME, {"type": "response.done", "response": {"id": "resp_0", "usage": {}}, "usage": {"input_tokens": 3}}) == {"input_tokens": 3}


def test_transcriptions_add_up_apart_from_the_responses() -> None:
    usage = used(REALTIME, transcribed(type="duration", seconds=3), done(10), transcribed(type="duration", seconds=4.5))

    assert usage is not None
    assert (usage["input_tokens"], usage["input_audio_transcription"]) == (10, {"type": "duration", "seconds": 7.5})


def test_a_connection_that_only_transcribes_tells_its_tokens() -> None:
    assert used("/v1/realtime?intent=transcription", transcribed(type="tokens", input_tokens=9), transcribed(type="tokens", input_tokens=2)) == {
        "input_audio_transcription": {"type": "tokens", "input_tokens": 11}
    }


def test_the_seconds_of_a_live_session_are_those_that_it_said_last() -> None:
    said = [{"type": "session.usage.updated", "usage": {"seconds": seconds}} for seconds in (10, 20.5)]

    assert used(LIVE, *said) == {"seconds": 20.5}
    assert used(LIVE, *said, {"type": "session.closed", "reason": "expired", "usage": {"seconds": 21}}) == {"seconds": 21}


def test_what_responses_within_a_live_session_use_stands_beside_its_seconds() -> None:
    inner = {"type": "response.completed", "response": {"id": "resp_1", "usage": {"input_tokens": 5, "output_tokens": 2}}}
    nested = {"type": "response.event", "event": inner}

    assert used(LIVE, nested, {"type": "session.usage.updated", "usage": {"seconds": 4}}, nested) == {"input_tokens": 10, "output_tokens": 4, "seconds": 4}
