"""`show --cost`: what an exchange costs, line by line, and what it cost before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from playhead.storage.costing.ledger import CostLineRecord
    from playhead.storage.store import Store


def print_cost(store: Store, id_: int, *, as_json: bool) -> None:
    """Its lines, what was known of it, and its history."""
    from .. import listing

    lines, about, history = store.ledger.lines(id_), store.ledger.about(id_), store.ledger.history(id_)
    if as_json:
        listing.print_json(lines)
        return
    console = listing.terminal()
    if about is None:
        if store.exchange(id_).pruned == "costs":
            console.print(f"What exchange {id_} cost is pruned: it was kept as long as keep_costs says.", style="dim")
            return
        console.print(f"Exchange {id_} has nothing to do with money, or was recorded before it was counted: see `playhead reprice`.", style="dim")
        return
    row = store.exchange(id_)
    listing.print_facts(console, _facts(about, row.cost, row.cost_note))
    if lines:
        console.print()
        listing.print_table(console, _layout(), lines)
    _print_history(console, history)


def _facts(about: dict[str, Any], cost: str | None, note: str | None) -> Iterator[tuple[str, str]]:
    yield "cost", "none" if cost is None else f"{cost} USD"
    if note:
        yield "note", note
    for name, value, how in about["dimensions"]:
        yield name, f"{value or '?'} ({how})"
    yield "price tables", ", ".join(f"{name} {version} ({digest})" for name, version, digest in about["tables"])
    if about["assumed"] != "none":
        yield "may assume", about["assumed"]


def _print_history(console: Console, history: list[dict[str, Any]]) -> None:
    from ..listing import moment

    for old in reversed(history):
        tables = ", ".join(f"{name} {version}" for name, version, _ in old["tables"])
        amount = "no price" if old["amount"] is None else f"{old['amount']} USD"
        console.print(f"\nUntil {moment(old['until'])} it was {amount} ({old['state']}), by {tables}. {old['note'] or ''}".rstrip(), style="dim")


def _price(line: CostLineRecord) -> str:
    return "" if line.price is None else f"{line.price} / {line.per:,}"


def _what(line: CostLineRecord) -> str:
    assumed = [f"{name} {value}" for name, value, how in line.dimensions or () if how == "assumed"]
    return "; ".join(filter(None, (line.reason or "", f"assumed: {', '.join(assumed)}" if assumed else "")))


def _layout() -> Any:
    from ..listing import Column, Layout

    return Layout(
        (
            Column("ITEM", lambda line: line.item),
            Column("MODEL", lambda line: line.model or ""),
            Column("QUANTITY", lambda line: f"{line.quantity:,}", right=True),
            Column("OF", lambda line: line.counts),
            Column("PRICE (USD)", _price, right=True),
            Column("AMOUNT (USD)", lambda line: line.amount or "", right=True),
            Column("TABLE", lambda line: line.tables or "", least=12),
            Column("NOTE", _what, least=10),
        )
    )
