"""How far two prompts are the same, and what of the earlier one stands behind the place where they part."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.caching.comparing import compared, continued
from playhead.proxy.caching.prompts import Prompt, prompt_of
from prompted import tool, user


def prompt(items: Sequence[str], tools: Sequence[str] = ("t",)) -> Prompt:
    """Each item and each tool is as long as its name and something more."""
    return prompt_of("responses", {"tools": [tool(name) for name in tools], "instructions": "i", "input": [user(item) for item in items]}, marks=False)


def size(item: str) -> int:
    return prompt([item]).sizes[0]


def test_a_prompt_that_goes_on_holds() -> None:
    found = compared(prompt("ab"), prompt("abc"))

    assert (found.held, found.parts, found.head, found.item) == (True, 4, None, None)
    assert found.size == prompt("ab").size


@pytest.mark.parametrize(
    ("was", "now", "item", "edited", "again"),
    [
        ("abc", "axc", 1, True, "c"),
        ("abc", "ac", 1, False, "c"),
        ("abc", "axbc", 1, False, "bc"),
        ("abc", "acb", 1, False, "cb"),
        ("abc", "xyz", 0, True, ""),
        ("abc", "ab", 2, False, ""),
        ("aab", "ab", 1, False, "b"),
    ],
)
def test_items_part_somewhere(was: str, now: str, item: int, edited: bool, again: str) -> None:
    found = compared(prompt(was), prompt(now))

    assert (found.held, found.item, found.edited) == (False, item, edited)
    assert found.again == sum(map(size, again))
    assert found.size == prompt(now[:item]).size


@pytest.mark.parametrize(("was", "now", "head", "edited"), [("tu", "tv", 1, True), ("tu", "t", 1, False), ("t", "tu", 1, False), ("tu", "ut", 0, True)])
def test_a_tool_that_differs_makes_all_behind_it_come_again(was: str, now: str, head: int, edited: bool) -> None:
    found = compared(prompt("ab", was), prompt("abc", now))

    assert (found.head, found.item, found.edited, found.parts) == (head, None, edited, head)
    assert found.again >= size("a") + size("b")


def test_of_a_chain_only_what_stands_in_front_is_compared() -> None:
    assert continued(prompt("abc"), prompt("x")).held
    assert continued(prompt("abc"), prompt("x", "u")).head == 0
    assert continued(prompt("abc"), prompt("x", "tu")).head == 1


@given(st.text("abcde", max_size=12), st.text("abcde", max_size=12))
def test_what_is_the_same_is_never_more_than_either(was: str, now: str) -> None:
    earlier, later = prompt(was), prompt(now)
    found = compared(earlier, later)

    assert found.size + found.again <= later.size
    assert found.held == now.startswith(was)
    assert found.size <= earlier.size
