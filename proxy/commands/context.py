"""`show --context`: all that the model saw for an exchange."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from playhead.storage.store import Store

    from ..chains.context import Context
    from ..chains.linked import ContextItem, Missing

_LINES = 12  # of a text that are shown
_CHARACTERS = 2000
_WIDTH = 120
_PARTS: Mapping[str, str] = {"instructions": "", "input": "", "output": "", "steer": ", steer", "items": ", put into it"}


def print_context(store: Store, id_: int, *, as_json: bool) -> None:
    """Items in order, each with the exchange that it came from, and what is missing."""
    from ..chains.context import context_of
    from ..chains.recalling import Recalled
    from ..listing import print_json, terminal

    context = context_of(Recalled(store), id_)
    if context is None:
        if not as_json:
            terminal().print(f"Exchange {id_} has no context: it asks no model to go on with a conversation.", style="dim")
        return
    if as_json:
        print_json(_rows(context))
    else:
        _print(context, store, id_)


def _rows(context: Context) -> Iterator[dict[str, Any]]:
    for one in context.items:
        told = {"exchange": one.exchange, "part": one.part, "position": one.position, "type": one.type, "made_in": one.made_in}
        yield {**told, "reference": one.reference, "removed": one.removed, "item": one.item}
    for lack in context.missing:
        yield {"missing": lack.what, "id": lack.id, "exchange": lack.exchange, "text": lack.text}


def _print(context: Context, store: Store, id_: int) -> None:
    from ..listing import terminal

    console = terminal()
    row = store.exchange(context.exchange)
    count = len({one.exchange for one in context.items})
    about = f"{len(context.items):,} item{'s'[: len(context.items) != 1]} of {count:,} exchange{'s'[: count != 1]}"
    made = "" if context.exchange == id_ else f", which made the response of exchange {id_}"
    _line(console, "", f"CONTEXT of exchange {context.exchange}{made} ({row.model or 'no model'}): {about}", "bold")
    names: dict[str, str] = {}
    _print_items(console, context.items, names)
    if context.missing:
        console.print("\nMISSING" if not context.whole else "\nNOTES", style="bold")
        _print_missing(console, context.missing)
    if context.answer:
        console.print("\nANSWER", style="bold")
        _print_items(console, context.answer, names)


def _print_items(console: Console, items: Sequence[ContextItem], names: dict[str, str]) -> None:
    from ..item_words import name_of_call, title, words

    margin = max((len(f"exchange {one.exchange}") for one in items), default=0) + 2
    last = None
    for one in items:
        if (named := name_of_call(one.item)) is not None:
            names[named[0]] = named[1]
        place = (one.exchange, one.part)
        start = f"exchange {one.exchange}" if place != last else ""
        last = place
        if start:
            console.print()
        heading = f"{title(one.item, names)}{_PARTS[one.part]}{_notes(one)}"
        _line(console, start.ljust(margin), heading, "green" if one.part == "output" else "cyan")
        for line in _fold(console, words(one.item), min(console.width, _WIDTH) - margin - 2):
            _line(console, " " * (margin + 2), line)


def _notes(one: ContextItem) -> str:
    made = f", made in exchange {one.made_in}" if one.made_in is not None else ""
    named = f", named by exchange {one.reference}" if one.reference is not None else ""
    return made + named + (f", left out by upstream: {one.removed}" if one.removed is not None else "")


def _line(console: Console, margin: str, text: str, style: str = "") -> None:
    from rich.text import Text

    from ..listing import visible

    console.print(Text.assemble((margin, "dim"), (visible(text), style)), soft_wrap=True)


def _print_missing(console: Console, missing: Sequence[Missing]) -> None:
    for lack in missing:
        where = "" if not lack.exchange else f"exchange {lack.exchange}: "
        _line(console, "  ", f"{where}{'' if lack.id is None else f'{lack.what} {lack.id}: '}{lack.text}", "yellow")


def _fold(console: Console, text: str, width: int) -> list[str]:
    """A text in lines of that width, broken between words where that can be; of a long one the beginning, and how long it is."""
    from rich.text import Text

    from ..listing import visible

    lines = [line.plain.rstrip() for line in Text(visible(text[:_CHARACTERS], keep="\n\t")).wrap(console, max(width, 20), tab_size=4)]
    if len(lines) > _LINES or len(text) > _CHARACTERS:
        lines = [*lines[:_LINES], f"... ({len(text):,} characters)"]
    return lines if text else []
