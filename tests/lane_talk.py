"""Conversations on a WebSocket in Responses mode, told message by message, and what `Lanes` makes of them."""

from __future__ import annotations

import json
from typing import Any

from playhead.proxy.lanes import Assigned, Begun, Ended, Lanes, Step
from playhead.proxy.models.doors import parse_client_event, parse_server_event

Json = dict[str, Any]


class Told:
    """What became of a conversation. At every point a second, restored, went on in the same way."""

    def __init__(self, *messages: tuple[str, Any], close: bool = True) -> None:
        self.steps: list[Step] = []
        self.lanes = Lanes()
        for token, message in enumerate(messages):
            self._tell(token, message)
        if close:
            self.steps += self.lanes.close()

    def _tell(self, token: int, message: tuple[str, Any]) -> None:
        direction, said = message
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        restored = Lanes()
        restored.restore(json.loads(json.dumps(self.lanes.state())))
        if direction == ">":
            steps, again = (lanes.client(token, parse_client_event(data)) for lanes in (self.lanes, restored))
        else:
            steps, again = (lanes.server(token, parse_server_event(data)) for lanes in (self.lanes, restored))
        assert steps == again
        assert self.lanes.state() == restored.state()
        self.steps += steps

    @property
    def turns(self) -> list[int]:
        """The turn of each message."""
        assigned = sorted(step for step in self.steps if isinstance(step, Assigned))
        assert [step.token for step in assigned] == list(range(len(assigned)))
        return [step.turn for step in assigned]

    @property
    def begun(self) -> list[Begun]:
        return [step for step in self.steps if isinstance(step, Begun)]

    @property
    def ended(self) -> list[Ended]:
        return [step for step in self.steps if isinstance(step, Ended)]


def create(lane: object = None, **fields: Any) -> tuple[str, Json]:
    return ">", {"type": "response.create", "model": "m", **({} if lane is None else {"stream_id": lane}), **fields}


def steer(id_: object) -> tuple[str, Json]:
    return ">", {"type": "response.steer", "previous_response_id": id_, "input": "more"}


def says(kind: str, lane: object = None, **fields: Any) -> tuple[str, Json]:
    return "<", {"type": kind, **({} if lane is None else {"stream_id": lane}), **fields}


def response(name: str, id_: str, lane: object = None, previous: str | None = None, **fields: Any) -> tuple[str, Json]:
    return says(f"response.{name}", lane, sequence_number=0, response={"id": id_, "previous_response_id": previous, **fields})


def delta(lane: object = None, **fields: Any) -> tuple[str, Json]:
    return says("response.output_text.delta", lane, sequence_number=4, item_id="i", output_index=0, content_index=0, delta="x", logprobs=[], **fields)


def steered(name: str, id_: str, steer_id: str | None = "s", lane: object = None) -> tuple[str, Json]:
    return says(f"response.steer.{name}", lane, sequence_number=5, steer={"id": steer_id, "previous_response_id": id_})


def error(code: str | None = None, lane: object = None, param: str | None = None, **fields: Any) -> tuple[str, Json]:
    return says("error", lane, error={"type": "invalid_request_error", "code": code, "message": "no", "param": param}, **fields)


def whole(id_: str, lane: object = None, previous: str | None = None) -> list[tuple[str, Json]]:
    """The events of a response."""
    return [response("created", id_, lane, previous), delta(lane), response("completed", id_, lane, previous)]


GARBAGE = ("<", b"{no")
NONSENSE = (">", b"nonsense")
BAD: Json = {"status": 400}
