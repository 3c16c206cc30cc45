"""`prune`: what is kept no longer goes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from playhead.config.errors import ConfigError
from playhead.config.retention import CLOCKS

from .options import RECORDINGS, json_flag, loaded, recordings, session_name, setting_flags
from .saying import warn

if TYPE_CHECKING:
    from playhead.config.loading import Loaded
    from playhead.config.retention import Retention
    from playhead.config.settings import Settings
    from playhead.storage.removing.due import Share
    from playhead.storage.removing.pruning import Pruning

_LEAST, _MOST = 0.02, 0.15  # seconds in which a recorder gets its turn; the longest is more than it ever waits between two tries
_READING = "another program reads the store, so that its log still holds what is pruned: that ends with the next transactions, or with another `playhead prune`"


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--session", "sessions", multiple=True, metavar="NAME", help="Only of this session; may be given several times.")
@json_flag
@setting_flags(*RECORDINGS, "keep_content", "keep_costs", "keep_size", "keep_session")
def prune(dry_run: bool, sessions: tuple[str, ...], as_json: bool, **flags: Any) -> int:
    """Delete what is kept no longer: content and costs each have a clock of their own, which the settings keep_content, keep_costs, keep_size and
    keep_session say.

    Where content goes, the row of the exchange stays, with usage and costs, until those go, too. It may run while a recorder does; then the recorder
    prunes as well, if its settings say so. With --session, what is given beside it counts for that session, whatever keep_session says of it.
    """
    found = loaded(flags)
    names = [session_name(text) for text in sessions]
    retention = _retention(found, names)
    with recordings(found.settings) as store:
        pruning = store.pruning(retention, datetime.now(UTC), names)
        before = store.stats().store_bytes
        shares = pruning.look() if dry_run else _run(pruning, found.settings)
        after = store.stats().store_bytes
    if as_json:
        from ..listing import print_json

        print_json(_row(session, share) for session, share in sorted(shares.items()))
    else:
        _print(shares, dry_run=dry_run, sizes=(before, after))
    if not pruning.emptied:
        warn(_READING)
    return 0


def _retention(found: Loaded, names: Sequence[str]) -> Retention:
    """What is kept for how long. Raises ConfigError: everything is kept for ever."""
    retention = found.settings.retention
    if names:
        given = [clock for clock in CLOCKS if found.sources[f"keep_{clock}"].startswith("flag ")]
        retention = retention.named(names, given)
    if not retention.run:
        raise ConfigError(
            "everything is kept for ever, so there is nothing to prune: say how long it is kept, by --keep-content 30d, --keep-costs 400d or "
            "--keep-size 10GiB, or by the settings keep_content, keep_costs, keep_size and keep_session"
        )
    return retention


def _run(pruning: Pruning, settings: Settings) -> dict[str, Share]:
    from playhead.storage.datadir import DataDir

    from ..recorders.renewal import STILL_JOURNALLED, given_up

    data = DataDir(settings.data, settings.key_file)
    for seconds in pruning.steps():
        # SQLite has no queue: who waits for the store looks again after a while, and must find it free then.
        time.sleep(min(max(seconds / 2, _LEAST), _MOST))
    if pruning.shares and not given_up(data.journal_dir):
        warn(STILL_JOURNALLED)
    return pruning.shares


def _row(session: str, share: Share) -> dict[str, Any]:
    content, costs, exchanges = share.counts
    return {"session": session, "content": content, "costs": costs, "exchanges": exchanges, "bytes": share.bytes}


def _print(shares: Mapping[str, Share], *, dry_run: bool, sizes: tuple[int, int]) -> None:
    from ..listing import Column, Layout, amount, print_table, terminal

    rows = [_row(session, share) for session, share in sorted(shares.items())]
    if not rows:
        click.echo("Nothing is kept longer than it is to be.")
        return
    counts = [Column(name.upper(), lambda row, name=name: f"{row[name]:,}", right=True) for name in ("content", "costs", "exchanges")]  # type: ignore[misc]
    columns = (Column("SESSION", lambda row: row["session"], least=12), *counts, Column("ABOUT", lambda row: amount(row["bytes"]), right=True))
    print_table(terminal(), Layout(columns), rows)
    content, costs, exchanges, freed = (sum(row[name] for row in rows) for name in ("content", "costs", "exchanges", "bytes"))
    goes = f"content of {content:,}, costs of {costs:,}, all of {exchanges:,} exchanges"
    if dry_run:
        click.echo(f"\nThis would go: {goes}; about {amount(freed)} of the {amount(sizes[0])} that the store takes.")
    else:
        click.echo(f"\nGone: {goes}. The store took {amount(sizes[0])}, and takes {amount(sizes[1])} now.")
