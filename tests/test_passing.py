"""What passes without a model would have made one without a problem."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.assembling.passing import Passing
from playhead.proxy.models.doors import parse_event

DELTA = {"type": "response.output_text.delta", "sequence_number": 7, "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "é\n"}
BEGUN = {"sequence_number": 0, "response": {"id": "resp_1", "status": "in_progress"}}


def text(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def number(*events: bytes, kind: str = "responses") -> list[int | None]:
    return [number for part in Passing(kind).look([*events]).parts for number in ([None] if part is None else part)]


def begun(name: str, **more: Any) -> bytes:
    return text({"type": f"response.{name}", **BEGUN, **more})


@pytest.mark.parametrize(
    "event",
    [
        DELTA,
        {**DELTA, "logprobs": [], "obfuscation": "x"},
        {**DELTA, "delta": 'a "quoted" \\ /'},
        {"type": "response.function_call_arguments.delta", "sequence_number": 7, "item_id": "fc_1", "output_index": 3, "delta": "{", "obfuscation": "x"},
        {"type": "response.reasoning_summary_text.delta", "sequence_number": 7, "item_id": "rs_1", "output_index": 0, "summary_index": 1, "delta": ""},
    ],
)
def test_a_plain_delta_passes(event: dict[str, Any]) -> None:
    assert number(text(event)) == [7]


@pytest.mark.parametrize(
    "event",
    [
        text({**DELTA, "delta": 5}),
        text({**DELTA, "sequence_number": -1}),
        text({**DELTA, "sequence_number": "7"}),
        text({**DELTA, "logprobs": [{}]}),
        text({**DELTA, "new": 1}),
        text({**DELTA, "type": "response.output_text.done"}),
        text({**DELTA, "type": "response.audio.delta"}),
        text(DELTA)[:-1],
        text(DELTA) + b" ",
        text(DELTA).replace(b"\xc3", b"\xff"),
        text(DELTA).replace(b":7", b":07"),
        text(DELTA).replace(b"\\n", b"\\ud800"),
        text(DELTA).replace(b"\\n", b"\t"),
        b"[DONE]",
        b"",
    ],
)
def test_anything_else_has_to_be_parsed(event: bytes) -> None:
    assert number(event) == [None]


@pytest.mark.parametrize("numbers", [[0], [9, 10, 11], [99, 7, 7], [5, 10**17], [*range(600)], [*range(10**12 - 9, 10**12)], [*range(10**12 - 5, 10**12 + 5)]])
def test_deltas_of_one_text_pass_together(numbers: list[int]) -> None:
    assert Passing("responses").look([text({**DELTA, "sequence_number": each}) for each in numbers]).parts == [numbers]


def test_deltas_of_texts_that_grow_by_turns_pass_together() -> None:
    deltas = [text({**DELTA, "sequence_number": each, "item_id": f"msg_{each % 2}"}) for each in range(98, 104)]

    assert Passing("responses").look(deltas).parts == [[*range(98, 104)]]


LINES = st.sampled_from(
    [
        *(text(DELTA), text({**DELTA, "sequence_number": 10}), text({**DELTA, "item_id": "msg_2"}), text({**DELTA, "delta": "a", "obfuscation": "x"})),
        *(text({**DELTA, "logprobs": [{}]}), text({"type": "response.new"}), b"", b"\n", text(DELTA) + b"\n", text(DELTA)[:-1], text(DELTA)[:90]),
        *(text(DELTA).replace(b"\xc3", b"\xff"), text(DELTA) + b"\n" + text(DELTA), text({**DELTA, "sequence_number": 10**14})),
    ]
)


@given(st.lists(LINES, max_size=6))
def test_what_passes_together_passes_alone(events: list[bytes]) -> None:
    passing = Passing("responses")

    assert number(*events) == [passing.number(event) for event in events]


def test_the_beginning_of_an_event_that_begins_a_response_does_not_pass() -> None:
    assert number(b'{"type":"response.in_progress","sequence_number":1,"response":{') == [None]


def test_a_response_that_is_told_again_passes() -> None:
    assert number(begun("created"), begun("in_progress", sequence_number=1)) == [None, 1]


def test_a_response_that_has_changed_has_to_be_parsed() -> None:
    assert number(begun("created"), begun("in_progress", response={"id": "resp_1", "status": "queued"})) == [None, None]


def test_an_event_that_ends_a_stream_never_passes() -> None:
    assert number(begun("created"), begun("completed")) == [None, None]


def test_nothing_passes_in_streams_of_other_kinds() -> None:
    assert number(text(DELTA), kind="realtime") == [None]
    assert Passing("realtime").number(text(DELTA)) is None


def test_one_event_is_looked_at_as_several_are() -> None:
    passing = Passing("responses")
    passing.look([begun("created")])

    assert [passing.number(event) for event in (begun("in_progress"), text(DELTA), text(DELTA).replace(b"\xc3", b"\xff"), b"{}")] == [None, 7, None, None]
    assert passing.look([begun("in_progress")]).parts == [None]


VALUES = st.one_of(st.text(max_size=9), st.integers(-2, 10**19), st.booleans(), st.none(), st.just([]), st.just([1]))


@given(
    st.dictionaries(st.sampled_from([*DELTA, "logprobs", "obfuscation", "summary_index", "x"]), VALUES, max_size=3),
    st.booleans(),
    st.tuples(st.integers(0, 200), st.binary(max_size=2)),
)
def test_what_passes_has_a_model_of_the_same_number_and_no_problem(changes: dict[str, Any], ascii_only: bool, edit: tuple[int, bytes]) -> None:
    event = json.dumps({**DELTA, **changes}, ensure_ascii=ascii_only, separators=(",", ":")).encode(errors="surrogatepass")
    for data in (event, event[: edit[0]] + edit[1] + event[edit[0] + 1 :]):
        (found,) = number(data)
        if found is not None:
            model = parse_event(data)
            assert Passing("responses").number(data) == found
            assert (getattr(model, "sequence_number", None), model.problems) == (found, ())


def test_the_event_that_begins_a_response_never_passes() -> None:
    assert number(begun("created"), begun("in_progress"), begun("created"), begun("in_progress")) == [None, 0, None, 0]


def test_the_begin_of_a_response_on_a_lane_never_passes() -> None:
    assert number(begun("created", stream_id="a"), begun("in_progress", stream_id="a")) == [None, None]
