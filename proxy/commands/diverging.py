"""`divergences`: the requests of replays that had no recorded twin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from .options import RECORDINGS, json_flag, loaded, recordings, session_name, setting_flags

if TYPE_CHECKING:
    from playhead.storage.records import DivergenceRecord


@click.command()
@click.argument("session")
@click.option("--take", type=click.IntRange(1), metavar="N", help="Only of replays of this take.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the newest N.")
@json_flag
@setting_flags(*RECORDINGS)
def divergences(session: str, as_json: bool, take: int | None, limit: int | None, **flags: Any) -> None:
    """List the requests of replays that had no recorded twin, the oldest first: the nearest recording of each, and how they differ."""
    from ..listing import print_json

    name = session_name(session)
    with recordings(loaded(flags).settings) as store:
        found = store.divergences(name, take=take, limit=limit)
        if as_json:
            print_json(found)
        else:
            _show(found, f"No replay of session {name} has diverged.")


def _show(found: Iterable[DivergenceRecord], empty: str) -> None:
    from ..differences import Difference
    from ..listing import moment, terminal, visible

    console = terminal()
    shown = False
    for one in found:
        what = "  ".join(filter(None, (f"{one.id}", moment(one.at), one.code, f"{one.method} {one.path}", one.model)))
        console.print(visible(what), style="bold", soft_wrap=True)
        for line in one.message.split("\n")[:1] + [f"  {Difference(**difference)}" for difference in one.differences]:
            console.print(f"  {visible(line)}", soft_wrap=True)
        shown = True
    if not shown:
        console.print(empty, style="dim")
