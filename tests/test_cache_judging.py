"""How much of a prompt could have come from the cache, and how that is estimated."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from playhead.proxy.caching.causes import Broken
from playhead.proxy.caching.comparing import Common
from playhead.proxy.caching.judging import available, bound, judged, ratio_of
from playhead.proxy.caching.prompts import Part, Prompt
from playhead.proxy.caching.threads import Known
from prompted import prompted

HELD = Common(3, 8000, held=True)


def known(id_: int = 1, *, tokens: int = 2100, size: int = 8400, ratio: float = 0.25, marked: bool = True, **changes: Any) -> Known:
    """A turn with a head of 400 characters and one item with the rest."""
    turn = prompted(id_, **({"fresh": tokens} | changes))
    return Known(turn, Prompt((Part("$.tools[0]", 1, 400),), "input", array("Q", [id_]), array("L", [size - 400]), marked), 1, ratio)


@pytest.mark.parametrize(
    ("turn", "tokens"),
    [
        (known(tokens=1023), 0),
        (known(tokens=1024), 1024),
        (known(tokens=2100), 2048),
        (known(tokens=100, cached=1024, written=512), 1536),
        (known(tokens=2100, kind="messages"), 0),
        (known(tokens=60, cached=1000, written=40, kind="messages"), 1040),
    ],
)
def test_a_turn_leaves_in_the_cache_what_it_says_or_its_input_in_steps(turn: Known, tokens: int) -> None:
    assert available(turn) == tokens


def test_tokens_of_a_character_are_those_of_the_turn_itself_or_of_the_one_that_it_goes_on_from() -> None:
    assert ratio_of(known(tokens=2100, size=8400), None) == 0.25
    chained = known(2, previous_response_id="resp_1")
    assert ratio_of(chained, known(ratio=0.4)) == 0.4
    assert ratio_of(chained, known(ratio=0.0)) == ratio_of(chained, None) == 0.25


def test_what_may_be_lost_is_never_less_than_what_was() -> None:
    earlier, later = known(), known(2, tokens=2300, size=9200)
    for common in (HELD, Common(1, 400, item=0, again=4000, edited=True), Common(0, 0, head=0, again=8000)):
        lost = judged(earlier, later, common, 0.25, Broken("prompt", "$.input[0]", 0.9)).lost
        assert lost <= bound(earlier, later, common, 0.25)


def test_where_the_beginning_holds_tokens_are_not_estimated() -> None:
    found = judged(known(), known(2, tokens=2300), HELD, 0.25)

    assert (found.common, found.allowed, found.reach, found.lost, found.estimated) == (2100, 2048, 2048, 2048, False)


def test_where_it_is_broken_what_the_beginning_allowed_is_told_beside_what_could_have_been() -> None:
    common = Common(1, 4800, item=0, again=3000, edited=True)
    found = judged(known(), known(2, tokens=2300, cached=0), common, 0.25, Broken("prompt", "$.input[0]", 0.5))

    assert (found.cause, found.common, found.allowed, found.reach, found.estimated) == ("prompt", 1200, 1152, 2048, True)


def test_less_than_a_step_is_not_lost() -> None:
    assert judged(known(), known(2, tokens=100, cached=1930), HELD, 0.25).cause == "held"
    assert judged(known(), known(2, tokens=300, cached=1920), HELD, 0.25).cause == "missed"


def test_the_input_of_several_passes_is_not_what_a_prompt_begins_with() -> None:
    found = judged(known(tokens=9000), known(2, tokens=2300, size=9200), Common(3, 8000, held=True), 0.25)

    assert (found.common, found.reach, found.estimated) == (2000, 1792, True)


def test_no_more_can_come_from_the_cache_than_a_prompt_has() -> None:
    broke = Broken("prompt", "$.instructions", 1.0)

    assert judged(known(tokens=9000), known(2, tokens=2100, previous_response_id="x"), Common(0, 0, head=0, again=1), 0.25, broke).reach == 2048
