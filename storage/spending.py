"""Sums over exchanges and their costs by any grouping: what `playhead audit` is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, String, and_, bindparam, case, cast, func, literal, or_, select

from playhead.config.errors import ConfigError

from .cost_tables import costs
from .costs import CLASSES, COUNTS
from .engine import Database
from .queries import require_session
from .records import DEFAULT_RULES
from .sums import Found, Key, Reason, Sums, Times, Wanted, added, rounded
from .tables import exchanges, fingerprints

_COLUMNS: Mapping[str, str] = {
    **{"session": "session", "model": "model", "kind": "kind", "transport": "transport", "tier": "service_tier", "key": "key_id"},
    **{"project": "project", "organization": "organization", "user": "user", "upstream": "upstream", "error": "error_code", "conversation": "conversation"},
}
_LOST = "not in the ledger: recorded before prices were known, or imported; see playhead reprice"
_AT_ONCE = 5_000  # exchanges that are summed up at once
_THREADS = 2
_TIMES: Mapping[str, int] = {"month": 7, "day": 10, "hour": 13}
_LABELS = ("prompt_cache_key", "safety_identifier")
GROUPS = (*_COLUMNS, *_TIMES, *_LABELS, "metadata.KEY")
"""What `--by` takes."""

PAID = ("priced", "partly", "unpriced")
"""States whose tokens and money are counted in the exchange itself."""


def check_groups(by: Sequence[str]) -> None:
    """Raises ConfigError for what nothing can be grouped by."""
    for name in by:
        known = name in _COLUMNS or name in _TIMES or name in _LABELS
        if not known and not (name.startswith("metadata.") and name != "metadata."):
            raise ConfigError(f"--by {name!r}: allowed are {', '.join(GROUPS)}, and several of them with commas between")


class Spending:
    """Reads sums. Raises StoreError at once if there is no such session."""

    def __init__(self, database: Database, wanted: Wanted) -> None:
        check_groups(wanted.by)
        for session in wanted.sessions:
            require_session(database, session)
        self._database, self._wanted = database, wanted
        self._keys = [self._key(name).label(f"k{place}") for place, name in enumerate(wanted.by)]

    def _key(self, name: str) -> ColumnElement[Any]:
        e = exchanges.c
        if name in _COLUMNS:
            return e[_COLUMNS[name]]
        if name in _TIMES:
            text = cast(e.started_at, String) if self._database.sqlite else func.to_char(func.timezone("UTC", e.started_at), 'YYYY-MM-DD"T"HH24')
            return func.substr(text, 1, _TIMES[name])
        label: ColumnElement[Any] = e.billing["labels"][name].as_string()
        return label

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        e, wanted = exchanges.c, self._wanted
        yield e.outcome.is_not(None)
        if wanted.sessions:
            yield e.session.in_(wanted.sessions)
        if wanted.since is not None:
            yield e.started_at >= wanted.since
        if wanted.until is not None:
            yield e.started_at < wanted.until

    def found(self) -> Found:
        """Everything by group. Read in parts, on two processors: no part holds the store's state for long, and small ones are sorted in less time."""
        with self._database.reading() as connection:
            least, most = connection.execute(select(func.min(exchanges.c.id), func.max(exchanges.c.id)).where(*self._conditions())).one()
        if least is None:
            return Found({}, {}, {})
        parts = range(least, most + 1, _AT_ONCE)
        with ThreadPoolExecutor(_THREADS) as pool:
            halves = list(pool.map(self._part, [parts[place::_THREADS] for place in range(_THREADS)]))
        for half in halves[1:]:
            _add_sums(halves[0].sums, half.sums.items())
            for mine, theirs in ((halves[0].first, half.first), (halves[0].whole, half.whole)):
                for key, times in theirs.items():
                    _add_times(mine, key, times.items())
        return halves[0]

    def _part(self, starts: Sequence[int]) -> Found:
        found = Found({}, {}, {})
        statement = self._statement()
        width = len(self._keys)
        for low in starts:
            with self._database.reading() as connection:
                rows = connection.execute(statement, {"low": low, "high": low + _AT_ONCE - 1}).all()
            for *columns, first, whole in rows:
                key = tuple(columns[:width])
                _add_sums(found.sums, [(key, _as_sums(columns[width:]))])
                for known, text in ((found.first, first), (found.whole, whole)):
                    if text:
                        _add_times(known, key, Counter(text.split(",")).items())
        return found

    def _statement(self) -> Select[Any]:
        e, c = exchanges.c, costs.c
        here = c.state.in_(PAID)
        tokens = [c[f"{name}_tokens"] for name in COUNTS]
        stream = and_(e.first_event_ms.is_not(None), e.duration_ms > e.first_event_ms, e.transport != "http", here)
        columns = [
            func.count(),
            _count(_FAILED),
            _count(e.attempt > 1),
            *[_sum(case((here, column))) for column in tokens],
            *[_sum(c[f"{name}_amount"]) for name in CLASSES],
            _sum(c.amount),
            _count(and_(c.state == "priced", e.cost_note.is_not(None))),
            _count(c.state.in_(("partly", "unpriced"))),
            _sum(case((c.state == "unpriced", _whole(tokens)))),
            _count(c.state == "pending"),
            _count(and_(c.state.is_(None), e.usage.is_not(None))),
            _sum(case((stream, c.output_tokens))),
            _sum(case((stream, e.duration_ms - e.first_event_ms))),
            # As texts: to sort them into groups of their own would take as long as all the rest.
            *[func.aggregate_strings(cast(cast(column, BigInteger), String), ",") for column in (e.first_event_ms, e.duration_ms)],
        ]
        joined = exchanges.outerjoin(costs, c.exchange == e.id)
        return select(*self._keys, *columns).select_from(joined).where(*self._conditions(), _BETWEEN).group_by(*self._keys)

    def silent_retries(self) -> list[tuple[str | None, ...]]:
        """The groups of exchanges that ask the same again after a failure and do not say that they are retries, one for each."""
        e, f = exchanges.c, fingerprints.c
        with self._database.reading() as connection:
            own = (f.exchange == e.id, f.rules == DEFAULT_RULES)
            digests = select(f.digest).join(exchanges, and_(*own)).where(*self._conditions(), _FAILED).distinct()
            if connection.execute(digests.limit(1)).first() is None:
                return []
            columns = (*self._keys, e.session, f.digest, _FAILED.label("failed"), func.coalesce(e.attempt, 1).label("attempt"))
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

    def reasons(self, limit: int, *, lost: bool) -> list[Reason]:
        """Why there is no price, the most frequent reasons first. `lost`: whether to look for what is not in the ledger."""
        e, c = exchanges.c, costs.c
        columns = (func.coalesce(e.cost_note, literal("")).label("note"), e.model, func.count().label("count"))
        lacking = select(*columns).join_from(costs, exchanges, e.id == c.exchange).where(c.state.in_(("partly", "unpriced", "pending")), *self._conditions())
        with self._database.reading() as connection:
            found = [Reason(*row) for row in connection.execute(lacking.group_by(e.cost_note, e.model))]
            if lost:
                outer = exchanges.outerjoin(costs, c.exchange == e.id)
                unknown = select(literal(_LOST), e.model, func.count()).select_from(outer).where(*self._conditions(), c.state.is_(None), e.usage.is_not(None))
                found += [Reason(*row) for row in connection.execute(unknown.group_by(e.model))]
        return sorted(found, key=lambda one: (-one.exchanges, one.note, one.model or ""))[:limit]


_FAILED = or_(exchanges.c.status >= 400, exchanges.c.error_code.is_not(None), exchanges.c.outcome != "complete")
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
    *others, streamed, ms = rest[len(COUNTS) + len(CLASSES) :]
    cost, assumed, unpriced, unpriced_tokens, pending, lost = map(int, others)
    told = (int(requests), int(errors), int(retries), tuple(map(int, counts)), tuple(map(int, amounts)), cost, assumed, unpriced, unpriced_tokens, pending)
    return Sums(*told, lost, int(streamed), float(ms) / 1000)


def _add_sums(known: dict[Key, Sums], more: Iterable[tuple[Key, Sums]]) -> None:
    for key, one in more:
        before = known.get(key)
        known[key] = one if before is None else added(before, one)


def _add_times(known: dict[Key, Times], key: Key, times: Iterable[tuple[str | int, int]]) -> None:
    mine = known.setdefault(key, {})
    for ms, count in times:
        about = rounded(int(ms))
        mine[about] = mine.get(about, 0) + count
