"""A request that says the whole conversation is known as the one that went on from a response."""

from __future__ import annotations

from typing import Any

import pytest

from playhead.proxy.faults.retold import says_all_of_it

RECORDED: dict[str, Any] = {"type": "response.create", "model": "m", "previous_response_id": "resp_1", "input": "And tomorrow?", "store": True}
HISTORY = [{"role": "user", "content": "And today?"}, {"type": "message", "role": "assistant", "content": "Sun."}]
LAST = {"type": "message", "role": "user", "content": "And tomorrow?"}


def test_all_of_the_conversation_stands_for_the_response_before() -> None:
    assert says_all_of_it(RECORDED, {"model": "m", "stream": True, "store": True, "input": [*HISTORY, LAST]})


@pytest.mark.parametrize(
    "changes",
    [{"model": "other"}, {"tools": []}, {"previous_response_id": "resp_2"}, {"input": [*HISTORY, LAST | {"content": "?"}]}, {"input": [LAST]}, {"input": None}],
)
def test_nothing_else_does(changes: dict[str, Any]) -> None:
    assert not says_all_of_it(RECORDED, {"model": "m", "store": True, "input": [*HISTORY, LAST], **changes})


def test_nothing_stands_for_a_request_that_went_on_from_nothing() -> None:
    assert not says_all_of_it({"model": "m", "input": "Hi."}, {"model": "m", "input": [*HISTORY, {"role": "user", "content": "Hi."}]})
