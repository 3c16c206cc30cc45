"""What lines of a bill are for, by their texts: `priority | gpt-5-2025-08-07, cached input, long context`, `web search tool calls`. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

PLAIN = ("input", "cached", "written", "output")
_LINE = re.compile(r"(?:(?P<tier>[a-z ]+) \| )?(?P<model>[\w.:@/-]+)(?: (?P<kind>[a-z]+))?, (?P<what>.+)")
_TOOLS = (
    ("web search", "web search"),
    ("file search", "file search"),
    ("code interpreter", "containers"),
    ("container", "containers"),
    ("shell", "containers"),
)
_WHAT = (("cached", "cached"), ("writ", "written"), ("creat", "written"), ("output", "output"), ("input", "input"))
_STORED = re.compile(r"storage|stored|fine-?tun|training|subscription|credit|tax", re.IGNORECASE)


class Item(NamedTuple):
    """A model and input, cached, written, output or another word; without a model a tool; `request` False: it is for no request of an API."""

    model: str | None
    what: str | None
    request: bool = True


def item_of(text: str | None) -> Item:
    """What a line item is for; a text that says nothing known stays as it is."""
    if text is None:
        return Item(None, None)
    low = text.lower()
    if match := _LINE.fullmatch(text):
        what = match["what"].lower()
        return Item(match["model"], next((name for word, name in _WHAT if word in what), what))
    for word, tool in _TOOLS:
        if word in low and not _STORED.search(low):
            return Item(None, tool)
    return Item(None, low, request=not _STORED.search(low))
