"""Events that can be let pass without a model: their bytes show that one would have no problems and would tell nothing but its number. Pure.

Most of a stream is deltas, as alike as peas. A model of each would cost more than all else that the recorder does for it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from pydantic_core import from_json

_NUMBER = rb"(?:0|[1-9]\d{0,17})"
_INDEX = rb"(?:0|[1-9]\d{0,8})"
_START = (
    rb'\{"type":"response\.(?:output_text|refusal|reasoning_text|reasoning_summary_text|function_call_arguments|custom_tool_call_input'
    rb'|mcp_call_arguments|code_interpreter_call_code)\.delta","sequence_number":'
)
_BEHIND_NUMBER = b',"item_id":"'
_NO_COMMA = _BEHIND_NUMBER[1:]
_MIDDLE = rb'%b\w*","output_index":%b,(?:"(?:content|summary)_index":%b,)?"delta":"' % (_BEHIND_NUMBER, _INDEX, _INDEX)
_END = rb'[^"\\\x00-\x1f]*+(?:\\["\\/bfnrt][^"\\\x00-\x1f]*+)*+"(?:,"logprobs":\[\])?+(?:,"obfuscation":"\w*+")?\}'
DELTA = rb"%b(%b)%b%b" % (_START, _NUMBER, _MIDDLE, _END)
"""An expression for those that may pass, if their text is sound. Its group: the sequence number."""

_LONGEST_RUN = 256  # events
_FEW = 8
# Nothing is kept to go back to: it would be more than the run itself. Before that version, Python went on from where it had failed (its issue 106052).
_NEVER_BACK = b"+" if sys.version_info >= (3, 11, 5) else b""


Part = bytes | list[int]
"""An event, as JSON; or the numbers of deltas one behind the other that may pass."""


def run_of_deltas(before: bytes, behind: bytes) -> bytes:
    """An expression for such that stand one behind the other and have all in common but numbers and texts; what is around each of them is given.

    Its group `start`: what comes before a number. What an expression has met before, it compares three times as fast as it reads it.
    """
    first = rb"(?P<start>%b%b)%b(?P<middle>%b)%b%b" % (before, _START, _NUMBER, _MIDDLE, _END, behind)
    again = rb"(?P=start)%b(?P=middle)%b%b" % (_NUMBER, _END, behind)
    return rb"%b(?:%b){0,%d}%b" % (first, again, _LONGEST_RUN - 1, _NEVER_BACK)


def add_run(parts: list[Part], deltas: Sequence[bytes], at: int) -> None:
    """One more part: the numbers that stand at that place in each delta of a run."""
    add_numbers(parts, _numbers_in(deltas, at) if len(deltas) > _FEW else [int(delta[at : delta.index(b",", at)]) for delta in deltas])


def add_numbers(parts: list[Part], numbers: list[int]) -> None:
    """Those of a run. Runs that follow one another, as items that grow side by side make them, are one part."""
    if parts and parts[-1].__class__ is list:
        parts[-1] += numbers
    else:
        parts.append(numbers)


def _numbers_in(deltas: Sequence[bytes], at: int) -> list[int]:
    """All of them together, in half the time."""
    window = itemgetter(slice(at, at + len(_BEHIND_NUMBER) + 1))
    together = b"".join(map(window, deltas)).translate(None, _NO_COMMA)
    if together.count(b",") < len(deltas):  # one is so long that its end is out of sight
        return [int(delta[at : delta.index(b",", at)]) for delta in deltas]
    numbers: list[int] = from_json(b"[%b]" % together[:-1])
    return numbers


_DELTA = re.compile(DELTA).fullmatch
_RUN = re.compile(run_of_deltas(b"", rb"\n")).match
_BEGUN = re.compile(rb'\{"type":"response\.(created|queued|in_progress)","sequence_number":(%b),"response":\{' % _NUMBER).match
_MAX_BEGUN = 1 << 20


class Passed(NamedTuple):
    """Events in order. `told`, `texts`: places and JSON of those that have to be parsed; `parts`: None for each of those, and the numbers of those between."""

    told: list[int]
    texts: list[bytes]
    parts: list[list[int] | None]


class Passing:
    """Looks at the events of one answer, in order. What it does not know has to be parsed."""

    __slots__ = ("_response", "none")

    def __init__(self, kind: str) -> None:
        self.none = kind != "responses"
        """Whether all of them have to be parsed, whatever they are."""
        self._response = b""  # of the event before, if it began like a stream, from its Response to its end

    def number(self, text: bytes) -> int | None:
        """Of the next event if it is a delta that may pass. None: it is still to be looked at."""
        delta = None if self.none else _DELTA(text)
        if delta is None or not (text.isascii() or is_utf8(text)):
            return None
        self._response = b""
        return int(delta[1])

    def look(self, texts: list[bytes]) -> Passed:
        """At the next events, given as JSON."""
        return self.look_at(texts if self.none else _parts_of(texts))

    def look_at(self, parts: Sequence[Part]) -> Passed:
        """The same where it is known which of them are deltas that may pass."""
        told, texts, kept = passed = Passed([], [], [])
        place = 0
        for part in parts:
            if isinstance(part, list):
                self._response = b""
                kept.append(part)
                place += len(part)
                continue
            again = None if self.none else self._begun(part)
            if again is None:
                told.append(place)
                texts.append(part)
            kept.append(None if again is None else [again])
            place += 1
        return passed

    def forget(self) -> None:
        """Events have come that were not looked at."""
        self._response = b""

    def _begun(self, text: bytes) -> int | None:
        """A stream begins with two or three events, one behind the other, that tell the very same Response. The first of them begins it, whatever was told
        before."""
        found = _BEGUN(text)
        if found is None:
            self._response = b""
            return None
        response = text[found.end() :]
        if response and response == self._response and found[1] != b"created":
            return int(found[2])
        if b'"stream_id"' in response:  # what may pass is of the default lane
            return None
        self._response = response if len(response) < _MAX_BEGUN else b""
        return None


def _parts_of(texts: list[bytes]) -> list[Part]:
    """Which of the events are deltas that may pass."""
    together = b"\n".join([*texts, b""])
    if not (together.isascii() or is_utf8(together)):
        return _parts_one_by_one(texts)
    parts: list[Part] = []
    place = at = 0
    while place < len(texts):
        run = _RUN(together, at)
        if run is None:
            parts.append(texts[place])
            at += len(texts[place]) + 1
            place += 1
            continue
        number, end = run.end("start"), run.end()
        if together.index(b"\n", number) == end - 1 == at + len(texts[place]):  # one alone, as where items grow by turns
            add_numbers(parts, [int(together[number : together.index(b",", number)])])
            place += 1
        else:
            deltas = run[0].split(b"\n")[:-1]
            if deltas != texts[place : place + len(deltas)]:  # a text has several lines
                return _parts_one_by_one(texts)
            add_run(parts, deltas, number - at)
            place += len(deltas)
        at = end
    return parts


def _parts_one_by_one(texts: list[bytes]) -> list[Part]:
    return [[int(delta[1])] if (delta := _DELTA(text)) and is_utf8(text) else text for text in texts]


def is_utf8(text: bytes) -> bool:
    """Whether it is sound; so are then all parts of it that ASCII stands between."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
