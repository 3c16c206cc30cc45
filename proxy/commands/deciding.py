"""`rerecord`, `fork`: what is done about a divergence."""

from __future__ import annotations

from typing import Any

import click

from .options import RECORDINGS, exchange_id, loaded, recordings, session_name, setting_flags
from .saying import say


@click.command()
@click.argument("session")
@click.option("--exchange", "exchanges", multiple=True, metavar="N", help="The exchange to record anew; may be given several times.")
@click.option("--cancel", is_flag=True, help="Do not, after all: what was recorded stays.")
@setting_flags(*RECORDINGS)
def rerecord(session: str, exchanges: tuple[str, ...], cancel: bool, **flags: Any) -> None:
    """Record an exchange anew: when it is asked for in the next run that may go live (`playhead auto`), it goes to upstream, and replays serve the new
    recording in its place. Without --exchange: list those that are to be."""
    name = session_name(session)
    wanted = [exchange_id(text) for text in exchanges]
    with recordings(loaded(flags).settings) as store:
        for exchange in wanted:
            if cancel:
                gone = store.decisions.leave(name, exchange)
                say(f"exchange {exchange} stays as it is" if gone else f"exchange {exchange} was not to be recorded anew")
            else:
                store.decisions.rerecord(name, exchange)
                say(f"exchange {exchange} is recorded anew by the next `playhead auto --session {name}` that asks for it")
        if not wanted:
            for mark in store.decisions.rerecorded(name):
                click.echo(str(mark.exchange))


@click.command()
@click.argument("session")
@click.option("--at", required=True, metavar="N", help="The exchange before which it begins: what stands before it is kept.")
@click.option("--as", "as_", required=True, metavar="NAME", help="The new session.")
@setting_flags(*RECORDINGS)
def fork(session: str, at: str, as_: str, **flags: Any) -> None:
    """Make a new session of the beginning of another one: `playhead auto --session NAME` replays what is in it, and goes live after."""
    old, new = session_name(session), session_name(as_)
    with recordings(loaded(flags).settings) as store:
        count = store.decisions.fork(old, exchange_id(at), new)
    say(f"session {new}: {count} exchange{'s'[: count != 1]} of session {old}; `playhead auto --session {new}` goes on from there")
