"""The tables of the store. Nothing else knows SQL names.

`describe()` is their documentation for people who query the store with SQL: the comments below, which PostgreSQL keeps in its catalogue too.
The migrations make the tables; a test holds them equal to this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    and_,
    text,
)

from .column_types import Id, UtcTime, metadata
from .connecting.connected import MAX_TURNS
from .costing.cost_tables import cost_history, cost_line_rows, cost_lines, costs, kept_sums, paid_responses, price_bases, price_rates, pricings
from .evidence.chain_tables import chain_entries, chain_entry_rows, chains
from .replaying.replay_tables import equivalences, match_rules, rerecordings, rule_hits, served_faults

HEAD = "0010"
"""The newest schema: the revision of the last migration. Whoever changes or adds one writes down what new stores are made of: `python tests/migrated.py`."""

VERSION_TABLE = "playhead_schema"
APPLICATION_ID = 0x706C6864
"""In the header of every SQLite store ("plhd"), so that a file of somebody else is known before it is touched."""


_views = MetaData()

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("session", Text, nullable=False, comment="Its name, which exchanges.session refers to."),
    Column("created_at", UtcTime, nullable=False, comment="When its first exchange started."),
    Column("forked_from", Text, comment="The session that it is a fork of; null: none."),
    Column("forked_at", BigInteger, comment="The exchange of that session before which it was forked."),
    UniqueConstraint("session", name="uq_sessions_name"),  # as the column was called once
    sqlite_autoincrement=True,
    comment="Named lists of exchanges, ordered by seq.",
)

takes = Table(
    "takes",
    metadata,
    Column("session", Text, ForeignKey("sessions.session"), primary_key=True),
    Column("take", Integer, primary_key=True, autoincrement=False, comment="1, 2, ... within the session."),
    Column("run", Text, nullable=False, comment="The one start of `record` that it is."),
    Column("started_at", UtcTime, nullable=False, comment="When its first exchange started."),
    UniqueConstraint("session", "run"),
    sqlite_with_rowid=False,
    comment="What one start of `record` added to a session.",
)

connections = Table(
    "connections",
    metadata,
    Column("id", Id, primary_key=True),
    Column("session", Text, nullable=False),
    Column("take", Integer, nullable=False),
    Column("path", Text, nullable=False, comment="Path and query of the handshake."),
    Column("upstream", Text, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("duration_ms", Double, comment="Null while it is open."),
    Column("writer", BigInteger, comment="With number: its identity in the journal; see writers."),
    Column("number", BigInteger, comment="Counts within the writer; an exchange of this number is all of the connection."),
    Column("status", Integer, comment="Status of the answer to the handshake; null: none came."),
    Column("outcome", Text, comment="As in exchanges; null: it still goes on."),
    Column("subprotocol", Text, comment="Chosen in the handshake."),
    Column("extensions", Text, comment="Chosen in the handshake."),
    Column("lanes", JSON(none_as_null=True), comment="Names of its lanes by first use; null among them: the default lane."),
    Column("turns", Integer, comment="How many began; null: not counted."),
    Column("client_messages", BigInteger, comment="From the client; control frames are not counted."),
    Column("upstream_messages", BigInteger, comment="From upstream; control frames are not counted."),
    Column("client_bytes", BigInteger, comment="Payload bytes from the client."),
    Column("upstream_bytes", BigInteger, comment="Payload bytes from upstream."),
    Column("client_pings", BigInteger),
    Column("upstream_pings", BigInteger),
    Column("client_close", Integer, comment="Code of the client's close frame; 1005: one without a code; null: none came."),
    Column("client_reason", Text),
    Column("upstream_close", Integer, comment="Code of upstream's close frame; 1005: one without a code; null: none came."),
    Column("upstream_reason", Text),
    Column("unassigned", BigInteger, comment="Messages that belong to no turn; control frames are not counted."),
    Column("problem", Text, comment="Why it could not be read or recorded whole."),
    Column("key_id", Text, comment="HMAC of the API key; the key itself is nowhere."),
    Column("digest", LargeBinary, comment="Of the fingerprint of its handshake; null: see fingerprints."),
    Column("pruned", Text, comment="content: what it kept itself is pruned; null: nothing is."),
    Index(None, "writer", "number", unique=True),
    sqlite_autoincrement=True,
    comment="WebSocket connections: one client WebSocket and its upstream twin each.",
)

writers = Table(
    "writers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("writer", Text, nullable=False, unique=True, comment="Name of the proxy worker's journal."),
    Column("host", Text, nullable=False, comment="Machine of the recorder that reads it."),
    Column("segment", BigInteger, nullable=False, comment="Where reading starts again after a restart: the segment ..."),
    Column("position", BigInteger, nullable=False, comment="... and the offset in it."),
    Column("open", Text, nullable=False, comment="JSON: what must survive a restart, by number of the open exchange."),
    Column("state", Text, nullable=False, comment="live, or gone: its journal is drained for ever."),
    comment="Journals of proxy workers and how far they are stored. Bookkeeping of the recorder.",
)

exchanges = Table(
    "exchanges",
    metadata,
    Column("id", Id, primary_key=True, comment="Never given again, not even after a delete."),
    Column("session", Text, ForeignKey("sessions.session"), nullable=False),
    Column("take", Integer, nullable=False, comment="Of the session; see takes."),
    Column("seq", BigInteger, nullable=False, comment="Place in the session: the order in which requests arrived."),
    Column("connection", BigInteger, comment="The WebSocket connection it belongs to; see connections."),
    Column("stream_id", Text, comment="Lane of a Responses WebSocket; null: the default lane."),
    Column("transport", Text, nullable=False, comment="http, sse or ws."),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False, comment="Path and query as forwarded, secrets replaced."),
    Column("status", Integer, comment="Status of the answer; null: none came. 101 for a WebSocket; of a turn that was refused what its error says."),
    Column("outcome", Text, comment="complete, client_closed, upstream_closed, timeout, unreachable, aborted; null: it still goes on."),
    Column("started_at", UtcTime, nullable=False, comment="UTC."),
    Column("first_event_ms", Double, comment="From the start to the first event, message or body byte of the answer."),
    Column("duration_ms", Double),
    Column("request_bytes", BigInteger, nullable=False, comment="Body bytes on the wire, transfer framing not counted."),
    Column("response_bytes", BigInteger, nullable=False, comment="Body bytes on the wire, transfer framing not counted."),
    Column("events", Integer, nullable=False, comment="Number of its events."),
    Column("parse", Text, nullable=False, comment="parsed, partial, unparsed or not_applicable."),
    Column("redacted", Text, comment="response: secrets were replaced in the answer, too; null: at most in the request."),
    Column("kind", Text, nullable=False, comment="responses, chat.completions, embeddings, images, audio, realtime, messages, other."),
    Column("model", Text),
    Column("response_id", Text),
    Column("previous_response_id", Text),
    Column("response_status", Text, comment="Status in the Response object."),
    Column("service_tier", Text),
    Column("error_code", Text),
    Column("request_id", Text, comment="x-request-id of the answer."),
    Column("attempt", Integer, comment="Which try of the client this is, from its retry count: 1 is the first; null if it sends none."),
    Column("key_id", Text, comment="HMAC of the API key; the key itself is nowhere."),
    Column("organization", Text),
    Column("project", Text),
    Column("user", Text),
    Column("upstream", Text, nullable=False, comment="Base URL it was forwarded to."),
    Column("usage", JSON(none_as_null=True), comment="Usage object of the answer; of a Realtime or Live connection the sum of all it tells."),
    Column("cost", BigInteger, comment="In 10^-12 USD; null: see cost_note."),
    Column("cost_note", Text, comment="Why cost is null, assumed, or counted elsewhere."),
    Column("conversation", Text, comment="Id of the conversation that the request names."),
    Column("steer", Text, comment="Id of the steer that it came of; null: of a request of its own."),
    Column("problem", Text, comment="Why it could not be read or recorded whole."),
    Column("writer", BigInteger, nullable=False, comment="With number: its identity in the journal; see writers."),
    Column("number", BigInteger, nullable=False, comment="Counts within the writer; negative: a turn of a connection."),
    Column("problems", JSON(none_as_null=True), comment="Values that do not fit their fields: how many, and the first of them; null: none."),
    Column("parser", Integer, comment="Version of the parsing that found all this in the raw bytes; null: before it was noted. See `playhead reparse`."),
    Column("billing", JSON(none_as_null=True), comment="What decides about its price beside model, tier and usage: tools, windows, ..."),
    Column("pruned", Text, comment="content or costs: what of it is pruned; null: nothing is."),
    Index(None, "session", "seq"),
    # On PostgreSQL, too; but to say so here would import all that knows PostgreSQL, which where it is not used nobody should wait for.
    *[Index(None, name, sqlite_where=text(f"{name} IS NOT NULL")) for name in ("response_id", "conversation")],
    UniqueConstraint("writer", "number"),
    sqlite_autoincrement=True,
    comment="One row per exchange: a request and all that came back for it. Columns as in `playhead exchanges --json`.",
)

event_types = Table(
    "event_types",
    metadata,
    Column("id", Id, primary_key=True),
    Column("type", Text, nullable=False, unique=True),
    comment="The types that event rows refer to.",
)

# No foreign keys here: they would make each of the many rows a fifth dearer. `playhead verify` checks the references.
event_rows = Table(
    "event_rows",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False, comment="0, 1, ... within the exchange."),
    Column("offset_ns", BigInteger, nullable=False, comment="From the start of the exchange."),
    Column("direction", SmallInteger, nullable=False, comment="0: from the client, 1: from upstream."),
    Column("type", Integer, comment="See event_types."),
    Column("sequence_number", BigInteger, comment="As the event itself says."),
    Column("stream_id", Text),
    Column("bytes", BigInteger, nullable=False, comment="Length of its piece of the body; the pieces of one direction stand end to end."),
    Column("flags", SmallInteger, nullable=False, comment="Opcode of a WebSocket message; 0 for SSE."),
    sqlite_with_rowid=False,
    comment="SSE events and WebSocket messages, small. Use the view events.",
)

events = Table(
    "events",
    _views,
    Column("exchange", BigInteger, primary_key=True, comment="See exchanges."),
    Column("seq", Integer, primary_key=True, comment="0, 1, ... within the exchange."),
    Column("offset_ms", Double, comment="From the start of the exchange."),
    Column("direction", Text, comment="client or upstream: who sent it."),
    Column("type", Text),
    Column("sequence_number", BigInteger, comment="As the event itself says."),
    Column("stream_id", Text, comment="Lane; null: the default lane."),
    Column("bytes", BigInteger, comment="Length of its piece of the body; the pieces of one direction stand end to end."),
    comment="View: one row per SSE event or WebSocket message. Columns as in `playhead events --json`.",
)

item_words = Table(
    "item_words",
    metadata,
    Column("id", Id, primary_key=True),
    Column("word", Text, nullable=False, unique=True),
    comment="The types, names and statuses that item rows refer to.",
)

# No foreign keys here either, for the same reason.
item_rows = Table(
    "item_rows",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("part", SmallInteger, primary_key=True, autoincrement=False, comment="0: input, 1: output."),
    Column("position", Integer, primary_key=True, autoincrement=False, comment="0, 1, ... in the list that it stands in."),
    Column("type", Integer, comment="See item_words."),
    Column("id", Text),
    Column("call_id", Text),
    Column("name", Integer, comment="See item_words."),
    Column("status", Integer, comment="See item_words."),
    sqlite_with_rowid=False,
    comment="Items of requests and responses, small. Use the view items.",
)

items = Table(
    "items",
    _views,
    Column("exchange", BigInteger, primary_key=True, comment="See exchanges."),
    Column("part", Text, primary_key=True, comment="input or output: the list that it stands in."),
    Column("position", Integer, primary_key=True, comment="0, 1, ... in that list."),
    Column("type", Text, comment="message, reasoning, function_call, function_call_output, shell_call, ..."),
    Column("id", Text),
    Column("call_id", Text, comment="Joins a call and its output."),
    Column("name", Text, comment="Of the function or tool that is called."),
    Column("status", Text),
    comment="View: one row per item of a response, and per item of a request that the exchange before in its conversation had not sent.",
)

bodies = Table(
    "bodies",
    metadata,
    Column("exchange", Id, ForeignKey("exchanges.id"), primary_key=True, autoincrement=False),
    Column("base", BigInteger, ForeignKey("bodies.exchange"), index=True, comment="The exchange whose raw bytes it is a difference to; null: none."),
    Column("depth", Integer, nullable=False, comment="How many bases are read at most to decode it."),
    Column("codec", Text, nullable=False, comment="How data is encoded."),
    Column("digest", Text, nullable=False, comment="Of the decoded bytes, with the name of the hash."),
    Column("raw_bytes", BigInteger, nullable=False, comment="Size of the decoded bytes."),
    Column("data", LargeBinary, nullable=False, comment="Heads, bodies, frames; read it by `playhead show --raw`."),
    comment="Everything raw of an exchange as it came, secrets replaced, compressed.",
)

pieces = Table(
    "pieces",
    metadata,
    Column("exchange", BigInteger, ForeignKey("exchanges.id"), primary_key=True, autoincrement=False),
    Column("part", Text, primary_key=True, comment="request or response: body bytes; times: frames and chunk sizes."),
    Column("seq", Integer, primary_key=True, autoincrement=False, comment="0, 1, ... within the part."),
    Column("codec", Text, nullable=False, comment="How data is encoded."),
    Column("digest", Text, nullable=False, comment="Of the decoded bytes, with the name of the hash."),
    Column("raw_bytes", BigInteger, nullable=False, comment="Size of the decoded bytes."),
    Column("data", LargeBinary, nullable=False),
    comment="Bodies of exchanges that were too long or too big to be stored at once, in order; they follow what bodies holds.",
)

connection_pieces = Table(
    "connection_pieces",
    metadata,
    Column("connection", BigInteger, ForeignKey("connections.id"), primary_key=True, autoincrement=False),
    Column("part", Text, primary_key=True, comment="heads; log: order and sizes of its messages; client, upstream: messages of no turn, end to end."),
    Column("seq", Integer, primary_key=True, autoincrement=False, comment="Ascends within the part."),
    Column("codec", Text, nullable=False, comment="How data is encoded."),
    Column("digest", Text, nullable=False, comment="Of the decoded bytes, with the name of the hash."),
    Column("raw_bytes", BigInteger, nullable=False, comment="Size of the decoded bytes."),
    Column("data", LargeBinary, nullable=False),
    comment="What connections keep that is not their exchanges': read it by `playhead connection`.",
)

# Nor here.
fingerprints = Table(
    "fingerprints",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("rules", Text, primary_key=True, comment="Name of the match rules that it was made under."),
    Column("digest", LargeBinary, nullable=False, comment="Equal requests have equal ones."),
    Column("asks", Text, nullable=False, comment="Transport that the request wants its answer over: http, sse or ws."),
    Column("base", BigInteger, comment="The exchange whose items its own go on from; null: none."),
    Column("items", LargeBinary, nullable=False, comment="Four bytes for each item of the request's conversation, behind those of the base."),
    Index(None, "base", sqlite_where=text("base IS NOT NULL")),
    sqlite_with_rowid=False,
    comment="What identifies the requests for replay.",
)

divergences = Table(
    "divergences",
    metadata,
    Column("id", Id, primary_key=True),
    Column("session", Text, nullable=False),
    Column("take", Integer, comment="That was replayed; null: all of them."),
    Column("run", Text, nullable=False, comment="The one start of `replay` that met it."),
    Column("at", UtcTime, nullable=False, comment="UTC."),
    Column("code", Text, nullable=False, comment="no_match or exhausted."),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False, comment="Path and query as they would be forwarded, secrets replaced."),
    Column("model", Text),
    Column("asks", Text, nullable=False, comment="Transport that the request wants its answer over: http, sse or ws."),
    Column("nearest", BigInteger, comment="The exchange that it resembles most."),
    Column("differences", JSON, nullable=False, comment="From the nearest exchange's request."),
    Column("message", Text, nullable=False, comment="What the log said."),
    Column("head_bytes", Integer, nullable=False, comment="Size of the request's head in data."),
    Column("request_bytes", BigInteger, nullable=False, comment="Size of the request's body; its first MiB is in data."),
    Column("data", LargeBinary, nullable=False, comment="Head and body of the request, secrets replaced, compressed."),
    Column("cause", Text, comment="Class of what caused it: prompt, tool_schema, tool_result, model, parameter, volatile, order, ..."),
    Column("proposal", JSON(none_as_null=True), comment="The rules that would have made it match, each a line of text; null: none known."),
    Column("parted", BigInteger, comment="The exchange that was served last before; null: none."),
    Column("expected", BigInteger, comment="The exchange that was due then; null: none."),
    Column("served", Boolean, comment="The nearest exchange had answered another request already."),
    Column("digest", LargeBinary, comment="Of the request's fingerprint without rules."),
    Index(None, "session", "id"),
    sqlite_autoincrement=True,
    comment="Requests of replays that had no recorded twin. Columns as in `playhead divergences --json`.",
)

deleted = Table(
    "deleted",
    metadata,
    Column("writer", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
    comment="Exchanges and connections that were deleted while their journal may still hold them, so that they do not come back.",
)

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
    comment="Notes about the store itself.",
)


IS_TURN = and_(
    exchanges.c.writer == connections.c.writer,
    exchanges.c.number.between(-connections.c.number * (MAX_TURNS + 1) - MAX_TURNS, -connections.c.number * (MAX_TURNS + 1) - 1),
)
"""An exchange is a turn of a connection. By their identities, which are indexed."""

IS_WHOLE = and_(exchanges.c.writer == connections.c.writer, exchanges.c.number == connections.c.number)
"""An exchange is all of a connection."""


def described() -> Iterator[dict[str, str | None]]:
    """The tables and columns, for programs: one for each column."""
    for table in _described():
        for column in table.columns:
            yield {"table": table.name, "about": table.comment, "column": column.name, "type": _kind(column), "text": column.comment}


def describe() -> str:
    """The same for people who query the store with SQL."""
    return "\n".join(_describe(table) for table in _described())


def _described() -> list[Table]:
    people = [exchanges, events, items, sessions, takes, cost_lines, chain_entries]
    own = [connections, connection_pieces, bodies, pieces, event_rows, event_types, item_rows, item_words, fingerprints, divergences, writers, deleted, meta]
    own += [match_rules, equivalences, rerecordings, rule_hits, served_faults]
    own += [costs, cost_line_rows, price_rates, price_bases, pricings, cost_history, paid_responses, kept_sums, chains, chain_entry_rows]
    return [*people, *own]


_WORDS = MappingProxyType({Text: "text", Double: "number", UtcTime: "time", JSON: "JSON", LargeBinary: "bytes"})


def _kind(column: Column[Any]) -> str:
    return _WORDS.get(type(column.type), "integer")


def _describe(table: Table) -> str:
    lines = [f"{table.name}: {table.comment}"]
    for column in table.columns:
        kind = _kind(column)
        note = f"  {column.comment}" if column.comment else ""
        lines.append(f"    {column.name:<21}{kind:<9}{note}".rstrip())
    return "\n".join(lines) + "\n"
