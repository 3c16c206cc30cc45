"""The tables of the ledger. `tables` has them, too."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

from ..column_types import Id, UtcTime, metadata
from .costs import CLASSES, COUNTS

_views = MetaData()

pricings = Table(
    "pricings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True, comment="Of all the rest but the time."),
    Column("at", UtcTime, nullable=False, comment="When it was used first."),
    Column("made_by", Text, nullable=False, comment="recorder or reprice."),
    Column("as_of", UtcTime, comment="The time whose prices were taken; null: of each exchange its own."),
    Column("tables", JSON, nullable=False, comment="Name, version and hash of each price table, the lowest first."),
    Column("assumed", Text, nullable=False, comment="The setting assume."),
    comment="By what prices were made.",
)

price_bases = Table(
    "price_bases",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True, comment="Of all the rest."),
    Column("dimensions", JSON, nullable=False, comment="Provider, region, tier, model: value, and whether it was known, assumed or unknown."),
    Column("reason", Text, comment="Why there is no price at all."),
    comment="What was known of exchanges when they were priced.",
)

price_rates = Table(
    "price_rates",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True, comment="Of all the rest."),
    Column("item", Text, nullable=False, comment="input, cached_input, cache_write_30m, output, web_search, container_1g, ..."),
    Column("model", Text, comment="Where it is another than the exchange's."),
    Column("counts", Text, nullable=False, comment="What is counted: token, call, minute, microsecond, character."),
    Column("price", Text, comment="Decimal, in USD per so many; null: none."),
    Column("per", BigInteger, nullable=False),
    Column("tables", Text, comment="The price tables that made it: NAME@VERSION, joined by +."),
    Column("dimensions", JSON(none_as_null=True), comment="What was known or assumed for it alone."),
    Column("reason", Text, comment="Why there is no price."),
    comment="Unit prices that cost lines refer to.",
)


def _columns() -> list[Column[Any]]:
    return [
        Column("pricing", Integer, nullable=False, comment="See pricings."),
        Column("basis", Integer, nullable=False, comment="See price_bases."),
        Column("state", Text, nullable=False, comment="priced, partly, unpriced, free, elsewhere or pending."),
        Column("amount", BigInteger, comment="Sum of the lines that have a price, in 10^-12 USD; null: none has."),
        Column("told", Boolean, comment="True: it tells of a usage that another exchange made."),
        Column("counted_in", BigInteger, comment="The exchange in which its money is counted."),
        *[Column(f"{name}_tokens", BigInteger, comment="Null: not told.") for name in COUNTS],
        *[Column(f"{name}_amount", BigInteger, comment="In 10^-12 USD.") for name in CLASSES],
    ]


costs = Table(
    "costs",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False, comment="1, 2, ...: how often it was priced."),
    *_columns(),
    Index(None, "counted_in", sqlite_where=text("counted_in IS NOT NULL")),
    sqlite_with_rowid=False,
    comment="What exchanges cost, as it is in force.",
)

cost_history = Table(
    "cost_history",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    *_columns(),
    Column("note", Text, comment="What cost_note was."),
    Column("until", UtcTime, nullable=False, comment="When another took its place."),
    sqlite_with_rowid=False,
    comment="What exchanges cost before it was computed again.",
)

cost_line_rows = Table(
    "cost_line_rows",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("line", Integer, primary_key=True, autoincrement=False, comment="0, 1, ..."),
    Column("rate", Integer, nullable=False, comment="See price_rates."),
    Column("quantity", BigInteger, nullable=False),
    Column("amount", BigInteger, comment="In 10^-12 USD; null: it has no price."),
    sqlite_with_rowid=False,
    comment="Cost lines, small. Use the view cost_lines.",
)

paid_responses = Table(
    "paid_responses",
    metadata,
    Column("response_id", Text, primary_key=True),
    Column("exchange", BigInteger, nullable=False),
    Index(None, "exchange"),
    sqlite_with_rowid=False,
    comment="What an exchange pays for: responses that it did not make, of which it was the first to tell the usage; and as container:ID what it used first.",
)

kept_sums = Table(
    "kept_sums",
    metadata,
    Column("part", BigInteger, primary_key=True, autoincrement=False, comment="Of the exchanges whose id divided by 25000 is this."),
    Column("grouping", Text, primary_key=True, comment="JSON: what they are grouped by, and whether times are counted."),
    Column("made_by", Text, nullable=False, comment="Digest of how they were made."),
    Column("claim", LargeBinary, nullable=False, comment="Who makes or made them."),
    Column("data", LargeBinary, comment="Null: they are being made."),
    sqlite_with_rowid=False,
    comment="Sums that audits keep for the next one; triggers remove them when anything of the part changes. May be emptied at any time. Not on PostgreSQL.",
)

cost_lines = Table(
    "cost_lines",
    _views,
    Column("exchange", BigInteger, primary_key=True, comment="See exchanges."),
    Column("line", Integer, primary_key=True, comment="0, 1, ... within the exchange."),
    Column("item", Text, comment="input, cached_input, cache_write_30m, output, web_search, container_1g, ..."),
    Column("model", Text, comment="Where it is another than the exchange's."),
    Column("quantity", BigInteger),
    Column("counts", Text, comment="What is counted: token, call, minute, microsecond, character."),
    Column("price", Text, comment="Decimal, in USD per so many; null: none."),
    Column("per", BigInteger),
    Column("amount", BigInteger, comment="In 10^-12 USD; null: it has no price."),
    Column("tables", Text, comment="The price tables that made the price."),
    Column("reason", Text, comment="Why there is no price."),
    comment="View: what each exchange costs, line by line, as it is in force.",
)
