"""`verify`: that recordings are what they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.config.settings import Settings

from .options import RECORDINGS, json_flag, loaded, recordings, setting_flags
from .saying import say

if TYPE_CHECKING:
    from playhead.storage.checks import Found
    from playhead.storage.evidence.chain_checks import ChainCheck
    from playhead.storage.store import Store

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--chain", "chained", is_flag=True, help="Compare every row with its entry in the chains instead: what others changed, removed or inserted.")
@click.option("--heads", type=_FILE, metavar="FILE", help="With --chain: heads of the chains that were exported before; what they say must hold still.")
@click.option("--export-heads", type=_FILE, metavar="FILE", help="With --chain: write the heads of the chains to a file, for --heads.")
@json_flag
@setting_flags(*RECORDINGS)
def verify(chained: bool, heads: Path | None, export_heads: Path | None, as_json: bool, **flags: Any) -> int:
    """Check every recording: re-hash every body, make every fingerprint anew, follow every reference, read the journal.

    With --chain, find what was done to the store by others than playhead: every row is compared with its last entry in a chain, every chain with its
    head, and the heads with those beside the store and in FILE. Exit status 1 if anything is wrong; each finding is one line.
    """
    settings = loaded(flags).settings
    missing: list[str] = []
    with recordings(settings, missing.append) as store:
        if chained or heads is not None or export_heads is not None:
            return _verify_chains(store, missing, heads, export_heads, as_json)
        return _verify_all(store, settings, missing, as_json)


def _verify_all(store: Store, settings: Settings, missing: list[str], as_json: bool) -> int:
    from ..matching.request_memo import RequestMemo

    journal = ((None, text) for text in (*missing, *journal_problems(settings)))
    stored = ((found.exchange, found.problem) for found in store.verify(RequestMemo(tells=False).stored_fingerprint))
    count = _tell(chain(journal, stored), as_json)
    checked = store.stats().exchanges
    if not as_json:
        click.echo(f"{checked:,} exchange{'s'[: checked != 1]} checked, {count or 'no'} problem{'s'[: count != 1]} found.")
    return 1 if count else 0


def _tell(problems: Iterable[Found], as_json: bool) -> int:
    """Each on a line; how many they are."""
    from playhead.storage.store import Problem

    from ..listing import print_json, visible

    count = 0
    for exchange, text in problems:
        count += 1
        if as_json:
            print_json([Problem(exchange=exchange, problem=text)])
        else:
            click.echo(visible(f"{'' if exchange is None else f'exchange {exchange}: '}{text}"))
    return count


def _verify_chains(store: Store, missing: list[str], heads: Path | None, export: Path | None, as_json: bool) -> int:
    from playhead.storage.evidence.head_file import beside, read_heads, write_heads

    kept = beside(store.path) if store.path is not None else None
    known = read_heads(kept) if kept is not None and kept.exists() else []
    check = store.check_chains([*known, *(read_heads(heads) if heads is not None else ())])
    count = _tell(chain(((None, text) for text in missing), check.problems()), as_json)
    _tell_chains(check, count, as_json)
    if count:
        if kept is not None and check.older:
            say(f"The heads that were written down were read from {kept}, too: if you have put another or an older store there yourself, remove that file.")
        if export is not None:
            say(f"The heads were not written to {export}: they would say that the store is as it should be.")
        return 1
    if export is not None:
        write_heads(export, check.heads)
    store.keep_heads()
    return 0


def _tell_chains(check: ChainCheck, count: int, as_json: bool) -> None:
    from ..listing import Column, Layout, print_json, print_table, terminal

    if as_json:
        print_json(check.heads)
        return
    columns = (Column("CHAIN", lambda row: row.chain), Column("ENTRIES", lambda row: f"{row.entries:,}", right=True), Column("HEAD", lambda row: row.head))
    print_table(terminal(), Layout(columns), check.heads)
    click.echo(f"{check.compared:,} exchanges, connections and sessions compared with their entries, {count or 'no'} problem{'s'[: count != 1]} found.")
    if check.adopted:
        click.echo(f"{check.adopted:,} of them stood in the store before it had chains: what was done to them before that cannot be known.")
    if check.begun:
        click.echo(f"{check.begun:,} still go on: they are entered when they end.")


def journal_problems(settings: Settings) -> Iterator[str]:
    """The segments of the journal that cannot be read."""
    from playhead.storage.datadir import DataDir
    from playhead.storage.journal import SegmentReader, damaged, segments

    directory = DataDir(settings.data, settings.key_file).journal_dir
    for path in damaged(directory):
        yield f"the journal was damaged, and exchanges were lost with what stood there: {path}; remove the file when you have seen this"
    for writer, numbers in segments(directory).items() if directory.is_dir() else ():
        for number in numbers:
            try:
                reader = SegmentReader(directory, writer, number)
            except FileNotFoundError:
                continue  # stored and given up meanwhile
            except (OSError, ValueError) as error:
                yield f"the journal holds what cannot be read: {error}"
                continue
            while reader.read():
                pass
            reader.close()
