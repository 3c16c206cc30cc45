"""Whole events of a stream in the form in which OpenAI writes nearly all of them, taken apart by one expression. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..sse import type_of_line
from .passing import Part, add_numbers, add_run, is_utf8, run_of_deltas

_RUN = run_of_deltas(rb"event: [^\n]*\ndata: ", rb"\n\n")
_EVENT = rb"(event: [^\n]*\n)data: (\{[^\n]*)\n\n"
_REST = rb"(?s:.)+"  # behind what is none: or each place in it would be tried
_EVENTS = re.compile(rb"()()()(?:%b|%b)" % (_EVENT, _REST)).findall
_RUNS_AND_EVENTS = re.compile(rb"(%b)|%b|%b" % (_RUN, _EVENT, _REST)).findall
_BEHIND = len(b"\n\n")
_AROUND = len(b"data: ") + _BEHIND


class UsualEvents(NamedTuple):
    """Events by column. `sizes`: in bytes of the stream. `parts`: what they say, where a run of deltas that may pass (passing.py) is one part."""

    types: list[str]
    sizes: list[int]
    parts: list[Part]


def usual_events(text: bytes, *, passing: bool = True) -> UsualEvents | None:
    """The events of bytes that hold nothing but whole events of an `event: ` line, a `data: ` line with an object, and a blank one; else None.

    `passing`: whether any may pass.
    """
    if text[:7] != b"event: " or b"\r" in text or not (text.isascii() or is_utf8(text)):
        return None
    types, sizes, parts = events = UsualEvents([], [], [])
    known, name, line = b"", "", 0  # how the last delta began, its type, and where its first line ends
    for run, start, _, head, said in (_RUNS_AND_EVENTS if passing else _EVENTS)(text):
        if run:
            if start != known:
                known, line = start, start.index(b"\n") + 1
                name = type_of_line(start[:line])
            at = len(start)
            if run.index(b"\n", at) < len(run) - _BEHIND:
                _take_run(events, run, name, line, at)
                continue
            types.append(name)  # it is one alone, as where items grow by turns
            sizes.append(len(run))
            add_numbers(parts, [int(run[at : run.index(b",", at)])])
            continue
        types.append(type_of_line(head))
        sizes.append(len(head) + len(said) + _AROUND)
        parts.append(said)
    if "" in types or sum(sizes) != len(text):  # something stands between what was found
        return None
    return events


def _take_run(events: UsualEvents, run: bytes, name: str, data: int, at: int) -> None:
    """Deltas that have their type in common. `data`: where the second line of each begins; `at`: where its number does."""
    types, sizes, parts = events
    lines = run.split(b"\n")[1::3]
    types += [name] * len(lines)
    sizes += map((data + _BEHIND).__add__, map(len, lines))
    add_run(parts, lines, at - data)
