"""The usage of whole WebSockets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.assembling.socket_usage import SocketUsage
from playhead.proxy.models.doors import event_door
from playhead.proxy.models.kind import Shape

REALTIME = event_door(Shape("realtime"))
USAGE = {"total_tokens": 30, "input_tokens": 20, "output_tokens": 10, "input_token_details": {"audio_tokens": 15, "text_tokens": 5}}


def of(*events: dict[str, Any]) -> dict[str, Any] | None:
    usage = SocketUsage()
    for event in events:
        usage.hear(event["type"], REALTIME(event))
    return usage.total


def done(usage: Any) -> dict[str, Any]:
    return {"type": "response.done", "response": {"id": "r", "usage": usage}}


def transcribed(usage: Any) -> dict[str, Any]:
    return {"type": "conversation.item.input_audio_transcription.completed", "item_id": "i", "transcript": "", "usage": usage}


def test_one_response_is_told_as_it_is() -> None:
    assert of(done(USAGE)) == USAGE


def test_responses_are_added_up() -> None:
    more = {"total_tokens": 3, "input_tokens": 2, "output_tokens": 1, "output_token_details": {"text_tokens": 1}}

    assert of(done(USAGE), done(more)) == {
        "total_tokens": 33,
        "input_tokens": 22,
        "output_tokens": 11,
        "input_token_details": {"audio_tokens": 15, "text_tokens": 5},
        "output_token_details": {"text_tokens": 1},
    }


def test_usage_that_stands_beside_the_response_counts() -> None:
    assert of({**done({}), "usage": USAGE}, done(None)) == USAGE


def test_transcriptions_stand_beside_them() -> None:
    tokens = {"type": "tokens", "input_tokens": 4, "output_tokens": 2, "total_tokens": 6}

    assert of(transcribed(tokens), done(USAGE), transcribed(tokens)) == {
        **USAGE,
        "input_audio_transcription": {"type": "tokens", "input_tokens": 8, "output_tokens": 4, "total_tokens": 12},
    }


def test_seconds_of_a_live_session_are_not_added() -> None:
    updates = [{"type": "session.usage.updated", "usage": {"seconds": seconds}} for seconds in (1.5, 4.0)]

    assert of(*updates, {"type": "session.closed", "usage": {"seconds": 5.25}}) == {"seconds": 5.25}


def test_responses_inside_a_live_session_are_added_up() -> None:
    inner = {"type": "response.completed", "response": {"id": "r", "usage": {"input_tokens": 2}}}

    assert of(*[{"type": "response.event", "event": inner}] * 2) == {"responses": {"input_tokens": 4}}


@pytest.mark.parametrize("usage", [None, {}, [], "much", 5])
def test_what_is_no_usage_tells_nothing(usage: Any) -> None:
    assert of(done(usage), transcribed(usage), {"type": "session.usage.updated", "usage": usage}) is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_whatever_is_told_nothing_is_raised(value: Any) -> None:
    of(done(value), done(USAGE), done({"total_tokens": value}), transcribed({"seconds": value}), {"type": "session.closed", "usage": value})


def test_it_goes_on_from_what_it_has_told() -> None:
    usage = SocketUsage(of(done(USAGE)))
    usage.hear("response.done", REALTIME(done(USAGE)))

    assert usage.total == of(done(USAGE), done(USAGE))
