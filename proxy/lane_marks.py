"""What happened on a connection, in the order in which it did, for those who draw or list it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from playhead.storage.connecting.connected import ConnectionRecord, LogEntry
from playhead.storage.records import Direction, ExchangeRecord

What = Literal["begin", "end", "steer", "error", "message", "close", "over"]
_CLOSE = 8  # opcode
_ORDER: Mapping[str, int] = {"begin": 0, "steer": 1, "error": 2, "end": 3, "message": 4, "close": 5, "over": 6}
_SPOKEN: Mapping[str, str] = {
    "response.steer": "is steered",
    "response.steer.accepted": "steer accepted",
    "response.steer.pending": "steer waits for input",
    "response.steer.failed": "steer failed",
    "response.inject": "gets tool outputs",
    "response.inject.created": "tool outputs taken",
    "response.inject.failed": "tool outputs refused",
}
NOTABLE = frozenset(("error", *_SPOKEN))
"""Types of events within a turn that are told."""


class Mark(NamedTuple):
    """`at`: ns from the connection's start. `lane`: its place among the connection's lanes; None: the connection itself. `wrong`: it went wrong."""

    at: int
    what: What
    lane: int | None
    turn: int
    exchange: int | None
    text: str
    wrong: bool = False


class Noted(NamedTuple):
    """An event that is told: of a turn, or (turn 0) a message that belongs to none."""

    at: int
    turn: int
    direction: int
    type: str | None


class Spans:
    """When the turns of a connection began and ended, by its log."""

    def __init__(self) -> None:
        self.first: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.asked: dict[int, int] = {}
        """Messages of the client in each turn."""
        self.closes: list[tuple[int, int]] = []
        """When, and by whom."""
        self.hidden: set[tuple[int, int]] = set()
        """Messages of turns that one end never saw: turn and time."""

    @classmethod
    def of(cls, log: Iterable[LogEntry]) -> Spans:
        """All of a log, which is drawn once."""
        spans = cls()
        for entry in log:
            if entry.turn:
                spans.first.setdefault(entry.turn, entry.at)
                spans.last[entry.turn] = entry.at
                if entry.hidden:
                    spans.hidden.add((entry.turn, entry.at))
                else:
                    spans.asked[entry.turn] = spans.asked.get(entry.turn, 0) + (entry.direction == Direction.CLIENT)
            elif entry.opcode == _CLOSE:
                spans.closes.append((entry.at, entry.direction))
        return spans


def lanes_of(connection: ConnectionRecord, turns: Mapping[int, ExchangeRecord]) -> list[str | None]:
    """Its lanes by first use."""
    used = [turns[turn].stream_id for turn in sorted(turns) if turn]
    return [*dict.fromkeys([*connection.lanes, *used])]


def marks_of(
    connection: ConnectionRecord, spans: Spans, turns: Mapping[int, ExchangeRecord], noted: Sequence[Noted], elsewhere: Mapping[str, int] | None = None
) -> list[Mark]:
    """Everything that is told of a connection in Responses mode, in order. `elsewhere`: the exchanges that made responses which turns go on from."""
    made = {**(elsewhere or {}), **_made(turns)}
    lanes = {name: place for place, name in enumerate(lanes_of(connection, turns))}
    marks = [*_turn_marks(connection, spans, turns, lanes, made), *_noted_marks(turns, lanes, noted), *_closing_marks(connection, spans)]
    return sorted(marks, key=lambda mark: (mark.at, _ORDER[mark.what], mark.turn))


def _made(turns: Mapping[int, ExchangeRecord]) -> dict[str, int]:
    return {row.response_id: row.id for _, row in sorted(turns.items()) if row.response_id is not None}


def parents_elsewhere(turns: Mapping[int, ExchangeRecord]) -> dict[str, ExchangeRecord]:
    """The responses that turns go on from and that were not made on their connection, each with the first turn that does."""
    made, named = _made(turns), dict[str, ExchangeRecord]()
    for _, row in sorted(turns.items()):
        if row.previous_response_id is not None and row.previous_response_id not in made:
            named.setdefault(row.previous_response_id, row)
    return named


def _turn_marks(
    connection: ConnectionRecord, spans: Spans, turns: Mapping[int, ExchangeRecord], lanes: Mapping[str | None, int], made: Mapping[str, int]
) -> Iterator[Mark]:
    for turn, row in turns.items():
        if not turn:
            continue
        started = round((row.started_at - connection.started_at).total_seconds() * 1e9)
        begin = spans.first.get(turn, max(started, 0))
        lane = lanes[row.stream_id]
        yield Mark(begin, "begin", lane, turn, row.id, _beginning(row, made))
        if row.outcome is not None:
            end = max(begin, spans.last.get(turn, begin + round((row.duration_ms or 0) * 1e6)))
            yield Mark(end, "end", lane, turn, row.id, _ending(row), wrong=_went_wrong(row))


def _beginning(row: ExchangeRecord, made: Mapping[str, int]) -> str:
    parent = made.get(row.previous_response_id or "")
    words = ["by a steer" if row.steer is not None else ""]
    if row.previous_response_id is not None:
        words.append(f"after {parent if parent is not None else row.previous_response_id}")
    return ", ".join(filter(None, (" ".join(filter(None, words)), row.model)))


def _went_wrong(row: ExchangeRecord) -> bool:
    return row.outcome != "complete" or row.error_code is not None or row.response_status in ("failed", "cancelled")


def _ending(row: ExchangeRecord) -> str:
    over = row.response_status or ("" if row.error_code else "ended")
    how = over if row.outcome == "complete" else row.outcome or ""
    return " ".join(filter(None, (how.replace("_", " "), row.error_code)))


def _noted_marks(turns: Mapping[int, ExchangeRecord], lanes: Mapping[str | None, int], noted: Iterable[Noted]) -> Iterator[Mark]:
    for one in noted:
        row = turns.get(one.turn) if one.turn else None
        who = "client" if one.direction == Direction.CLIENT else "upstream"
        if row is None:
            yield Mark(one.at, "message", None, 0, None, f"{who}: {one.type or 'a message of no type'}, of no turn", wrong=one.type == "error")
        elif one.type == "error":
            yield Mark(one.at, "error", lanes[row.stream_id], one.turn, row.id, " ".join(filter(None, ("error", row.error_code))), wrong=True)
        else:
            text = _SPOKEN.get(one.type or "", one.type or "")
            yield Mark(one.at, "steer", lanes[row.stream_id], one.turn, row.id, text, wrong="failed" in text or "refused" in text)


def _closing_marks(connection: ConnectionRecord, spans: Spans) -> Iterator[Mark]:
    closes = {
        Direction.CLIENT: (connection.client_close, connection.client_reason),
        Direction.UPSTREAM: (connection.upstream_close, connection.upstream_reason),
    }
    for at, by in spans.closes:
        code, reason = closes[Direction(by)]
        who = "client" if by == Direction.CLIENT else "upstream"
        yield Mark(at, "close", None, 0, None, f"{who} closes {close_text(code, reason)}".strip(), wrong=code not in (None, 1000, 1001, 1005))
    if connection.outcome is not None:
        latest = max([connection.duration_ms or 0, *[at / 1e6 for at in spans.last.values()], *[at / 1e6 for at, _ in spans.closes]])
        how = connection.outcome.replace("_", " ")
        yield Mark(round(latest * 1e6), "over", None, 0, None, f"the connection is over: {how}", wrong=connection.outcome != "complete")


def close_text(code: int | None, reason: str | None) -> str:
    """The code and the reason of a close frame, short; empty: there was none."""
    if code is None:
        return ""
    number = "without a code" if code == 1005 else str(code)
    return f'{number} "{reason}"' if reason else number


# Connections that are one exchange.


class Run(NamedTuple):
    """Messages of one type and one direction. `at`, `until`: ns of the first and the last of them."""

    at: int
    until: int
    direction: int
    type: str
    messages: int
    bytes: int

    @property
    def wrong(self) -> bool:
        """Whether it is an error."""
        return self.type == "error"


_CHATTY = (".delta", ".append", "websocket.binary", "websocket.ping", "websocket.pong")
_WINDOW = 4


def runs_of(events: Iterable[tuple[int, int, str | None, int]]) -> list[Run]:
    """Messages condensed: equal ones in a row are one run; of those that come piece by piece also such that alternate with a few others.

    `events`: offset, direction, type, bytes.
    """
    runs: list[Run] = []
    for at, direction, type_, size in events:
        kind = type_ or "no whole message"
        reach = _WINDOW if kind.endswith(_CHATTY) else 1
        place = next((len(runs) - back for back in range(1, reach + 1) if back <= len(runs) and runs[-back][2:4] == (direction, kind)), None)
        if place is None:
            runs.append(Run(at, at, direction, kind, 1, size))
        else:
            known = runs[place]
            runs[place] = known._replace(until=at, messages=known.messages + 1, bytes=known.bytes + size)
    return runs
