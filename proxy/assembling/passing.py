"""Events that can be let pass without a model: their bytes show that one would have no problems and would tell nothing but its number. Pure.

Most of a stream is deltas, as alike as peas. A model of each would cost more than all else that the recorder does for it.
"""

from __future__ import annotations

import re

_NUMBER = rb"(0|[1-9]\d{0,17})"
_INDEX = rb"(?:0|[1-9]\d{0,8})"
_DELTA = re.compile(
    rb'(?:data: )?\{"type":"response\.(?:output_text|refusal|reasoning_text|reasoning_summary_text|function_call_arguments|custom_tool_call_input'
    rb'|mcp_call_arguments|code_interpreter_call_code)\.delta","sequence_number":%b,"item_id":"\w*","output_index":%b,(?:"(?:content|summary)_index":%b,)?'
    rb'"delta":"[^"\\\x00-\x1f]*(?:\\["\\/bfnrt][^"\\\x00-\x1f]*)*"(?:,"logprobs":\[\])?(?:,"obfuscation":"\w*")?\}' % (_NUMBER, _INDEX, _INDEX)
).fullmatch
_BEGUN = re.compile(rb'\{"type":"response\.(created|queued|in_progress)","sequence_number":%b,"response":\{' % _NUMBER).match
_MAX_BEGUN = 1 << 20


class Passing:
    """Looks at the events of one answer, in order. What it does not know has to be parsed."""

    __slots__ = ("_none", "_response")

    def __init__(self, kind: str) -> None:
        self._none = kind != "responses"
        self._response = b""  # of the event before, if it began like a stream, from its Response to its end

    def numbers(self, texts: list[bytes], skip: int = 0) -> list[int | None]:
        """The sequence numbers of the events that may pass; None for each that may not. `texts`: their JSON, behind `skip` bytes: `data: `, or nothing."""
        if self._none:
            return [None] * len(texts)
        found = [*map(_DELTA, texts)]
        if None not in found and all(map(bytes.isascii, texts)):
            self._response = b""
            return [int(delta[1]) for delta in found if delta is not None]
        return [self._number(delta, text, skip) for delta, text in zip(found, texts, strict=True)]

    def _number(self, delta: re.Match[bytes] | None, text: bytes, skip: int) -> int | None:
        if delta is None:
            return self._begun(text[skip:])
        self._response = b""
        return int(delta[1]) if text.isascii() or _is_utf8(text) else None

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


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
