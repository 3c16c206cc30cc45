"""Lanes drawn as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.lane_chart import MOST, Line, chart, transcript
from playhead.proxy.lane_marks import Mark, Run

S = 1_000_000_000


def begin(at: float, turn: int, lane: int = 0, text: str = "") -> Mark:
    return Mark(round(at * S), "begin", lane, turn, turn + 100, text)


def end(at: float, turn: int, lane: int = 0, text: str = "completed", *, wrong: bool = False) -> Mark:
    return Mark(round(at * S), "end", lane, turn, turn + 100, text, wrong)


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def test_a_turn_of_which_nothing_else_is_told_is_one_row() -> None:
    assert texts(chart([None], [begin(0.5, 1, text="after 7, m"), end(1.75, 1)])) == [
        "lanes: a = the default lane",
        "            a",
        "   0.500 s  ●  101 completed (after 7, m, 1.2 s)",
    ]


def test_lanes_stand_side_by_side() -> None:
    marks = [begin(0, 1), begin(1, 2, 1), end(2, 1), Mark(3 * S, "steer", 1, 2, 102, "is steered"), end(4, 2, 1)]

    assert texts(chart([None, "plan"], marks)) == [
        "lanes: a = the default lane, b = plan",
        "            a b",
        "   0.000 s  ┬ ·  101 begins",
        "   1.000 s  │ ┬  102 begins",
        "   2.000 s  ┴ │  101 completed",
        "   3.000 s  · ◆  102 is steered",
        "   4.000 s  · ┴  102 completed",
    ]


def test_a_create_that_waits_for_the_one_before_is_queued() -> None:
    lines = texts(chart([None], [begin(0, 1), begin(1, 2), end(2, 1), end(3, 2)]))

    assert lines[2:] == ["   0.000 s  ┬  101 begins", "   1.000 s  ├  102 queued", "   2.000 s  ┤  101 completed", "   3.000 s  ┴  102 completed"]


def test_what_went_wrong_is_red_and_what_was_steered_yellow() -> None:
    marks = [begin(0, 1), Mark(S, "error", 0, 1, 101, "error bad", True), Mark(S, "steer", 0, 1, 101, "is steered"), end(2, 1, wrong=True)]

    assert [(line.text[12], line.style) for line in chart([None], marks)[2:]] == [("┬", ""), ("!", "red"), ("◆", "yellow"), ("┴", "red")]


def test_closes_stand_beside_the_lanes() -> None:
    over = Mark(1300 * S, "over", None, 0, None, "the connection is over: complete")

    assert texts(chart(["a", "b"], [over]))[-1] == "21m40.000s  · ·  the connection is over: complete"
    assert texts(chart([], [over]))[-1] == "21m40.000s    the connection is over: complete"


def test_a_long_connection_is_shortened_to_its_ends_and_what_is_remarkable() -> None:
    marks = [mark for turn in range(1, 1001) for mark in (begin(turn, turn), end(turn + 0.5, turn, wrong=turn == 500))]
    lines = texts(chart([None], marks))

    assert len(lines) <= MOST + 2
    assert lines[2].startswith("   1.000 s  ●  101 ")
    assert lines[32] == "  31.000 s  ⋮  469 rows, 469 turns left out"
    assert lines[33].startswith(" 500.000 s  ●  600 ")
    assert lines[-1].startswith("16m40.000s  ●  1100 ")
    assert len(chart([None], marks, most=None)) == 1002


@given(
    st.integers(1, 33),
    st.lists(st.tuples(st.floats(0, 5000), st.integers(0, 32), st.floats(0, 60), st.booleans(), st.text(max_size=60)), max_size=120),
    st.sampled_from([80, 100]),
)
def test_every_chart_fits_its_width_and_its_length(lanes: int, turns: list[tuple[float, int, float, bool, str]], width: int) -> None:
    marks = [
        mark
        for turn, (at, lane, long, wrong, text) in enumerate(turns, 1)
        for mark in (begin(at, turn, lane % lanes, text), end(at + long, turn, lane % lanes, text, wrong=wrong))
    ]
    lines = chart([None, *("lane-" + "x" * place for place in range(1, lanes))], sorted(marks, key=lambda mark: mark.at), width=width)

    assert all(len(line.text) <= width for line in lines)
    assert len([line for line in lines if " s  " in line.text]) <= MOST


def test_messages_are_told_by_type_and_time() -> None:
    runs = [Run(0, 0, 1, "session.created", 1, 900), Run(S, 3 * S, 0, "input_audio_buffer.append", 240, 1_200_000), Run(4 * S, 4 * S, 1, "error", 1, 50)]

    assert transcript(runs) == [
        Line("   0.000 s  < session.created  900 B"),
        Line("   1.000 s  > input_audio_buffer.append  240 times in 2.0 s, 1,200,000 B"),
        Line("   4.000 s  < error  50 B", "red"),
    ]


def test_a_long_transcript_is_shortened_and_keeps_its_errors() -> None:
    runs = [Run(place, place, 1, "error" if place == 500 else f"t{place}", 1, 1) for place in range(1000)]
    lines = texts(transcript(runs))

    assert len(lines) == MOST + 2
    assert lines[50:52] == ["            ⋮ 900 messages in 900 lines left out", "   0.000 s  < error  1 B"]
    assert len(transcript(runs, most=None)) == 1000
