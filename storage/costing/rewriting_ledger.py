"""Rewrites what the ledger says of a session in words: what was known of its exchanges, why something has no price, what it said of them before, and the names
of what they pay for.

Rows that exchanges of other sessions refer to as well stay for these, and the session gets rows of its own. All others change where they stand, under their
ids: a recorder at work remembers these, and what it writes goes on to refer to rows that are there. Should it meet again what was taken away, it takes the row
that does not tell it any more: what was known of that exchange is shown with the placeholder, its amounts are right all the same. A recorder that is started
anew writes another row. Digests of what has changed are drawn at random: nobody finds such a row by them, or tries out what it said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column, Connection, Row, Table, delete, insert, select, update

from ..evidence.chain_writing import ChainWriter
from ..evidence.chained import Subject
from ..packing.content import Change
from ..rows import insert_new
from ..tables import exchanges
from .cost_tables import cost_history, cost_line_rows, costs, paid_responses, price_bases, price_rates
from .ledger_writing import CONTAINER

_PARAMETERS = 500  # of one statement
_DIGEST = 16  # bytes


class LedgerRewriting:
    """Of a session, and of rows that nothing refers to any more."""

    def __init__(self, connection: Connection, session: str, change: Change, entries: ChainWriter) -> None:
        self._connection = connection
        self._own = exchanges.c.session == session
        self._change = change
        self._entries = entries

    def run(self) -> None:
        """All of it; no amount changes."""
        for table, users in _USERS.items():
            found = self._connection.execute(select(table).order_by(table.c.id).with_for_update()).all()
            rows = {row.id: row for row in found if self._told(row) != row._asdict()}
            own, others = self._used(users, [*rows])
            self._entries.reshare(table, rows.keys() - others)
            for id_ in rows.keys() - others:
                self._connection.execute(update(table).where(table.c.id == id_).values(self._made(rows[id_])))
            for id_ in sorted(own & others):
                self._copy(table, users, rows[id_])
        self._notes()
        self._paid()

    def _told(self, row: Row[Any]) -> dict[str, Any]:
        """What a row is to say: names of dimensions, items and price tables are nobody's secret."""
        told = row._asdict()
        told |= {name: self._change.value(told[name]) for name in ("model", "reason") if name in told}
        if told["dimensions"] is not None:
            told["dimensions"] = [[name, self._change.value(value), *how] for name, value, *how in told["dimensions"]]
        return told

    def _made(self, row: Row[Any]) -> dict[str, Any]:
        return {**self._told(row), "digest": os.urandom(_DIGEST)}

    def _used(self, users: Sequence[Column[int]], ids: Sequence[int]) -> tuple[set[int], set[int]]:
        """Those of shared rows that the session refers to, and those that others refer to."""
        found: tuple[set[int], set[int]] = set(), set()
        for start in range(0, len(ids), _PARAMETERS):
            for user in users:
                wanted = select(user, self._own).join_from(user.table, exchanges, exchanges.c.id == user.table.c.exchange).distinct()
                for id_, own in self._connection.execute(wanted.where(user.in_(ids[start : start + _PARAMETERS]))):
                    found[not own].add(id_)
        return found

    def _copy(self, table: Table, users: Sequence[Column[int]], row: Row[Any]) -> None:
        """A row of its own for the session."""
        values = self._made(row)
        del values["id"]
        new = self._connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one()
        self._entries.share(table, new)
        for user in users:
            key = user.table.c.exchange
            theirs = user == row.id, key.in_(select(exchanges.c.id).where(self._own))
            self._entries.changing(Subject.EXCHANGE, self._connection.execute(select(key).where(*theirs)).scalars())
            self._connection.execute(update(user.table).where(*theirs).values({user.name: new}))

    def _notes(self) -> None:
        h = cost_history.c
        wanted = select(h.exchange, h.version, h.note).join_from(cost_history, exchanges, exchanges.c.id == h.exchange).where(self._own)
        for id_, version, note in self._connection.execute(wanted).all():
            if (told := self._change.value(note)) != note:
                self._entries.changing(Subject.EXCHANGE, [id_])
                self._connection.execute(update(cost_history).where(h.exchange == id_, h.version == version).values(note=told))

    def _paid(self) -> None:
        """By what names it is remembered who pays for a response or a container; of two that are to be called the same, the first stays."""
        p = paid_responses.c
        wanted = select(p.response_id, p.exchange).join_from(paid_responses, exchanges, exchanges.c.id == p.exchange).where(self._own).order_by(p.exchange)
        for name, id_ in self._connection.execute(wanted).all():
            start = CONTAINER if name.startswith(CONTAINER) else ""
            told = start + str(self._change.value(name.removeprefix(start)))
            if told != name:
                self._entries.changing(Subject.EXCHANGE, [id_])
                self._connection.execute(delete(paid_responses).where(p.response_id == name))
                self._connection.execute(insert_new(self._connection, paid_responses), {"response_id": told, "exchange": id_})


_USERS: Mapping[Table, tuple[Column[int], ...]] = MappingProxyType({price_bases: (costs.c.basis, cost_history.c.basis), price_rates: (cost_line_rows.c.rate,)})
"""Tables of shared rows, and the columns that refer to them."""
