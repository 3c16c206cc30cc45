"""`rules`: the match rules that are stored with a session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from playhead.config.errors import ConfigError

from .options import RECORDINGS, json_flag, loaded, recordings, session_name, setting_flags

if TYPE_CHECKING:
    from playhead.config.rules import Rule
    from playhead.storage.carrying.cassettes import Cassette
    from playhead.storage.replaying.replay_rows import RuleHit
    from playhead.storage.store import Store


@click.command()
@click.argument("session", required=False)
@click.option("--cassette", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="The rules in this cassette, instead of those of a session.")
@click.option("--add", "added", multiple=True, metavar="RULE", help="Add a rule, or those of a name such as codex, times or uuid; may be given several times.")
@click.option("--remove", "removed", multiple=True, metavar="RULE", help="Take away a rule, by its line or its number; may be given several times.")
@click.option("--set", "file", type=click.File(encoding="utf-8"), metavar="FILE", help="Take all rules from a file, a line each; - is standard input.")
@click.option("--hits", is_flag=True, help="List the answers that replays gave by rules, instead.")
@click.option("--versions", is_flag=True, help="List all versions, instead.")
@json_flag
@setting_flags(*RECORDINGS)
def rules(session: str | None, *, cassette: str | None, added: Sequence[str], removed: Sequence[str], file: IO[str] | None, **flags: Any) -> None:
    """List what does not count when requests are compared with the recordings of a session, or change it: from then on replays compare so, and nothing
    need be recorded again. Each change is a new version; the older ones are kept.

    A RULE is one of: ignore PATH | normalize PATTERN [in PATH] | normalize /REGEX/ as NAME [in PATH] | header NAME, each with [for KIND,...] [at PATH]
    behind it. `playhead help rules` explains them."""
    hits, versions, as_json = (flags.pop(name) for name in ("hits", "versions", "as_json"))
    if cassette is not None:
        if session is not None or hits or versions:
            raise ConfigError("--cassette stands in place of a session, and a cassette has neither hits nor versions")
        _rules_in(Path(cassette), added, removed, file, as_json=as_json)
        return
    if session is None:
        raise ConfigError("whose rules? Name a session, or a cassette with --cassette FILE")
    name = session_name(session)
    with recordings(loaded(flags).settings) as store:
        if not store.takes(name) and not store.rule_versions(name):
            store.rule_hits(name)  # it says that there is no such session
        if added or removed or file is not None:
            store.set_match_rules(name, _changed(store.match_rules(name), added, removed, file))
        if hits:
            _show_hits(store.rule_hits(name), name, as_json=as_json)
        elif versions:
            _show_versions(store, name, as_json=as_json)
        else:
            _show(store, name, as_json=as_json)


def _rules_in(path: Path, added: Sequence[str], removed: Sequence[str], file: IO[str] | None, *, as_json: bool) -> None:
    """The same of a cassette."""
    from playhead.config.rules import rules_of

    from ..cassettes.cassette_files import edit_file, read_file
    from ..listing import print_json, terminal, visible

    def change(cassette: Cassette) -> None:
        cassette.rules = tuple(map(str, _changed(rules_of(cassette.rules), added, removed, file)))

    if added or removed or file is not None:
        edit_file(path, change)
    found = read_file(path).rules
    if as_json:
        print_json({"cassette": str(path), "number": number, "rule": rule} for number, rule in enumerate(found, 1))
        return
    for number, rule in enumerate(found, 1):
        terminal().print(f"{number:>4}  {visible(rule)}", soft_wrap=True, highlight=False, markup=False)
    if not found:
        terminal().print(f"The cassette {path} has no match rules: a request must equal the recorded one. `--add` adds some.", style="dim", soft_wrap=True)


def _changed(known: Sequence[Rule], added: Sequence[str], removed: Sequence[str], file: IO[str] | None) -> list[Rule]:
    """The rules after a change. Raises ConfigError."""
    from playhead.config.rules import rules_of

    lines = known if file is None else _lines(file)
    left = list(dict.fromkeys(lines))
    gone: list[Rule] = []
    for text in removed:
        if text.isdecimal():
            if not 0 < int(text) <= len(known):
                numbers = f"their numbers are 1 to {len(known)}" if known else "there are none"
                raise ConfigError(f"--remove {text}: there is no such rule; {numbers}")
            gone.append(known[int(text) - 1])
            continue
        try:
            wanted = rules_of([text])
        except ValueError as error:
            raise ConfigError(f"--remove {text}: {error}") from None
        if missing := [str(rule) for rule in wanted if rule not in known]:
            raise ConfigError(f"--remove {text}: the session has no rule {missing[0]!r}")
        gone += wanted
    try:
        return [rule for rule in dict.fromkeys([*left, *rules_of(added)]) if rule not in gone]
    except ValueError as error:
        raise ConfigError(f"--add: {error}") from None


def _lines(file: IO[str]) -> list[Rule]:
    from playhead.config.rules import rules_of

    found: list[Rule] = []
    for number, line in enumerate(file, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            found += rules_of([line.strip()])
        except ValueError as error:
            raise ConfigError(f"--set: line {number} of {file.name}: {error}") from None
    return found


def _show(store: Store, session: str, *, as_json: bool) -> None:
    from ..listing import moment, print_json, terminal, visible

    versions = store.rule_versions(session)
    newest = versions[-1] if versions else None
    found = newest.rules if newest is not None else ()
    if as_json:
        at = newest.at.isoformat().replace("+00:00", "Z") if newest is not None else None
        version = newest.version if newest is not None else 0
        print_json({"session": session, "version": version, "at": at, "number": number, "rule": str(rule)} for number, rule in enumerate(found, 1))
        return
    console = terminal()
    if newest is None or not found:
        console.print(f"Session {session} has no match rules: a request must equal the recorded one. `--add` adds some.", style="dim", soft_wrap=True)
        return
    console.print(f"session {session}, version {newest.version}, since {moment(newest.at)}", style="dim", soft_wrap=True)
    used = _used(store.rule_hits(session) if store.takes(session) else [])
    for number, rule in enumerate(found, 1):
        count = used[str(rule)]
        note = f"  ({count:,} answer{'s' * (count != 1)})" if count else ""
        console.print(f"{number:>4}  {visible(str(rule))}{note}", soft_wrap=True, highlight=False, markup=False)


def _used(hits: Iterable[RuleHit]) -> Counter[str]:
    used: Counter[str] = Counter()
    for hit in hits:
        for line in hit.rules.split("\n"):
            used[line] += hit.count
    return used


def _show_versions(store: Store, session: str, *, as_json: bool) -> None:
    from ..listing import moment, print_json, terminal, visible

    found = store.rule_versions(session)
    if as_json:
        rows = [(one.version, one.at.isoformat().replace("+00:00", "Z"), list(map(str, one.rules))) for one in found]
        print_json({"session": session, "version": version, "at": at, "rules": lines} for version, at, lines in rows)
        return
    console = terminal()
    for one in found:
        console.print(f"version {one.version}, {moment(one.at)}", style="dim", soft_wrap=True)
        for rule in one.rules:
            console.print(f"      {visible(str(rule))}", soft_wrap=True, highlight=False, markup=False)
    if not found:
        console.print(f"Session {session} never had match rules.", style="dim")


def _show_hits(found: Sequence[RuleHit], session: str, *, as_json: bool) -> None:
    from ..listing import moment, print_json, terminal, visible

    if as_json:
        print_json(found)
        return
    console = terminal()
    for hit in found:
        times = "once" if hit.count == 1 else f"{hit.count:,} times"
        console.print(f"exchange {hit.exchange}  {times}, last {moment(hit.last_at)}", style="bold", soft_wrap=True)
        for line in hit.rules.split("\n"):
            console.print(f"      {visible(line)}", soft_wrap=True, highlight=False, markup=False)
    if not found:
        console.print(f"No replay of session {session} has answered by a match rule.", style="dim")
