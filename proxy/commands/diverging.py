"""`divergences`: the requests of replays that had no recorded twin, why, and what can be done about each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from .options import RECORDINGS, json_flag, loaded, recordings, session_name, setting_flags

if TYPE_CHECKING:
    from playhead.storage.records import DivergenceRecord

_SHOWN = 12  # differences of one, unless all are asked for


@click.command()
@click.argument("session")
@click.option("--take", type=click.IntRange(1), metavar="N", help="Only of replays of this take.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the newest N.")
@click.option("--all", "all_", is_flag=True, help=f"All differences of each, not only the first {_SHOWN}.")
@json_flag
@setting_flags(*RECORDINGS)
def divergences(session: str, as_json: bool, take: int | None, limit: int | None, all_: bool, **flags: Any) -> None:
    """List the requests of replays that had no recorded twin, the oldest first: why, the nearest recording of each, how they differ, and what can be done."""
    from ..listing import print_json

    name = session_name(session)
    with recordings(loaded(flags).settings) as store:
        found = store.divergences(name, take=take, limit=limit)
        if as_json:
            print_json(found)
        else:
            _show(found, f"No replay of session {name} has diverged.", most=None if all_ else _SHOWN)


def _show(found: Iterable[DivergenceRecord], empty: str, most: int | None) -> None:
    from ..listing import moment, terminal, visible

    console = terminal()
    shown = False
    for one in found:
        what = "  ".join(filter(None, (f"{one.id}", moment(one.at), one.cause or one.code, f"{one.method} {one.path}", one.model)))
        console.print(visible(what), style="bold", soft_wrap=True)
        for line, style in _lines(one, most):
            console.print(visible(line), style=style, soft_wrap=True)
        shown = True
    if not shown:
        console.print(empty, style="dim")


def _lines(one: DivergenceRecord, most: int | None) -> Iterator[tuple[str, str]]:
    """What is told of one, with its style."""
    from ..divergence import actions
    from ..diverging.differences import Difference

    first = one.message.partition("\n")[0]
    yield f"  {first}", ""
    for told in one.differences[:most]:
        difference = Difference(told["path"], told["recorded"], told["asked"], told.get("stood"))
        cause = told.get("cause")
        yield f"    {difference.path}{f'  ({cause})' if cause else ''}", "cyan"
        if difference.stood is not None:
            yield f"      was recorded at {difference.stood}: {difference.asked}", ""
            continue
        if difference.recorded is not None:
            yield f"      - {difference.recorded}", "red"
        if difference.asked is not None:
            yield f"      + {difference.asked}", "green"
    if most is not None and (more := len(one.differences) - most) > 0:
        yield f"    and {more} more: --all shows them", "dim"
    if one.proposal:
        rules = " and ".join(f"`{rule}`" for rule in one.proposal)
        yield f"  Under {rules} it would match exchange {one.nearest}{', which has been served' if one.served else ''}.", ""
    nearest = None if one.served or one.code != "no_match" else one.nearest
    for action in actions(one.session, one.id, rules=one.proposal or (), nearest=nearest, expected=one.expected):
        yield f"    {action}", "bold"
