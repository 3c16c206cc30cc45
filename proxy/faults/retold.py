"""What a client says who was told that upstream does not know its previous response: all of the conversation again, in place of that. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

_TRANSPORT = ("type", "stream", "stream_id", "stream_options", "previous_response_id", "input")


def says_all_of_it(recorded: Json, asked: Json) -> bool:
    """Whether `asked` is the recorded request with the conversation before it in place of its `previous_response_id`: equal but for that, and it ends with
    the same items."""
    if not recorded.get("previous_response_id") or asked.get("previous_response_id"):
        return False
    if any(recorded.get(name) != asked.get(name) for name in {*recorded, *asked}.difference(_TRANSPORT)):
        return False
    tail, whole = _items(recorded.get("input")), _items(asked.get("input"))
    return 0 < len(tail) < len(whole) and whole[-len(tail) :] == tail


def _items(given: object) -> Sequence[object]:
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return [_plain(item) for item in given] if isinstance(given, list) else []


def _plain(item: object) -> object:
    """A message with or without its type is the same."""
    return {name: value for name, value in item.items() if name != "type" or value != "message"} if isinstance(item, dict) else item
