"""Exchanges that told no usage, and others of their models that did: what estimates are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select

from ..tables import exchanges
from .cost_tables import costs
from .spending import Spending
from .sums import Key

_AT_ONCE = 500
_E, _C = exchanges.c, costs.c


class UntoldExchange(NamedTuple):
    """An exchange that has no price since its usage is not known. `key`: its group. `goes_on`: the response that it goes on from."""

    id: int
    key: Key
    kind: str
    model: str | None
    goes_on: str | None
    conversation: str | None


class ToldExchange(NamedTuple):
    """One whose usage is known: tokens and money, in 10^-12 USD, of input of any class and of output."""

    id: int
    input_tokens: int
    output_tokens: int
    input_amount: int
    output_amount: int


class Untold(Spending):
    """Reads them. Raises ConfigError: no such grouping; StoreError: no such session."""

    def count(self, kinds: Sequence[str]) -> int:
        """How many there are of these kinds."""
        with self._database.reading() as connection:
            statement = select(func.count()).join_from(costs, exchanges, _E.id == _C.exchange).where(*self._lacking(kinds))
            return int(connection.execute(statement).scalar_one())

    def exchanges(self, kinds: Sequence[str]) -> Iterator[UntoldExchange]:
        """Those of these kinds, by id."""
        after = 0
        columns = (_E.id, _E.kind, _E.model, _E.previous_response_id, _E.conversation, *self._keys)
        statement = select(*columns).join_from(costs, exchanges, _E.id == _C.exchange).where(*self._lacking(kinds)).order_by(_E.id).limit(_AT_ONCE)
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(statement.where(_E.id > after)).all()
            for id_, kind, model, parent, conversation, *key in rows:
                yield UntoldExchange(id_, tuple(key), kind, model, parent, conversation)
            if len(rows) < _AT_ONCE:
                return
            after = rows[-1][0]

    def _lacking(self, kinds: Sequence[str]) -> list[ColumnElement[bool]]:
        untold = (_C.state == "unpriced", _C.input_tokens.is_(None), _C.output_tokens.is_(None))
        return [*self._conditions(), *untold, _E.kind.in_(kinds)]

    def told(self, kind: str, model: str, most: int) -> list[ToldExchange]:
        """The newest in the store of that kind and model that were asked for with all of their input, and have a price."""
        tokens = (_C.input_tokens, _C.cached_tokens, _C.written_tokens)
        amounts = (_C.input_amount, _C.cached_amount, _C.written_amount)
        given, paid = (sum((func.coalesce(one, 0) for one in several[1:]), func.coalesce(several[0], 0)) for several in (tokens, amounts))
        columns = (_E.id, given, func.coalesce(_C.output_tokens, 0), paid, func.coalesce(_C.output_amount, 0))
        whole = (_E.outcome == "complete", _E.previous_response_id.is_(None), _E.conversation.is_(None), _E.steer.is_(None))
        wanted = select(*columns).join_from(costs, exchanges, _E.id == _C.exchange).where(_E.kind == kind, _E.model == model, _C.state == "priced", *whole)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.where(_C.output_tokens > 0, given > 0).order_by(_E.id.desc()).limit(most)).all()
        return [ToldExchange(*map(int, row)) for row in rows]

    def tokens_of(self, response_id: str) -> int | None:
        """Tokens of a response and of its input, without reasoning, which does not come along; None: they are not known."""
        tokens = (_C.input_tokens, _C.cached_tokens, _C.written_tokens, _C.output_tokens)
        whole = sum((func.coalesce(one, 0) for one in tokens[1:]), func.coalesce(tokens[0], 0)) - func.coalesce(_C.reasoning_tokens, 0)
        wanted = select(whole).join_from(costs, exchanges, _E.id == _C.exchange).where(_E.response_id == response_id, _C.output_tokens.is_not(None))
        with self._database.reading() as connection:
            found = connection.execute(wanted.order_by(_E.id).limit(1)).scalar()
        return None if found is None else int(found)
