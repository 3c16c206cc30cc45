"""Why a replayed request has no recorded twin: the class of the cause, by what differs from the recording that it resembles most. Pure.

One place is classed by where it stands: `$.tools` is a tool's schema, an item of the conversation is what the user, a tool or the model said. The request
is classed by all of its places together, and by what was served before: items that only changed places are another order, items that a recording of
which nobody has asked should have brought are a call that was left out, and so on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from .differences import ABSENT, Compared, Place, Undecoded

Cause = Literal[
    "prompt", "tool_schema", "tool_result", "model", "parameter", "history", "volatile", "order", "extra_call", "dropped_call", "transport", "route"
]

CAUSES: Mapping[Cause, str] = MappingProxyType(
    {
        "prompt": "what the model is told or asked differs",
        "tool_schema": "the tools that the model is offered differ",
        "tool_result": "a tool gave another result",
        "model": "another model is asked",
        "parameter": "a setting of the request differs",
        "history": "what is sent back of earlier answers differs",
        "volatile": "only values differ that are new in each run: times, UUIDs, temporary paths, generated ids",
        "order": "the same items stand in another order",
        "extra_call": "a request more than was recorded",
        "dropped_call": "a request that was recorded is not asked",
        "transport": "it was recorded over another transport, which cannot answer this one",
        "route": "another method or path is asked",
    }
)

_FIRST: Sequence[Cause] = ("route", "model", "tool_schema", "prompt", "tool_result", "history", "parameter")  # of several, this is named
_LISTS = ("input", "messages", "contents")
_PROMPTS = frozenset(
    ("instructions", "system", "prompt", "input", "messages", "contents", "query", "suffix", "documents", "systemInstruction", "file", "image")
)
_TOOLS = frozenset(("tools", "functions"))
_HISTORY = frozenset(("previous_response_id", "conversation"))
_LABELS = frozenset(("metadata", "client_metadata", "user", "safety_identifier", "prompt_cache_key"))  # upstream's answer does not depend on them
_SAID = frozenset(("reasoning", "compaction", "item_reference", "program_output", "multi_agent_call_output"))
_PATH = re.compile(r"\$\.?([A-Za-z_]\w*)?")
_ITEM = re.compile(r"\$\.(input|messages|contents)\[(\d+)\](?:\.(?:content|parts)\[(\d+)\])?(.*)", re.DOTALL)
_WORD = re.compile(r"\w+")
_WORDS = 2_000  # of a text that are compared
_TEXTS = 100  # of an item
_FEW = 4  # words of which nothing can be told
_ALIKE = 0.2  # of the words, so that one text may be the other, changed


class Case(NamedTuple):
    """A request and the recording that it resembles most. `volatile`: those of the places that rules for volatile values would make equal.

    `served`: that recording was given out already. `skipped`: whether a recording was due before it that nobody has asked for. `missed`: whether a
    request before this one was not answered, so that its answer may stand in this one.
    """

    recorded: Compared
    asked: Compared
    places: Sequence[Place]
    volatile: Collection[int] = ()
    served: bool = False
    skipped: bool = False
    missed: bool = False


def cause_of(case: Case) -> Cause | None:
    """The class of the whole; None: nobody can know it."""
    steady = [place for number, place in enumerate(case.places) if number not in case.volatile]
    if any(place.path in ("method", "path") for place in steady):
        return "route"
    if case.served:
        return "extra_call"
    if not steady:
        return "volatile"
    if (moved := _moved(case, steady)) is not None:
        return moved
    if _strangers(case):
        return "extra_call"
    classes = {class_of(place, case.recorded, case.asked) for place in steady}
    return next((cause for cause in _FIRST if cause in classes), None)


def _moved(case: Case, steady: Sequence[Place]) -> Cause | None:
    """Where only items of the conversation moved, are missing or are new, and what is asked at its end is the same: what that means, if it can be told."""
    if not all(whole_item(place) or place.path == "$.previous_response_id" for place in steady):
        return None
    if all(place.stood is not None for place in steady):
        return "order"
    ends = [newest(side.body) for side in (case.recorded, case.asked)]
    if ends[0] != ends[1]:
        return None
    goes_on = any(place.path == "$.previous_response_id" for place in steady)
    if case.skipped and (goes_on or any(place.asked is ABSENT for place in steady)):
        return "dropped_call"
    if case.missed and (goes_on or any(place.recorded is ABSENT and place.stood is None for place in steady)):
        return "extra_call"
    return None


def whole_item(place: Place) -> bool:
    """Whether an item of the conversation is missing there, is new, or has moved."""
    found = _ITEM.fullmatch(place.path)
    return found is not None and found[3] is None and not found[4] and (place.recorded is ABSENT or place.asked is ABSENT)


def _strangers(case: Case) -> bool:
    """Whether what is asked at the end is nothing that the recording's end could have become."""
    was, is_ = newest(case.recorded.body), newest(case.asked.body)
    if was is None or is_ is None or was == is_:
        return False
    if _origin(was, None) != _origin(is_, None):
        return True
    ours, theirs = _words(is_), _words(was)
    shared = 2 * (ours & theirs).total()
    return min(ours.total(), theirs.total()) >= _FEW and shared < _ALIKE * (ours.total() + theirs.total())


def newest(body: Any) -> Any:
    """What a request asks at its end: its last item, or its text. None: that cannot be told."""
    if not isinstance(body, dict):
        return None
    for name in (*_LISTS, "prompt", "query"):
        value = body.get(name)
        if isinstance(value, list) and value:
            return value[-1]
        if isinstance(value, str):
            return value
    return None


def _words(item: Any) -> Counter[str]:
    texts = [item] if isinstance(item, str) else islice(_texts(item), _TEXTS)
    return Counter(islice((found[0] for text in texts for found in _WORD.finditer(text.lower())), _WORDS))


def _texts(value: Any, depth: int = 0) -> Iterable[str]:
    """What an item says: its strings, but for those that name what it is."""
    if isinstance(value, str):
        yield value
    elif depth < 10:
        inner = (member for name, member in value.items() if name not in ("type", "role", "id", "call_id")) if isinstance(value, dict) else value
        for member in inner if isinstance(value, dict | list) else ():
            yield from _texts(member, depth + 1)


def class_of(place: Place, recorded: Compared, asked: Compared) -> Cause | None:
    """The class of one place; None: of what stands there nobody knows what it says."""
    if place.path in ("method", "path"):
        return "route"
    if place.path.startswith(("query.", "headers.")):
        return "parameter"
    if place.path == "body":
        return None if any(isinstance(body, Undecoded | None) for body in (place.recorded, place.asked)) else "prompt"
    if (found := _ITEM.fullmatch(place.path)) is not None:
        side = recorded if place.asked is ABSENT else asked
        return _origin(*_standing(side.body, found))
    if place.path.startswith("$["):  # a part of a form, or an item of a list
        return _of_part(place, recorded, asked)
    return of_member(_PATH.match(place.path))


def of_member(found: re.Match[str] | None) -> Cause:
    """The class of what stands in a member of the body."""
    name = found[1] if found is not None else None
    if name == "model":
        return "model"
    return "tool_schema" if name in _TOOLS else "history" if name in _HISTORY else "prompt" if name in _PROMPTS else "parameter"


def label(path: str) -> bool:
    """Whether what stands there only labels the request: the answer does not depend on it."""
    found = _PATH.match(path)
    return found is not None and found[1] in _LABELS


def _of_part(place: Place, recorded: Compared, asked: Compared) -> Cause:
    body = recorded.body if place.asked is ABSENT else asked.body
    number = re.match(r"\$\[(\d+)\]", place.path)
    part = body[int(number[1])] if number and isinstance(body, list) and int(number[1]) < len(body) else None
    if not isinstance(part, dict) or "name" not in part:
        return "prompt"
    return of_member(_PATH.match(f"$.{part['name']}"))


def _standing(body: Any, found: re.Match[str]) -> tuple[Any, Any]:
    """The item that a place is in, and the part of its content; None where there is none."""
    items = body.get(found[1]) if isinstance(body, dict) else None
    number = int(found[2])
    item = items[number] if isinstance(items, list) and number < len(items) else None
    parts = item.get("content", item.get("parts")) if isinstance(item, dict) else None
    part = int(found[3]) if found[3] else -1
    return item, parts[part] if isinstance(parts, list) and 0 <= part < len(parts) else None


def _origin(item: Any, part: Any) -> Cause:
    """Who says it: the model before (`history`), a tool (`tool_result`), or the program itself."""
    if not isinstance(item, dict):
        return "prompt"
    type_, role = (value if isinstance(value, str) else "" for value in (item.get("type"), item.get("role")))
    if type_ in ("additional_tools", "mcp_list_tools"):
        return "tool_schema"
    if type_ in _SAID or type_.endswith("_call") or role in ("assistant", "model"):
        return "history"
    if type_.endswith("_output") or role in ("tool", "function"):
        return "tool_result"
    parts = [part] if part is not None else item.get("content", item.get("parts"))
    results = (
        [one for one in parts if isinstance(one, dict) and (one.get("type") == "tool_result" or "functionResponse" in one)] if isinstance(parts, list) else ()
    )
    return "tool_result" if results else "prompt"
