"""`stats`, `delete`, `config`: what becomes of recordings, and the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from playhead.config.errors import ConfigError, StoreError
from playhead.config.settings import shown

from .options import RECORDINGS, SERVING, default_text, exchange_id, in_words, json_flag, loaded, recordings, session_name, setting_flags
from .saying import agreed, warn

if TYPE_CHECKING:
    from playhead.storage.store import Store


@click.command()
@click.option("--schema", is_flag=True, help="Print the store's tables and columns instead, for those who query it with SQL.")
@json_flag
@setting_flags(*RECORDINGS)
def stats(schema: bool, as_json: bool, **flags: Any) -> None:
    """Say what the store holds, how big it is, and what is known to be missing in it: responses, conversations and items that are named by their ids and
    were never recorded, gaps in sequence numbers, responses without an end, messages without a turn."""
    from ..listing import amount, print_facts, print_json, terminal

    if schema:
        from playhead.storage.tables import describe, described

        if as_json:
            print_json(described())
        else:
            click.echo(describe(), nl=False)
        return
    with recordings(loaded(flags).settings) as store:
        found, missing = store.stats(), store.completeness()
    if as_json:
        print_json([{**found.model_dump(mode="json"), "completeness": missing.model_dump()}])
        return
    plain = found.model_dump(mode="json", exclude_none=True)
    words = {name: amount(value) if name.endswith("_bytes") else _plain(value) for name, value in plain.items()}
    if found.raw_bytes > found.store_bytes > 0:
        words["store_bytes"] += f" ({found.raw_bytes / found.store_bytes:.1f} times smaller than raw)"
    console = terminal()
    print_facts(console, words.items())
    console.print("\nMISSING, as far as what there is tells" if any(missing.model_dump().values()) else "\nNothing is known to be missing.", style="bold")
    print_facts(console, [(name, f"{number:,}") for name, number in missing.model_dump().items() if number])


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{number:,} {name}" for name, number in value.items()) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


@click.command()
@click.argument("what", metavar="SESSION|EXCHANGE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@setting_flags(*RECORDINGS)
def delete(what: str, yes: bool, **flags: Any) -> int:
    """Delete an exchange (by its number) or a whole session (by its name), for good.

    A session whose name is a number is given as @NAME.
    """
    from playhead.storage.datadir import DataDir

    from ..recorders.renewal import STILL_JOURNALLED, given_up

    settings = loaded(flags).settings
    with recordings(settings) as store:
        status = _delete_exchange(store, exchange_id(what), yes) if what.isdecimal() else _delete_session(store, session_name(what), yes)
    if status == 0 and not given_up(DataDir(settings.data, settings.key_file).journal_dir):
        warn(STILL_JOURNALLED)
    return status


def _delete_exchange(store: Store, id_: int, yes: bool) -> int:
    row = store.exchange(id_)
    if any(each.session == str(id_) for each in store.sessions()):
        raise ConfigError(f"{id_} is an exchange and a session: give the session as @{id_}; the exchange goes with its session {row.session}")
    if not yes and not agreed(f"Delete exchange {id_} of session {row.session} ({row.method} {row.path}, {row.started_at:%Y-%m-%d %H:%M:%S} UTC)?", "deleted"):
        return 1
    store.delete_exchange(id_)
    click.echo(f"Exchange {id_} is deleted.")
    return 0


def _delete_session(store: Store, name: str, yes: bool) -> int:
    found = next((each for each in store.sessions() if each.session == name), None)
    if found is None:
        raise StoreError(f"There is no session {name!r}. `playhead sessions` lists those there are.")
    counted = f"{found.exchanges:,} exchange{'s'[: found.exchanges != 1]} in {found.takes:,} take{'s'[: found.takes != 1]}"
    if not yes and not agreed(f"Delete session {name} with {counted}?", "deleted"):
        return 1
    store.delete_session(name)
    click.echo(f"Session {name} is deleted with {counted}.")
    return 0


@click.command()
@json_flag
@setting_flags(*SERVING)
def config(as_json: bool, **flags: Any) -> None:
    """Show the settings in force and where each comes from."""
    from ..listing import Column, Layout, print_json, print_table, terminal

    found = loaded(flags)
    rows = [{"setting": name, "value": value, "source": found.sources[name]} for name, value in shown(found.settings).items()]
    if as_json:
        print_json(rows)
        return
    columns = (
        Column("SETTING", lambda row: row["setting"]),
        Column("VALUE", lambda row: _value(row["setting"], row["value"]), least=16),
        Column("SOURCE", lambda row: row["source"], least=20),
    )
    print_table(terminal(), Layout(columns), rows)


def _value(name: str, value: object) -> str:
    return default_text(name) if value is None else in_words(name, value)
