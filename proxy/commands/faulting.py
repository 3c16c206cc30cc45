"""`faults`: the faults that replays served, and what the client did after each."""

from __future__ import annotations

from typing import Any

import click

from .options import RECORDINGS, json_flag, loaded, recordings, session_name, setting_flags


@click.command()
@click.argument("session")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the newest N.")
@json_flag
@setting_flags(*RECORDINGS)
def faults(session: str, as_json: bool, limit: int | None, **flags: Any) -> None:
    """List the faults that replays of a session served, the oldest first, and what the client did after each: it retried, resumed, went on or gave up."""
    from ..faults.aftermath import in_words
    from ..listing import Column, Layout, moment, print_json, print_table, terminal

    name = session_name(session)
    with recordings(loaded(flags).settings) as store:
        found = store.faults(name, limit=limit)
    if as_json:
        print_json(found)
        return
    columns = (
        Column("ID", lambda row: f"{row.id}", right=True),
        Column("AT", lambda row: moment(row.at)),
        Column("EXCHANGE", lambda row: "" if row.exchange is None else f"{row.exchange}", right=True),
        Column("WHERE", lambda row: row.place, least=12),
        Column("FAULT", lambda row: row.fault, least=12),
        Column("THEN IT", lambda row: in_words(row.outcome), least=12),
    )
    print_table(terminal(), Layout(columns), found, empty=f"No replay of session {name} has served a fault.")
