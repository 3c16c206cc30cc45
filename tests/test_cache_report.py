"""What is told of lost cache, to people and to programs."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, get_args

import pytest

from playhead.proxy.caching.forensics import Total
from playhead.proxy.caching.judging import BREAKS, CAUSES, Cause
from playhead.proxy.caching.report import ADVICE, in_order, row_of, story, summary
from prompted import Talk, text, tool, user

BASE = {"model": "m", "instructions": text(2000), "input": [user("Hello")]}


@pytest.fixture
def talk() -> Talk:
    found = Talk()
    found.say(BASE, tokens=2100)
    found.say(BASE | {"tools": [tool("new")], "input": [user("Hello"), user("Again")]}, tokens=2200, cached=0)
    return found


def test_a_row_has_what_was_lost_and_where(talk: Talk) -> None:
    row = row_of(talk.worst, "cache_miss, tools_changed")

    assert (row.exchange, row.before, row.cause, row.path, row.model) == (2, 1, "tool_schema", "$.tools[0]", "m")
    assert (row.input_tokens, row.cached_tokens, row.allowed_tokens, row.possible_tokens, row.lost_tokens) == (2200, 0, 0, 1920, 1920)
    assert (row.cost, row.gap_ms, row.estimated, row.provider_says) == ("0.00000000192", 10_000, True, "cache_miss, tools_changed")
    assert row.differences == [{"path": "$.tools[0]", "before": None, "now": row.differences[0]["now"]}]


def test_a_story_says_what_it_cost_why_and_what_helps(talk: Talk) -> None:
    lines = list(story(talk.worst, "cache_miss"))

    assert lines[0] == "exchange 2 after 1 (s, m): less than 0.0001 USD, about 1,920 tokens"
    assert lines[1] == "tool_schema: the tools, which come first, are others ($.tools[0])"
    assert lines[2].startswith('  $.tools[0]: new: {"type": "function", "name": "new"')
    assert lines[3].startswith(
        "nothing of the beginning was the same; of 2,200 input tokens about 1,920 could have come from the cache, 0 as it was, 0 did; 10.0 s"
    )
    assert lines[4] == "the provider says: cache_miss"
    assert lines[5].startswith("what helps: send the same tools")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"model": "m2"}, "(m, then m2)"), ({"tier": "flex"}, "(default, then flex)"), ({"billing": {"labels": {"prompt_cache_key": "k"}}}, "(none, then k)")],
)
def test_what_is_another_is_told_with_both(changes: dict[str, Any], said: str) -> None:
    talk = Talk()
    talk.say(BASE, tokens=2100)
    talk.say(BASE, tokens=2100, **changes)

    assert list(story(talk.worst))[1].endswith(said)


def test_what_has_no_price_says_so(talk: Talk) -> None:
    assert "nobody knows what it cost" in next(story(talk.worst._replace(money=None)))
    assert row_of(talk.worst._replace(money=None)).cost is None


def test_all_turns_are_summed_up_by_cause() -> None:
    totals: dict[Cause, Total] = {"held": Total(5), "missed": Total(2, 100, 10**12, 1), "volatile": Total(1, 50, 2 * 10**12)}

    assert [cause for cause, _ in in_order(totals)] == ["volatile", "missed", "held"]
    assert summary(totals, 3, 4) == {
        **{"turns": 8, "lost_tokens": 150, "cost": "3", "unpriced": 1, "unread": 3, "pruned": 4},
        "causes": {
            "volatile": {"turns": 1, "lost_tokens": 50, "cost": "2", "unpriced": 0},
            "missed": {"turns": 2, "lost_tokens": 100, "cost": "1", "unpriced": 1},
            "held": {"turns": 5, "lost_tokens": 0, "cost": "0", "unpriced": 0},
        },
    }


def test_every_cause_is_explained_and_what_costs_has_advice() -> None:
    assert set(CAUSES) == set(get_args(Cause))
    assert set(CAUSES) - set(ADVICE) == {"held", "begins", "short", "compacted"}
    assert set(CAUSES) >= BREAKS


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_stands_in_the_page(cause: str) -> None:
    assert f"`{cause}`" in files("playhead.proxy").joinpath("help", "caching.md").read_text(encoding="utf-8")
