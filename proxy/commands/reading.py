"""`sessions`, `exchanges`, `events`: the listings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from playhead.config.errors import StoreError

from .options import RECORDINGS, exchange_id, json_flag, loaded, recordings, session_name, setting_flags, since_time

if TYPE_CHECKING:
    from playhead.storage.records import ExchangeRecord

    from ..listing import Layout

_POLL_SECONDS = 0.3


@click.command()
@json_flag
@setting_flags(*RECORDINGS)
def sessions(as_json: bool, **flags: Any) -> None:
    """List the sessions."""
    from ..listing import SESSIONS

    with recordings(loaded(flags).settings) as store:
        _print(SESSIONS, store.sessions(), as_json, empty="There are no sessions yet: `playhead record` makes the first one.")


@click.command()
@click.argument("session")
@click.option("--take", type=click.IntRange(1), metavar="N", help="Only this take of the session.")
@click.option("--since", metavar="TIME", help="Only what started since then: RFC 3339, or an age such as 10m, 2h or 3d.")
@click.option("--status", metavar="STATUS", help="Only with this status: 200, or a class such as 4xx.")
@click.option("--model", metavar="MODEL", help="Only of this model.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N.")
@click.option("--follow", is_flag=True, help="Go on listing exchanges as they end, until Ctrl-C.")
@json_flag
@setting_flags(*RECORDINGS)
def exchanges(session: str, since: str | None, follow: bool, as_json: bool, **flags: Any) -> None:
    """List the exchanges of a session, in the order in which their requests arrived."""
    from ..listing import EXCHANGES

    name = session_name(session)
    take, status, model, limit = (flags.pop(each) for each in ("take", "status", "model", "limit"))
    moment = since_time(since, datetime.now(UTC)) if since else None
    such = "such " if any(each is not None for each in (take, moment, status, model)) else ""
    with recordings(loaded(flags).settings) as store:
        rows: Iterable[ExchangeRecord] = store.exchanges(name, take=take, since=moment, status=status, model=model, limit=limit)
        if follow:
            news = _ended(lambda after: store.exchanges(name, take=take, since=moment, after=after), store.exchange)
            rows = islice((row for row in news if _wanted(row, status, model)), limit)
        with suppress(KeyboardInterrupt) if follow else nullcontext():
            _print(EXCHANGES, rows, as_json, empty=f"There are no {such}exchanges in session {name}.", live=follow)


def _ended(stored_after: Callable[[int], Iterable[ExchangeRecord]], exchange: Callable[[int], ExchangeRecord]) -> Iterator[ExchangeRecord]:
    """The exchanges that there are, then each new one when it has ended. Never ends."""
    last = 0
    going_on: list[int] = []
    while True:
        for row in stored_after(last):
            last = max(last, row.id)
            if row.outcome is None:
                going_on.append(row.id)
            else:
                yield row
        time.sleep(_POLL_SECONDS)
        for id_ in list(going_on):
            with suppress(StoreError):  # it was deleted meanwhile
                if (row := exchange(id_)).outcome is None:
                    continue
                yield row
            going_on.remove(id_)


def _wanted(row: ExchangeRecord, status: str | None, model: str | None) -> bool:
    """What the store's own filters mean, for an exchange that had no status or model yet when it was first seen."""
    wanted = status is None or str(row.status or "").startswith(status.removesuffix("xx"))
    return wanted and (model is None or row.model == model)


@click.command()
@click.argument("exchange")
@json_flag
@setting_flags(*RECORDINGS)
def events(exchange: str, as_json: bool, **flags: Any) -> None:
    """List the events of an exchange: SSE events or WebSocket messages, with their times."""
    from ..listing import EVENTS

    id_ = exchange_id(exchange)
    with recordings(loaded(flags).settings) as store:
        _print(EVENTS, store.events(id_), as_json, empty=f"Exchange {id_} has no events: it was neither a stream nor a WebSocket.")


def _print(table: Layout, rows: Iterable[Any], as_json: bool, *, empty: str, live: bool = False) -> None:
    from ..listing import print_json, print_table, terminal

    if as_json:
        print_json(rows)
    else:
        print_table(terminal(), table, rows, empty=empty, live=live)
