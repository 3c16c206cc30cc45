"""What differs between a recorded request and one that found no twin, by JSON path: pure, bounded, deterministic.

`$.input[3].content[0].text` is a place in the body, as JSONPath writes it; `query.NAME`, `headers.NAME`, `method`, `path` and `body` are the others.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import islice
from typing import Any, NamedTuple

MOST = 200
"""Differences told of one request; more of them tell nothing more."""

_SHOWN = 160  # characters of a value
_CONTEXT = 24  # of them before what differs
_DEEP = 100
_ALIGNED = 250_000  # pairs of items that are compared to find which belong together
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}\Z")  # a longer one would stand in full before each place in it


class Difference(NamedTuple):
    """One place. `recorded`, `asked`: what stands there, as JSON, shortened to where they differ; None: nothing does."""

    path: str
    recorded: str | None
    asked: str | None

    def __str__(self) -> str:
        if self.recorded is None:
            return f"{self.path} is new: {self.asked}"
        if self.asked is None:
            return f"{self.path} is missing, recorded: {self.recorded}"
        return f"{self.path}: recorded {self.recorded}, asked {self.asked}"


class Compared(NamedTuple):
    """One side. `path`, `query`: of the target, as they are matched; `headers`: those that count; `body`: parsed, or bytes, or None if it is too big."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any


def differences(recorded: Compared, asked: Compared, most: int = MOST) -> list[Difference]:
    """The first differences, in the order of the request: head, then body. None only if both are equal."""
    return list(islice(_all(recorded, asked), most))


def _all(recorded: Compared, asked: Compared) -> Iterator[Difference]:
    for name in ("method", "path"):
        was, is_ = getattr(recorded, name), getattr(asked, name)
        if was != is_:
            yield Difference(name, *_folded(was, is_))
    yield from _query(recorded.query, asked.query)
    for name in sorted(recorded.headers.keys() | asked.headers.keys()):
        was, is_ = recorded.headers.get(name), asked.headers.get(name)
        if was != is_:
            yield Difference(f"headers.{name}", was, is_)
    yield from _bodies(recorded.body, asked.body)


def _query(recorded: str, asked: str) -> Iterator[Difference]:
    """Parameters as a multiset: those that stand on both sides do not count, wherever they stand."""
    was, is_ = (Counter(filter(None, text.split("&"))) for text in (recorded, asked))
    gone, new = (sorted((one - other).elements()) for one, other in ((was, is_), (is_, was)))
    for pair in gone:
        name, _, value = pair.partition("=")
        twin = next((other for other in new if other.partition("=")[0] == name), None)
        if twin is None:
            yield Difference(f"query.{name}", _short(value), None)
        else:
            new.remove(twin)
            yield Difference(f"query.{name}", *_folded(value, twin.partition("=")[2]))
    for pair in new:
        name, _, value = pair.partition("=")
        yield Difference(f"query.{name}", None, _short(value))


def _bodies(recorded: Any, asked: Any) -> Iterator[Difference]:
    if isinstance(recorded, bytes) or isinstance(asked, bytes) or recorded is None or asked is None:
        if recorded is asked is None or recorded != asked:  # of two that are too big nobody knows
            yield Difference("body", *_raw(recorded, asked))
        return
    found = False
    for difference in _walk("$", recorded, asked, strict=False):
        found = True
        yield difference
    if not found:  # true and 1 are equal to Python, and not to JSON
        yield from _walk("$", recorded, asked, strict=True)


def _raw(recorded: Any, asked: Any) -> tuple[str, str]:
    if not isinstance(recorded, bytes) or not isinstance(asked, bytes):
        return _of_another_kind(recorded), _of_another_kind(asked)
    try:
        return _folded(recorded.decode(), asked.decode())
    except UnicodeDecodeError:
        at = _common(recorded.decode("latin-1"), asked.decode("latin-1"))
        return _bytes_from(recorded, at), _bytes_from(asked, at)


def _of_another_kind(body: Any) -> str:
    if isinstance(body, bytes):
        return f"{len(body):,} bytes that are no JSON" if body else "nothing"
    return "too big to be compared" if body is None else _short(body)


def _bytes_from(body: bytes, at: int) -> str:
    return f"{len(body):,} bytes, from byte {at:,} on {body[at : at + 16].hex(' ') or 'none'}"


def _walk(path: str, recorded: Any, asked: Any, *, strict: bool, depth: int = 0) -> Iterator[Difference]:
    if not strict and _equal(recorded, asked):
        return
    if depth < _DEEP and isinstance(recorded, dict) and isinstance(asked, dict):
        for name in [*recorded, *(name for name in asked if name not in recorded)]:
            place = f"{path}.{name}" if _PLAIN_NAME.match(name) else f"{path}[{_short(name)}]"
            if name not in asked:
                yield Difference(place, _short(recorded[name]), None)
            elif name not in recorded:
                yield Difference(place, None, _short(asked[name]))
            else:
                yield from _walk(place, recorded[name], asked[name], strict=strict, depth=depth + 1)
    elif depth < _DEEP and isinstance(recorded, list) and isinstance(asked, list):
        for was, is_ in _aligned(recorded, asked):
            if is_ is None:
                yield Difference(f"{path}[{was}]", _short(recorded[was or 0]), None)
            elif was is None:
                yield Difference(f"{path}[{is_}]", None, _short(asked[is_]))
            else:
                yield from _walk(f"{path}[{is_}]", recorded[was], asked[is_], strict=strict, depth=depth + 1)
    elif isinstance(recorded, bool) != isinstance(asked, bool) or not _equal(recorded, asked):
        yield Difference(path, *_folded(recorded, asked))


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except RecursionError:  # nobody means what is nested so deeply
        return False


def _aligned(recorded: Sequence[Any], asked: Sequence[Any]) -> Iterator[tuple[int | None, int | None]]:
    """Which items belong together, by their places; None: it has no counterpart. Equal ones at both ends are paired first."""
    start, least = 0, min(len(recorded), len(asked))
    while start < least and _equal(recorded[start], asked[start]):
        start += 1
    end = 0
    while end < least - start and _equal(recorded[-1 - end], asked[-1 - end]):
        end += 1
    yield from ((place, place) for place in range(start))
    was, is_ = recorded[start : len(recorded) - end], asked[start : len(asked) - end]
    blocks = [(0, len(was), 0, len(is_))]
    if len(was) * len(is_) <= _ALIGNED:
        blocks = [block[1:] for block in SequenceMatcher(None, [*map(_text, was)], [*map(_text, is_)], autojunk=False).get_opcodes()]
    for a, b, c, d in blocks:
        yield from _paired(range(start + a, start + b), range(start + c, start + d), recorded, asked)
    yield from ((len(recorded) - back, len(asked) - back) for back in range(end, 0, -1))


def _paired(was: range, is_: range, recorded: Sequence[Any], asked: Sequence[Any]) -> Iterator[tuple[int | None, int | None]]:
    """Items that take each other's place: the next ones of one kind belong together."""
    left = list(was)
    for place in is_:
        twin = next((index for index in left if _kind(recorded[index]) == _kind(asked[place])), None)
        while twin is not None and left and left[0] < twin:
            yield left.pop(0), None
        if twin is not None:
            left.remove(twin)
        yield twin, place
    yield from ((index, None) for index in left)


def _kind(item: Any) -> tuple[str, ...]:
    if isinstance(item, dict):
        return ("dict", *(str(item.get(name)) for name in ("type", "role", "name")))
    return (type(item).__name__,)


def _folded(recorded: Any, asked: Any) -> tuple[str, str]:
    """Both as JSON, each shortened to where they differ."""
    if not (isinstance(recorded, str) and isinstance(asked, str)) or max(len(recorded), len(asked)) <= _SHOWN:
        return _short(recorded), _short(asked)
    start = _common(recorded, asked)
    end = min(_common(recorded[::-1], asked[::-1]), len(recorded) - start, len(asked) - start)
    return _window(recorded, start, end), _window(asked, start, end)


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low


def _window(text: str, start: int, end: int) -> str:
    """A text from a little before where it differs to a little behind."""
    first = max(0, start - _CONTEXT)
    last = min(len(text), max(start, len(text) - end) + _CONTEXT, first + _SHOWN)
    return ("…" if first else "") + _text(text[first:last]) + ("…" if last < len(text) else "")


def _short(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"


def _text(value: Any) -> str:
    """As JSON."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    try:
        text = json.dumps(value, ensure_ascii=False, default=_number)
    except (RecursionError, ValueError):
        return f"{type(value).__name__} that is nested too deeply to be shown"
    return text.encode("utf-8", "replace").decode()


def _number(value: object) -> float | str:
    return float(value) if isinstance(value, Decimal) else repr(value)
