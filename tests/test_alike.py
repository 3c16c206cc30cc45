"""How alike two texts are."""

from __future__ import annotations

from typing import Any

import pytest

from playhead.proxy.diverging.differences import ABSENT, Place
from playhead.proxy.replay.alike import apart


def between(recorded: Any, asked: Any) -> int:
    return apart([Place("$.input", recorded, asked)])


@pytest.mark.parametrize(
    ("recorded", "asked", "characters"),
    [
        ("Greet Cem.", "Greet Cem politely.", len("politely")),
        ("Greet Bob.", "Greet Cem politely.", len("BobCempolitely")),
        ("a b", "b a", 0),
        ("東京の天気", "大阪の天気", 4),
        (ABSENT, {"a": "long"}, len('{"a":"long"}')),
        (b"one two", b"one", 3),
        (7, 70, 3),
    ],
)
def test_words_that_stand_on_one_side_alone_are_counted(recorded: Any, asked: Any, characters: int) -> None:
    assert between(recorded, asked) == characters


def test_what_differs_from_run_to_run_is_not_counted() -> None:
    assert between("at 2026-01-02T03:04:05Z run b6c5e9a2-5a3f-4c5e-9d27-0d6f6ad5a0c1", "at 2026-02-03T04:05:06Z run 0d6f6ad5-9d27-4c5e-5a3f-b6c5e9a2a0c1") == 0


def test_what_both_sides_begin_with_hides_nothing() -> None:
    assert between("word " * 100_000 + "old", "word " * 100_000 + "new") == len("oldnew")


def test_what_is_nested_too_deeply_is_no_text() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    assert between(deep, "a") == 1
