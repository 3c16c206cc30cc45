"""Events over a WebSocket that are too long to be held as messages are: what their ends say is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from journalled import Frames
from playhead.proxy.assembling.channels import MAX_MESSAGE
from sockets import frame, socket, upstream
from test_multiplex import answer, create, event, fold, sent, told
from test_reparsing import kept, unchanged

PIECE = 4 << 20
USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}


def talk(**response: Any) -> Frames:
    """A turn whose last event has one big member, with what its Response says behind that."""
    output = [{"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "x" * (MAX_MESSAGE + PIECE)}]}]
    ended = frame(event("completed", 1, response={"id": "resp_1", "status": "completed", "output": output, **response}))
    pieces = [upstream(ended[at : at + PIECE]) for at in range(0, len(ended), PIECE)]
    return socket(*sent(create()), *told(answer("resp_1", model="m-1")[0]), *pieces)


@pytest.mark.parametrize("cuts", [[], [-2]])
def test_the_usage_of_a_response_that_ends_with_one_is_known(cuts: list[int]) -> None:
    frames = talk(usage=USAGE, user=None)
    (turn,), _ = fold(frames, [len(frames) + cut for cut in cuts])
    facts = turn.facts

    assert (turn.outcome, facts.usage, facts.model, facts.response_status, facts.parse, facts.problem) == (
        "complete",
        USAGE,
        "m-1",
        "completed",
        "parsed",
        None,
    )


def test_parsed_again_it_is_the_same(tmp_path: Path) -> None:
    unchanged(kept(tmp_path / "store.db", frames=talk(usage=USAGE)))
