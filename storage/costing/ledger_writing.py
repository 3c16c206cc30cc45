"""Writes costs beside their exchanges, within the transaction of these, and sees that the money of a response is counted once.

What many lines have in common (unit prices, what was known, by which tables) stands once and is referred to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import xxhash
from sqlalchemy import Connection, Table, bindparam, delete, select, update

from ..evidence.chain_writing import ChainWriter
from ..evidence.chained import EntryKind, Subject, without_ends
from ..records import Recorded
from ..rows import clean, insert_new, put_new, run
from ..tables import exchanges
from .cost_tables import cost_history, cost_line_rows, costs, paid_responses, price_bases, price_rates, pricings
from .costs import ELSEWHERE, Basis, Cost, Pricing, RateRow, less_containers, within

Insert = Callable[..., None]
CONTAINER = "container:"
"""What stands before the id of a container among the names of what exchanges pay for."""

_OF_CONTAINER = paid_responses.c.response_id.startswith(CONTAINER)
_TOLD = "SELECT exchange FROM paid_responses WHERE substr(response_id, 1, {}) <> {} LIMIT 1"
_PAYING = ("priced", "partly", "unpriced")
_PARAMETERS = 500  # of one statement
_MOST = 20_000  # shared rows that are remembered


@dataclass(slots=True)
class LedgerMemory:
    """Ids of what costs refer to, which saves asking for them. `told`: some exchange is known to pay for a response that it did not make."""

    shared: dict[Any, int] = field(default_factory=dict)
    told: bool = False


class LedgerWriter:
    """The ledger within one transaction. `now`: its time, for what is written down with one."""

    def __init__(self, connection: Connection, chain: ChainWriter, memory: LedgerMemory, insert: Insert, now: Callable[[], datetime]) -> None:
        self._connection, self._chain, self._memory, self._insert, self._now = connection, chain, memory, insert, now
        self._new: dict[Any, int] = {}
        self._told: bool | None = None
        self._moves: dict[int, int] = {}

    def remember(self) -> None:
        """The transaction is committed: what it learnt holds."""
        if len(self._memory.shared) > _MOST:
            self._memory.shared.clear()
        self._memory.shared.update(self._new)
        self._memory.told = bool(self._told)

    # Money is counted once.

    def settle(self, batch: Sequence[tuple[int, Recorded]]) -> None:
        """Of exchanges about to be stored, by their new ids: decide who pays for a response that several of them, or stored ones, tell of.

        Who made it pays; where that one's usage is not known, the first that tells it. Changes `cost` of those that do not pay.
        """
        paid = [(id_, r) for id_, r in batch if r.cost is not None]
        if paid and (any(r.cost and r.cost.told for _, r in paid) or self._pays_for_others()):
            self._settle_responses([(id_, r) for id_, r in paid if r.facts.response_id is not None])
        holding = [(id_, r) for id_, r in paid if r.facts.billing and r.facts.billing.get("containers")]
        for (_, r), cost in zip(holding, self.once([(id_, r.facts.billing, r.cost) for id_, r in holding if r.cost]), strict=True):
            r.cost = cost

    def _settle_responses(self, named: Sequence[tuple[int, Recorded]]) -> None:
        told = {r.facts.response_id for _, r in named if r.cost and r.cost.told}
        wanted = {r.facts.response_id for _, r in named} if self._pays_for_others() else told
        payers = self._payers(sorted(filter(None, wanted)))
        for id_, r in named:
            assert r.cost is not None
            response = r.facts.response_id or ""
            own = _Payer(id_, r.cost.used, r.cost.told, r, (r.facts.billing or {}).get("window"))
            r.cost, payers[response] = self._decide(response, r.cost, payers.get(response), own)
        for _, r in named if self._moves else ():  # what is about to be stored, and was counted where the money is no more
            while r.cost is not None and (exchange := self._moves.get(r.cost.counted_in or 0)) is not None:
                r.cost = elsewhere(r.cost, exchange)

    def settled(self, id_: int, response: str | None, cost: Cost) -> Cost:
        """The same for one that is stored already and is priced for the first time."""
        if response is None or not (cost.told or self._pays_for_others()):
            return cost
        payer = self._payers([response]).get(response)
        return self._decide(response, cost, payer, _Payer(id_, cost.used, cost.told, None))[0]

    def once(self, holding: Sequence[tuple[int, dict[str, Any] | None, Cost]], *, pay: bool = True) -> list[Cost]:
        """Costs, each container in the one that used it first. `holding`: exchanges, what their billing says, and what they cost; `pay`: write it down."""
        keys = {key for _, billing, _ in holding for key in _containers(billing)}
        wanted, paying = paid_responses.c, dict[str, int]()
        for start in range(0, len(keys), _PARAMETERS):
            part = sorted(keys)[start : start + _PARAMETERS]
            rows = self._connection.execute(select(wanted.response_id, wanted.exchange).where(wanted.response_id.in_(part)))
            paying |= {row.response_id: row.exchange for row in rows}
        found = []
        for id_, billing, cost in holding:
            own = _containers(billing) if cost.state in _PAYING else []
            counted = {key: paying[key] for key in own if paying.get(key, id_) != id_}
            new = [key for key in own if key not in paying]
            if new and pay:
                self._chain.changed(Subject.EXCHANGE, [id_])
                self._connection.execute(insert_new(self._connection, paid_responses), [{"response_id": key, "exchange": id_} for key in new])
            paying |= dict.fromkeys(new, id_)
            found.append(less_containers(cost, len(own), counted))
        return found

    def _decide(self, response: str, cost: Cost, payer: _Payer | None, own: _Payer) -> tuple[Cost, _Payer]:
        """The cost of one more exchange of a response, and who pays for it now. `payer`: who did so far."""
        if cost.told and cost.used and (payer is None or not payer.used):
            if not self._pay(response, own.exchange) and (first := self._payers([response]).get(response)) is not None and first.used:
                return elsewhere(cost, first.exchange), first  # another host's recorder was faster
            if payer is not None:
                self._moved(payer, own.exchange)
                cost = within(cost, payer.window)
            return cost, own
        if payer is not None and (cost.told or (payer.told and not cost.used)):
            return elsewhere(cost, payer.exchange), payer
        if payer is not None and payer.told:  # who made it comes later than who told it, and pays
            self._moved(payer, own.exchange)
            self._connection.execute(delete(paid_responses).where(paid_responses.c.response_id == response))
        return cost, own

    def _pays_for_others(self) -> bool:
        """Asked once in a transaction until it is so: `reprice` and the recorders of other hosts make it so, too."""
        if self._told is None:
            self._told = self._memory.told or bool(run(self._connection, _TOLD, (len(CONTAINER), CONTAINER)))
        return self._told

    def _pay(self, response: str, exchange: int) -> bool:
        """Whether it is the first that pays for that response."""
        self._told = True
        self._chain.changed(Subject.EXCHANGE, [exchange])
        done = self._connection.execute(insert_new(self._connection, paid_responses), {"response_id": clean(response), "exchange": exchange})
        return done.rowcount > 0

    def _payers(self, responses: Sequence[str]) -> dict[str, _Payer]:
        """The stored exchanges that pay for these responses, or would if their usage were known: the newest of each."""
        found: dict[str, _Payer] = {}
        for start in range(0, len(responses), _PARAMETERS):
            for row in self._connection.execute(_PAYERS, {"responses": responses[start : start + _PARAMETERS]}):
                used = row.input_tokens is not None or row.output_tokens is not None
                found[row.response_id] = _Payer(row.exchange, used, bool(row.told), None, (row.billing or {}).get("window"))
        return found

    def _moved(self, payer: _Payer, exchange: int) -> None:
        """The money of one that paid so far, or was to, is counted in another exchange, and with it what was counted there."""
        self._moves[payer.exchange] = exchange
        if payer.recorded is not None:
            assert payer.recorded.cost is not None
            payer.recorded.cost = elsewhere(payer.recorded.cost, exchange)
            return
        counted = self._connection.execute(select(costs.c.exchange).where(costs.c.counted_in == payer.exchange)).scalars().all()
        moving = [payer.exchange, *counted]
        self._chain.changing(Subject.EXCHANGE, moving, EntryKind.REPRICED)
        self._connection.execute(delete(paid_responses).where(paid_responses.c.exchange == payer.exchange, _OF_CONTAINER))
        note = {"cost": None, "cost_note": ELSEWHERE.format(exchange)}
        for id_ in moving:
            before = keep_history(self._connection, id_, self._now())
            changed = {"version": before + 1, "state": "elsewhere", "amount": None, "counted_in": exchange, **_NO_AMOUNTS}
            self._connection.execute(update(costs).where(costs.c.exchange == id_).values(changed))
            self._connection.execute(update(exchanges).where(exchanges.c.id == id_).values(note))

    # Rows.

    def put(self, priced: Iterable[tuple[int, int, Cost]]) -> dict[int, tuple[list[Any], list[Any]]]:
        """Costs by exchange and version. Rows must not stand yet. Gives of each exchange what its row and its lines are."""
        rows: list[Any] = []
        lines: list[Any] = []
        put = {}
        known = self._memory.shared.get
        for id_, version, cost in priced:
            basis = known(cost.basis) or self._shared(cost.basis)
            pricing, start = known(cost.pricing) or self._shared(cost.pricing), len(lines)
            row = (id_, version, pricing, basis, cost.state, cost.amount, cost.told or None, cost.counted_in, *cost.counts, *cost.amounts)
            rows += row
            for place, (rate, quantity, amount) in enumerate(cost.lines):
                lines += (id_, version, place, known(rate) or self._shared(rate), quantity, amount)
            put[id_] = without_ends(row), lines[start:]
        if rows:
            self._insert(costs, rows)
            self._insert(cost_line_rows, lines)
        return put

    def _shared(self, row: RateRow | Basis | Pricing) -> int:
        """The id of what is referred to, and was not known before this transaction."""
        found = self._new.get(row)
        if found is None:
            table, values = _TABLES[type(row)], self._values(row)
            values = {name: clean(value) if isinstance(value, str) else value for name, value in values.items()}
            values["digest"] = xxhash.xxh3_128_digest(json.dumps(row).encode())
            wanted = select(table.c.id).where(table.c.digest == values["digest"])
            found = self._connection.execute(wanted).scalar()
            if found is None:
                found = put_new(self._connection, table, values)
                if found is not None:
                    self._chain.share(table, found)
                else:
                    found = int(self._connection.execute(wanted).scalar_one())
            self._new[row] = found
        return found

    def _values(self, row: RateRow | Basis | Pricing) -> dict[str, Any]:
        values: dict[str, Any] = row._asdict()
        for name in ("dimensions",) if not isinstance(row, Pricing) else ("tables",):
            values[name] = None if values[name] is None else json.loads(values[name])
        if isinstance(row, Pricing):
            values |= {"at": self._now(), "as_of": None if row.as_of is None else datetime.fromisoformat(row.as_of)}
        return values


@dataclass(slots=True)
class _Payer:
    """Who pays for a response. `used`: its usage is known; `told`: it only tells of it; `recorded`: it is stored in this very transaction; `window`: the
    completion window that it asks for."""

    exchange: int
    used: bool
    told: bool
    recorded: Recorded | None
    window: str | None = None


def _containers(billing: dict[str, Any] | None) -> list[str]:
    """What stands for the containers of an exchange among what it pays for."""
    return [CONTAINER + str(clean(name)) for name in (billing or {}).get("containers", ())]


def elsewhere(cost: Cost, exchange: int) -> Cost:
    """The cost of an exchange whose money is counted in another."""
    none = (None,) * len(cost.amounts)
    return replace(cost, state="elsewhere", amount=None, note=ELSEWHERE.format(exchange), lines=(), amounts=none, counted_in=exchange)


def keep_history(connection: Connection, exchange: int, now: datetime) -> int:
    """Copy what is in force to the history; its version, 0 if there is nothing. It is about to be replaced."""
    row = connection.execute(_IN_FORCE, {"exchange": exchange}).first()
    if row is None:
        return 0
    connection.execute(cost_history.insert(), {**row._mapping, "until": now})
    return int(row.version)


def forget(connection: Connection, exchange: int) -> None:
    """Make room for another cost of an exchange; its lines stay, as the history refers to them."""
    connection.execute(delete(costs).where(costs.c.exchange == exchange))


def note_values(cost: Cost) -> dict[str, Any]:
    """What the row of the exchange says of it."""
    return {"cost": cost.listed, "cost_note": clean(cost.note)}


_TABLES: Mapping[type, Table] = {RateRow: price_rates, Basis: price_bases, Pricing: pricings}
_NO_AMOUNTS: Mapping[str, None] = {column.name: None for column in costs.columns if column.name.endswith("_amount")}
_IN_FORCE = select(*costs.columns, exchanges.c.cost_note.label("note")).outerjoin_from(costs, exchanges, exchanges.c.id == costs.c.exchange)
_IN_FORCE = _IN_FORCE.where(costs.c.exchange == bindparam("exchange"))
_PAYERS = (
    select(exchanges.c.response_id, costs.c.exchange, costs.c.told, costs.c.input_tokens, costs.c.output_tokens, exchanges.c.billing)
    .join_from(exchanges, costs, costs.c.exchange == exchanges.c.id)
    .where(exchanges.c.response_id.in_(bindparam("responses", expanding=True)), costs.c.state.in_(("priced", "partly", "unpriced", "pending")))
    .order_by(costs.c.exchange)
)
