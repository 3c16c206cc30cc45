"""The store: the only door to the database."""

from __future__ import annotations

import contextlib
import hmac
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from sqlalchemy import select

from playhead.config.errors import StoreError
from playhead.config.retention import Retention

from . import chains, queries, rewriting
from .carrying import exporting, importing
from .carrying.cassettes import Cassette
from .completeness import Completeness, completeness
from .connecting import connection_reads
from .connecting.connected import ConnectionRecord, Handshake, LogColumns, LogEntry
from .costing.ledger import Ledger
from .engine import Advance, Database, Durability, identity_of, open_database, sync
from .evidence.chain_checks import StoredChains
from .packing.content import Change
from .queries import Filter
from .records import (
    DEFAULT_RULES,
    Batch,
    Divergence,
    DivergenceRecord,
    EventRecord,
    EventRow,
    ExchangeRecord,
    FaultRecord,
    ItemRow,
    Position,
    Raw,
    SessionRecord,
    StoredRequest,
    WireProblems,
)
from .rederiving import Rederivation
from .removing import deletion, due
from .removing.pruning import Pruning
from .replaying import divergences, replays, served_faults
from .replaying.accepting import Decisions
from .replaying.match_rules import StoredRules
from .replaying.replay_rows import ReplayRow, RequestRow, Streamed, TakeRow, TurnRow
from .replaying.replays import Compute, Playback, Under
from .rewriting import Changed
from .stats import Stats, store_stats
from .tables import meta
from .verify import Problem, find_problems
from .writing import Writer, positions

__all__ = ["Advance", "Compute", "Filter", "Problem", "Stats", "Store"]


class Store(StoredRules, StoredChains):
    """An open store. Close it; it is a context manager. May be used by several threads.

    Every failure of the database is a StoreError, whose text says what to do. After it the store can be used again: what was to be written is not
    there, not even in part.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = Writer(database)
        self._playback = Playback(database)
        self._file = identity_of(database.path)
        self._open = True

    @classmethod
    def open(cls, url: str, *, create: bool = False, durability: Durability = "relaxed", lock_timeout: float = 5.0, advance: Advance | None = None) -> Store:
        """Open the store at a URL (sqlite:///PATH, postgresql://...), bringing an older schema up to date.

        `create`: for recording: it is made if there is none, and must be writable; without it, one that is not writable is opened for reading.
        `durability`: strict: a commit is on disk when `write` returns; relaxed: when `make_durable` does, and never half of it.
        `lock_timeout`: seconds to wait for other programs that use it. `advance`: hears how far an older schema is.
        Raises ConfigError: not such a URL. StoreError: no store there, not one of ours (it is left untouched), a newer schema, no access.
        """
        return cls(open_database(url, create=create, durability=durability, lock_timeout=lock_timeout, advance=advance))

    def close(self) -> None:
        """Idempotent."""
        self._open = False
        self._database.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_open", False):
            warnings.warn(f"{self!r} was not closed", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        return f"<Store {self.name} {'open' if self._open else 'closed'}>"

    @property
    def name(self) -> str:
        """For messages: path, or host and database; no password."""
        return self._database.name

    @property
    def path(self) -> Path | None:
        """The file that it is; None: it is on a server."""
        return self._database.path

    @property
    def local(self) -> bool:
        """Whether it is a file of this machine, of which a little can be read without waiting for anybody."""
        return self._database.path is not None

    def in_place(self) -> bool:
        """Whether the file that was opened still stands where it did; True for a server. What is written into one that was removed is lost."""
        return identity_of(self._database.path) == self._file

    # Writing.

    def write(self, batch: Batch) -> None:
        """Store a batch in one transaction. What stands already is skipped: each (writer, number) is stored once.

        Raises StoreError: nothing of it is stored, and it may be given again.
        """
        self._writer.write(batch)

    def next_seq(self, session: str, own: int | None = None) -> int:
        """The place for the next exchange of a session, given once: 1, 2, ... Raises StoreError."""
        return self._writer.next_seq(session, own)

    def seq_taken(self, session: str, seq: int) -> None:
        """This place belongs to an exchange already: `next_seq` will not give it."""
        self._writer.seq_taken(session, seq)

    def positions(self) -> list[Position]:
        """How far the journals are stored, without those that are drained for ever."""
        with self._database.reading() as connection:
            return positions(connection)

    def make_durable(self) -> None:
        """When this returns, all that was written is on disk. Raises StoreError."""
        path = self._database.path
        if path is None:
            return  # PostgreSQL's commits are
        try:
            with contextlib.suppress(FileNotFoundError):  # no log: everything is in the file, and synced
                sync(f"{path}-wal")
            sync(str(path.parent))
        except OSError as error:
            raise StoreError(f"The store {self.name} could not be written to disk: {error.strerror}.") from None

    def check_key(self, key: bytes) -> None:
        """The first key that a store sees is its key for ever. Raises StoreError for another one: its key ids would not be comparable."""
        shown = hmac.digest(key, b"playhead store", "sha256").hex()[:32]
        wanted = select(meta.c.value).where(meta.c.key == "key")
        with self._database.reading() as connection:
            known = connection.execute(wanted).scalar()
        if known is None:
            with self._database.writing() as connection:
                known = connection.execute(wanted).scalar()
                if known is None:
                    connection.execute(meta.insert().values(key="key", value=shown))
                    return
        if not hmac.compare_digest(known, shown):
            raise StoreError(
                f"The store {self.name} was recorded with another key, so key ids would differ. Give all recorders of a store the same file with --key-file."
            )

    # Reading. Listings read page by page, so that a recorder is never held up.

    def sessions(self) -> list[SessionRecord]:
        """All sessions by name."""
        return queries.list_sessions(self._database)

    def exchanges(
        self,
        session: str,
        *,
        take: int | None = None,
        since: datetime | None = None,
        status: str | int | None = None,
        model: str | None = None,
        limit: int | None = None,
        after: int | None = None,
    ) -> Iterator[ExchangeRecord]:
        """Exchanges of a session by seq. `status`: 200 or "4xx". `after`: by id, only those after this id: what was stored since the last look.

        Raises StoreError: no such session; ConfigError: no such status.
        """
        wanted = Filter(take=take, since=since, status=None if status is None else str(status), model=model, after=after)
        return queries.list_exchanges(self._database, session, wanted, limit)

    def exchange(self, id_: int) -> ExchangeRecord:
        """Raises StoreError if there is none."""
        return queries.find_exchange(self._database, id_)

    def events(self, id_: int, after: int = -1) -> Iterator[EventRecord]:
        """Events of an exchange by seq, those after `after`. Raises StoreError if there is no such exchange."""
        return queries.list_events(self._database, id_, after)

    def event_rows(self, id_: int) -> Iterator[EventRow]:
        """Events of an exchange as recorded: with opcodes and nanoseconds. Raises StoreError if there is no such exchange."""
        return queries.list_event_rows(self._database, id_)

    def items(self, id_: int) -> list[ItemRow]:
        """Items of an exchange: of its request those that were new, and all of its answer. Raises StoreError if there is no such exchange."""
        return queries.list_items(self._database, id_)

    def problems(self, id_: int) -> WireProblems:
        """Values of an exchange that do not fit their fields. Raises StoreError if there is no such exchange."""
        return queries.find_problems(self._database, id_)

    def raw(self, id_: int) -> Raw:
        """Everything of an exchange, whole, in memory. Raises StoreError: no such exchange, or damaged."""
        return queries.read_raw(self._database, id_)

    def heads(self, id_: int) -> Raw:
        """Heads and trailers of an exchange; bodies only as far as they are not in pieces. Raises StoreError as `raw`."""
        return queries.read_heads(self._database, id_)

    def request_chunks(self, id_: int) -> Iterator[bytes]:
        """The request body in order, some MiB at a time. Raises StoreError as `raw`."""
        return queries.read_part(self._database, id_, "request")

    def response_chunks(self, id_: int) -> Iterator[bytes]:
        """The response body in order, some MiB at a time. Raises StoreError as `raw`."""
        return queries.read_part(self._database, id_, "response")

    def responding(self, response_id: str) -> list[ExchangeRecord]:
        """The exchanges whose answer was this response, by id: those that made it, and of the others those that had all of it."""
        return chains.responding(self._database, response_id)

    def conversing(self, conversation: str) -> Iterator[ExchangeRecord]:
        """The exchanges in a conversation and the calls about it, in the order in which they began."""
        return chains.conversing(self._database, conversation)

    def item_makers(self, ids: Sequence[str], session: str) -> dict[str, int]:
        """Of items the first exchange whose answer had them: of this session, else of any."""
        return chains.item_makers(self._database, ids, session)

    def stats(self) -> Stats:
        """Counts and sizes of everything."""
        return store_stats(self._database)

    def completeness(self) -> Completeness:
        """What is known to be missing in it. Reads every event row."""
        return completeness(self._database)

    def verify(self, compute: Compute | None = None) -> Iterator[Problem]:
        """What is wrong with the store: bodies are decoded and hashed again, references followed. Never raises for damage.

        `compute`: makes fingerprints anew, to be compared with those that are stored.
        """
        return find_problems(self._database, compute)

    # WebSocket connections.

    def connections(self, session: str, take: int | None = None) -> Iterator[ConnectionRecord]:
        """Connections of a session by the time of their start, those of older takes first. Raises StoreError at once: no such session."""
        return connection_reads.list_connections(self._database, session, take)

    def connection(self, id_: int) -> ConnectionRecord:
        """Raises StoreError if there is none."""
        return connection_reads.find_connection(self._database, id_)

    def connection_heads(self, id_: int) -> tuple[bytes, bytes]:
        """Request head and response heads of its handshake, empty if they are not known. Raises StoreError: no such connection, or damaged."""
        return connection_reads.read_heads(self._database, id_)

    def connection_log(self, id_: int) -> list[LogEntry]:
        """All its messages in order, control frames included; none if it is one exchange. Raises StoreError as `connection_heads`."""
        return list(connection_reads.read_log(self._database, id_))

    def connection_columns(self, id_: int) -> Iterator[LogColumns]:
        """The same by column, some at a time: half the work. Raises StoreError as `connection_heads`; so does drawing from it."""
        return connection_reads.read_columns(self._database, id_)

    def connection_messages(self, id_: int) -> Iterator[tuple[LogEntry, bytes]]:
        """The messages that belong to no turn, with their payloads, in order. Raises StoreError as `connection_heads`; so does drawing from it."""
        return connection_reads.read_messages(self._database, id_)

    def turns(self, connection_id: int) -> dict[int, ExchangeRecord]:
        """The stored exchanges of a connection by turn, in order; one that is all of the connection is turn 0. Raises StoreError: no such connection."""
        return connection_reads.list_turns(self._database, connection_id)

    def handshakes(self, session: str, take: int | None = None) -> list[Handshake]:
        """Handshakes of a session, or of one take, as `connections` lists them; without those whose fingerprint is not known."""
        return connection_reads.list_handshakes(self._database, session, take)

    # Replay.

    def takes(self, session: str) -> list[TakeRow]:
        """The takes of a session, the oldest first; none if there is no such session."""
        return replays.list_takes(self._database, session)

    def replay_index(
        self, session: str, take: int | Literal["all"] | None = None, *, after: int = 0, compute: Compute | None = None, under: Under | None = None
    ) -> Iterator[ReplayRow]:
        """What is replayed of a session: the ended exchanges of a take (None: the newest), in any order; those with greater ids than `after`.

        `under`: with fingerprints under match rules; else `compute` makes those without rules. What is missing is made, and kept if the store can be
        written; without what makes it such exchanges are left out. Raises StoreError at once: no such session or take.
        """
        return replays.replay_rows(self._database, session, take, after=after, under=under or Under(compute=compute))

    def replayable(self, ids: Sequence[int], most: int = 8 << 20, *, times: bool = True) -> list[Raw]:
        """The first of these exchanges, in that order: as many as take `most` bytes, at least one. Of big ones only what is not in pieces.

        `times` False: without their frames, which costs a third less. Raises StoreError as `raw`.
        """
        return self._playback.several(ids, most, times=times)

    def answered_early(self, session: str, take: int | None) -> list[int]:
        """Exchanges of a take (None: of all) whose requests were answered before they were whole, in their order."""
        return replays.answered_early(self._database, session, take)

    def ended_up_to(self, session: str, after: int) -> int:
        """The greatest id, `after` or more, up to which every exchange of a session has ended: what `replay_index` gives of those is final."""
        return replays.ended_up_to(self._database, session, after)

    def requests(self, ids: Sequence[int]) -> list[RequestRow]:
        """The requests of these exchanges, as far as they are known without their bytes; in no order, and without those that are gone."""
        return replays.requests(self._database, ids)

    def stored_request(self, id_: int) -> StoredRequest:
        """What the fingerprint of a recorded exchange is made of. Raises StoreError, and so does drawing its body."""
        return replays.stored_request(self._database, queries.BodyReader(), id_)

    def turn_rows(self, connection: int) -> list[TurnRow]:
        """The stored turns of a connection, in order; none if there is no such connection."""
        return replays.turn_rows(self._database, connection)

    def durations(self, ids: Sequence[int]) -> dict[int, int]:
        """How long these exchanges took, in ns; 0 if it is not known."""
        return replays.durations(self._database, ids)

    def stream(self, id_: int) -> Streamed:
        """An exchange of any size, in bounded memory. Raises StoreError as `raw`; so does drawing from the iterators."""
        return replays.stream(self._database, id_)

    def item_digests(self, ids: Sequence[int], rules: str = DEFAULT_RULES) -> dict[int, bytes]:
        """`Fingerprint.items` by exchange, of those that have a fingerprint under the rules of that name."""
        with self._database.reading() as connection:
            return replays.load_items(connection, ids, rules)

    def add_divergence(self, divergence: Divergence) -> int:
        """Keep a divergence; its id. Raises StoreError."""
        return divergences.add(self._database, divergence)

    def divergences(self, session: str, *, take: int | None = None, run: str | None = None, limit: int | None = None) -> Iterator[DivergenceRecord]:
        """Divergences of a session, the oldest first; with `limit`, the newest of them. Raises StoreError at once: no such session."""
        return divergences.listed(self._database, session, take=take, run=run, limit=limit)

    def divergence_request(self, id_: int) -> tuple[bytes, bytes]:
        """Head and body of a request that had no twin; of a long body the first MiB. Raises StoreError if there is none, or it is damaged."""
        return divergences.request(self._database, id_)

    @property
    def decisions(self) -> Decisions:
        """What was decided about divergences."""
        return Decisions(self._database)

    # Faults.

    def add_fault(self, fault: FaultRecord) -> int:
        """Keep a fault that was served; its id, whatever it says itself. Raises StoreError."""
        return served_faults.add(self._database, fault)

    def fault_outcome(self, id_: int, outcome: Mapping[str, Any]) -> None:
        """What the client did after a fault. Raises StoreError."""
        served_faults.set_outcome(self._database, id_, outcome)

    def faults(self, session: str, *, run: str | None = None, limit: int | None = None) -> list[FaultRecord]:
        """Faults that replays of a session served, the oldest first; with `limit`, the newest of them. Raises StoreError: no such session."""
        return served_faults.listed(self._database, session, run=run, limit=limit)

    def creates(self, session: str, take: int | None) -> list[int]:
        """The exchanges of a session, or of one take, whose requests ask for a response of a model, in the order of the requests."""
        return served_faults.creates(self._database, session, take)

    # Costs.

    @property
    def ledger(self) -> Ledger:
        """What exchanges cost, and the way to compute it again."""
        return Ledger(self._database)

    # Deriving again.

    def rederivation(self, session: str | None = None) -> Rederivation:
        """The way to derive again what an older version derived of exchanges. Raises StoreError if there is no such session."""
        return Rederivation(self._database, session)

    # Cassettes.

    def export_cassette(self, session: str, take: int | Literal["newest", "all"] = "newest") -> tuple[Cassette, int]:
        """A session, or a take of it, with all that is kept of it, and how many exchanges were left out because they still go on.

        Raises StoreError: no such session or take, or damaged.
        """
        return exporting.export_cassette(self._database, session, take)

    def import_cassette(self, cassette: Cassette, session: str) -> int:
        """Add what a cassette holds to a session, as takes of its own; how many exchanges they are. Raises StoreError: nothing of it is stored."""
        return importing.import_cassette(self._database, self._writer.write, cassette, session)

    # Deleting.

    def delete_exchange(self, id_: int) -> None:
        """Delete an exchange; its bytes leave the files. Raises StoreError if there is none."""
        deletion.delete_exchange(self._database, id_)

    def rewrite(self, session: str, change: Change, *, dry: bool = False) -> Changed:
        """Change what is recorded of a session, all of it or nothing; what was derived of it is to be derived again. `dry`: it is only counted.

        Raises StoreError: no such session, something of it still goes on or cannot be read.
        """
        return rewriting.rewrite(self._database, session, change, dry=dry)

    def make_anew(self, found: Callable[[str], bool]) -> None:
        """Make the files anew, so that nothing is left in them of what was rewritten; `found`: words that nothing needs any more go, too.

        Raises StoreError: another program uses the store.
        """
        rewriting.forget_words(self._database, found)
        rewriting.make_anew(self._database)

    def pruned(self, session: str, take: int | None = None) -> int:
        """How many exchanges of a session, or of one take, have no content any more, since it is pruned."""
        return due.count_pruned(self._database, session, take)

    def pruning(self, retention: Retention, now: datetime, sessions: Sequence[str] = (), *, empties: bool = False, vacuums: bool = True) -> Pruning:
        """The way to delete what is kept no longer, or to see what that would be; in these sessions, or in all. Raises StoreError: no such session.

        `empties`, `vacuums`: see `Pruning`.
        """
        for session in sessions:
            queries.require_session(self._database, session)
        return Pruning(self._database, retention, now, sessions, empties=empties, vacuums=vacuums)

    def delete_session(self, session: str) -> int:
        """Delete a session and its exchanges; how many they were. Raises StoreError if there is none."""
        return deletion.delete_session(self._database, session)
