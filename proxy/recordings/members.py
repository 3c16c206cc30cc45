"""Members of JSON objects changed in their text, so that all other bytes stay as they were sent. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # what json's own pure decoder reads keys with
from typing import Any, NamedTuple

_SPACE = " \t\n\r"
_DECODER = json.JSONDecoder()


class Member(NamedTuple):
    """One member at the top of an object. `start`, `value`, `end`: where its name begins, its value begins, and its value ends."""

    name: str
    start: int
    value: int
    end: int


def members(text: str) -> list[Member]:
    """The members of a JSON object, in order. Raises ValueError, RecursionError: it is none."""
    return list(_members(text))


def _members(text: str) -> Iterator[Member]:
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise ValueError("it is no JSON object")
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return
    while True:
        start = at
        if text[at : at + 1] != '"':
            raise ValueError(f"a name is missing at {at}")
        name, at = scanstring(text, at + 1, True)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise ValueError(f"a colon is missing at {at}")
        value = _skip(text, at + 1)
        _, end = _DECODER.raw_decode(text, value)
        yield Member(name, start, value, end)
        at = _skip(text, end)
        if text[at : at + 1] == "}":
            return
        if text[at : at + 1] != ",":
            raise ValueError(f"the object does not end at {at}")
        at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _SPACE:
        at += 1
    return at


def dumped(value: Any) -> bytes:
    """The compact JSON text of a value."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can say
        return json.dumps(value, separators=(",", ":")).encode()


def with_member(text: bytes, name: str, value: Any) -> bytes:
    """The JSON object with that member: in place of the one it has, or as its last. What is no JSON object stays as it is."""
    return _edited(text, name, json.dumps(value))


def without_member(text: bytes, name: str) -> bytes:
    """The JSON object without that member. What is no JSON object stays as it is."""
    return _edited(text, name, None) if b'"' + name.encode() + b'"' in text else text


def _edited(text: bytes, name: str, value: str | None) -> bytes:
    try:
        whole = text.decode()
        found = members(whole)
    except (ValueError, RecursionError):
        return text
    same = [at for at, member in enumerate(found) if member.name == name]
    if value is not None and not same:
        return _appended(whole, found, f"{json.dumps(name)}:{value}").encode()
    for at in reversed(same):
        member = found[at]
        if value is not None:
            whole = whole[: member.value] + value + whole[member.end :]
        else:
            whole = _removed(whole, found, at)
            del found[at]
    return whole.encode()


def _appended(text: str, found: list[Member], member: str) -> str:
    if not found:
        brace = text.index("{") + 1
        return text[:brace] + member + text[brace:]
    end = found[-1].end
    return f"{text[:end]},{member}{text[end:]}"


def _removed(text: str, found: list[Member], at: int) -> str:
    """Without the member, and one comma beside it."""
    if at + 1 < len(found):
        return text[: found[at].start] + text[found[at + 1].start :]
    start = found[at - 1].end if at else found[at].start
    return text[:start] + text[found[at].end :]
