"""`show`: one exchange, for people as text, for programs as bytes."""

from __future__ import annotations

import json
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from playhead.config.errors import ConfigError

from ..pieces import Cutter
from .decoded import decode
from .options import RECORDINGS, exchange_id, loaded, recordings, setting_flags

if TYPE_CHECKING:
    from rich.console import Console

    from playhead.storage.store import Store

_SHOWN = 64 << 10  # bytes of a body that are shown as text; `--raw` writes the rest as well


@click.command()
@click.argument("exchange")
@click.option("--raw", type=click.Choice(["request", "response"]), help="Write that body to standard output, byte for byte, and nothing else.")
@click.option("--decoded", is_flag=True, help="With --raw: undo the response's Content-Encoding (gzip, deflate, br, zstd).")
@click.option("--parsed", is_flag=True, help="The models of its request and its answer, of a stream what its events tell, and values that do not fit.")
@click.option("--context", is_flag=True, help="All that the model saw: the conversation that it goes on with, each item with the exchange that it came from.")
@click.option("--cost", is_flag=True, help="What it costs, line by line: quantity, unit price, amount, table, and what it cost before.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="What is known of it as one line of JSON, as `exchanges --json` has it; with --parsed: the models; with --context and --cost: a line for each item.",
)
@setting_flags(*RECORDINGS)
def show(exchange: str, *, raw: str | None, decoded: bool, parsed: bool, context: bool, cost: bool, as_json: bool, **flags: Any) -> None:
    """Show one exchange: what is known of it, its request and its response.

    The request's body is kept as text: its Content-Encoding is undone and secrets in it are replaced. The response's is as the client got it.
    --context follows previous_response_id, conversation, item references, compactions and steers, over any transport, and says what was never recorded.
    """
    id_ = exchange_id(exchange)
    if decoded and raw is None:
        raise ConfigError("--decoded goes with --raw request or --raw response; without --raw bodies are shown decoded anyway")
    ways = [name for name, given in (("--raw", raw is not None), ("--parsed", parsed), ("--context", context), ("--cost", cost)) if given]
    if len(ways) > 1:
        raise ConfigError(f"{' and '.join(ways)} are {len(ways)} ways to show it: give one of them")
    if raw is not None and as_json:
        raise ConfigError("--raw writes the body as it is, and nothing else: leave out --json")
    with recordings(loaded(flags).settings) as store:
        if raw is not None:
            _write_raw(store, id_, raw, decoded)
        elif parsed:
            from .parsed import print_parsed

            print_parsed(store, id_, as_json=as_json)
        elif context:
            from .context import print_context

            print_context(store, id_, as_json=as_json)
        elif cost:
            from .costing import print_cost

            print_cost(store, id_, as_json=as_json)
        elif as_json:
            from ..listing import print_json

            print_json([store.exchange(id_)])
        else:
            _show(store, id_)


def _write_raw(store: Store, id_: int, part: str, decoded: bool) -> None:
    pieces: Iterable[bytes] = store.request_chunks(id_) if part == "request" else store.response_chunks(id_)
    if decoded and part == "response":
        pieces = decode(pieces, store.heads(id_).response_heads)
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _show(store: Store, id_: int) -> None:
    from ..listing import facts, print_facts, terminal

    row = store.exchange(id_)
    console = terminal()
    print_facts(console, facts(row))
    if row.pruned == "content":
        console.print("\nIts content is pruned: what was said in it is not kept any more.", style="yellow")
        return
    raw = store.heads(id_)
    if row.transport == "ws":
        _part(console, "request", raw.request_head)
        _part(console, "response", raw.response_heads)
        _messages(console, store, id_)
        return
    _part(console, "request", raw.request_head, pretty(store.request_chunks(id_)), f"playhead show {id_} --raw request")
    body = decode(store.response_chunks(id_), raw.response_heads)
    _part(console, "response", raw.response_heads, pretty(body), f"playhead show {id_} --raw response --decoded")


def pretty(pieces: Iterable[bytes]) -> tuple[str, bool]:
    """A body as text, JSON indented; True if that is only its start."""
    start = b""
    for piece in pieces:
        start += piece
        if len(start) > _SHOWN:
            return as_text(start[:_SHOWN]), True
    try:
        return json.dumps(json.loads(start), indent=2, ensure_ascii=False), False
    except ValueError:
        return as_text(start), False


def as_text(data: bytes) -> str:
    """UTF-8, a character that is cut off at the end left out; of anything else how much it is."""
    try:
        return getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return f"({len(data):,} bytes that are not text)"


def _part(console: Console, title: str, head: bytes, body: tuple[str, bool] = ("", False), rest: str = "") -> None:
    """The head and the body of a request or a response. `rest`: the command that writes the whole body."""
    from ..listing import print_text

    console.print(f"\n{title.upper()}", style="bold")
    print_text(console, head.decode("latin-1").replace("\r\n", "\n").rstrip("\n") or "(none)", style="dim")
    text, cut = body
    if text:
        print_text(console, "\n" + text.rstrip("\n"))
    if cut:
        console.print(f"... and more: {rest}", style="yellow")


def _messages(console: Console, store: Store, id_: int) -> None:
    """The messages of a WebSocket in the order in which they came, as far as a person wants to read."""
    from ..listing import print_text, span

    console.print("\nMESSAGES", style="bold")
    bodies = {"client": Cutter(store.request_chunks(id_)), "upstream": Cutter(store.response_chunks(id_))}
    shown = creates = 0
    for event in store.events(id_):
        if shown > _SHOWN:
            console.print(f"... and more: playhead events {id_}, playhead show {id_} --raw response", style="yellow")
            return
        payload = bodies[event.direction].take(event.bytes)
        shown += len(payload)
        arrow = ">" if event.direction == "client" else "<"
        creates += event.direction == "client" and event.type == "response.create"
        instead = ", which playhead sent in place of the one before" if creates == 2 and _is_turn(store, id_) else ""
        creates = 1 if instead else creates
        console.print(f"{arrow} {span(event.offset_ms)}  {event.type or ''}{instead}", style="cyan" if arrow == ">" else "green")
        print_text(console, as_text(payload))


def _is_turn(store: Store, id_: int) -> bool:
    """Whether it is one of several exchanges of a WebSocket, of which each has one create of its client at most."""
    connection = store.exchange(id_).connection
    return connection is not None and any(turn and one.id == id_ for turn, one in store.turns(connection).items())
