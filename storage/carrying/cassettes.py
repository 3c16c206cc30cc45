"""What passes between the store and the form in which a session travels as a file. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..connecting.connected import RecordedConnection
from ..records import PARSER, Asks, Recorded


class Equivalence(NamedTuple):
    """A request that stands for a recorded one. `place`: of that among the exchanges. `digest`, `asks`: of its fingerprint without rules."""

    place: int
    digest: bytes
    asks: Asks


class Anew(NamedTuple):
    """An exchange that is to be recorded anew, or was. `place`: of that among the exchanges; `after`: so many of them stood there when it was asked for."""

    place: int
    after: int


@dataclass(slots=True)
class Cassette:
    """A session, or some takes of it, with nothing in it that only one store could understand.

    `connections` in their order, numbered 1, 2, ...; `exchanges` by take and place. Of both `writer` and `session` are empty and `run` is the number of the
    take, as text. `number` of an exchange: `turn_number(connection, turn)` of a turn; that of its connection if it is all of it; else `PLAIN` and more.
    `rules`: match rules, each as its one-line text. `parser`: which version of parsing found the facts; 0: the store's is to find them again. No file says it.
    """

    session: str
    connections: list[RecordedConnection] = field(default_factory=list)
    exchanges: list[Recorded] = field(default_factory=list)
    rules: Sequence[str] = ()
    equivalences: Sequence[Equivalence] = ()
    anew: Sequence[Anew] = ()
    parser: int = PARSER


PLAIN = 1 << 30
"""The least number, in a cassette, of an exchange that belongs to no connection."""
