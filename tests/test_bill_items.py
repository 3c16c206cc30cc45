"""What a line of a bill is for, by its text."""

from __future__ import annotations

import pytest

from playhead.proxy.reconciling.items import Item, item_of


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("gpt-5-2025-08-07, input", Item("gpt-5-2025-08-07", "input")),
        ("gpt-4o-mini-2024-07-18, cached input", Item("gpt-4o-mini-2024-07-18", "cached")),
        ("gpt-6-astra, cache write input", Item("gpt-6-astra", "written")),
        ("priority | gpt-5.6-sol, output, long context", Item("gpt-5.6-sol", "output")),
        ("gpt-audio-mini-2025-12-15 audio, input", Item("gpt-audio-mini-2025-12-15", "input")),
        ("ft:gpt-4o-2024-08-06:acme::id, output", Item("ft:gpt-4o-2024-08-06:acme::id", "output")),
        ("whisper-1, audio", Item("whisper-1", "audio")),
        ("web search tool calls", Item(None, "web search")),
        ("File search calls", Item(None, "file search")),
        ("Code interpreter sessions", Item(None, "containers")),
        ("Vector storage", Item(None, "vector storage", request=False)),
        ("file search storage", Item(None, "file search storage", request=False)),
        (None, Item(None, None)),
    ],
)
def test_a_line_is_for_what_it_says(text: str | None, item: Item) -> None:
    assert item_of(text) == item
