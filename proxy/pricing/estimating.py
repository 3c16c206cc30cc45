"""Estimates of what answers cost that told no usage: broken off before they did, or never asked to. Pure.

The method is as simple as it can be said: tokens per character and money per token are those of other exchanges of the same model and API in the store.
Characters are those of the texts that are sent and received; pictures, sound and files count as nothing. What goes on from an earlier response has that
one's tokens as input as well. An estimate is never a price: it is kept nowhere, and stands beside what is known, never within it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

ESTIMATED_KINDS = ("responses", "chat.completions", "messages")
"""The APIs whose answers are made of text."""

SAMPLES = 50
"""Exchanges of a model by which it is measured, at most: the newest."""

_ASKED = ("input", "messages", "instructions", "system", "tools", "prompt")
_ANSWERED = ("output", "choices", "content")
_NO_TEXT = frozenset(
    (
        *("id", "type", "role", "status", "object", "phase", "call_id", "item_id", "tool_call_id", "tool_use_id", "index", "finish_reason"),
        *("encrypted_content", "signature", "image_url", "file_data", "file_id", "file_url", "url", "data", "audio", "source", "result"),
        *("annotations", "logprobs", "container_id", "cache_control"),
    )
)


class Sample(NamedTuple):
    """An exchange whose usage is known: characters of what was asked and answered, tokens and money (10^-12 USD) of both."""

    asked: int
    answered: int
    input_tokens: int
    output_tokens: int
    input_amount: int
    output_amount: int


class Estimate(NamedTuple):
    """Of so many exchanges. `amount`: in 10^-12 USD."""

    exchanges: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    amount: int = 0

    def plus(self, other: Estimate) -> Estimate:
        """Both together."""
        return Estimate(*[one + more for one, more in zip(self, other, strict=True)])


class Measure(NamedTuple):
    """What a character is worth, by all samples of one model together."""

    asked: int
    answered: int
    input_tokens: int
    output_tokens: int
    input_amount: int
    output_amount: int

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Measure | None:
        """None: they tell too little to measure anything by."""
        found = [sum(values) for values in zip(*samples, strict=True)]
        return cls(*found) if found and found[0] and found[1] and found[2] and found[3] else None

    def estimate(self, asked: int, answered: int, context: int = 0) -> Estimate:
        """Of one exchange, by the characters of what was asked and of what was answered so far. `context`: tokens of what it goes on from."""
        given = _rounded(asked * self.input_tokens, self.asked) + context
        made = _rounded(answered * self.output_tokens, self.answered)
        amount = _rounded(given * self.input_amount, self.input_tokens) + _rounded(made * self.output_amount, self.output_tokens)
        return Estimate(1, given, made, amount)


def asked_in(request: Any) -> int:
    """Characters of the texts in a request's object."""
    return _members(request, _ASKED)


def answered_in(answer: Any) -> int:
    """Characters of the texts in an answer's object, as far as it has come."""
    return _members(answer, _ANSWERED)


def _members(value: Any, names: Iterable[str]) -> int:
    return sum(_characters(value[name]) for name in names if name in value) if isinstance(value, Mapping) else 0


def _characters(value: Any) -> int:
    """Of all texts and names within. Written without recursion: nesting is up to whoever wrote it."""
    count, left = 0, [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            count += 0 if one.startswith("data:") else len(one)
        elif isinstance(one, Mapping):
            for name, inner in one.items():
                if name not in _NO_TEXT:
                    count += len(name)
                    left.append(inner)
        elif isinstance(one, list | tuple):
            left += one
    return count


def _rounded(value: int, by: int) -> int:
    return (2 * value + by) // (2 * by)
