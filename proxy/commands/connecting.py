"""`connections`, `connection`: WebSockets, what became of them, and their lanes over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from .options import RECORDINGS, connection_id, json_flag, loaded, recordings, session_name, setting_flags

if TYPE_CHECKING:
    from rich.console import Console

    from playhead.storage.connecting.connected import ConnectionRecord
    from playhead.storage.records import ExchangeRecord
    from playhead.storage.store import Store

    from ..lane_chart import Line
    from ..lane_marks import Mark, Noted, Run, Spans

_STRAYS = 500  # messages of no turn that are told one by one
_HEAD = 4096  # bytes of such a message in which its type is looked for
_WIDTH = 120
_DATA = (1, 2)  # opcodes of messages


@click.command()
@click.argument("session")
@click.option("--take", type=click.IntRange(1), metavar="N", help="Only this take of the session.")
@json_flag
@setting_flags(*RECORDINGS)
def connections(session: str, take: int | None, as_json: bool, **flags: Any) -> None:
    """List the WebSocket connections of a session: those in Responses mode, whose turns are exchanges, those that are one exchange each, and those
    that were refused."""
    from ..listing import CONNECTIONS, print_json, print_table, terminal

    name = session_name(session)
    with recordings(loaded(flags).settings) as store:
        rows, where = store.connections(name, take), f"session {name}" if take is None else f"take {take} of session {name}"
        if as_json:
            print_json(rows)
        else:
            print_table(terminal(), CONNECTIONS, rows, empty=f"There are no WebSocket connections in {where}.")


@click.command()
@click.argument("connection")
@click.option("--all", "everything", is_flag=True, help="Draw every turn and every message, however many there are.")
@json_flag
@setting_flags(*RECORDINGS)
def connection(connection: str, everything: bool, as_json: bool, **flags: Any) -> None:
    """Show one WebSocket connection: what is known of it, and its lanes over time.

    Each lane is a column, time goes downwards, and each turn stands there by the number of its exchange. Of a connection that is one exchange the messages
    are told by type. A long one is shortened: its beginning, its end, and of the rest what is remarkable.
    """
    from ..listing import facts, print_facts, print_json, terminal

    with recordings(loaded(flags).settings) as store:
        told = _Told.of(store, connection_id(connection))
        if as_json:
            print_json([told.row])
            print_json(told.as_json())
            return
        console = terminal()
        print_facts(console, facts(told.row))
        _draw(console, told, None if everything else 100)


@dataclass(frozen=True, slots=True)
class _Told:
    """What is known of a connection. `marks`: of one with turns; `runs`: of one that is one exchange, `whole`."""

    row: ConnectionRecord
    lanes: Sequence[str | None]
    marks: Sequence[Mark]
    runs: Sequence[Run]
    whole: ExchangeRecord | None

    @classmethod
    def of(cls, store: Store, id_: int) -> _Told:
        """Raises StoreError if there is none."""
        from ..chains.linked import Near, making
        from ..lane_marks import Spans, lanes_of, marks_of, parents_elsewhere, runs_of

        row, turns = store.connection(id_), store.turns(id_)
        whole = turns.get(0)
        if row.pruned is not None or (whole is not None and whole.pruned == "content"):
            return cls(row, [], [], [], whole)
        if whole is not None:
            events = ((event.offset_ns, event.direction, event.type, event.bytes) for event in store.event_rows(whole.id))
            return cls(row, [], [], runs_of(events) if whole.transport == "ws" else [], whole)
        spans = Spans.of(store.connection_log(id_))
        noted = [*_notable(store, row, spans, turns), *_strays(store, id_)]
        parents = {id_: making(store.responding(id_), Near.of(turn)) for id_, turn in parents_elsewhere(turns).items()}
        elsewhere = {id_: parent.id for id_, parent in parents.items() if parent is not None}
        return cls(row, lanes_of(row, turns), marks_of(row, spans, turns, noted, elsewhere), [], None)

    def as_json(self) -> Iterator[dict[str, Any]]:
        """A line for each thing that happened, or for each run of messages."""
        for mark in self.marks:
            lane = None if mark.lane is None else self.lanes[mark.lane]
            place = (mark.at / 1e6, mark.what, mark.turn or None, mark.exchange)
            yield {**_placed(self.row, *place), "stream_id": lane, "text": mark.text}
        for run in self.runs:
            exchange = None if self.whole is None else self.whole.id
            counted = {"until_ms": run.until / 1e6, "messages": run.messages, "bytes": run.bytes}
            sender = "upstream" if run.direction else "client"
            yield {**_placed(self.row, run.at / 1e6, "messages", None, exchange), "direction": sender, "type": run.type, **counted}


def _placed(row: ConnectionRecord, at_ms: float, what: str, turn: int | None, exchange: int | None) -> dict[str, Any]:
    """What every line says."""
    return {"connection": row.id, "at_ms": at_ms, "what": what, "turn": turn, "exchange": exchange}


def _notable(store: Store, row: ConnectionRecord, spans: Spans, turns: Mapping[int, ExchangeRecord]) -> Iterator[Noted]:
    """Steers and errors within turns: only where there are any, the events are read."""
    from ..lane_marks import NOTABLE, Noted

    for turn, exchange in turns.items():
        own = 0 if exchange.steer is not None else 1
        failed = exchange.error_code is not None and exchange.response_status is not None  # where there was no response, the error is its end
        if (spans.asked.get(turn, own) <= own and not failed) or exchange.pruned == "content":
            continue
        began = spans.first.get(turn, round((exchange.started_at - row.started_at).total_seconds() * 1e9))
        for event in store.event_rows(exchange.id):
            if event.type in NOTABLE and (turn, began + event.offset_ns) not in spans.hidden:
                yield Noted(began + event.offset_ns, turn, event.direction, event.type)


def _strays(store: Store, id_: int) -> Iterator[Noted]:
    """Messages that belong to no turn."""
    from ..edges import leading
    from ..lane_marks import Noted

    data = ((entry, payload) for entry, payload in store.connection_messages(id_) if entry.opcode in _DATA and not entry.hidden)
    for entry, payload in islice(data, _STRAYS):
        type_ = leading(payload[:_HEAD]).get("type")
        yield Noted(entry.at, 0, entry.direction, type_ if isinstance(type_, str) else None)


def _draw(console: Console, told: _Told, most: int | None) -> None:
    from ..lane_chart import chart, transcript

    width = min(console.width, _WIDTH)
    if told.row.pruned is not None:
        console.print("\nWhat was said on it is pruned: it is not kept any more.", style="yellow")
        return
    if told.whole is not None:
        console.print(f"\nEXCHANGE {told.whole.id} is all of it", style="bold")
        _print(console, transcript(told.runs, width=width, most=most))
    elif told.marks:
        console.print("\nTURNS, each by the number of its exchange", style="bold")
        _print(console, chart(told.lanes, told.marks, width=width, most=most))


def _print(console: Console, lines: Sequence[Line]) -> None:
    from rich.text import Text

    from ..listing import visible

    for line in lines:
        console.print(Text(visible(line.text)), style=line.style, soft_wrap=True)
