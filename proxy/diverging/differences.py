"""What differs between a recorded request and one that found no twin, by JSON path: pure, bounded, deterministic.

`$.input[3].content[0].text` is a place in the body, as JSONPath writes it; `query.NAME`, `headers.NAME`, `method`, `path` and `body` are the others.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import islice
from typing import Any, AnyStr, NamedTuple

MOST = 200
"""Differences told of one request; more of them tell nothing more."""

_SHOWN = 160  # characters of a value
_CONTEXT = 24  # of them before what differs
_DEEP = 100
_ALIGNED = 250_000  # pairs of items that are compared to find which belong together
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}\Z")  # a longer one would stand in full before each place in it


class Absent:
    """What stands where nothing stands: null is a value."""


ABSENT = Absent()


class Place(NamedTuple):
    """One place where they differ. `recorded`, `asked`: the values there. `stood`: where in the recording what is asked here stood; None: nowhere."""

    path: str
    recorded: Any
    asked: Any
    stood: str | None = None


class Difference(NamedTuple):
    """One place, as it is told. `recorded`, `asked`: what stands there, as JSON, shortened to where they differ; None: nothing does. `stood`: as in Place."""

    path: str
    recorded: str | None
    asked: str | None
    stood: str | None = None

    def __str__(self) -> str:
        if self.stood is not None:
            return f"{self.path} was recorded at {self.stood}: {self.asked}"
        if self.recorded is None:
            return f"{self.path} is new: {self.asked}"
        if self.asked is None:
            return f"{self.path} is missing, recorded: {self.recorded}"
        return f"{self.path}: recorded {self.recorded}, asked {self.asked}"


class Undecoded(NamedTuple):
    """What is known of a body whose content-encoding could not be undone. `size`, `xxh3`: of it as it came; no hash: that is not known."""

    size: int
    xxh3: str

    def __str__(self) -> str:
        return f"{self.size:,} bytes that cannot be decoded{f', xxh3 {self.xxh3}' if self.xxh3 else ''}"


class Compared(NamedTuple):
    """One side. `path`, `query`: of the target, as they are matched; `headers`: those that count.

    `body`: parsed, or bytes, or `Undecoded`, or None if it is too big.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any


def differences(recorded: Compared, asked: Compared, most: int = MOST) -> list[Difference]:
    """The first differences as they are told."""
    return [told(place) for place in places(recorded, asked, most)]


def places(recorded: Compared, asked: Compared, most: int = MOST) -> list[Place]:
    """The first places that differ, in the order of the request: head, then body. None only if both are equal."""
    return list(islice(_all(recorded, asked), most))


def told(place: Place) -> Difference:
    """Long values are shortened to where they differ."""
    was, is_ = place.recorded, place.asked
    if place.path == "body":
        return Difference("body", *_raw(was, is_))
    if place.path.startswith("headers."):
        return Difference(place.path, None if was is ABSENT else was, None if is_ is ABSENT else is_)
    if was is ABSENT or is_ is ABSENT:
        return Difference(place.path, None if was is ABSENT else _short(was), None if is_ is ABSENT else _short(is_), place.stood)
    return Difference(place.path, *_folded(was, is_))


def _all(recorded: Compared, asked: Compared) -> Iterator[Place]:
    for name in ("method", "path"):
        was, is_ = getattr(recorded, name), getattr(asked, name)
        if was != is_:
            yield Place(name, was, is_)
    yield from _query(recorded.query, asked.query)
    for name in sorted(recorded.headers.keys() | asked.headers.keys()):
        was, is_ = recorded.headers.get(name, ABSENT), asked.headers.get(name, ABSENT)
        if was != is_:
            yield Place(f"headers.{name}", was, is_)
    yield from _bodies(recorded.body, asked.body)


def _query(recorded: str, asked: str) -> Iterator[Place]:
    """Parameters as a multiset: those that stand on both sides do not count, wherever they stand."""
    was, is_ = (Counter(filter(None, text.split("&"))) for text in (recorded, asked))
    gone, new = (sorted((one - other).elements()) for one, other in ((was, is_), (is_, was)))
    for pair in gone:
        name, _, value = pair.partition("=")
        twin = next((other for other in new if other.partition("=")[0] == name), None)
        if twin is None:
            yield Place(f"query.{name}", value, ABSENT)
        else:
            new.remove(twin)
            yield Place(f"query.{name}", value, twin.partition("=")[2])
    for pair in new:
        name, _, value = pair.partition("=")
        yield Place(f"query.{name}", ABSENT, value)


def _bodies(recorded: Any, asked: Any) -> Iterator[Place]:
    if any(isinstance(body, bytes | Undecoded | None) for body in (recorded, asked)):
        if recorded is asked is None or recorded != asked:  # of two that are too big nobody knows
            yield Place("body", recorded, asked)
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
        at = common_start(recorded.decode("latin-1"), asked.decode("latin-1"))
        return _bytes_from(recorded, at), _bytes_from(asked, at)


def _of_another_kind(body: Any) -> str:
    if isinstance(body, bytes):
        return f"{len(body):,} bytes that are no JSON" if body else "nothing"
    if isinstance(body, Undecoded):
        return str(body)
    return "too big to be compared" if body is None else _short(body)


def _bytes_from(body: bytes, at: int) -> str:
    return f"{len(body):,} bytes, from byte {at:,} on {body[at : at + 16].hex(' ') or 'none'}"


def _walk(path: str, recorded: Any, asked: Any, *, strict: bool, depth: int = 0) -> Iterator[Place]:
    if not strict and _equal(recorded, asked):
        return
    if depth < _DEEP and isinstance(recorded, dict) and isinstance(asked, dict):
        for name in [*recorded, *(name for name in asked if name not in recorded)]:
            place = f"{path}.{name}" if _PLAIN_NAME.match(name) else f"{path}[{_short(name)}]"
            if name not in asked:
                yield Place(place, recorded[name], ABSENT)
            elif name not in recorded:
                yield Place(place, ABSENT, asked[name])
            else:
                yield from _walk(place, recorded[name], asked[name], strict=strict, depth=depth + 1)
    elif depth < _DEEP and isinstance(recorded, list) and isinstance(asked, list):
        for was, is_, moved in _aligned(recorded, asked):
            if moved:
                yield Place(f"{path}[{is_}]", ABSENT, asked[is_ or 0], f"{path}[{was}]")
            elif is_ is None:
                yield Place(f"{path}[{was}]", recorded[was or 0], ABSENT)
            elif was is None:
                yield Place(f"{path}[{is_}]", ABSENT, asked[is_])
            else:
                yield from _walk(f"{path}[{is_}]", recorded[was], asked[is_], strict=strict, depth=depth + 1)
    elif isinstance(recorded, bool) != isinstance(asked, bool) or not _equal(recorded, asked):
        yield Place(path, recorded, asked)


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except RecursionError:  # nobody means what is nested so deeply
        return False


_Pair = tuple[int | None, int | None, bool]
"""Places of two items that belong together, of the recording and of what is asked; None: it has no counterpart. True: they are equal, and elsewhere."""


def _aligned(recorded: Sequence[Any], asked: Sequence[Any]) -> Iterator[_Pair]:
    """Which items belong together. Equal ones at both ends are paired first."""
    start, least = 0, min(len(recorded), len(asked))
    while start < least and _equal(recorded[start], asked[start]):
        start += 1
    end = 0
    while end < least - start and _equal(recorded[-1 - end], asked[-1 - end]):
        end += 1
    yield from ((place, place, False) for place in range(start))
    was, is_ = [*map(_text, recorded[start : len(recorded) - end])], [*map(_text, asked[start : len(asked) - end])]
    blocks = [(0, len(was), 0, len(is_))]
    if len(was) * len(is_) <= _ALIGNED:
        blocks = [block[1:] for block in SequenceMatcher(None, was, is_, autojunk=False).get_opcodes()]
    moved = _moved(was, is_, blocks)
    gone = frozenset(moved.values())
    for a, b, c, d in blocks:
        left = [start + place for place in range(a, b) if place not in gone]
        for place in range(c, d):
            if place in moved:
                yield start + moved[place], start + place, True
        yield from _paired(left, [start + place for place in range(c, d) if place not in moved], recorded, asked)
    yield from ((len(recorded) - back, len(asked) - back, False) for back in range(end, 0, -1))


def _moved(was: Sequence[str], is_: Sequence[str], blocks: Sequence[tuple[int, int, int, int]]) -> dict[int, int]:
    """Of the items that have no counterpart at their place, and stood elsewhere: where."""
    differing = [(a, b, c, d) for a, b, c, d in blocks if was[a:b] != is_[c:d]]
    stood: dict[str, deque[int]] = {}
    for a, b, _, _ in differing:
        for place in range(a, b):
            stood.setdefault(was[place], deque()).append(place)
    found: dict[int, int] = {}
    for _, _, c, d in differing:
        for place in range(c, d):
            if is_[place][:1] in "[{" and (left := stood.get(is_[place])):
                found[place] = left.popleft()
    return found


def _paired(left: list[int], is_: Sequence[int], recorded: Sequence[Any], asked: Sequence[Any]) -> Iterator[_Pair]:
    """Items that take each other's place: the next ones of one kind belong together."""
    for place in is_:
        twin = next((index for index in left if _kind(recorded[index]) == _kind(asked[place])), None)
        while twin is not None and left and left[0] < twin:
            yield left.pop(0), None, False
        if twin is not None:
            left.remove(twin)
        yield twin, place, False
    yield from ((index, None, False) for index in left)


def _kind(item: Any) -> tuple[str, ...]:
    if isinstance(item, dict):
        return ("dict", *(str(item.get(name)) for name in ("type", "role", "name")))
    return (type(item).__name__,)


def _folded(recorded: Any, asked: Any) -> tuple[str, str]:
    """Both as JSON, each shortened to where they differ."""
    if not (isinstance(recorded, str) and isinstance(asked, str)) or max(len(recorded), len(asked)) <= _SHOWN:
        return _short(recorded), _short(asked)
    start = common_start(recorded, asked)
    end = min(common_start(recorded[::-1], asked[::-1]), len(recorded) - start, len(asked) - start)
    return _window(recorded, start, end), _window(asked, start, end)


def common_start(one: AnyStr, other: AnyStr) -> int:
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
    return text.encode("utf-8", "backslashreplace").decode()  # half of a pair as JSON spells it


def _number(value: object) -> float | str:
    return float(value) if isinstance(value, Decimal) else repr(value)
