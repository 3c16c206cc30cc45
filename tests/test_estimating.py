"""Estimates: what a character is worth by other exchanges, and what is measured by it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.pricing.estimating import Estimate, Measure, Sample, answered_in, asked_in

# Four characters of a request are a token, five of an answer; a token of input costs 2, one of output 10.
SAMPLE = Sample(400, 500, 100, 100, 200, 1000)


def measure(*samples: Sample) -> Measure:
    found = Measure.of(samples)
    assert found is not None
    return found


def test_an_estimate_is_by_characters_and_by_what_tokens_have_cost() -> None:
    assert measure(SAMPLE).estimate(40, 50) == Estimate(1, 10, 10, 10 * 2 + 10 * 10)


def test_what_it_goes_on_from_is_input_as_well() -> None:
    assert measure(SAMPLE).estimate(40, 50, context=1000) == Estimate(1, 1010, 10, 1010 * 2 + 10 * 10)


def test_nothing_received_is_nothing_made() -> None:
    assert measure(SAMPLE).estimate(40, 0) == Estimate(1, 10, 0, 20)


def test_samples_count_by_their_size() -> None:
    assert measure(SAMPLE, Sample(1200, 500, 100, 100, 200, 1000)).estimate(800, 0).input_tokens == 100


def test_what_is_half_is_rounded_up() -> None:
    assert measure(Sample(2, 2, 1, 1, 1, 1)).estimate(1, 3) == Estimate(1, 1, 2, 3)


@given(st.builds(Sample, *[st.integers(1, 10**9)] * 4, *[st.integers(0, 10**15)] * 2))
def test_a_sample_is_estimated_as_it_was(sample: Sample) -> None:
    assert measure(sample).estimate(sample.asked, sample.answered) == Estimate(1, *sample[2:4], sample.input_amount + sample.output_amount)


@pytest.mark.parametrize("samples", [(), (SAMPLE._replace(asked=0),), (SAMPLE._replace(answered=0),), (SAMPLE._replace(output_tokens=0),)])
def test_what_tells_too_little_measures_nothing(samples: tuple[Sample, ...]) -> None:
    assert Measure.of(samples) is None


def test_estimates_add_up() -> None:
    assert Estimate(1, 2, 3, 4).plus(Estimate(1, 1, 1, 1)) == Estimate(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("request_", "count"),
    [
        ({"model": "m", "input": "four"}, 4),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "four"}]}]}, len("content") + len("text") + 4),
        ({"input": "", "instructions": "12", "tools": [{"type": "function", "name": "f"}]}, 2 + len("name") + 1),
        ({"messages": [{"role": "user", "content": "four"}], "system": "12"}, len("content") + 4 + 2),
        ({"input": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]}, 0),
        ({"input": [{"content": "data:audio/wav;base64,AAAA"}]}, len("content")),
        ({"metadata": {"a": "b"}, "input": 5}, 0),
        (None, 0),
        ([], 0),
    ],
)
def test_texts_are_counted_and_what_is_no_text_is_not(request_: Any, count: int) -> None:
    assert asked_in(request_) == count


def test_of_an_answer_that_counts_which_was_made() -> None:
    made = {"id": "resp_1", "instructions": "repeated", "output": [{"type": "message", "content": [{"text": "four"}]}]}

    assert answered_in(made) == len("content") + len("text") + 4


def test_nesting_is_no_danger() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]

    assert asked_in({"input": deep}) == 1
