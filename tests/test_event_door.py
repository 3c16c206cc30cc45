"""Events that begin a response, made of such as were parsed before: never another model than by parsing."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.models.doors import door
from playhead.proxy.models.wire import Wire, field

DOOR = door("ServerEvent")
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "in_progress",
    "model": "m",
    "output": [],
    "previous_response_id": None,
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}],
}
KEYS = st.sampled_from([*RESPONSE, "previous_response_id", "type", "sequence_number", "response", "metadata", "new"])
VALUES: st.SearchStrategy[Any] = st.sampled_from(["resp_2", "resp_5", "", 0, 7, None, True, "a\\b", [], {"id": "x", "previous_response_id": "resp_3"}, 1.5])

MEMBERS = st.lists(st.tuples(KEYS, VALUES), max_size=2)


def created(number: Any = 0, *, behind: tuple[tuple[str, Any], ...] = (), outside: tuple[tuple[str, Any], ...] = (), **values: Any) -> bytes:
    """An event with these values; `behind`, `outside`: members that stand once more at the end of its Response, and behind that."""

    def members(pairs: Any) -> str:
        return ",".join(f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in pairs)

    response = members([*(RESPONSE | values).items(), *behind])
    event = [f'"type":"response.created","sequence_number":{json.dumps(number)},"response":{{{response}}}', *([members(outside)] if outside else [])]
    return f"{{{','.join(event)}}}".encode()


def assert_like_parsed(text: bytes) -> None:
    made, parsed = DOOR.many([text])[0], DOOR(text)
    assert type(made) is type(parsed)
    assert json.dumps(made.to_wire()) == json.dumps(parsed.to_wire())
    assert made == parsed
    assert made.problems == parsed.problems


@given(MEMBERS, MEMBERS, st.integers(0, 3), st.sampled_from([None, "resp_8", "", "-"]))
def test_it_is_the_model_that_parsing_gives_whatever_is_said_again_behind(
    behind: list[tuple[str, Any]], outside: list[tuple[str, Any]], number: int, parent: str | None
) -> None:
    for id_ in ("resp_5", "resp_6"):
        assert_like_parsed(created(number, behind=tuple(behind), outside=tuple(outside), id=id_, created_at=number, previous_response_id=parent))


@given(KEYS, VALUES)
def test_it_is_the_model_that_parsing_gives_whatever_is_said_in_it(key: str, value: Any) -> None:
    for number in (1, 2):
        assert_like_parsed(created(number, **{key: value}))


def test_what_comes_again_is_not_parsed_again() -> None:
    texts = [created(0, id=f"resp_{turn}", created_at=turn, previous_response_id=f"resp_{turn - 1}") for turn in (1, 2)]

    first, second = [field(field(event, "response"), "tools")[0] for event in DOOR.many(texts)]

    assert first is second


def test_the_events_stand_in_their_places() -> None:
    other = b'{"type":"response.output_text.done","sequence_number":4,"item_id":"i","output_index":0,"content_index":0,"text":"t"}'
    texts = [other, created(1), b"no JSON", created(2), other]

    assert [event.to_wire() for event in DOOR.many(texts)] == [DOOR(text).to_wire() for text in texts]


def test_what_is_nested_too_deeply_or_no_object_is_what_parsing_says() -> None:
    for text in (created()[:-1], created() + b" ", created().replace(b'"m"', b"NaN"), created().replace(b'"m"', b"[" * 300 + b"]" * 300)):
        made, parsed = DOOR.many([text])[0], DOOR(text)
        assert type(made) is type(parsed)
        assert not isinstance(made, Wire) or made.to_wire() == parsed.to_wire() or text.find(b"NaN") > 0
