"""Which earlier turn a turn goes on from, and what is remembered."""

from __future__ import annotations

from typing import Any

from playhead.proxy.caching.prompts import Prompt, prompt_of
from playhead.proxy.caching.threads import Known, Recent, Threads
from playhead.storage.costing.prompted import Prompted
from prompted import prompted, tool, user


def prompt(*items: str, tools: str = "t", instructions: str = "i") -> Prompt:
    body = {"tools": [tool(name) for name in tools], "instructions": instructions, "input": [user(item) for item in items]}
    return prompt_of("responses", body, marks=False)


def said(*turns: tuple[Prompted, Prompt]) -> Threads:
    threads = Threads()
    for turn, asked in turns:
        threads.add(Known(turn, asked, len(asked.digests)))
    return threads


def keyed(id_: int, key: str, **changes: Any) -> Prompted:
    return prompted(id_, billing={"labels": {"prompt_cache_key": key}}, **changes)


def test_a_turn_is_like_those_that_share_its_last_items() -> None:
    threads = said((prompted(1), prompt("a", "b")), (prompted(2), prompt("x", "y")))

    assert next(threads.like(prompted(3), prompt("a", "b", "c"))) == 1


def test_of_several_with_the_same_items_it_is_the_newest() -> None:
    threads = said((prompted(1), prompt("a")), (prompted(2), prompt("a", "b")))

    assert next(threads.like(prompted(3), prompt("a", "b", "c"))) == 2


def test_a_new_conversation_is_like_one_with_the_same_head() -> None:
    threads = said((prompted(1), prompt("a")), (prompted(2), prompt("x", tools="u")))

    assert next(threads.like(prompted(3), prompt("new"))) == 1


def test_what_is_like_nothing_goes_by_its_key() -> None:
    threads = said((keyed(1, "k"), prompt("a")), (keyed(2, "other"), prompt("b")))

    assert list(threads.like(keyed(3, "k"), prompt("new", tools="v", instructions="another"))) == [1]


def test_sessions_know_nothing_of_each_other() -> None:
    threads = said((prompted(1), prompt("a", "b")))

    assert list(threads.like(prompted(2, session="other"), prompt("a", "b", "c"))) == []


def test_turns_are_found_by_their_response_and_their_conversation() -> None:
    threads = said((prompted(1, conversation="conv"), prompt("a")))

    assert threads.made("resp_1") == 1
    assert threads.made("resp_2") is None
    assert threads.conversing(prompted(2, conversation="conv")) == 1
    assert threads.conversing(prompted(2)) is None
    known = threads.known(1)
    assert known is not None
    assert known.turn.id == 1


def test_of_too_many_entries_the_older_half_goes() -> None:
    recent: Recent[int, int] = Recent(4)
    for number in range(6):
        recent.put(number, number)

    assert [recent.get(number) for number in range(6)] == [None, None, None, 3, 4, 5]
