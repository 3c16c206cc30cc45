"""The tables of replay as a test tool: match rules, what was accepted or marked, what rules and faults did. `tables` has them, too."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from ..column_types import Id, UtcTime, metadata

match_rules = Table(
    "match_rules",
    metadata,
    Column("session", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False, comment="1, 2, ... within the session; the newest is in force."),
    Column("at", UtcTime, nullable=False, comment="When it was made."),
    Column("rules", JSON, nullable=False, comment="The rules, each a line of text."),
    sqlite_with_rowid=False,
    comment="Match rules of sessions, all versions. See `playhead rules`.",
)

equivalences = Table(
    "equivalences",
    metadata,
    Column("id", Id, primary_key=True),
    Column("session", Text, nullable=False),
    Column("exchange", BigInteger, nullable=False, comment="The exchange that answers it."),
    Column("digest", LargeBinary, nullable=False, comment="Of the request's fingerprint without rules."),
    Column("asks", Text, nullable=False, comment="Transport that the request wants its answer over: http, sse or ws."),
    Column("divergence", BigInteger, nullable=False, comment="The divergence that was accepted."),
    Column("at", UtcTime, nullable=False, comment="When it was accepted."),
    Index(None, "session"),
    sqlite_autoincrement=True,
    comment="Requests that stand for a recorded one since `playhead accept`.",
)

rerecordings = Table(
    "rerecordings",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("session", Text, nullable=False),
    Column("after", BigInteger, nullable=False, comment="The greatest id of an exchange then: what was recorded in its place has a greater one."),
    Column("at", UtcTime, nullable=False, comment="When it was asked for."),
    Index(None, "session"),
    sqlite_with_rowid=False,
    comment="Exchanges that are recorded anew since `playhead rerecord`.",
)

rule_hits = Table(
    "rule_hits",
    metadata,
    Column("session", Text, primary_key=True),
    Column("run", Text, primary_key=True, comment="The one start of `replay`."),
    Column("exchange", BigInteger, primary_key=True, autoincrement=False, comment="That answered."),
    Column("rules", Text, primary_key=True, comment="What made the request equal, each on a line."),
    Column("take", Integer, comment="That was replayed; null: all of them."),
    Column("count", BigInteger, nullable=False),
    Column("first_at", UtcTime, nullable=False),
    Column("last_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
    comment="Answers of replays to requests that are equal only by a rule or an equivalence.",
)

served_faults = Table(
    "served_faults",
    metadata,
    Column("id", Id, primary_key=True),
    Column("session", Text, nullable=False),
    Column("run", Text, nullable=False, comment="The one start of `replay`."),
    Column("at", UtcTime, nullable=False),
    Column("exchange", BigInteger, comment="Whose answer it befell."),
    Column("fault", Text, nullable=False, comment="As it was asked for."),
    Column("place", Text, nullable=False, comment="Where it came."),
    Column("outcome", JSON(none_as_null=True), comment="What the client did next; null: nothing that is known."),
    Index(None, "session", "id"),
    sqlite_autoincrement=True,
    comment="Faults that replays served. See `playhead faults`.",
)
