"""`export` and `import`: sessions as files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from playhead.config.errors import ConfigError

from .options import RECORDINGS, loaded, recordings, session_name, setting_flags
from .saying import say, warn

if TYPE_CHECKING:
    from playhead.storage.store import Store


@click.command()
@click.argument("session")
@click.option("--take", default="newest", metavar="N", help="Which take: its number, or all. [the newest]")
@click.option("--format", "form", type=click.Choice(["cassette"]), default="cassette", help="What kind of file. [cassette]")
@click.option("-o", "--output", metavar="FILE", help="The file; - is standard output. [SESSION.jsonl]")
@click.option("--allow", multiple=True, metavar="PATH", help="Where what looks like a secret may stand, as the refusal names it.")
@setting_flags(*RECORDINGS)
def export(session: str, take: str, form: str, output: str | None, **flags: Any) -> None:
    """Write a session to a file: a cassette, which is text made for git, and holds everything that was recorded."""
    from ..cassettes.cassette_files import text_of, write_file

    name, which, allow = session_name(session), _take(take), flags.pop("allow")
    with recordings(loaded(flags).settings) as store:
        data, going_on = text_of(store, name, which, allow=allow)
        pruned = store.pruned(name, store.takes(name)[-1].take if which == "newest" else None if which == "all" else which)
    if pruned:
        warn(f"the content of {pruned} exchange{'s'[: pruned != 1]} of session {name} is pruned: they are left out")
    if going_on:
        warn(f"{going_on} exchange{'s'[: going_on != 1]} of session {name} still go on, and are left out")
    if output == "-":
        sys.stdout.buffer.write(data)
        return
    path = Path(output or f"{name}.jsonl")
    changed = write_file(path, data)
    say(f"{path}: {len(data):,} bytes" if changed else f"{path} is as it was")


def _take(text: str) -> int | Literal["newest", "all"]:
    if text in ("newest", "all"):
        return "all" if text == "all" else "newest"
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) < 1 << 31:
        raise ConfigError(f"--take {text!r}: allowed is the number of a take, newest, or all")
    return int(text)


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--session", metavar="SESSION", help="The session that they are added to. [the name in the file]")
@setting_flags(*RECORDINGS)
def import_(files: tuple[str, ...], session: str | None, **flags: Any) -> None:
    """Add the sessions in files to the store: cassettes. What a session holds already stays: what is added is a take of its own."""
    from ..cassettes.cassette_files import read_file
    from ..headway import open_store

    given = None if session is None else session_name(session)
    found = [(file, read_file(Path(file))) for file in files]  # all of them, before anything is stored
    settings = loaded(flags).settings
    if settings.store is None:
        from playhead.storage.datadir import DataDir

        DataDir(settings.data, settings.key_file).ensure()
    with open_store(settings.store_url, create=True) as store:
        for file, cassette in found:
            name = given or cassette.session
            count = _store(store, cassette, name, settings.label_header)
            say(f"{file}: {count} exchange{'s'[: count != 1]} added to session {name}")


def _store(store: Store, cassette: Any, session: str, headers: Sequence[str]) -> int:
    """The exchanges with all that is derived of them."""
    from ..cassettes.cassette_files import load
    from .deriving import derive

    cassette.parser = 0  # this version is to parse them
    count = load(store, cassette, session)
    derive(store, session, headers)
    return count
