"""`reprice`: what exchanges cost is computed again, beside what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.storage.costing.costs import dollars

from .options import RECORDINGS, loaded, recordings, session_name, setting_flags, since_time

if TYPE_CHECKING:
    from playhead.storage.costing.costs import Cost, Priceable, Repriced

    from ..pricing.entries import Entries

_AT_ONCE = 500  # exchanges of one transaction


@click.command()
@click.argument("session", required=False)
@click.option("--as-of", "as_of", metavar="TIME", help="Take the prices of that time, in place of those when each exchange was made.")
@click.option("--table", "tables", metavar="FILE", multiple=True, help="One more price table, on top of all others. May be given several times.")
@click.option("--since", metavar="TIME", help="Only what was made since: a time, or an age such as 10m, 2h, 3d.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines: each exchange whose price changes, with both prices.")
@setting_flags(*RECORDINGS, "assume", "price_table")
def reprice(session: str | None, *, as_of: str | None, tables: tuple[str, ...], since: str | None, dry_run: bool, as_json: bool, **flags: Any) -> int:
    """Compute again what exchanges cost: all of them, or those of a session.

    It is done by the prices that this version knows, and by tables of your own. What an exchange cost before stays in the history of the ledger;
    `playhead show EXCHANGE --cost` shows it.
    """
    from ..listing import print_json, progress
    from ..pricing.setting import entries_for

    now = datetime.now(UTC)
    settings = loaded(flags).settings
    entries = entries_for(settings, *map(Path, tables), as_of=None if as_of is None else since_time(as_of, now, "--as-of"))
    with recordings(settings) as store:
        name = None if session is None else session_name(session)
        wanted = store.ledger.priceable(name, None if since is None else since_time(since, now))
        with nullcontext() if dry_run else store.ledger.repricing(), progress("Pricing", store.stats().exchanges if name is None else 0) as advance:
            change = store.ledger.changes if dry_run else store.ledger.replace
            changed = (one for batch in _batches(entries, wanted, advance) for one in change(batch))
            if as_json:
                print_json(map(_row, changed))
                return 0
            groups = _grouped(changed)
        pruned = store.ledger.pruned(name)
    _print(groups, entries, dry_run=dry_run)
    if pruned:
        click.echo(f"What {pruned:,} exchange{'s'[: pruned != 1]} cost is pruned, and not computed again.")
    return 0


def _batches(entries: Entries, wanted: Iterable[Priceable], advance: Callable[[int], None]) -> Iterator[list[tuple[Priceable, Cost | None]]]:
    batch: list[tuple[Priceable, Cost | None]] = []
    for one in wanted:
        batch.append((one, entries.of(one)))
        if len(batch) >= _AT_ONCE:
            yield batch
            advance(len(batch))
            batch = []
    yield batch


def _row(one: Repriced) -> dict[str, Any]:
    before, after = (None if amount is None else dollars(amount) for amount in (one.amount_before, one.amount))
    difference = None if one.amount_before is None or one.amount is None else dollars(one.amount - one.amount_before)
    told = {"exchange": one.exchange, "model": one.model, "state_before": one.state_before, "cost_before": before}
    return {**told, "state": one.state, "cost": after, "difference": difference}


def _grouped(changed: Iterable[Repriced]) -> list[_Group]:
    groups: dict[tuple[str, str | None, str], _Group] = {}
    for one in changed:
        key = (one.model or "", one.state_before, one.state)
        groups.setdefault(key, _Group(*key)).add(one)
    return sorted(groups.values(), key=lambda group: -abs(group.after - group.before))


def _print(groups: list[_Group], entries: Entries, *, dry_run: bool) -> None:
    from .. import listing

    if not groups:
        click.echo("Nothing changes: every price is the one that these tables give.")
        return
    whole = _sum(groups)
    listing.print_table(listing.terminal(), _layout(), [*groups, whole])
    verb = "would be priced otherwise" if dry_run else "priced anew; what they cost before is kept"
    click.echo(f"\n{whole.count:,} exchange{'s'[: whole.count != 1]} {verb}. The difference is {dollars(whole.after - whole.before)} USD.")
    if unknown := sum(group.count for group in groups if group.state in ("unpriced", "partly")):
        click.echo(f"{unknown:,} of them have no price, or not for all of it: the cost_note of each says why.")
    click.echo("Prices: " + ", ".join(f"{name} {version}" for name, version, _ in entries.tables) + ".")


class _Group:
    """Exchanges whose prices change alike."""

    def __init__(self, model: str, state_before: str | None, state: str) -> None:
        self.model, self.state_before, self.state = model, state_before, state
        self.count = self.before = self.after = 0

    def add(self, one: Repriced) -> None:
        self.count += 1
        self.before += one.amount_before or 0
        self.after += one.amount or 0


def _sum(groups: Iterable[_Group]) -> _Group:
    found = _Group("in all", "", "")
    for group in groups:
        found.count, found.before, found.after = found.count + group.count, found.before + group.before, found.after + group.after
    return found


def _layout() -> Any:
    from ..listing import Column, Layout

    return Layout(
        (
            Column("MODEL", lambda group: group.model, least=10),
            Column("WAS", lambda group: "not in the ledger" if group.state_before is None else group.state_before),
            Column("IS", lambda group: group.state),
            Column("EXCHANGES", lambda group: f"{group.count:,}", right=True),
            Column("BEFORE (USD)", lambda group: dollars(group.before), right=True),
            Column("NOW (USD)", lambda group: dollars(group.after), right=True),
            Column("DIFFERENCE", lambda group: dollars(group.after - group.before), right=True),
        )
    )
