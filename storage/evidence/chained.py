"""What makes changes of the store by others than playhead evident: chains of entries, each with a salted digest of a row as it was left. Pure.

A subject is what an entry is about: an exchange, a connection or a session, each with the rows that belong to it, or the rows that many of these share.
Its last entry holds the digest of what it is now, and the salt that the digest was made with. When it changes, the next entry holds another one, and the
former salt is thrown away: what stood there before cannot be guessed from what is left. Every entry goes into the head of its chain.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from hashlib import sha256
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

SALT = 16
"""Bytes of a salt, and of a digest."""

_NUMBER_BITS = 20
_SUBJECT_BITS = 2
_ENTRY = struct.Struct("<5q").pack
_TYPED = frozenset((float, bytes))  # of which `typed` makes something else


class Subject(IntEnum):
    """What an entry is about."""

    SHARED = 0
    """Rows of several tables that many exchanges refer to; the entry names them."""
    EXCHANGE = 1
    CONNECTION = 2
    SESSION = 3


class EntryKind(IntEnum):
    """Why an entry was made."""

    BEGUN = 0
    """It goes on: only what identifies it is sure."""
    RECORDED = 1
    ADOPTED = 2
    """It stood there before the store had chains."""
    IMPORTED = 3
    FORKED = 4
    REPARSED = 5
    REPRICED = 6
    REDACTED = 7
    REWRITTEN = 8
    """Encoded anew, since what it was a difference to was deleted; or its fingerprint was made."""
    DECIDED = 9
    """Match rules of a session, requests that were accepted, exchanges to be recorded anew."""
    PRUNED = 10
    DELETED = 11
    DOUBTED = 12
    """Before the change that follows it was not what its last entry said."""


class Entry(NamedTuple):
    """An entry of a chain. `key`: of its subject, see `key_of`; `number`: 0, 1, ... of that subject. `digest`: None: it is gone. `rows`: of SHARED."""

    chain: int
    seq: int
    key: int
    number: int
    kind: int
    at: int
    salt: bytes | None
    digest: bytes | None
    rows: str | None = None


def key_of(subject: Subject, id_: int) -> int:
    """One number for a subject: of exchanges their id, below 0 for all others. So what is entered most often always comes last, and takes little room."""
    return id_ if subject is Subject.EXCHANGE else -(id_ << _SUBJECT_BITS | subject)


def subject_of(key: int) -> tuple[Subject, int]:
    """What `key_of` was given."""
    return (Subject.EXCHANGE, key) if key > 0 else (Subject(-key & (1 << _SUBJECT_BITS) - 1), -key >> _SUBJECT_BITS)


def entry_id(key: int, number: int) -> int:
    """The id that an entry is stored by: the entries of a subject stand together. Raises ValueError."""
    if number >> _NUMBER_BITS:
        raise ValueError("so many entries of one subject cannot be numbered")
    return key << _NUMBER_BITS | number


def ids_between(subject: Subject, after: int, last: int | None) -> tuple[int | None, int | None]:
    """The least and the greatest id of entries about subjects behind `after` up to `last`, others between them; None: no bound."""
    if subject is Subject.EXCHANGE:
        return entry_id(after + 1, 0), None if last is None else entry_id(last + 1, 0) - 1
    least = None if last is None else entry_id(-((last + 1) << _SUBJECT_BITS), 0)
    return least, entry_id(-(after + 1 << _SUBJECT_BITS) + 1, 0) - 1


def split_id(id_: int) -> tuple[int, int]:
    """Key and number of a stored entry."""
    return id_ >> _NUMBER_BITS, id_ & (1 << _NUMBER_BITS) - 1


# Heads.


def first_head(name: str) -> bytes:
    """The head of a chain without entries."""
    return sha256(b"playhead chain 1\0" + name.encode()).digest()


def next_head(head: bytes, entry: Entry) -> bytes:
    """The head with one more entry. Salts do not count: they are thrown away."""
    _, seq, key, number, kind, at, _, digest, rows = entry
    there = b"\0" if digest is None else b"\1" + digest
    whole = head + _ENTRY(seq, key, number, kind, at) + there
    return sha256(whole + rows.encode() if rows else whole).digest()


# Digests.


def digest_of(salt: bytes, parts: Iterable[bytes]) -> bytes:
    """Of the parts of a subject, end to end."""
    if isinstance(parts, tuple):  # all of them are there
        return sha256(b"".join((salt, *parts))).digest()[:SALT]
    made = sha256(salt)
    for part in parts:
        made.update(part)
    return made.digest()[:SALT]


Values = Sequence[Any]
"""The values of one row in the order of its columns; floating numbers as `float`, moments and JSON as the text that they are on SQLite."""


def without_ends(row: Values) -> list[Any]:
    """Without the nulls at its end: columns that come to a table later do not change the digests of what stands in it."""
    values = [*row]
    while values and values[-1] is None:
        values.pop()
    return values


def plain(row: Values) -> list[Any]:
    """A row as it goes into a digest: without the nulls at its end, each value as `typed`."""
    return all_typed(without_ends(row))


def all_typed(values: Iterable[Any]) -> list[Any]:
    """Each of them as `typed`."""
    listed = [*values]
    return listed if _TYPED.isdisjoint(map(type, listed)) else [*map(typed, listed)]


def typed(value: Any) -> Any:
    """A value as it goes into a digest: floating numbers as the shortest text that means them, bytes as what no text can be."""
    if value.__class__ is float:
        return repr(value)
    return {"hex": value.hex()} if value.__class__ is bytes else value


class ExchangeRows(NamedTuple):
    """The rows of an exchange but those of its pieces, each value as `typed`: of items, cost lines and so on all end to end, in the order of their keys.

    `events`: as `rows.event_values` gives them. `body`: without its data.
    """

    row: list[Any]
    body: Values
    data: bytes
    fingerprints: Values
    items: Values
    cost: Values
    lines: Values
    events: tuple[Values, Values]
    history: Values = ()
    paid: Values = ()


def exchange_parts(rows: ExchangeRows) -> tuple[bytes, bytes, bytes]:
    """What its digest is made of, without pieces."""
    row, body, data, fingerprints, items, cost, lines, (literals, values), history, paid = rows
    document = (row, body, len(data), fingerprints, items, cost, lines, history, paid, literals, len(values))
    return as_json(document), numbers(values) if values else b"", data


def piece_parts(row: Values, data: bytes) -> tuple[bytes, bytes]:
    """What a piece adds to the digest of its exchange or connection. `row`: without its data."""
    return as_json((*row, len(data))), data


def numbers(values: Values) -> bytes:
    """As numbers of 64 bits if they all are."""
    try:
        return struct.pack(f"<{len(values)}q", *values)
    except struct.error:
        return as_json(all_typed(values))


def as_json(value: Any) -> bytes:
    """JSON in UTF-8 without spaces."""
    return to_json(value, inf_nan_mode="constants")


# Rows that are shared.


def rows_text(rows: Mapping[str, Iterable[int]]) -> str:
    """The rows of a shared entry: ids by table."""
    return as_json({table: sorted(ids) for table, ids in sorted(rows.items())}).decode()


def rows_of(text: str | None) -> dict[str, list[int]]:
    """What `rows_text` was given. Raises ValueError for what it did not make."""
    found = from_json(text or "")
    if not isinstance(found, dict) or not all(isinstance(ids, list) and all(isinstance(id_, int) for id_ in ids) for ids in found.values()):
        raise ValueError("not the rows of an entry")
    return found
