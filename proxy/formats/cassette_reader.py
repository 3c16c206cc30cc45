"""Reads cassettes. What is damaged is refused with its line and the reason. Pure."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from typing import Any, NoReturn, cast, get_args

from xxhash import xxh3_64

from playhead.config.errors import StoreError
from playhead.config.rules import parse_rule
from playhead.storage.carrying.cassettes import PLAIN, Anew, Cassette, Equivalence
from playhead.storage.connecting.connected import MAX_TURNS, LogEntry, RecordedConnection, turn_number
from playhead.storage.costing.costs import pico
from playhead.storage.records import Asks, Facts, Recorded

from .cassette_fields import EXCHANGE, FACTS, Line, checked, connection_of, nanoseconds_of
from .cassette_pieces import Pieces, head_bytes
from .json_text import Written, restored
from .shared_values import Pool

VERSIONS = (1,)
_INT63 = 1 << 63
_DIGEST = re.compile(r"[0-9a-f]{32}")
_SESSION = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def is_cassette(data: bytes) -> bool:
    """Whether it says that it is one."""
    return data[:200].removeprefix(BOM_UTF8).lstrip().startswith(b'{"playhead":"cassette"')


def read(data: bytes, name: str) -> Cassette:
    """What a cassette holds. `name`: of its file, for messages. Raises StoreError: it is none, damaged, or of a newer version."""
    return _Reader(name).read(data)


def _never(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name
        self._number = 0  # of the line that is read
        self._pool = Pool()
        self._loads = json.JSONDecoder(object_hook=self._pool.restore, parse_constant=_never).decode
        self._cassette = Cassette("")
        self._state = xxh3_64()
        self._since = 1  # the line behind the last check
        self._upstream = ""
        self._take = ""
        self._last_take = 0
        self._items: list[Any] | None = None
        self._connection: RecordedConnection | None = None
        self._data: tuple[list[bytes], list[bytes]] = ([], [])
        self._entries: list[LogEntry] = []  # of the connection's log
        self._exchange: Line | None = None
        self._facts = Facts()
        self._pieces = Pieces()
        self._turns: set[int] = set()
        self._ended = False

    def read(self, data: bytes) -> Cassette:
        lines = data.removeprefix(BOM_UTF8).split(b"\n")  # there are editors that add a mark, and such as take away the last line feed
        last = lines.pop()
        try:
            for self._number, line in enumerate(lines, 1):
                self._line(line[:-1] if line.endswith(b"\r") else line)
            if last:
                self._last_line(last)
            if not self._ended:
                raise ValueError("it is cut off" if data else "it is empty")
        except StoreError:
            raise
        except UnicodeError:
            self._fail("it is not UTF-8")
        except RecursionError:
            self._fail("it is nested too deep")
        except ValueError as error:
            self._fail(_plain(error))
        return self._cassette

    def _last_line(self, data: bytes) -> None:
        """One that does not end."""
        self._number += 1
        try:
            self._line(data)
        except json.JSONDecodeError:
            raise ValueError("it is cut off") from None

    def _fail(self, reason: str) -> NoReturn:
        raise StoreError(f"The cassette {self._name} cannot be read, line {self._number}: {reason}.") from None

    def _line(self, data: bytes) -> None:
        text = data.decode()
        self._pool.begin_line()
        line = self._loads(text)
        if not isinstance(line, dict) or not line:
            raise ValueError("it is no JSON object")
        if "\\ud" in text or "\\uD" in text:
            json.dumps(line, ensure_ascii=False).encode()
        key = next(iter(line))
        if self._ended:
            raise ValueError("something follows the end")
        if self._number == 1:
            self._header(line)
        elif key == "end":
            self._end(line)
            return
        else:
            self._dispatch(key, line)
        self._state.update(data)

    def _header(self, line: Line) -> None:
        if line.get("playhead") != "cassette":
            raise ValueError("it is no cassette: the first line of one begins with " + '{"playhead":"cassette"')
        if line.get("version") not in VERSIONS:
            raise ValueError(f"it has version {line.get('version')!r} of the format, and this playhead knows {VERSIONS[-1]}: install a newer one")
        session, upstream = line.get("session"), line.get("upstream")
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            raise ValueError("'session' must be the name of a session: 1 to 128 of the characters A-Z a-z 0-9 . _ : -")
        if not isinstance(upstream, str):
            raise ValueError("'upstream' must be a string")
        self._cassette.session, self._upstream = session, upstream

    def _dispatch(self, key: str, line: Line) -> None:
        if key == "item":
            if self._items is None:
                raise ValueError("'item' stands behind no 'list'")
            self._items.append(line["item"])
            return
        if key == "value":
            self._pool.add(line["value"], line.get("is"))
            return
        self._items = None
        if key == "list":
            self._items = self._pool.begin_list(line["list"], line.get("more"))
        elif key == "exchange":
            self._begin(line)
        elif key == "facts" and self._exchange is not None:
            self._facts = Facts(**checked(line["facts"] if isinstance(line["facts"], dict) else {"facts": 0}, FACTS))
        elif self._exchange is not None:
            if not self._pieces.take(key, line):
                raise ValueError(f"{key!r} is nothing that this version of playhead knows in an exchange")
        elif not self._outside(key, line):
            raise ValueError(f"{key!r} is nothing that this version of playhead knows here")

    # What is no exchange's.

    def _outside(self, key: str, line: Line) -> bool:
        if key == "rule":
            self._cassette.rules = (*self._cassette.rules, _rule(line["rule"]))
        elif key == "equivalence":
            self._cassette.equivalences = (*self._cassette.equivalences, self._equivalence(line))
        elif key == "anew":
            self._cassette.anew = (*self._cassette.anew, self._anew(line))
        elif key == "take":
            self._end_connection()
            if type(line["take"]) is not int or not self._last_take < line["take"] < 1 << 31:
                raise ValueError(f"'take' must be a number greater than {self._last_take}")
            self._last_take = line["take"]
            self._take = str(self._last_take)
        elif key == "connection":
            self._end_connection()
            if not self._take or line["connection"] != len(self._cassette.connections) + 1:
                raise ValueError(f"'connection' must be {len(self._cassette.connections) + 1}, behind a 'take'")
            self._connection = connection_of(line, self._upstream, self._take)
            self._connection.log = self._entries = []
            self._cassette.connections.append(self._connection)
        else:
            return self._of_connection(key, line)
        return True

    def _equivalence(self, line: Line) -> Equivalence:
        place, digest, asks = line["equivalence"], line.get("digest"), line.get("asks", "")
        if type(place) is not int or not 0 <= place < len(self._cassette.exchanges) or asks not in get_args(Asks):
            raise ValueError("'equivalence' must be the place of an exchange in this file, from 0, and 'asks' http, sse or ws")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise ValueError("'digest' must be 32 hexadecimal digits")
        return Equivalence(place, bytes.fromhex(digest), cast("Asks", asks))

    def _anew(self, line: Line) -> Anew:
        place, after, count = line["anew"], line.get("after"), len(self._cassette.exchanges)
        known = {one.place for one in self._cassette.anew}
        if type(place) is not int or type(after) is not int or not (0 <= place < count and 0 <= after <= count) or place in known:
            raise ValueError("'anew' must be the place of an exchange in this file, from 0, once, and 'after' the number of those before what replaces it")
        return Anew(place, after)

    def _of_connection(self, key: str, line: Line) -> bool:
        one = self._connection
        if one is None:
            return False
        if key == "request_head":
            one.heads = head_bytes(line[key]), one.heads[1]
        elif key == "response_heads":
            one.heads = one.heads[0], head_bytes(line[key])
        elif key == "log":
            if not isinstance(line["log"], list):
                raise ValueError("'log' must be a list")
            for row in line["log"]:
                self._log_row(one, row)
        elif key in ("message_text", "message_base64"):
            self._message(one, key.removeprefix("message_"), line)
        else:
            return False
        return True

    def _log_row(self, one: RecordedConnection, row: Any) -> None:
        if not isinstance(row, list) or len(row) != 4 or not all(type(number) is int for number in row):
            raise ValueError("a row of 'log' must be four numbers: turn, time, flags, bytes")
        turn, step, flags, size = row
        if not 1 <= turn <= MAX_TURNS or not 0 <= flags < 1 << 6 or not 0 <= size < _INT63:
            raise ValueError("a row of 'log' has a number that cannot be")
        self._log(LogEntry(flags & 1, flags >> 1 & 15, step, turn, size, bool(flags >> 5)))

    def _message(self, one: RecordedConnection, form: str, line: Line) -> None:
        data = restored(Written(form, line[f"message_{form}"]))
        step, opcode, hidden = line.get("after"), line.get("opcode"), line.get("hidden", False)
        if line.get("from") not in ("client", "upstream") or type(step) is not int or type(opcode) is not int or not 0 <= opcode < 16:
            raise ValueError("a message needs 'from' (client or upstream), 'after' (a number) and 'opcode' (0 to 15)")
        if not isinstance(hidden, bool):
            raise ValueError("'hidden' must be true or false")
        direction = int(line["from"] == "upstream")
        self._data[direction].append(data)
        self._log(LogEntry(direction, opcode, step, 0, len(data), hidden))

    def _log(self, entry: LogEntry) -> None:
        """`entry`: its time is the step from the one before."""
        at = entry.at + (self._entries[-1].at if self._entries else 0)
        if not 0 <= at < _INT63:
            raise ValueError("the time of a message cannot be")
        self._entries.append(entry._replace(at=at))

    def _end_connection(self) -> None:
        if self._connection is not None:
            self._connection.client_data, self._connection.upstream_data = (b"".join(parts) for parts in self._data)
            self._connection, self._data = None, ([], [])

    # Exchanges.

    def _begin(self, line: Line) -> None:
        self._end_connection()
        if self._exchange is not None:
            raise ValueError("an exchange begins before the one before it has ended")
        seq = line["exchange"]
        before = self._cassette.exchanges
        if not self._take or type(seq) is not int or not 1 <= seq < _INT63 or (before and before[-1].run == self._take and seq < (before[-1].seq or 0)):
            raise ValueError("'exchange' must be its place in the session, in ascending order, behind a 'take'")
        needed = ("method", "path", "transport", "outcome", "started_at")
        self._exchange = {"exchange": seq} | checked({key: value for key, value in line.items() if key != "exchange"}, EXCHANGE, *needed)
        self._facts, self._pieces = Facts(), Pieces()

    def _end(self, line: Line) -> None:
        what = line["end"]
        if what == "cassette":
            self._end_all(line)
        elif self._exchange is None or what != self._exchange["exchange"]:
            raise ValueError("it ends an exchange that did not begin")
        self._items = None
        self._check(line.get("check"))
        if what != "cassette" and self._exchange is not None:
            self._cassette.exchanges.append(self._recorded(self._exchange, changed=line.get("check") is None))
            self._exchange = None
        for key in line:
            if key not in ("end", "check", "exchanges", "connections"):
                raise ValueError(f"{key!r} is nothing that this version of playhead knows here")

    def _end_all(self, line: Line) -> None:
        self._end_connection()
        if self._exchange is not None:
            raise ValueError("the last exchange has no end")
        found = {"exchanges": len(self._cassette.exchanges), "connections": len(self._cassette.connections)}
        for key, count in found.items():
            if line.get(key) != count:
                raise ValueError(f"it should have {line.get(key)!r} {key} and has {count}")
        self._ended = True

    def _check(self, check: Any) -> None:
        """Who edits a cassette takes the checks out."""
        if check is not None and check != self._state.hexdigest():
            raise ValueError(
                f"lines {self._since} to {self._number - 1} are not as they were written. "
                f"If they were changed on purpose, take the member 'check' out of line {self._number}"
            )
        self._state.reset()
        self._since = self._number + 1

    def _recorded(self, line: Line, *, changed: bool) -> Recorded:
        connection, turn, number = line.pop("connection", None), line.pop("turn", 0), PLAIN + len(self._cassette.exchanges)
        heads = (b"", b"")
        if connection is not None:
            if not 1 <= connection <= len(self._cassette.connections) or self._cassette.connections[connection - 1].run != self._take:
                raise ValueError(f"there is no connection {connection} in this take")
            heads = self._cassette.connections[connection - 1].heads
            number = turn_number(connection, turn) if turn else connection
        elif turn:
            raise ValueError("it is a turn of no connection")
        if number in self._turns:
            raise ValueError("there is such an exchange of this connection already")
        self._turns.add(number)
        raw, events = self._pieces.raw(heads, changed=changed)
        known: Line = {"request_bytes": len(raw.request), "response_bytes": len(raw.response), "upstream": self._upstream, "events": len(events)} | line
        cost = known.pop("cost", None)
        paid = (None if cost is None else pico(cost), known.pop("cost_note", None))
        seq, count, started = known.pop("exchange"), known.pop("events"), nanoseconds_of(known.pop("started_at"))
        return Recorded(
            writer="", number=number, session="", run=self._take, started_at_ns=started, event_count=count, facts=self._facts, raw=raw, events=events,
            seq=seq, connection_number=connection, paid=paid, **known,
        )  # fmt: skip


def _rule(text: Any) -> str:
    """A match rule that can be followed. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("'rule' must be a string")
    parse_rule(text)
    return text


def _plain(error: ValueError) -> str:
    """What the parser of JSON says of places in the line."""
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON: {error.msg} at character {error.colno}"
    return str(error).rstrip(".")
