"""Sums over exchanges and their costs by any groupings: what `playhead audit` is made of."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, String, and_, bindparam, cast, func, literal, null, or_, select

from playhead.config.errors import ConfigError, StoreError
from playhead.config.secrets import header_kind

from ..engine import Database
from ..queries import require_session
from ..records import DEFAULT_RULES
from ..removing.deletion import PRUNED
from ..tables import exchanges, fingerprints
from .cost_tables import cost_line_rows, costs, price_bases, price_rates, pricings
from .costs import CLASSES, COUNTS, GOING_ON
from .kept_sums import KEPT, KeptSums, Part, grouping_of, ids_of, loaded
from .money import put_together, summed
from .sums import LACKING, Assumed, Found, Key, PricedBy, Reason, Rounding, Sums, Wanted, add_found, add_sums, count_times, regrouped

_COLUMNS: Mapping[str, str] = {
    **{"session": "session", "model": "model", "kind": "kind", "transport": "transport", "tier": "service_tier", "key": "key_id"},
    **{"project": "project", "organization": "organization", "user": "user", "upstream": "upstream", "conversation": "conversation"},
    **{"error": "error_code", "status": "status", "outcome": "outcome"},
}
_PRUNED = "its costs are pruned: they were kept as long as keep_costs says"
_DATE = re.compile(r" on \d{4}-\d\d-\d\d\b")  # in a reason: what has no price on one day has none on others
_UNKNOWN = "not in the ledger: recorded before prices were known, or imported; see playhead reprice"
PART = 5_000
"""Exchanges that are summed up at once."""

_MADE = 1  # whoever makes other sums or times of the same rows counts this up: what is kept of the old ones is not found then

_THREADS = 2
DAILY = ("model", "day")
"""The grouping of which what is wanted by less of it is made."""

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

    def __init__(self, database: Database, wanted: Wanted, size: int = PART) -> None:
        """`size`: exchanges of one part, by their ids."""
        check_groups(wanted.by)
        for session in wanted.sessions:
            require_session(database, session)
        self._database, self._wanted, self._size = database, wanted, size
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
        with self._database.scanning() as connection:
            at = exchanges.c.started_at
            first, last = connection.execute(select(func.min(at), func.max(at)).where(*self._conditions())).one()
        return None if first is None else (first, last)

    def found(self, by: Sequence[str] | None = None, *, times: bool = True) -> Found:
        """Everything by group. `by`: None: as is wanted; `times`: whether it is wanted how long it took. Raises ConfigError: no such grouping.

        Read in parts, on two processors: no part holds the store's state for long, and small ones are sorted in less time.
        """
        names = self._wanted.by if by is None else by
        check_groups(names)
        if self._database.sqlite and not self._wanted.sessions:
            return self._partly_kept(tuple(names), times=times)
        least, most = self._ends()
        if least is None or most is None:
            return Found({}, {}, {})
        return self._read(self._statement(names, times=times), len(names), range(least, most + 1))

    def _partly_kept(self, names: tuple[str, ...], *, times: bool) -> Found:
        """The same where sums of closed parts are kept: of those that are not yet from now on."""
        if names != DAILY and set(names) <= set(DAILY):
            return regrouped(self._partly_kept(DAILY, times=times), lambda key: tuple([key[DAILY.index(name)] for name in names]))
        least, most = self._ends()
        if least is None or most is None:
            return Found({}, {}, {})
        closed = range(least // KEPT, most // KEPT)
        found = self._closed(names, closed, times=times) if closed else Found({}, {}, {})
        add_found(found, self._read(self._statement(names, times=times), len(names), range(max(least, closed.stop * KEPT), most + 1)))
        return found

    def _closed(self, names: tuple[str, ...], closed: range, *, times: bool) -> Found:
        """Of closed parts, as far as they are wanted."""
        whole = Spending(self._database, Wanted(names))
        kept = KeptSums(self._database, grouping_of(names, times=times), whole.made_by(times=times))
        stored = kept.stored()
        claimed = kept.claim([number for number in closed if number not in stored])
        statement, wanted = self._statement(names, times=times), self._wanted

        def share(numbers: Iterator[int]) -> Found:
            found = Found({}, {}, {})
            for number in numbers:
                part = loaded(stored[number], len(names)) if number in stored else None
                if part is None and claimed and number not in stored:
                    part = whole.closed_part(number, times=times)
                    kept.keep(number, part)
                if part is not None and part.within(wanted.since, wanted.until):
                    add_found(found, part.found)
                else:
                    add_found(found, self._share(statement, iter(self._starts(ids_of(number))), len(names)))
            return found

        return _together(share, iter(closed))

    def closed_part(self, number: int, *, times: bool) -> Part:
        """Everything of a part, by the grouping that is wanted, at any time."""
        steps = self.in_steps(number, times=times)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                part: Part = end.value
                return part

    def in_steps(self, number: int, *, times: bool) -> Generator[None, None, Part]:
        """The same a little at a time."""
        names, ids, found = self._wanted.by, ids_of(number), Found({}, {}, {})
        statement = self._statement(names, times=times)
        for start in self._starts(ids):
            add_found(found, self._share(statement, iter((start,)), len(names)))
            yield
        at = exchanges.c.started_at
        wanted = select(func.min(at), func.max(at)).where(*self._conditions(), exchanges.c.id.between(ids.start, ids.stop - 1))
        with self._database.scanning() as connection:
            first, last = connection.execute(wanted).one()
        return Part(found, None if first is None else (first, last))

    def made_by(self, *, times: bool) -> str:
        """A digest of how everything is summed up by the grouping that is wanted."""
        compiled = self._statement(self._wanted.by, times=times).compile(self._database.engine)
        return hashlib.blake2b(f"{_MADE} {Sums._fields} {compiled} {sorted(compiled.params.items())}".encode(), digest_size=16).hexdigest()

    def keep(self) -> Iterator[None]:
        """Keep sums of those closed parts of an SQLite store of which there are none yet, for audits that come; a little at a time. Raises StoreError."""
        least, most = self._ends()
        if not self._database.sqlite or least is None or most is None:
            return
        kept = KeptSums(self._database, grouping_of(self._wanted.by, times=True), self.made_by(times=True))
        known = kept.numbers()
        for number in range(least // KEPT, most // KEPT):
            if number not in known and kept.claim([number]):
                kept.keep(number, (yield from self.in_steps(number, times=True)))

    def _read(self, statement: Select[Any], width: int, ids: range) -> Found:
        return _together(lambda starts: self._share(statement, starts, width), iter(self._starts(ids)))

    def _starts(self, ids: range) -> range:
        """Where the parts of these ids begin that are read at once."""
        return range(ids.start, ids.stop, self._size)

    def _ends(self) -> tuple[int | None, int | None]:
        """The least and the greatest id of what is wanted."""
        wanted = self._wanted
        ids = select(exchanges.c.id).where(*(self._conditions() if wanted.sessions or wanted.since or wanted.until else ())).subquery().c.id
        with self._database.scanning() as connection:  # one by one: both in one question would look at all, even if all are wanted
            least, most = (connection.execute(select(end(ids))).scalar() for end in (func.min, func.max))
        return least, most

    def with_retries(self) -> tuple[Found, list[Key]]:
        """What `found` and `silent_retries` give, read side by side."""
        with ThreadPoolExecutor(1) as pool:
            retries = pool.submit(self.silent_retries)
            return self.found(), retries.result()

    def _share(self, statement: Select[Any], parts: Iterator[int], width: int) -> Found:
        """Of these, of which other threads take some."""
        found, rounding = Found({}, {}, {}), Rounding()
        for low in parts:
            for *columns, first, whole in self._rows(statement, low, low + self._size - 1):
                key = tuple(columns[:width])
                add_sums(found.sums, key, _as_sums(*columns[width:]))
                for known, text in ((found.first, first), (found.whole, whole)):
                    if text:
                        count_times(known, key, map(rounding.__getitem__, text.split(",")))
        return found

    def _rows(self, statement: Select[Any], low: int, high: int) -> Sequence[Any]:
        try:
            with self._database.scanning() as connection:
                return connection.execute(statement, {"low": low, "high": high}).all()
        except StoreError as error:
            if low == high or "integer overflow" not in str(error):
                raise
        middle = (low + high) // 2  # more money than an integer of SQLite holds: somebody makes up usage
        return [*self._rows(statement, low, middle), *self._rows(statement, middle + 1, high)]

    def _statement(self, names: Sequence[str], *, times: bool) -> Select[Any]:
        """By state, too: what depends on it need not be asked of each exchange."""
        e, c = exchanges.c, costs.c
        streamed = and_(e.duration_ms > e.first_event_ms, e.transport != "http")
        columns = [
            c.state,
            func.count(),
            _count(_FAILED),
            _count(e.attempt > 1),
            *[func.sum(c[f"{name}_tokens"]) for name in COUNTS],
            *[func.sum(c[f"{name}_amount"]) for name in CLASSES],
            func.sum(c.amount),
            func.count(e.cost_note),
            _count(LOST),
            _count(and_(c.state.is_(None), e.cost_note == PRUNED)),  # as `pruned` says, which stands at the far end of rows
            func.sum(c.output_tokens).filter(streamed),
            func.sum(cast((e.duration_ms - e.first_event_ms) * 1000, BigInteger)).filter(streamed),
            # As texts: to sort them into groups of their own would take as long as all the rest.
            *[func.aggregate_strings(cast(cast(column, BigInteger), String), ",") if times else null() for column in (e.first_event_ms, e.duration_ms)],
        ]
        keys = self._keys_of(names)
        joined = exchanges.outerjoin(costs, c.exchange == e.id)
        return select(*keys, *columns).select_from(joined).where(*self._conditions(), _BETWEEN).group_by(*keys, c.state)

    def failures(self, by: Sequence[str]) -> dict[Key, int]:
        """How many failed, by group. Raises ConfigError: no such grouping."""
        check_groups(by)
        keys = self._keys_of(by)
        with self._database.scanning() as connection:
            rows = connection.execute(select(*keys, func.count()).where(*self._conditions(), _FAILED).group_by(*keys)).all()
        return {tuple(key): count for *key, count in rows}

    def silent_retries(self, names: Sequence[str] | None = None) -> list[Key]:
        """The groups of exchanges that ask the same again after a failure and do not say that they are retries, one for each.

        `names`: of these groups; None: those that are wanted.
        """
        e, f = exchanges.c, fingerprints.c
        failed = select(e.id).where(*self._conditions(), _FAILED)
        digests = select(f.digest).where(f.exchange.in_(failed), f.rules == DEFAULT_RULES)
        keys = self._keys_of(self._wanted.by if names is None else names)
        columns = (e.session, e.seq, f.digest, _FAILED.label("failed"), func.coalesce(e.attempt, 1).label("attempt"), *keys)
        # Not in their order: by an index all exchanges would be read for it, and those that ask what failed are few.
        statement = select(*columns).join_from(fingerprints, exchanges, e.id == f.exchange)
        with self._database.scanning() as connection:
            rows = connection.execute(statement.where(f.rules == DEFAULT_RULES, f.digest.in_(digests), *self._conditions())).all()
        waiting: set[tuple[str, bytes]] = set()
        found = []
        for session, _, digest, has_failed, attempt, *key in sorted(rows, key=itemgetter(0, 1)):
            if (session, digest) in waiting and attempt <= 1:
                found.append(tuple(key))
            waiting.discard((session, digest))
            if has_failed:
                waiting.add((session, digest))
        return found

    def reasons(self, limit: int | None = None, lacking: Collection[str] = LACKING) -> list[Reason]:
        """Why there is no price, or none for all, the most frequent reasons first; an exchange with several reasons counts for each.

        `lacking`: what of it there is, as `lacking_of` finds it: all exchanges are looked through for each.
        """
        e, c, r = exchanges.c, costs.c, price_rates.c
        lines = cost_line_rows.c
        priced = costs.join(exchanges, e.id == c.exchange)
        unpriced = (c.state.in_(("partly", "unpriced")), *self._conditions())
        whole = select(price_bases.c.reason, e.model, func.count()).select_from(priced.join(price_bases, price_bases.c.id == c.basis))
        own = (lines.exchange == c.exchange, lines.version == c.version)
        # The exchanges by themselves: else SQLite looks for the costs of each line, and most are of what has a price.
        among = select(c.exchange).select_from(priced).where(*unpriced).scalar_subquery()
        partly = select(r.item.concat(": ").concat(r.reason), e.model, func.count(c.exchange.distinct()))
        partly = partly.select_from(priced.join(cost_line_rows, and_(*own)).join(price_rates, r.id == lines.rate)).where(lines.exchange.in_(among))
        noted = select(e.cost_note, e.model, func.count()).select_from(priced)
        unknown = select(literal(_UNKNOWN), e.model, func.count()).select_from(exchanges.outerjoin(costs, c.exchange == e.id))
        pruned = select(literal(_PRUNED), e.model, func.count()).where(e.pruned == "costs", *self._conditions()).group_by(e.model)
        statements = (
            ("unpriced", whole.where(price_bases.c.reason.is_not(None), *unpriced).group_by(price_bases.c.reason, e.model)),
            ("unpriced", partly.where(r.reason.is_not(None)).group_by(r.item, r.reason, e.model)),
            ("pending", noted.where(c.state == "pending", *self._conditions()).group_by(e.cost_note, e.model)),
            ("lost", unknown.where(LOST, *self._conditions()).group_by(e.model)),
            ("pruned", pruned),
        )
        counts: Counter[tuple[str, str | None]] = Counter()
        with self._database.scanning() as connection:
            for statement in [statement for name, statement in statements if name in lacking]:
                for note, model, count in connection.execute(statement):
                    counts[_DATE.sub("", note or ""), model] += count
        found = [Reason(note, model, count) for (note, model), count in counts.items()]
        return sorted(found, key=lambda one: (-one.exchanges, one.note, one.model or ""))[:limit]

    def assumed(self) -> list[Assumed]:
        """What was assumed for prices, by what was assumed together."""
        e, c = exchanges.c, costs.c
        statement = select(e.cost_note, func.count(), *summed(c.amount)).join_from(costs, exchanges, e.id == c.exchange)
        wanted = statement.where(c.state == "priced", e.cost_note.is_not(None), *self._conditions()).group_by(e.cost_note)
        with self._database.scanning() as connection:
            found = [Assumed(note.removeprefix("assumed: "), count, put_together(*amount)) for note, count, *amount in connection.execute(wanted)]
        return sorted(found, key=lambda one: (-one.exchanges, one.what))

    def priced_by(self) -> list[PricedBy]:
        """By which price tables the prices were made, the most frequent first."""
        c, p = costs.c, pricings.c
        joined = costs.join(exchanges, exchanges.c.id == c.exchange)
        counted = (
            select(c.pricing, func.count().label("count")).select_from(joined).where(c.state.in_(("priced", "partly")), *self._conditions()).group_by(c.pricing)
        )
        with self._database.scanning() as connection:
            counts = dict(map(tuple, connection.execute(counted)))
            rows = connection.execute(select(p.id, p.tables, p.assumed, p.made_by, p.as_of).where(p.id.in_(counts))).all()
        found = [PricedBy(tuple([tuple(table) for table in row.tables]), row.assumed, row.made_by, row.as_of, counts[row.id]) for row in rows]
        return sorted(found, key=lambda one: (-one.exchanges, one.tables))


_FAILED = or_(exchanges.c.status >= 400, exchanges.c.error_code.is_not(None), exchanges.c.outcome != "complete")
LOST = and_(costs.c.state.is_(None), exchanges.c.usage.is_not(None), or_(exchanges.c.response_status.is_(None), exchanges.c.response_status.not_in(GOING_ON)))
"""Of exchanges beside their costs: it used something, and is not in the ledger. Who asks how far something has come tells of a usage, and makes none."""
_BETWEEN = exchanges.c.id.between(bindparam("low"), bindparam("high"))


def _together(share: Callable[[Iterator[int]], Found], parts: Iterator[int]) -> Found:
    """What two threads find that take of the parts in turn."""
    with ThreadPoolExecutor(_THREADS) as pool:
        shares = list(pool.map(lambda _: share(parts), range(_THREADS)))
    for one in shares[1:]:
        add_found(shares[0], one)
    return shares[0]


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count().filter(condition)


def _as_sums(state: str | None, requests: int, errors: int, retries: int, *rest: Any) -> Sums:
    """Of exchanges in one state."""
    sums = [0 if value is None else value for value in rest]
    counts, amounts = tuple(map(int, sums[: len(COUNTS)])), tuple(map(int, sums[len(COUNTS) : len(COUNTS) + len(CLASSES)]))
    cost, noted, lost, pruned, streamed, micros = sums[len(COUNTS) + len(CLASSES) :]
    paid, unpriced = state in PAID, state in ("partly", "unpriced")
    return Sums(
        requests,
        errors,
        retries,
        counts if paid else (0,) * len(COUNTS),
        amounts,
        int(cost),
        noted if state == "priced" else 0,
        requests if unpriced else 0,
        sum(counts[:-1]) if state == "unpriced" else 0,  # reasoning is part of the output
        requests if state == "pending" else 0,
        lost,
        int(streamed) if paid else 0,
        int(micros) if paid else 0,
        pruned,
    )
