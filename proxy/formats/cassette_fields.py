"""The plain lines of a cassette: what an exchange and a connection say of themselves, and how each of it is checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, get_args

from playhead.storage.connecting.connected import MAX_TURNS, RecordedConnection
from playhead.storage.costing.costs import dollars, pico
from playhead.storage.records import Facts, Outcome, Parse, Recorded, Transport

from .shared_values import quoted

Line = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_INT63 = 1 << 63


class Kind(NamedTuple):
    """What a member may be. `says`: for messages."""

    fits: Callable[[Any], bool]
    says: str


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _INT63


def _is_small(value: Any) -> bool:
    return type(value) is int and -(1 << 31) <= value < 1 << 31


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and _TIME.fullmatch(value) is not None and _moment(value) is not None


def _is_turn(value: Any) -> bool:
    return type(value) is int and 1 <= value <= MAX_TURNS


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_money(value: Any) -> bool:
    try:
        return isinstance(value, str) and dollars(pico(value)) == value
    except ValueError:
        return False


def _is_lanes(value: Any) -> bool:
    return isinstance(value, list) and all(lane is None or isinstance(lane, str) for lane in value)


def _one_of(*allowed: str) -> Kind:
    return Kind(lambda value: value in allowed, f"one of {', '.join(allowed)}")


TEXT = Kind(_is_text, "a string")
COUNT = Kind(_is_count, "a whole number, 0 or more")
SMALL = Kind(_is_small, "a whole number of 32 bits")
TIME = Kind(_is_time, "a time such as 2026-11-22T08:30:00.000000Z")
TURN = Kind(_is_turn, "the number of a turn: 1, 2, ...")
MONEY = Kind(_is_money, 'an amount in USD such as "0.000125"')
OBJECT = Kind(_is_object, "an object")
LANES = Kind(_is_lanes, "a list of names")
OUTCOME = _one_of(*get_args(Outcome))

EXCHANGE: Mapping[str, Kind] = {
    "method": TEXT,
    "path": TEXT,
    "transport": _one_of(*get_args(Transport)),
    "status": SMALL,
    "outcome": OUTCOME,
    "upstream": TEXT,
    "started_at": TIME,
    "first_event_ns": COUNT,
    "duration_ns": COUNT,
    "request_bytes": COUNT,
    "response_bytes": COUNT,
    "events": COUNT,
    "redacted": _one_of("response"),
    "request_id": TEXT,
    "attempt": SMALL,
    "key_id": TEXT,
    "organization": TEXT,
    "project": TEXT,
    "connection": COUNT,
    "turn": TURN,
    "stream_id": TEXT,
    "steer": TEXT,
    "cost": MONEY,
    "cost_note": TEXT,
}
"""Behind `exchange`, its place in the session. What is null, or follows from the rest, is left out."""

FACTS: Mapping[str, Kind] = {
    **dict.fromkeys([each.name for each in fields(Facts) if each.name not in ("problems", "prompt_cache_key", "billing")], TEXT),
    "usage": OBJECT,
    "parse": _one_of(*get_args(Parse)),
}

CONNECTION: Mapping[str, Kind] = {
    "path": TEXT,
    "upstream": TEXT,
    "started_at": TIME,
    "status": SMALL,
    "outcome": OUTCOME,
    "duration_ns": COUNT,
    "subprotocol": TEXT,
    "extensions": TEXT,
    "lanes": LANES,
    **dict.fromkeys(("turns", "client_messages", "upstream_messages", "client_bytes", "upstream_bytes", "client_pings", "upstream_pings"), COUNT),
    "client_close": SMALL,
    "client_reason": TEXT,
    "upstream_close": SMALL,
    "upstream_reason": TEXT,
    "unassigned": COUNT,
    "problem": TEXT,
    "key_id": TEXT,
}


def defaults(kind: type[Any]) -> Mapping[str, Any]:
    """Of the fields of a record that may be left out."""
    made = {each.name: each.default_factory() for each in fields(kind) if each.default_factory is not MISSING}
    return {each.name: each.default for each in fields(kind) if each.default is not MISSING} | made


FACT_DEFAULTS = defaults(Facts)
CONNECTION_DEFAULTS = defaults(RecordedConnection)


def checked(line: Mapping[str, Any], kinds: Mapping[str, Kind], *needed: str) -> Line:
    """The members of a line that are known. Raises ValueError: one is wrong, missing or unknown."""
    for key, value in line.items():
        kind = kinds.get(key)
        if kind is None:
            raise ValueError(f"{key!r} is nothing that this version of playhead knows here")
        if not kind.fits(value):
            raise ValueError(f"{key!r} must be {kind.says}")
    for key in needed:
        if key not in line:
            raise ValueError(f"{key!r} is missing")
    return dict(line)


def time_of(nanoseconds: int) -> str:
    """To the microsecond, as stores have it."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]}.{rest // 1000:06d}Z"


def nanoseconds_of(text: str) -> int:
    """Of a time that was checked."""
    moment = _moment(text)
    return 0 if moment is None else (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment >= _EPOCH else None


# Exchanges.


def exchange_line(r: Recorded, upstream: str, turn: int, connection: int | None) -> Line:
    """`upstream`: what the line may leave out. `turn`, `connection`: 0 and None if it has none."""
    told: Line = {
        "method": r.method,
        "path": r.path,
        "transport": r.transport,
        "status": r.status,
        "outcome": r.outcome,
        "upstream": r.upstream if r.upstream != upstream else None,
        "started_at": time_of(r.started_at_ns),
        "first_event_ns": r.first_event_ns,
        "duration_ns": r.duration_ns,
        "request_bytes": r.request_bytes if r.request_bytes != len(r.raw.request) else None,
        "response_bytes": r.response_bytes if r.response_bytes != len(r.raw.response) else None,
        "events": r.event_count if r.event_count != len(r.events) else None,
        "redacted": r.redacted,
        "request_id": r.request_id,
        "attempt": r.attempt,
        "key_id": r.key_id,
        "organization": r.organization,
        "project": r.project,
        "connection": connection,
        "turn": turn or None,
        "stream_id": r.stream_id,
        "steer": r.steer,
        "cost": None if r.paid[0] is None else dollars(r.paid[0]),
        "cost_note": r.paid[1],
    }
    return {"exchange": r.seq} | {key: value for key, value in told.items() if value is not None}


def facts_line(facts: Facts) -> Line:
    """Empty if nothing is known."""
    told = {name: getattr(facts, name) for name in FACTS}
    return {name: quoted(value) for name, value in told.items() if value != FACT_DEFAULTS[name]}


# Connections.


def connection_line(number: int, r: RecordedConnection, upstream: str) -> Line:
    """`upstream`: what the line may leave out."""
    told: Line = {name: getattr(r, name) for name in CONNECTION if name != "started_at"}
    told = {name: value for name, value in told.items() if value != CONNECTION_DEFAULTS.get(name)}
    if told.get("upstream") == upstream:
        del told["upstream"]
    line = {"connection": number, "path": told.pop("path")} | ({"upstream": told.pop("upstream")} if "upstream" in told else {})
    return line | {"started_at": time_of(r.started_at_ns)} | told


def connection_of(line: Mapping[str, Any], upstream: str, take: str) -> RecordedConnection:
    """What a line says. Raises ValueError."""
    told = checked({key: value for key, value in line.items() if key != "connection"}, CONNECTION, "path", "started_at")
    told = {"upstream": upstream, **told}
    return RecordedConnection(writer="", session="", run=take, number=line["connection"], started_at_ns=nanoseconds_of(told.pop("started_at")), **told)
