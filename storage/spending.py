"""Sums over exchanges and their costs by any groupings: what `playhead audit` is made of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, String, and_, bindparam, case, cast, func, literal, null, or_, select

from playhead.config.errors import ConfigError, StoreError
from playhead.config.secrets import header_kind

from .cost_tables import cost_line_rows, costs, price_bases, price_rates, pricings
from .costs import CLASSES, COUNTS, GOING_ON
from .deletion import PRUNED
from .engine import Database
from .money import put_together, summed
from .queries import require_session
from .records import DEFAULT_RULES
from .sums import Assumed, Found, Key, PricedBy, Reason, Rounding, Sums, Wanted, add_found, add_sums, add_times
from .tables import exchanges, fingerprints

_COLUMNS: Mapping[str, str] = {
    **{"session": "session", "model": "model", "kind": "kind", "transport": "transport", "tier": "service_tier", "key": "key_id"},
    **{"project": "project", "organization": "organization", "user": "user", "upstream": "upstream", "conversation": "conversation"},
    **{"error": "error_code", "status": "status", "outcome": "outcome"},
}
_PRUNED = "its costs are pruned: they were kept as long as keep_costs says"
_DATE = re.compile(r" on \d{4}-\d\d-\d\d\b")  # in a reason: what has no price on one day has none on others
_UNKNOWN = "not in the ledger: recorded before prices were known, or imported; see playhead reprice"
_AT_ONCE = 5_000  # exchanges that are summed up at once
_THREADS = 2
_TIMES: Mapping[str, int] = {"month": 7, "day": 10, "hour": 13}
_LABELS = ("prompt_cache_key", "safety_identifier")
_STARTS = ("metadata.", "header:")
_NAMED = re.compile(r"[^\x00-\x1f\"\\{}]{1,200}")
"""What names a value inside JSON, on both databases."""
GROUPS = (*_COLUMNS, *_TIMES, *_LABELS, "metadata.KEY", "header:NAME")
"""What `--by` takes."""

PAID = ("priced", "partly", "unpriced")
"""States whose tokens and money are counted in the exchange itself."""


def check_groups(by: Sequence[str]) -> None:
    """Raises ConfigError for what nothing can be grouped by."""
    for name in by:
        start = next((start for start in _STARTS if name.startswith(start)), None)
        known = name in _COLUMNS or name in _TIMES or name in _LABELS
        if start == "header:" and header_kind(name.removeprefix(start).lower()) is not None:
            raise ConfigError(f"--by {name!r}: this header holds a secret, which is never stored, so that nothing can be grouped by it")
        if not known and (start is None or not _NAMED.fullmatch(name.removeprefix(start))):
            raise ConfigError(f"--by {name!r}: allowed are {', '.join(GROUPS)}, and several of them with commas between")


class Spending:
    """Reads sums. Raises StoreError at once if there is no such session."""

    def __init__(self, database: Database, wanted: Wanted) -> None:
        check_groups(wanted.by)
        for session in wanted.sessions:
            require_session(database, session)
        self._database, self._wanted = database, wanted
        self._keys = self._keys_of(wanted.by)

    def _key(self, name: str) -> ColumnElement[Any]:
        e = exchanges.c
        if name in _COLUMNS:
            column = e[_COLUMNS[name]]
            return cast(column, String) if name == "status" else column
        if name in _TIMES:
            text = cast(e.started_at, String) if self._database.sqlite else func.to_char(func.timezone("UTC", e.started_at), 'YYYY-MM-DD"T"HH24')
            return func.substr(text, 1, _TIMES[name])
        label: ColumnElement[Any] = e.billing["labels"][name].as_string()
        return label

    def _keys_of(self, names: Sequence[str]) -> list[ColumnElement[Any]]:
        return [self._key(name).label(f"k{place}") for place, name in enumerate(names)]

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        e, wanted = exchanges.c, self._wanted
        yield e.outcome.is_not(None)
        if wanted.sessions:
            yield e.session.in_(wanted.sessions)
        if wanted.since is not None:
            yield e.started_at >= wanted.since
        if wanted.until is not None:
            yield e.started_at < wanted.until

    def span(self) -> tuple[datetime, datetime] | None:
        """When the first and the last of them began; None: there is none."""
        with self._database.reading() as connection:
            at = exchanges.c.started_at
            first, last = connection.execute(select(func.min(at), func.max(at)).where(*self._conditions())).one()
        return None if first is None else (first, last)

    def found(self, by: Sequence[str] | None = None, *, times: bool = True) -> Found:
        """Everything by group. `by`: None: as is wanted; `times`: whether it is wanted how long it took. Raises ConfigError: no such grouping.

        Read in parts, on two processors: no part holds the store's state for long, and small ones are sorted in less time.
        """
        names = self._wanted.by if by is None else by
        check_groups(names)
        statement = self._statement(names, times=times)
        with self._database.reading() as connection:
            least, most = connection.execute(select(func.min(exchanges.c.id), func.max(exchanges.c.id)).where(*self._conditions())).one()
        if least is None:
            return Found({}, {}, {})
        parts = range(least, most + 1, _AT_ONCE)
        with ThreadPoolExecutor(_THREADS) as pool:
            halves = list(pool.map(lambda starts: self._part(statement, starts, len(names)), [parts[place::_THREADS] for place in range(_THREADS)]))
        for half in halves[1:]:
            add_found(halves[0], half)
        return halves[0]

    def _part(self, statement: Select[Any], starts: Sequence[int], width: int) -> Found:
        found = Found({}, {}, {})
        rounding = Rounding()
        for low in starts:
            for *columns, first, whole in self._rows(statement, low, low + _AT_ONCE - 1):
                key = tuple(columns[:width])
                add_sums(found.sums, key, _as_sums(columns[width:]))
                for known, text in ((found.first, first), (found.whole, whole)):
                    if text:
                        add_times(known, key, Counter(map(rounding.__getitem__, text.split(","))).items())
        return found

    def _rows(self, statement: Select[Any], low: int, high: int) -> Sequence[Any]:
        try:
            with self._database.reading() as connection:
                rows = connection.execute(statement, {"low": low, "high": high}).all()
                return [row for row in rows if row.requests]  # without groups there is a row of nothing, too
        except StoreError as error:
            if low == high or "integer overflow" not in str(error):
                raise
        middle = (low + high) // 2  # more money than an integer of SQLite holds: somebody makes up usage
        return [*self._rows(statement, low, middle), *self._rows(statement, middle + 1, high)]

    def _statement(self, names: Sequence[str], *, times: bool) -> Select[Any]:
        e, c = exchanges.c, costs.c
        here = c.state.in_(PAID)
        tokens = [c[f"{name}_tokens"] for name in COUNTS]
        stream = and_(e.first_event_ms.is_not(None), e.duration_ms > e.first_event_ms, e.transport != "http", here)
        columns = [
            func.count().label("requests"),
            _count(_FAILED),
            _count(e.attempt > 1),
            *[_sum(case((here, column))) for column in tokens],
            *[_sum(c[f"{name}_amount"]) for name in CLASSES],
            _sum(c.amount),
            _count(and_(c.state == "priced", e.cost_note.is_not(None))),
            _count(c.state.in_(("partly", "unpriced"))),
            _sum(case((c.state == "unpriced", _whole(tokens)))),
            _count(c.state == "pending"),
            _count(LOST),
            _sum(case((stream, c.output_tokens))),
            _sum(case((stream, e.duration_ms - e.first_event_ms))),
            _count(and_(c.state.is_(None), e.cost_note == PRUNED)),  # as `pruned` says, which stands at the far end of rows
            # As texts: to sort them into groups of their own would take as long as all the rest.
            *[func.aggregate_strings(cast(cast(column, BigInteger), String), ",") if times else null() for column in (e.first_event_ms, e.duration_ms)],
        ]
        keys = self._keys_of(names)
        joined = exchanges.outerjoin(costs, c.exchange == e.id)
        return select(*keys, *columns).select_from(joined).where(*self._conditions(), _BETWEEN).group_by(*keys)

    def failures(self, by: Sequence[str]) -> dict[Key, int]:
        """How many failed, by group. Raises ConfigError: no such grouping."""
        check_groups(by)
        keys = self._keys_of(by)
        with self._database.reading() as connection:
            rows = connection.execute(select(*keys, func.count()).where(*self._conditions(), _FAILED).group_by(*keys)).all()
        return {tuple(key): count for *key, count in rows}

    def silent_retries(self, names: Sequence[str] | None = None) -> list[Key]:
        """The groups of exchanges that ask the same again after a failure and do not say that they are retries, one for each.

        `names`: of these groups; None: those that are wanted.
        """
        e, f = exchanges.c, fingerprints.c
        with self._database.reading() as connection:
            own = (f.exchange == e.id, f.rules == DEFAULT_RULES)
            digests = select(f.digest).join(exchanges, and_(*own)).where(*self._conditions(), _FAILED).distinct()
            if connection.execute(digests.limit(1)).first() is None:
                return []
            columns = (
                *self._keys_of(self._wanted.by if names is None else names),
                e.session,
                f.digest,
                _FAILED.label("failed"),
                func.coalesce(e.attempt, 1).label("attempt"),
            )
            statement = select(*columns).join(fingerprints, and_(*own)).where(*self._conditions(), f.digest.in_(digests)).order_by(e.session, e.seq)
            rows = connection.execute(statement).all()
        waiting: set[tuple[str, bytes]] = set()
        found = []
        for *key, session, digest, has_failed, attempt in rows:
            if (session, digest) in waiting and attempt <= 1:
                found.append(tuple(key))
            waiting.discard((session, digest))
            if has_failed:
                waiting.add((session, digest))
        return found

    def reasons(self, limit: int | None = None) -> list[Reason]:
        """Why there is no price, or none for all, the most frequent reasons first; an exchange with several reasons counts for each."""
        e, c, r = exchanges.c, costs.c, price_rates.c
        lines = cost_line_rows.c
        own = (lines.exchange == c.exchange, lines.version == c.version)
        lacking = costs.join(exchanges, e.id == c.exchange)
        whole = select(price_bases.c.reason, e.model, func.count()).select_from(lacking.join(price_bases, price_bases.c.id == c.basis))
        of_lines = lacking.join(cost_line_rows, and_(*own)).join(price_rates, r.id == lines.rate)
        partly = select(r.item.concat(": ").concat(r.reason), e.model, func.count(c.exchange.distinct())).select_from(of_lines)
        noted = select(e.cost_note, e.model, func.count()).select_from(lacking)
        unknown = select(literal(_UNKNOWN), e.model, func.count()).select_from(exchanges.outerjoin(costs, c.exchange == e.id))
        pruned = select(literal(_PRUNED), e.model, func.count()).where(e.pruned == "costs", *self._conditions()).group_by(e.model)
        unpriced = c.state.in_(("partly", "unpriced"))
        statements = (
            whole.where(unpriced, price_bases.c.reason.is_not(None), *self._conditions()).group_by(price_bases.c.reason, e.model),
            partly.where(unpriced, r.reason.is_not(None), *self._conditions()).group_by(r.item, r.reason, e.model),
            noted.where(c.state == "pending", *self._conditions()).group_by(e.cost_note, e.model),
            unknown.where(LOST, *self._conditions()).group_by(e.model),
            pruned,
        )
        counts: Counter[tuple[str, str | None]] = Counter()
        with self._database.reading() as connection:
            for statement in statements:
                for note, model, count in connection.execute(statement):
                    counts[_DATE.sub("", note or ""), model] += count
        found = [Reason(note, model, count) for (note, model), count in counts.items()]
        return sorted(found, key=lambda one: (-one.exchanges, one.note, one.model or ""))[:limit]

    def assumed(self) -> list[Assumed]:
        """What was assumed for prices, by what was assumed together."""
        e, c = exchanges.c, costs.c
        statement = select(e.cost_note, func.count(), *summed(c.amount)).join_from(costs, exchanges, e.id == c.exchange)
        wanted = statement.where(c.state == "priced", e.cost_note.is_not(None), *self._conditions()).group_by(e.cost_note)
        with self._database.reading() as connection:
            found = [Assumed(note.removeprefix("assumed: "), count, put_together(*amount)) for note, count, *amount in connection.execute(wanted)]
        return sorted(found, key=lambda one: (-one.exchanges, one.what))

    def priced_by(self) -> list[PricedBy]:
        """By which price tables the prices were made, the most frequent first."""
        c, p = costs.c, pricings.c
        joined = costs.join(exchanges, exchanges.c.id == c.exchange)
        counted = (
            select(c.pricing, func.count().label("count")).select_from(joined).where(c.state.in_(("priced", "partly")), *self._conditions()).group_by(c.pricing)
        )
        with self._database.reading() as connection:
            counts = dict(map(tuple, connection.execute(counted)))
            rows = connection.execute(select(p.id, p.tables, p.assumed, p.made_by, p.as_of).where(p.id.in_(counts))).all()
        found = [PricedBy(tuple([tuple(table) for table in row.tables]), row.assumed, row.made_by, row.as_of, counts[row.id]) for row in rows]
        return sorted(found, key=lambda one: (-one.exchanges, one.tables))


_FAILED = or_(exchanges.c.status >= 400, exchanges.c.error_code.is_not(None), exchanges.c.outcome != "complete")
LOST = and_(costs.c.state.is_(None), exchanges.c.usage.is_not(None), or_(exchanges.c.response_status.is_(None), exchanges.c.response_status.not_in(GOING_ON)))
"""Of exchanges beside their costs: it used something, and is not in the ledger. Who asks how far something has come tells of a usage, and makes none."""
_BETWEEN = exchanges.c.id.between(bindparam("low"), bindparam("high"))


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _sum(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(column), 0)


def _whole(tokens: Sequence[ColumnElement[Any]]) -> ColumnElement[int]:
    """All tokens; reasoning is part of the output."""
    total: ColumnElement[Any] = literal(0)
    for column in tokens[:-1]:
        total = total + func.coalesce(column, 0)
    return total


def _as_sums(row: Sequence[Any]) -> Sums:
    requests, errors, retries, *rest = row
    counts, amounts = rest[: len(COUNTS)], rest[len(COUNTS) : len(COUNTS) + len(CLASSES)]
    *others, streamed, ms, pruned = rest[len(COUNTS) + len(CLASSES) :]
    cost, assumed, unpriced, unpriced_tokens, pending, lost = map(int, others)
    told = (int(requests), int(errors), int(retries), tuple(map(int, counts)), tuple(map(int, amounts)), cost, assumed, unpriced, unpriced_tokens, pending)
    return Sums(*told, lost, int(streamed), float(ms) / 1000, int(pruned))
