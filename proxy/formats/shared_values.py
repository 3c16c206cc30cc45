"""Values that stand in a cassette once, however often they are said: the history that each request repeats, tools, instructions. Pure.

A value that occurs more than once is written on a line of its own, under a name that follows from its content, and `{"@": NAME}` stands in its places. A list
of items (`input`, `messages`) is named as well; a longer one says which one it goes on from. An object of the wire that has the look of such a reference
is written as `{"@=": [KEY, VALUE]}`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from xxhash import xxh3_128_digest

from .json_text import compact

SHARED = "@"
QUOTED = "@="
LISTS = ("input", "messages")
"""The members of a request whose items are lines of their own."""

WORTH = 128  # characters; a shorter value is said again
_NAME = 16
_MOST = 1 << 28  # members, items and characters of all that a line refers to

Line = dict[str, Any]


class Census:
    """Counts what occurs more than once. All bodies are shown to it before the first is written, in their order."""

    def __init__(self) -> None:
        self.counts: Counter[bytes] = Counter()
        self.lists: dict[bytes, int] = {b"": 0}  # how many items the list has that is told by the digest

    def see(self, value: Any) -> None:
        """A value, and all that it holds."""
        if isinstance(value, str):
            if len(value) >= WORTH:
                self.counts[_digest(value)] += 1
            return
        if not isinstance(value, dict | list) or not value:
            return
        text = compact(value)
        if len(text) < WORTH:
            return
        digest = xxh3_128_digest(text.encode())
        self.counts[digest] += 1
        if self.counts[digest] == 1:
            for child in value.values() if isinstance(value, dict) else value:
                self.see(child)

    def see_request(self, value: Any) -> None:
        """The body of a request, whose items may go on from those of another one."""
        if not isinstance(value, dict):
            self.see(value)
            return
        for key, child in value.items():
            if key in LISTS and isinstance(child, list) and child:
                self._see_list(child)
            else:
                self.see(child)

    def _see_list(self, items: list[Any]) -> None:
        digests = list_digests(items)
        known = known_part(digests, self.lists)
        for item in items[known:]:
            self.see(item)
        self.lists[digests[-1]] = len(items)


class Sharing:
    """Writes values, after a census. `lines`: what is to stand before what is written next; whoever takes it away empties it."""

    def __init__(self, census: Census) -> None:
        self._counts = census.counts
        self._lists: dict[bytes, int] = {b"": 0}
        self._names: dict[bytes, str] = {}
        self._taken: set[str] = set()
        self.lines: list[Line] = []

    def value(self, value: Any) -> Any:
        """What stands for a value."""
        if isinstance(value, str):
            return value if len(value) < WORTH else self._shared(value, _digest(value))
        if not isinstance(value, dict | list) or not value:
            return value
        text = compact(value)
        if len(text) >= WORTH:
            return self._shared(value, xxh3_128_digest(text.encode()))
        return value if f'"{SHARED}' not in text else self._inside(value)

    def _shared(self, value: Any, digest: bytes) -> Any:
        if digest in self._names:
            return {SHARED: self._names[digest]}
        written = self._inside(value)
        if self._counts[digest] < 2:
            return written
        name = self._names[digest] = self._name(digest)
        self.lines.append({"value": name, "is": written})
        return {SHARED: name}

    def _inside(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.value(child) for child in value]
        if not isinstance(value, dict):
            return value
        written = {key: self.value(child) for key, child in value.items()}
        if len(written) == 1 and (key := next(iter(written))).startswith(SHARED):
            return {QUOTED: [key, written[key]]}
        return written

    def request(self, value: Any) -> Any:
        """What stands for the body of a request."""
        if not isinstance(value, dict):
            return self.value(value)
        written = {}
        for key, child in value.items():
            written[key] = self._list(child) if key in LISTS and isinstance(child, list) and child else self.value(child)
        if len(written) == 1 and (key := next(iter(written))).startswith(SHARED):
            return {QUOTED: [key, written[key]]}
        return written

    def _list(self, items: list[Any]) -> Any:
        digests = list_digests(items)
        if digests[-1] not in self._lists:
            known = known_part(digests, self._lists)
            new = [{"item": self.value(item)} for item in items[known:]]
            self._lists[digests[-1]] = len(items)
            self._names[digests[-1]] = name = self._name(digests[-1])
            more = {"more": self._names[digests[known - 1]]} if known else {}
            self.lines += [{"list": name, **more}, *new]
        return {SHARED: self._names[digests[-1]]}

    def _name(self, digest: bytes) -> str:
        """The beginning of the digest; all of it if another has that beginning."""
        name = digest.hex()[:_NAME]
        if name in self._taken:
            name = digest.hex()
        self._taken.add(name)
        return name


def quoted(value: Any) -> Any:
    """A value in which nothing is taken for a reference, and nothing is shared."""
    if isinstance(value, list):
        return [quoted(child) for child in value]
    if not isinstance(value, dict):
        return value
    written = {key: quoted(child) for key, child in value.items()}
    if len(written) == 1 and (key := next(iter(written))).startswith(SHARED):
        return {QUOTED: [key, written[key]]}
    return written


def list_digests(items: Sequence[Any]) -> list[bytes]:
    """Of each beginning of a list, the shortest first."""
    digests: list[bytes] = []
    last = b"list"
    for item in items:
        last = xxh3_128_digest(last + _digest(item))
        digests.append(last)
    return digests


def known_part(digests: Sequence[bytes], lists: dict[bytes, int]) -> int:
    """How many items the longest list has that is known and that it goes on from."""
    return next((place for place in range(len(digests), 0, -1) if digests[place - 1] in lists), 0)


def _digest(value: Any) -> bytes:
    return xxh3_128_digest(compact(value).encode())


class Pool:
    """The values that a cassette names, as they are read."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._sizes: dict[int, int] = {}  # of what is named, by its identity: all that it refers to included
        self._begun: dict[int, tuple[int, int]] = {}  # of lists that go on from others: the size and the length of those
        self._left = _MOST

    def begin_line(self) -> None:
        """What stands for values comes in lines."""
        self._left = _MOST

    def restore(self, found: dict[str, Any]) -> Any:
        """What an object of the file stands for: given to the parser of JSON. Raises ValueError."""
        if len(found) != 1:
            return found
        key, value = next(iter(found.items()))
        if not key.startswith(SHARED):
            return found
        if key == SHARED:
            if not isinstance(value, str) or value not in self._values:
                raise ValueError(f"it refers to {value!r}, which stands nowhere before it" if isinstance(value, str) else "it refers to no name")
            found_value = self._values[value]
            self._left -= self._size(found_value)
            if self._left < 0:  # a few lines may refer to one another until they stand for more than there is
                raise ValueError("what it refers to is more than a body holds")
            return found_value
        if key == QUOTED and isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
            return {value[0]: value[1]}
        raise ValueError(f"{key!r} is nothing that this version of playhead knows")

    def add(self, name: Any, value: Any) -> None:
        """A named value. Raises ValueError."""
        if not isinstance(name, str):
            raise ValueError("a name must be a string")
        if name in self._values:
            raise ValueError(f"the name {name!r} is given twice")
        self._values[name] = value

    def begin_list(self, name: Any, more: Any) -> list[Any]:
        """A named list, to be added to. Raises ValueError."""
        known = [] if more is None else self._values.get(more) if isinstance(more, str) else None
        if not isinstance(known, list):
            raise ValueError(f"it goes on from {more!r}, which is no list that stands before it")
        items = [*known]
        if known:
            self._begun[id(items)] = self._size(known), len(known)
        self.add(name, items)
        return items

    def _size(self, value: Any) -> int:
        """Members, items and characters of something that is named."""
        known = self._sizes.get(id(value))
        if known is not None:
            return known
        size, start = self._begun.get(id(value), (0, 0))
        waiting = value[start:] if isinstance(value, list) else [*value.values()] if isinstance(value, dict) else [value]
        while waiting:
            one = waiting.pop()
            known = self._sizes.get(id(one)) if isinstance(one, list | dict) else None
            size += known if known is not None else 1 + (len(one) if isinstance(one, str) else 0)
            if known is None and isinstance(one, list | dict):
                waiting += one.values() if isinstance(one, dict) else one
        self._sizes[id(value)] = size
        return size


def lines_of(sharing: Sharing) -> Iterator[Line]:
    """What is to stand before what was written last."""
    yield from sharing.lines
    sharing.lines.clear()
