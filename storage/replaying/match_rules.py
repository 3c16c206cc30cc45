"""Match rules of sessions in the store, in all their versions, and the answers that replays gave by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from playhead.config.errors import StoreError
from playhead.config.rules import Rule, parse_rule

from ..engine import Database
from ..evidence.chain_writing import chained
from ..evidence.chained import EntryKind
from ..queries import require_session
from ..rows import insert_new
from ..writing import Writer
from .replay_rows import RuleHit
from .replay_tables import match_rules, rule_hits
from .replays import list_takes

_COLUMNS = tuple([rule_hits.c[name] for name in RuleHit.model_fields])
_KEY = ("session", "run", "exchange", "rules")


class RuleVersion(NamedTuple):
    """The rules that a session has had from `at` on."""

    version: int
    at: datetime
    rules: tuple[Rule, ...]


def newest(database: Database, session: str) -> RuleVersion | None:
    """See `Store.rule_version`."""
    with database.reading() as connection:
        return _newest(connection, session)


def _newest(connection: Connection, session: str) -> RuleVersion | None:
    m = match_rules.c
    row = connection.execute(select(m.version, m.at, m.rules).where(m.session == session).order_by(m.version.desc()).limit(1)).first()
    return None if row is None else RuleVersion(row.version, row.at, _parsed(session, row.rules))


def versions(database: Database, session: str) -> list[RuleVersion]:
    """See `Store.rule_versions`."""
    m = match_rules.c
    with database.reading() as connection:
        rows = connection.execute(select(m.version, m.at, m.rules).where(m.session == session).order_by(m.version)).all()
    return [RuleVersion(row.version, row.at, _parsed(session, row.rules)) for row in rows]


def _parsed(session: str, lines: Sequence[str]) -> tuple[Rule, ...]:
    try:
        return tuple([parse_rule(line) for line in lines])
    except ValueError as error:
        raise StoreError(f"A match rule of session {session} cannot be read: {error} It may have been made by a newer playhead.") from None


def put(database: Database, session: str, rules: Iterable[Rule], *, first: bool) -> int:
    """See `Store.set_match_rules`. `first`: only if there was no version before."""
    wanted = tuple(dict.fromkeys(rules))
    with database.writing() as connection, chained(connection, EntryKind.DECIDED) as entries:
        known = _newest(connection, session)
        if known is not None and (first or known.rules == wanted):
            return known.version
        version = known.version + 1 if known is not None else 1
        entries.deciding([session])
        row = {"session": session, "version": version, "at": datetime.now(UTC), "rules": list(map(str, wanted))}
        connection.execute(insert_new(connection, match_rules), row)
        return version


def add_hits(database: Database, hits: Sequence[RuleHit]) -> None:
    """See `Store.add_rule_hits`."""
    if not hits:
        return
    r = rule_hits.c
    with database.writing() as connection:
        for hit in hits:
            row = hit.model_dump()
            known = update(rule_hits).where(*[r[name] == row[name] for name in _KEY])
            if connection.execute(known.values(count=r["count"] + hit.count, last_at=hit.last_at)).rowcount == 0:
                connection.execute(rule_hits.insert(), row)


def hits(database: Database, session: str, run: str | None) -> list[RuleHit]:
    """See `Store.rule_hits`."""
    require_session(database, session)
    r = rule_hits.c
    wanted = select(*_COLUMNS).where(r.session == session, *([r.run == run] if run is not None else []))
    with database.reading() as connection:
        rows = connection.execute(wanted.order_by(r.first_at, r.exchange, r.rules)).all()
    return [RuleHit.model_construct(**row._mapping) for row in rows]


class StoredRules:
    """What a store knows of match rules; a part of `Store`."""

    _database: Database
    _writer: Writer

    def match_rules(self, session: str) -> tuple[Rule, ...]:
        """Those that are stored with a session, in their newest version; none if there are none, or no such session. Raises StoreError: they are damaged."""
        found = newest(self._database, session)
        return found.rules if found is not None else ()

    def rule_versions(self, session: str) -> list[RuleVersion]:
        """All that a session has had, the oldest first. Raises StoreError as `match_rules`."""
        return versions(self._database, session)

    def set_match_rules(self, session: str, rules: Iterable[Rule]) -> int:
        """Make these the rules of a session from now on, as a new version, unless they are already; its number. Raises StoreError."""
        return put(self._database, session, rules, first=False)

    def begin_sessions_with(self, rules: Sequence[Rule], session: str) -> None:
        """Sessions that this store writes have these rules from their next take on, if they had none before; that of this name at once. Raises StoreError."""
        self._writer.first_rules[:] = map(str, rules)
        if rules and list_takes(self._database, session):
            put(self._database, session, rules, first=True)

    def add_rule_hits(self, hits: Sequence[RuleHit]) -> None:
        """Count answers that were given by rules. Raises StoreError."""
        add_hits(self._database, hits)

    def rule_hits(self, session: str, *, run: str | None = None) -> list[RuleHit]:
        """Answers that replays of a session gave by rules, the oldest first. Raises StoreError: no such session."""
        return hits(self._database, session, run)
