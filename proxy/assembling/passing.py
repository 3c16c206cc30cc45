"""Events that can be let pass without a model: their bytes show that one would have no problems and would tell nothing but its number. Pure.

Most of a stream is deltas, as alike as peas. A model of each would cost more than all else that the recorder does for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

_NUMBER = rb"(0|[1-9]\d{0,17})"
_INDEX = rb"(?:0|[1-9]\d{0,8})"
DELTA = (
    rb'\{"type":"response\.(?:output_text|refusal|reasoning_text|reasoning_summary_text|function_call_arguments|custom_tool_call_input'
    rb'|mcp_call_arguments|code_interpreter_call_code)\.delta","sequence_number":%b,"item_id":"\w*","output_index":%b,(?:"(?:content|summary)_index":%b,)?'
    rb'"delta":"[^"\\\x00-\x1f]*(?:\\["\\/bfnrt][^"\\\x00-\x1f]*)*"(?:,"logprobs":\[\])?(?:,"obfuscation":"\w*")?\}' % (_NUMBER, _INDEX, _INDEX)
)
"""An expression for those that may pass, if their text is sound. Its group: the sequence number."""

_DELTA = re.compile(DELTA).fullmatch
_BEGUN = re.compile(rb'\{"type":"response\.(created|queued|in_progress)","sequence_number":%b,"response":\{' % _NUMBER).match
_MAX_BEGUN = 1 << 20


class Passed(NamedTuple):
    """Events in order. `told`, `texts`: places and JSON of those that have to be parsed; `parts`: None for each of those, and the numbers of those between."""

    told: list[int]
    texts: list[bytes]
    parts: list[list[int] | None]


class Passing:
    """Looks at the events of one answer, in order. What it does not know has to be parsed."""

    __slots__ = ("_none", "_response")

    def __init__(self, kind: str) -> None:
        self._none = kind != "responses"
        self._response = b""  # of the event before, if it began like a stream, from its Response to its end

    def number(self, text: bytes) -> int | None:
        """Of the next event if it is a delta that may pass. None: it is still to be looked at."""
        delta = None if self._none else _DELTA(text)
        if delta is None or not (text.isascii() or is_utf8(text)):
            return None
        self._response = b""
        return int(delta[1])

    def look(self, texts: Sequence[bytes]) -> Passed:
        """At the next events, given as JSON."""
        if self._none:
            return _all_told(texts)
        numbers = [delta and delta[1] for delta in map(_DELTA, texts)]
        if not all(map(bytes.isascii, texts)):
            numbers = [number if number and is_utf8(text) else None for number, text in zip(numbers, texts, strict=True)]
        return self.look_at(numbers, texts.__getitem__)

    def look_at(self, numbers: Sequence[bytes | None], json: Callable[[int], bytes]) -> Passed:
        """The same for events of which is known what `DELTA` has found, if it has. `json`: of the event at a place."""
        if self._none:
            return _all_told([*map(json, range(len(numbers)))])
        passed, start = Passed([], [], []), 0
        for place in [place for place, number in enumerate(numbers) if not number]:
            if start < place:
                self._pass(numbers[start:place], passed)
            start, text = place + 1, json(place)
            again = self._begun(text)
            if again is None:
                passed.told.append(place)
                passed.texts.append(text)
            passed.parts.append(None if again is None else [again])
        if start < len(numbers):
            self._pass(numbers[start:], passed)
        return passed

    def _pass(self, numbers: Sequence[bytes | None], passed: Passed) -> None:
        passed.parts.append([*map(int, numbers)])  # type: ignore[arg-type]  # none of them is None
        self._response = b""

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
        if b'"stream_id"' in response:  # what may pass is of the default lane
            return None
        if response == self._response and found[1] != b"created":
            return int(found[2])
        self._response = response if len(response) < _MAX_BEGUN else b""
        return None


def is_utf8(text: bytes) -> bool:
    """Whether it is sound; so are then all parts of it that ASCII stands between."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _all_told(texts: Sequence[bytes]) -> Passed:
    return Passed([*range(len(texts))], [*texts], [None] * len(texts))
