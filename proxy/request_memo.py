"""Reads the few fields that listings show out of big request bodies, without parsing again what was parsed before. Pure.

An agent sends its whole history with every turn: each body is the one before with items inserted at the end of one list. If all that stands around that
place is equal byte for byte, and what was inserted is members of a list, then the fields are equal too.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from .reader import request_fields

LEAST = 16 << 10
_MOST = 4 << 20
_KEPT = 8
_GROWN = 64 << 10  # inserted bytes above which a body is remembered anew, since they are parsed each time
_LOOKS = 400


class RequestMemo:
    """Remembers the last bodies; a bounded memory."""

    def __init__(self) -> None:
        self._known: list[tuple[bytes, bytes, dict[str, Any]]] = []  # what stands before and behind the place, and the fields; the newest last

    def fields(self, body: bytes, content_type: bytes) -> dict[str, Any]:
        """As `request_fields`."""
        if not LEAST <= len(body) <= _MOST or content_type[:10].lower() == b"multipart/":
            return request_fields(body, content_type)
        for before, behind, fields in reversed(self._known):
            if body.startswith(before) and body.endswith(behind) and len(body) >= len(before) + len(behind):
                inserted = body[len(before) : len(body) - len(behind)]
                if not inserted or _are_members(inserted):
                    if len(inserted) > _GROWN:
                        self._remember(body, len(body) - len(behind), fields)
                    return dict(fields)
        fields = request_fields(body, content_type)
        place = _end_of_longest_list(body)
        if place > 0:
            self._remember(body, place, fields)
        return fields

    def _remember(self, body: bytes, place: int, fields: dict[str, Any]) -> None:
        self._known.append((body[:place], body[place:], fields))
        del self._known[:-_KEPT]


def _are_members(inserted: bytes) -> bool:
    """Whether the text is what may stand behind the last member of a list."""
    try:
        return inserted.lstrip()[:1] == b"," and isinstance(from_json(b"[0" + inserted + b"]"), list)
    except ValueError:
        return False


def _end_of_longest_list(body: bytes) -> int:
    """Where the bracket stands that ends the member of the object that is a list and takes more than half of it; 0 if it is not found.

    A bracket ends a list of the outer object if what follows it goes on as an object that has just had a list. Nothing else can be read so.
    """
    place, found = len(body), 0
    for _ in range(_LOOKS):
        place = body.rfind(b"]", len(body) // 2, place)
        if place < 0:
            break
        try:
            from_json(b'{"":[' + body[place:])
        except ValueError:
            continue
        found = place
    return found
