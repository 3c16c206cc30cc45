"""`show --parsed`: the models that an exchange is made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from playhead.storage.records import ExchangeRecord, WireProblems

from ..pieces import Cutter
from .decoded import decode

if TYPE_CHECKING:
    from rich.console import Console

    from playhead.storage.store import Store

    from ..models.wire import Wire
    from ..typed import Message

_TEXT = 200  # characters of a text that are shown
_ITEMS = 500  # of a list of items
_OWN = ("usage", "object")  # shown apart, or not at all


def print_parsed(store: Store, id_: int, *, as_json: bool) -> None:
    """The request, the answer and what does not fit in them."""
    row, problems = store.exchange(id_), store.problems(id_)
    request, answer = models_of(store, row)
    if as_json:
        from ..listing import print_json

        first = [{"path": path, "expected": expected, "found": found} for path, expected, found in problems.first]
        told = {"count": problems.total, "first": first}
        usage = _usage(row, answer)
        print_json([{"exchange": id_, "kind": row.kind, "request": _wire(request), "response": _wire(answer), "usage": usage, "problems": told}])
        return
    from ..listing import print_facts, terminal

    console = terminal()
    _print_model(console, "request", request, "input", row.request_bytes)
    _print_model(console, "response", answer, "output", row.response_bytes)
    if usage := _usage(row, answer):
        console.print("\nUSAGE, in one form for all providers", style="bold")
        print_facts(console, _facts(_flat({name: value for name, value in usage.items() if name not in ("raw", "raw_tools")})))
    _print_problems(console, problems)


def models_of(store: Store, row: ExchangeRecord) -> tuple[Wire | None, Wire | None]:
    """The request and the answer of an exchange, each None if there is none that can be read. Raises StoreError."""
    from ..models.kind import shape_of
    from ..typed import answer_of, conversation_of, request_of

    shape = shape_of(row.method, row.path)
    if row.transport == "ws":
        return conversation_of(shape, _messages(store, row.id))
    body = decode(store.response_chunks(row.id), store.heads(row.id).response_heads)
    return request_of(shape, store.request_chunks(row.id)), answer_of(shape, row.status, body)


def _messages(store: Store, id_: int) -> Iterator[Message]:
    from ..typed import Message

    bodies = (Cutter(store.request_chunks(id_)), Cutter(store.response_chunks(id_)))
    for event in store.event_rows(id_):
        payload = bodies[event.direction].take(event.bytes)
        if event.type is not None and event.flags in (1, 2):
            yield Message(not event.direction, payload)


def _wire(model: Wire | None) -> Any:
    return None if model is None else model.to_wire()


def _usage(row: ExchangeRecord, answer: Wire | None) -> dict[str, Any] | None:
    """The normal form of what was used."""
    from ..pricing.used import usage_in
    from ..usage import normal_usage
    from ..usage_form import as_json

    if row.transport == "ws" and row.kind == "realtime":  # of a whole connection, of which the answer is the last message only
        found = normal_usage(row.kind, row.usage, service_tier=row.service_tier)
    else:
        found = usage_in(row.kind, answer) if answer is not None else None
    return as_json(found) if found is not None else None


def _print_model(console: Console, title: str, model: Wire | None, items: str, size: int) -> None:
    """`items`: the name of its list of items. `size`: of its body."""
    from ..listing import print_facts, print_text
    from ..models.wire import Unparsed
    from ..typed import MAX_BODY, items_of

    console.print(f"\n{title.upper()}", style="bold", end="")
    if model is None or isinstance(model, Unparsed):
        none = "none" if size <= MAX_BODY else f"longer than {MAX_BODY >> 20} MiB, and not parsed"
        print_text(console, f"  ({none if model is None else model.reason})", style="dim")
        return
    print_text(console, f"  {type(model).__name__}", style="dim")
    whole = model.to_wire()
    print_facts(console, _facts((name, value) for name, value in whole.items() if name not in (*_OWN, items)))
    listed = items_of(model, items)
    if listed:
        console.print(f"\n{items.upper()}", style="bold")
        _print_items(console, listed)
    elif items in whole:
        print_facts(console, _facts([(items, whole[items])]))
    if isinstance(usage := whole.get("usage"), dict):
        console.print("\nUSAGE", style="bold")
        print_facts(console, _facts(_flat(usage)))


def _facts(pairs: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    """Names and values, short; without what says nothing."""
    for name, value in pairs:
        if value is None or value == [] or value == {}:
            continue
        text = value if isinstance(value, str) else _named(value) if name == "tools" and isinstance(value, list) else json.dumps(value, ensure_ascii=False)
        yield name, _cut(" ".join(text.split()))


def _flat(value: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{above}{name}.")
        else:
            yield above + name, inner


def _named(tools: list[Any]) -> str:
    """Tools in a few words."""
    known = [tool if isinstance(tool, dict) else {} for tool in tools]
    return ", ".join(str(tool.get("name") or tool.get("server_label") or tool.get("type")) for tool in known)


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[:_TEXT]} ... ({len(text):,} characters)"


def _print_items(console: Console, items: list[dict[str, Any]]) -> None:
    from ..listing import Column, Layout, print_table
    from ..typed import item_text

    def said(name: str) -> Any:
        return lambda item: str(item.get(name) or "")

    columns = (
        Column("TYPE", lambda item: " ".join(filter(None, (said("type")(item) or "message", said("role")(item)))), least=16),
        Column("ID", said("id"), least=10),
        Column("CALL", said("call_id"), least=10),
        Column("NAME", said("name"), least=8),
        Column("STATUS", said("status"), least=8),
        Column("TEXT", lambda item: _cut(item_text(item)), least=20),
    )
    used = tuple(column for column in columns if any(column.text(item) for item in items[:_ITEMS]))
    print_table(console, Layout(used), items[:_ITEMS])
    if len(items) > _ITEMS:
        console.print(f"... and {len(items) - _ITEMS:,} more", style="yellow")


def _print_problems(console: Console, problems: WireProblems) -> None:
    from ..listing import Column, Layout, print_table

    if not problems.total:
        return
    console.print("\nPROBLEMS", style="bold")
    columns = (
        Column("AT", lambda problem: problem[0], least=16),
        Column("EXPECTED", lambda problem: problem[1], least=12),
        Column("FOUND", lambda problem: problem[2], least=12),
    )
    print_table(console, Layout(columns), problems.first)
    if problems.total > len(problems.first):
        console.print(f"... and {problems.total - len(problems.first):,} more", style="yellow")
