"""`accept`, `rerecord`, `fork`: what is done about a divergence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from playhead.config.errors import ConfigError

from .options import RECORDINGS, exchange_id, json_flag, loaded, recordings, session_name, setting_flags
from .saying import say

if TYPE_CHECKING:
    from playhead.storage.records import DivergenceRecord
    from playhead.storage.store import Store


@click.command()
@click.argument("divergence", type=click.IntRange(1), metavar="DIVERGENCE")
@click.option("--rule", "rules", multiple=True, metavar="RULE", help="Add this match rule to the session, in place of the proposed ones.")
@click.option("--as-is", is_flag=True, help="Add no rule: from now on exactly this request is answered by the exchange that it resembles most.")
@setting_flags(*RECORDINGS)
def accept(divergence: int, rules: tuple[str, ...], as_is: bool, **flags: Any) -> None:
    """Take a request that had no recorded twin for the exchange that it resembles most: by the match rules that were proposed, which are added to its
    session, or else for this one request."""
    if rules and as_is:
        raise ConfigError("--as-is adds no rule: leave out either that or --rule")
    with recordings(loaded(flags).settings) as store:
        one, digest = store.decisions.divergence(divergence)
        wanted = rules or (() if as_is else tuple(one.proposal or ()))
        if wanted:
            _add_rules(store, one.session, wanted)
        else:
            _add_equivalence(store, one, digest)


def _add_rules(store: Store, session: str, lines: tuple[str, ...]) -> None:
    from playhead.config.rules import parse_rule

    try:
        wanted = [parse_rule(line) for line in lines]
    except ValueError as error:
        raise ConfigError(str(error)) from None
    known = list(store.match_rules(session))
    new = [rule for rule in wanted if rule not in known]
    if new:
        store.set_match_rules(session, [*known, *new])
    for rule in wanted:
        say(f"session {session}: the rule `{rule}` {'is added' if rule in new else 'was there already'}")


def _add_equivalence(store: Store, one: DivergenceRecord, digest: bytes | None) -> None:
    from playhead.storage.replaying.replay_rows import Equivalence

    if one.nearest is None or digest is None or one.served or one.code != "no_match":
        what = f"exchange {one.nearest} has answered another request" if one.nearest else "no exchange resembles it"
        what = "it is a message within a connection" if digest is None else what
        if one.code == "exhausted":
            what = "it is recorded, and was asked more often than that; `--exhausted last` or `--exhausted cycle` serves it again"
        raise ConfigError(f"divergence {one.id} cannot be accepted: {what}. `playhead auto --session {one.session}` records it.")
    store.decisions.accept(Equivalence(one.session, one.nearest, digest, one.asks, one.id))
    say(f"session {one.session}: exactly this request is answered by exchange {one.nearest}")


@click.command()
@click.argument("session")
@click.option("--exchange", "exchanges", multiple=True, metavar="N", help="The exchange to record anew; may be given several times.")
@click.option("--cancel", is_flag=True, help="Do not, after all: what was recorded stays.")
@json_flag
@setting_flags(*RECORDINGS)
def rerecord(session: str, exchanges: tuple[str, ...], cancel: bool, as_json: bool, **flags: Any) -> None:
    """Record an exchange anew: when it is asked for in the next run that may go live (`playhead auto`), it goes to upstream, and replays serve the new
    recording in its place. Without --exchange: list those that are to be."""
    name = session_name(session)
    wanted = [exchange_id(text) for text in exchanges]
    if cancel and not wanted:
        raise ConfigError("--cancel of what? Name it with --exchange N")
    if as_json and wanted:
        raise ConfigError("--json is for the list: leave out either that or --exchange")
    from ..replay.anew import newest_of, recorded_anew

    with recordings(loaded(flags).settings) as store:
        store.exchanges(name)  # it says that there is no such session
        known = recorded_anew(store, name, "all")
        for exchange in (newest_of(one, known) for one in wanted):
            if cancel:
                gone = store.decisions.leave(name, exchange)
                say(f"exchange {exchange} stays as it is" if gone else f"exchange {exchange} was not to be recorded anew")
            else:
                store.decisions.rerecord(name, exchange)
                say(f"exchange {exchange} is recorded anew by the next `playhead auto --session {name}` that asks for it")
        if not wanted:
            _list_due(name, [mark.exchange for mark in store.decisions.rerecorded(name) if mark.exchange not in known], as_json=as_json)


def _list_due(session: str, exchanges: list[int], *, as_json: bool) -> None:
    """The exchanges that are to be recorded anew."""
    from ..listing import print_json, terminal

    if as_json:
        print_json({"session": session, "exchange": exchange} for exchange in exchanges)
        return
    for exchange in exchanges:
        click.echo(str(exchange))
    if not exchanges:
        terminal().print(f"No exchange of session {session} is to be recorded anew.", style="dim", soft_wrap=True)


@click.command()
@click.argument("session")
@click.option("--at", required=True, metavar="N", help="The exchange before which it begins: what stands before it is kept.")
@click.option("--as", "as_", required=True, metavar="NAME", help="The new session.")
@setting_flags(*RECORDINGS)
def fork(session: str, at: str, as_: str, **flags: Any) -> None:
    """Make a new session of the beginning of another one: `playhead auto --session NAME` replays what is in it, and goes live after."""
    old, new = session_name(session), session_name(as_)
    from ..replay.anew import recorded_anew

    with recordings(loaded(flags).settings) as store:
        exchange = exchange_id(at)
        count = store.decisions.fork(old, exchange, new, recorded_anew(store, old, store.exchange(exchange).take))
    say(f"session {new}: {count} exchange{'s'[: count != 1]} of session {old}; `playhead auto --session {new}` goes on from there")
