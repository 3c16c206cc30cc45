"""Opens the database behind a store URL: makes it, refuses what is not a store of ours, brings an old schema up to date.

A file of somebody else is recognised by what SQLite's header says, read without locks and without files beside it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, exc, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import QueuePool

from playhead.config.errors import ConfigError, DeadlockError, RefusedError, StoreError

from .schema import make, migrate
from .tables import APPLICATION_ID, HEAD, VERSION_TABLE

Durability = Literal["relaxed", "strict"]
Advance = Callable[[str, int, int], object]
"""Is told what is done, and how far it is: so much, of so much; 0: that is not known. What it raises undoes everything."""

_PAGE_BYTES = 1024  # most bodies are some KB: larger pages would be left half empty, a tenth of the store
_MAPPED_BYTES = 1 << 40  # SQLite takes less where it was built for less
# Pages of the write-ahead log before it is merged into the file; KiB of pages that are kept in memory: where those of one batch do not fit, SQLite writes
# them to the log before they are done, and all checksums behind them again and again.
_SIZES = ("wal_autocheckpoint = 8000", "cache_size = -32768")
# The driver asks around who would adapt what is neither number nor text, finds nobody, and binds it as it is: if somebody gives it back at once, a row of
# some such values is inserted in two thirds of the time.
_AS_THEY_ARE: Mapping[type, Callable[[Any], Any]] = MappingProxyType({bytes: bytes.__bytes__, NoneType: dict[None, None]().get})
_ADVISORY_LOCK = APPLICATION_ID  # PostgreSQL: who makes or migrates the tables holds it
_BEGIN = "playhead_begin"
Made = TypeVar("Made")
_DEADLOCK = "40P01"  # SQLSTATE
_TRIES = 5
_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Database:
    """An open database. `name`: for messages, without password. `path`: of the SQLite file. `writable`: False: reading only."""

    engine: Engine
    name: str
    path: Path | None
    writable: bool

    @property
    def sqlite(self) -> bool:
        """SQLite, not PostgreSQL."""
        return self.path is not None

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the store. Raises StoreError for every failure of the database."""
        with translated(self.name), self.engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def scanning(self) -> Iterator[Connection]:
        """As `reading`, for much of the store: of SQLite's file it is mapped into memory, as to read each page by a call takes longer than to look at it."""
        with self.reading() as connection:
            if not self.sqlite:
                yield connection
                return
            cursor = connection.connection.cursor()
            cursor.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
            try:
                yield connection
            finally:
                cursor.execute("PRAGMA mmap_size = 0")

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """As `reading`, on PostgreSQL as well: there each statement of a usual transaction sees what was committed until then."""
        options: dict[str, Any] = {} if self.sqlite else {"isolation_level": "REPEATABLE READ"}
        with translated(self.name), self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that may write, committed at the end. Raises StoreError for every failure; then nothing of it is stored."""
        if not self.writable:
            raise StoreError(f"The store {self.name} can only be read: its file or its directory is read-only.")
        # SQLite: who is going to write takes the lock first; a transaction that began by reading could not wait for it.
        options = {_BEGIN: "BEGIN IMMEDIATE"}
        with translated(self.name), self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """A connection without a transaction, for maintenance."""
        options = {_BEGIN: ""} if self.sqlite else {"isolation_level": "AUTOCOMMIT"}
        with translated(self.name), self.engine.connect().execution_options(**options) as connection:
            yield connection


def open_database(url: str, *, create: bool, durability: Durability, lock_timeout: float, advance: Advance | None = None) -> Database:
    """Open the store at `url`, with the newest schema; `advance` hears how far it is when that is made of an older one.

    `create`: it is wanted for recording: made if there is none, and it must be writable. Without it, an unwritable one is opened for reading.
    Raises ConfigError: no URL of ours; StoreError: no store there, not a store of ours, a newer schema, no access.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        database = _open_sqlite(_path(parsed), create=create, durability=durability, lock_timeout=lock_timeout)
    else:
        database = _open_postgresql(parsed, create=create, lock_timeout=lock_timeout)
    with _disposed_on_error(database.engine):
        _bring_up_to_date(database, advance)
    return database


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise ConfigError("The store must be a URL such as sqlite:////path/to/store.db or postgresql://user@host/database.") from None
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return parsed
    raise ConfigError(f"The store URL begins with {parsed.drivername}: playhead knows sqlite and postgresql.")


def _path(url: URL) -> Path:
    if not url.database or url.database == ":memory:" or url.query:
        raise ConfigError("The store must be a file: sqlite:///relative/path.db or sqlite:////absolute/path.db, without parameters.")
    return Path(url.database)


# SQLite.


def _open_sqlite(path: Path, *, create: bool, durability: Durability, lock_timeout: float) -> Database:
    name = str(path)
    with translated(name):
        if _missing(path):
            if not create:
                raise StoreError(f"There is no store at {name}. Record something first, or name another one with --data or --store.")
            _make_sqlite(path)
        _refuse_foreign(path)
        writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
        if create and not writable:
            raise StoreError(f"The store {name} cannot be written: its file or its directory is read-only.")
        engine = _sqlite_engine(_connect_uri(path, writable=writable), durability, lock_timeout)
    return Database(engine, name, path, writable)


def _missing(path: Path) -> bool:
    """Nothing there, or an empty file, as a program that died at once leaves it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return True
    if not path.is_file():
        raise StoreError(f"{path} is not a playhead store: it is not a file.")
    return status.st_size == 0


def _refuse_foreign(path: Path) -> None:
    for _ in range(_LOOKS):
        with contextlib.suppress(_TornError):
            _look_at(path)
            return
        time.sleep(0.01)  # another program was writing into its first page as we read it
    _look_at(path, last=True)


class _TornError(Exception):
    """What was read is damaged, or only half written yet."""


def _look_at(path: Path, *, last: bool = False) -> None:
    # `immutable` reads the file alone: no lock, no -wal or -shm beside it. Opening the file ourselves would not do: closing it would drop the
    # POSIX locks that other connections of this process hold on it.
    connection = sqlite3.connect(_uri(path, "mode=ro&immutable=1"), uri=True)
    try:
        found = connection.execute("PRAGMA application_id").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if _code(error) == sqlite3.SQLITE_NOTADB:
            raise StoreError(f"{path} is not a playhead store: it is not an SQLite file. It was left as it is.") from None
        if _code(error) == sqlite3.SQLITE_CORRUPT and not last:
            raise _TornError from None
        raise
    finally:
        connection.close()
    if found != APPLICATION_ID:
        raise StoreError(f"{path} is not a playhead store but an SQLite file of another program. It was left as it is.")


def _make_sqlite(path: Path) -> None:
    """Make the store under another name first, so that it is whole when it appears; who comes second takes what is there."""
    draft = path.with_name(f"{path.name}.new-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as plain:
            # In this order: nothing but the size of pages can come before the kind of vacuum.
            for pragma in (f"page_size = {_PAGE_BYTES}", "auto_vacuum = INCREMENTAL", f"application_id = {APPLICATION_ID}", "journal_mode = WAL"):
                plain.execute(f"PRAGMA {pragma}")
        engine = _sqlite_engine(_uri(draft, "mode=rw"), "strict", 5.0)
        with contextlib.ExitStack() as stack:
            stack.callback(engine.dispose)
            make(stack.enter_context(Database(engine, str(path), draft, True).writing()))
        _appear(draft, path)
    except OSError as error:
        raise StoreError(f"The store {path} cannot be made: {error.strerror}.") from None
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _appear(draft: Path, path: Path) -> None:
    """Give the draft its name, unless a store has it by now."""
    if path.exists() and path.stat().st_size == 0:
        path.unlink()
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not path.exists():
            draft.rename(path)


def _uri(path: Path, parameters: str) -> str:
    return f"file:{quote(str(path.absolute()))}?{parameters}"


def _connect_uri(path: Path, *, writable: bool) -> str:
    if writable:
        return _uri(path, "mode=rw")
    wal = path.with_name(path.name + "-wal")
    # A reader needs the index beside the log and cannot make it here; where there is no log, the file alone is the store.
    return _uri(path, "mode=ro" if wal.exists() and wal.stat().st_size else "mode=ro&immutable=1")


def late_database(path: Path, made: Callable[[], None]) -> Database:
    """A store whose file is there once `made` returns, which is called before each connection. Nobody else uses it, and nothing of it outlives the process:
    what keeps a file from harm when the machine dies costs more than all the rest."""
    engine = _sqlite_engine(_uri(path, "mode=rw"), "relaxed", 5.0, made)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in ("synchronous = OFF", "journal_mode = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    return Database(engine, str(path), path, True)


def _sqlite_engine(uri: str, durability: Durability, lock_timeout: float, made: Callable[[], None] | None = None) -> Engine:
    connect = partial(sqlite3.connect, uri, uri=True, timeout=lock_timeout, isolation_level=None, check_same_thread=False)

    def connect_late() -> sqlite3.Connection:
        if made is not None:
            made()
        return connect()

    for kind, same in _AS_THEY_ARE.items():
        sqlite3.adapters.setdefault((kind, sqlite3.PrepareProtocol), same)
    engine = create_engine("sqlite://", creator=connect_late, poolclass=QueuePool, hide_parameters=True)
    synchronous = "FULL" if durability == "strict" else "NORMAL"

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in ("foreign_keys = ON", "secure_delete = ON", f"synchronous = {synchronous}", *_SIZES):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if statement := connection.get_execution_options().get(_BEGIN, "BEGIN"):
            connection.connection.cursor().execute(statement)  # by SQLite's own cursor: half of what a small transaction costs is what SQLAlchemy adds

    return engine


# PostgreSQL.


def _open_postgresql(url: URL, *, create: bool, lock_timeout: float) -> Database:
    name = f"postgresql://{url.host or url.query.get('host', 'localhost')}/{url.database or ''}"
    try:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise StoreError("PostgreSQL needs another package: pip install 'playhead[postgres]'.") from None

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {int(lock_timeout * 1000)}")
        connection.commit()

    database = Database(engine, name, None, True)
    with _disposed_on_error(engine), database.writing() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        _make_postgresql(connection, name, create=create)
    return database


def _make_postgresql(connection: Connection, name: str, *, create: bool) -> None:
    inspector = inspect(connection)
    tables = {*inspector.get_table_names(), *inspector.get_view_names()}
    if VERSION_TABLE in tables:
        return
    if tables:
        raise StoreError(
            f"{name} is not a playhead store: it holds tables of another program. It was left as it is. Give playhead a database or a schema of its own."
        )
    if not create:
        raise StoreError(f"There is no store at {name}: the database is empty. Record something first, or name another one with --store.")
    make(connection)


# Both.


def _bring_up_to_date(database: Database, advance: Advance | None) -> None:
    with database.reading() as connection:
        found = _version(connection)
    if found == HEAD:
        return
    if found is None:
        raise StoreError(f"The store {database.name} is damaged: it does not say which schema it has. Restore it from a backup.")
    if found > HEAD:
        raise StoreError(
            f"The store {database.name} was written by a newer playhead (schema {found}, this one knows {HEAD}). It was left as it is: "
            "install the newer version."
        )
    if not database.writable:
        raise StoreError(f"The store {database.name} is of an older playhead (schema {found}) and read-only: it must be opened once where it can be written.")
    with database.writing() as connection:
        if not database.sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        if _version(connection) == HEAD:
            return  # whoever had the lock has done it
        told = () if advance is None else (partial(advance, f"the store {database.name} is of an older playhead and brought up to date"),)
        migrate(connection, *told)


def _version(connection: Connection) -> str | None:
    found: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()
    return found


@contextlib.contextmanager
def _disposed_on_error(engine: Engine) -> Iterator[None]:
    try:
        yield
    except BaseException:
        engine.dispose()
        raise


@contextlib.contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn every failure of the database into a StoreError that says what happened; statements and values stay out of it."""
    try:
        yield
    except exc.DataError as error:
        raise RefusedError(_story(error.orig or error, name)) from None
    except (OverflowError, UnicodeEncodeError) as error:  # of the driver, before the database has seen the value
        raise RefusedError(f"The store {name} does not take a value: {type(error).__name__}.") from None
    except sqlite3.Error as error:
        raise StoreError(_story(error, name)) from None
    except exc.DBAPIError as error:
        kind = DeadlockError if getattr(error.orig, "sqlstate", None) == _DEADLOCK else StoreError
        raise kind(_story(error.orig or error, name)) from None
    except exc.SQLAlchemyError as error:
        raise StoreError(f"The store {name} failed: {type(error).__name__}.") from error


def insisting(transaction: Callable[[], Made]) -> Made:
    """Make a transaction again that waited for another one which waited for it, as PostgreSQL ends one of both. Raises what it raises."""
    for _ in range(_TRIES):
        try:
            return transaction()
        except DeadlockError:
            continue
    return transaction()


def _code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _story(error: BaseException, name: str) -> str:
    code = _code(error) if isinstance(error, sqlite3.Error) else 0
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"The store {name} is locked by another program. Try again when that has finished."
    if code == sqlite3.SQLITE_FULL:
        return f"The disk is full: the store {name} cannot grow. Make room; recording goes on then."
    if code == sqlite3.SQLITE_READONLY:
        return f"The store {name} cannot be written: it is read-only."
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"The store {name} is damaged ({error}). `playhead verify` says where; restore it from a backup."
    if code == sqlite3.SQLITE_CANTOPEN:
        return f"The store {name} cannot be opened: check that its directory exists and may be written."
    if isinstance(error, sqlite3.Error):
        return f"The store {name} failed: {error}."
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    if primary is None:  # no connection: the server's text names host and port, never the password
        primary = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"The store {name} failed: {primary}."


def identity_of(path: Path | None) -> tuple[int, int] | None:
    """What tells a file from another one of its name; None if there is none."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def sync(path: str) -> None:
    """Bring a file or a directory to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
