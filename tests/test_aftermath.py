"""What a client did after a fault."""

from __future__ import annotations

import pytest

from playhead.proxy.faults.aftermath import Aftermath, Known, in_words

MS = 1_000_000


def after_one() -> Aftermath:
    aftermath = Aftermath()
    aftermath.fell(1, "a", b"digest", 10 * MS)
    return aftermath


def test_the_same_request_again_is_a_retry() -> None:
    aftermath = after_one()

    assert (aftermath.asked("a", b"other", 20 * MS), aftermath.asked("b", b"digest", 20 * MS)) == ([], [])
    assert aftermath.asked("a", b"digest", 523 * MS) == [Known(1, {"next": "retried", "after_ms": 513.0})]
    assert aftermath.asked("a", b"digest", 600 * MS) == []
    assert not aftermath


def test_on_a_new_connection_it_is_told_when_that_was_opened() -> None:
    aftermath = after_one()
    aftermath.connected("a", 15 * MS)
    aftermath.connected("a", 16 * MS)

    assert aftermath.asked("a", b"digest", 20 * MS) == [Known(1, {"next": "retried", "after_ms": 10.0, "reconnected_after_ms": 5.0})]


def test_to_fetch_the_response_is_to_resume() -> None:
    aftermath = after_one()
    aftermath.answers(1, "resp_7")

    assert aftermath.resumed("a", "/v1/responses/resp_71?stream=true", 20 * MS) == []
    assert aftermath.resumed("a", "/v1/responses/resp_7?starting_after=3&stream=true", 20 * MS) == [Known(1, {"next": "resumed", "after_ms": 10.0})]


def test_who_got_all_of_the_answer_went_on() -> None:
    assert after_one().took(1, 11 * MS) == [Known(1, {"next": "went_on", "after_ms": 1.0})]
    assert after_one().took(2, 11 * MS) == []


def test_who_did_nothing_until_the_end_gave_up() -> None:
    aftermath = after_one()

    assert aftermath.over() == [Known(1, {"next": "gave_up"})]
    assert aftermath.over() == []


def test_of_very_many_who_did_nothing_the_first_are_held_to_have_given_up() -> None:
    aftermath = Aftermath(most=2)

    assert [aftermath.fell(number, "ab"[number % 2], b"%d" % number, 0) for number in range(4)] == [
        [],
        [],
        [Known(0, {"next": "gave_up"})],
        [Known(1, {"next": "gave_up"})],
    ]
    assert aftermath.asked("a", b"0", MS) == []
    assert aftermath.asked("a", b"2", MS) == [Known(2, {"next": "retried", "after_ms": 1.0})]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (None, "not known"),
        ({"next": "gave_up"}, "gave up"),
        ({"next": "went_on", "after_ms": 3.0}, "went on"),
        ({"next": "retried", "after_ms": 513.0}, "retried after 513 ms"),
        ({"next": "retried", "after_ms": 2040.0, "reconnected_after_ms": 5.0}, "retried after 2.0 s, on a new connection"),
    ],
)
def test_it_is_told_in_words(outcome: dict[str, object] | None, words: str) -> None:
    assert in_words(outcome) == words
