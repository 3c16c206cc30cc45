"""The tables of the chains that make changes by others evident. `tables` has them, too."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, SmallInteger, Table, Text

from ..column_types import Id, UtcTime, metadata

_views = MetaData()

chains = Table(
    "chains",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True, comment="Of the recorder, or of the commands of a host."),
    Column("started_at", UtcTime, nullable=False),
    Column("length", BigInteger, nullable=False, comment="How many entries it has."),
    Column("head", LargeBinary, nullable=False, comment="SHA-256 over all its entries."),
    comment="Chains of entries about what was written, one for each recorder. See `playhead verify --chain`.",
)

# No foreign keys, for the same reason as in event_rows. The rowid says what an entry is about: so an entry takes some 50 bytes.
chain_entry_rows = Table(
    "chain_entry_rows",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False, comment="What it is about, and its number there."),
    Column("chain", Integer, nullable=False, comment="See chains."),
    Column("seq", BigInteger, nullable=False, comment="0, 1, ... within the chain."),
    Column("kind", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False, comment="Seconds since 1970, UTC."),
    Column("salt", LargeBinary, comment="Null: thrown away, as it is not the last entry about its subject."),
    Column("digest", LargeBinary, comment="Of the row with all that belongs to it, salted; null: it is gone."),
    Column("rows", Text, comment="Of what is shared: which rows they are."),
    comment="Entries of chains, small. Use the view chain_entries.",
)

chain_entries = Table(
    "chain_entries",
    _views,
    Column("chain", Integer, comment="See chains."),
    Column("seq", BigInteger, comment="0, 1, ... within the chain."),
    Column("at", BigInteger, comment="Seconds since 1970, UTC."),
    Column("kind", Text, comment="recorded, adopted, imported, forked, reparsed, repriced, redacted, rewritten, decided, pruned, deleted, begun, doubted."),
    Column("subject", Text, comment="exchange, connection, session or shared."),
    Column("subject_id", BigInteger, comment="Its id."),
    Column("number", Integer, comment="0, 1, ... of that subject."),
    Column("digest", LargeBinary, comment="Of the row with all that belongs to it, salted; null: it is gone."),
    comment="View: what was written down of each change of what is recorded.",
)
