"""Which recording a request resembles, and what is said of one that has no twin."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import Any

from playhead.proxy.divergence import Candidate, Miss, Wanted, rank
from playhead.proxy.diverging.differences import Difference


def items(*numbers: int) -> bytes:
    return array("I", numbers).tobytes()


def candidate(exchange: int, content: bytes = b"", **changes: Any) -> Candidate:
    values = {"place": exchange, "method": "POST", "path": "/responses", "model": "m", "served": False}
    return Candidate(exchange, items=content, **(values | changes))  # type: ignore[arg-type]


def best(wanted: Wanted, *candidates: Candidate) -> int:
    return rank(wanted, candidates, 1)[0].exchange


def wanted(content: bytes = b"", place: int = 0) -> Wanted:
    return Wanted("POST", "/responses", "m", content, place)


def test_what_was_sent_to_the_same_place_counts_before_all_else() -> None:
    elsewhere = candidate(1, items(1, 2, 3), path="/chat/completions")

    assert best(wanted(items(1, 2, 3)), elsewhere, candidate(2, model="other", served=True)) == 2


def test_of_other_places_the_nearest_counts() -> None:
    assert best(wanted(), candidate(1, path="/files"), candidate(2, path="/responses/resp_1"), candidate(3, path="/x/responses")) == 2


def test_what_was_not_served_yet_counts_before_the_items() -> None:
    assert best(wanted(items(1, 2, 3)), candidate(1, items(1, 2, 3), served=True), candidate(2, items(1))) == 2


def test_the_fewest_items_without_an_equal_win() -> None:
    assert best(wanted(items(1, 2, 3, 4)), candidate(1, items(1, 9, 3, 4)), candidate(2, items(1, 2, 8)), candidate(3, items(1))) == 1


def test_of_those_the_one_with_as_many_items_wins() -> None:
    assert best(wanted(items(1, 2, 3)), candidate(1, items(7)), candidate(2, items(7, 8, 9)), candidate(3, items(4, 5, 6, 7, 8))) == 2


def test_items_count_before_the_model() -> None:
    assert best(wanted(items(1, 2)), candidate(1, items(1, 2), model="other"), candidate(2)) == 1
    assert best(wanted(items(1, 2)), candidate(1, items(1, 3), model="other"), candidate(2, items(1, 4))) == 2


def test_of_equals_the_one_not_served_yet_wins_and_then_the_one_that_was_due() -> None:
    assert best(wanted(), candidate(1, served=True), candidate(2)) == 2
    assert best(wanted(place=5), candidate(2), candidate(9), candidate(4), candidate(6)) == 4


def test_as_many_are_given_as_are_asked_for() -> None:
    found = rank(wanted(items(1, 2)), [candidate(1), candidate(2, items(1)), candidate(3, items(1, 2))], 2)

    assert [one.exchange for one in found] == [3, 2]


def test_those_that_differ_from_the_best_by_their_place_alone_are_given_with_it() -> None:
    others = [candidate(number, items(1)) for number in (1, 2, 3, 4)]
    found = [rank(wanted(items(1, 2), place=2), [*others, candidate(5), *more], 1, 3) for more in ([], [candidate(6, items(1, 2))])]

    assert [[one.exchange for one in each] for each in found] == [[2, 1, 3], [6]]


def miss(**changes: Any) -> Miss:
    values: dict[str, Any] = {"code": "no_match", "session": "s", "take": 2, "method": "POST", "path": "/v1/responses", "asks": "http"}
    return Miss(**(values | changes))


def differing(count: int) -> list[Difference]:
    return [Difference(f"$.k{number}", "1", "2") for number in range(count)]


def test_an_answer_names_the_nearest_and_the_first_differences() -> None:
    text = miss(nearest=17, nearest_request="POST /v1/responses, m", differences=differing(5)).answer()

    assert text == (
        "POST /v1/responses has no twin in take 2 of session s. Nearest is exchange 17 (POST /v1/responses, m): $.k0: recorded 1, asked 2; "
        "$.k1: recorded 1, asked 2; $.k2: recorded 1, asked 2; and 2 more. `playhead divergences s` shows all of it."
    )


def test_the_log_has_a_line_for_each_difference() -> None:
    lines = miss(nearest=17, differences=differing(14)).story.split("\n")

    assert lines[0] == "POST /v1/responses has no twin in take 2 of session s. Nearest is exchange 17, which differs in 14 places:"
    assert lines[1] == "  $.k0: recorded 1, asked 2"
    assert lines[-1] == "  and 2 more"
    assert len(lines) == 14


def test_one_difference_is_one_place() -> None:
    assert miss(nearest=1, differences=differing(1)).story.split("\n")[0].endswith("which differs in 1 place:")


def test_where_nothing_is_like_it_nothing_is_named() -> None:
    assert miss(take=None).answer() == "POST /v1/responses has no twin in session s. `playhead divergences s` shows all of it."


def test_one_request_too_many_is_told_as_that() -> None:
    once, twice = miss(code="exhausted", recorded=[4], nearest=4), miss(code="exhausted", recorded=[4, 9])

    assert once.answer() == (
        "POST /v1/responses was asked once more than it is recorded in take 2 of session s: exchange 4 has been served. `--exhausted last` serves the last "
        "one again, `--exhausted cycle` all of them."
    )
    assert "exchanges 4, 9 have been served" in twice.story


def test_many_recordings_are_not_all_named() -> None:
    assert "exchanges 0, 1, 2, 3, 4 and 3 more have been served" in miss(code="exhausted", recorded=range(8)).answer()


def test_a_recording_over_another_transport_is_named() -> None:
    text = miss(asks="http", recorded=[4], recorded_over="sse").answer()

    assert text.startswith("POST /v1/responses is recorded in take 2 of session s, but over SSE (exchange 4), and this one asks for plain HTTP: ")


def test_an_answer_is_not_endless() -> None:
    long = [Difference("$." + "k" * 2000, "1", "2")]

    assert len(miss(nearest=1, differences=long).answer()) < 1_400


def test_the_details_are_json() -> None:
    one = {"path": "$.a", "recorded": None, "asked": "1", "stood": None}

    assert miss(differences=[Difference("$.a", None, "1")]).details == [one | {"cause": None}]
    assert miss(differences=[Difference("$.a", None, "1")], causes=["parameter"]).details == [one | {"cause": "parameter"}]


def test_the_cause_and_the_place_where_the_program_left_the_recording_are_told() -> None:
    text = miss(cause="prompt", after=12, expected=13, nearest=13, differences=differing(1))

    assert text.answer() == (
        "POST /v1/responses has no twin in take 2 of session s. Cause: prompt (what the model is told or asked differs). Nearest is exchange 13: $.k0: "
        "recorded 1, asked 2. The program left the recording after exchange 12; exchange 13 was expected. `playhead divergences s` shows all of it."
    )
    assert "at its beginning; exchange 1 was expected" in miss(expected=1).story
    assert "after exchange 4; nothing more was recorded" in miss(after=4).story


def test_rules_that_would_make_it_match_are_told_with_what_adds_them() -> None:
    one = miss(cause="volatile", nearest=3, differences=differing(1), rules=["normalize uuid"])

    assert one.answer(7).endswith("Under the rule `normalize uuid` exchange 3 would match. `playhead accept 7` adds it.")
    assert one.answer().endswith("`playhead divergences s` shows all of it.")
    assert one.story.endswith("\n  Under the rule `normalize uuid` exchange 3 would match.")
    assert replace(one, rules=["a", "b"]).answer(7).endswith("Under the rules `a` and `b` exchange 3 would match. `playhead accept 7` adds them.")
    assert (one.proposal, miss().proposal) == (["normalize uuid"], None)


def test_what_has_been_served_is_not_to_be_accepted() -> None:
    one = miss(cause="extra_call", nearest=3, differences=differing(1), rules=["normalize uuid"], served=True)

    assert "Nearest is exchange 3, which has been served and differs in 1 place:" in one.story
    assert one.story.endswith("exchange 3 would match, but it has been served.")
    assert one.told(7)["actions"] == []


def test_programs_are_told_the_same() -> None:
    one = miss(cause="prompt", after=12, expected=13, nearest=14, differences=differing(5))

    assert one.told(7) == {
        "id": 7,
        "session": "s",
        "cause": "prompt",
        "nearest": 14,
        "after": 12,
        "expected": 13,
        "differences": one.details[:3],
        "rules": [],
        "actions": ["playhead accept 7 --as-is", "playhead rerecord s --exchange 14", "playhead fork s --at 13 --as NAME"],
    }
    assert (one.told()["id"], one.told()["actions"][0]) == (None, "playhead rerecord s --exchange 14")
    assert replace(one, rules=["normalize uuid"]).told(7)["actions"][0] == "playhead accept 7"


def test_a_note_is_told_in_both_texts() -> None:
    noted = miss(note="It is too big to be forwarded.")

    assert noted.note in noted.answer()
    assert noted.note in noted.story


def test_the_differences_stand_right_behind_what_announces_them() -> None:
    first = miss(note="It is too big to be forwarded.", differences=[Difference("$.a", "1", "2")], nearest=3).story.splitlines()[0]

    assert first.endswith("which differs in 1 place:")
