"""`redact`: what should not have been recorded is taken away after the fact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.config.errors import ConfigError, StoreError

from .options import RECORDINGS, loaded, recordings, session_name, setting_flags
from .saying import agreed

if TYPE_CHECKING:
    from playhead.config.rules import Rule
    from playhead.config.settings import Settings
    from playhead.storage.packing.content import Change
    from playhead.storage.store import Store

    from ..redacting.redactor import Redactor

_READ = 1 << 22  # bytes of a file that are looked through at once
_NOT_KEPT = (
    "A pattern that spells out what is to go is not kept as a match rule of session {}: a request that holds it has no recorded twin any more. "
    "By a pattern that only describes it, such as \\w+@example\\.com, it would have one."
)
_SLASH = re.compile(r"(\\.)|/")


@click.command()
@click.argument("session")
@click.option("--pattern", "patterns", multiple=True, metavar="REGEX", help="What is to go from all texts, as a regular expression of Python. Repeatable.")
@click.option("--path", "paths", multiple=True, metavar="JSONPATH", help="Where values in bodies, events and messages are to go: $..email. Repeatable.")
@click.option("--kind", default="private", metavar="NAME", help="What the placeholder says in place of it: <redacted:NAME>. [private]")
@click.option("--dry-run", is_flag=True, help="Only say what would be changed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@setting_flags(*RECORDINGS)
def redact(session: str, *, patterns: tuple[str, ...], paths: tuple[str, ...], kind: str, dry_run: bool, yes: bool, **flags: Any) -> int:
    """Take away from a session, for good, what should not have been recorded: from requests, answers, events, heads, connections and divergences.

    What stands in its place is of the same kind: <redacted:NAME> for a text, 0 for a number. The same is done to the requests of replays, by a match rule that
    the session gets, so that they still match; but not by a pattern that spells out what is to go, which must not be stored. Afterwards everything is read
    again and looked through, the store's files included. Exit status 1 if something of it was found there.
    """
    from ..redacting.redactor import Redactor

    name = session_name(session)
    rules = _rules(patterns, paths, kind)
    redactor = Redactor(rules)
    if redactor.unsound is not None:
        raise ConfigError(f"{redactor.unsound!r} finds something in <redacted:{kind}>, too: make it narrower, or choose another --kind")
    settings = loaded(flags).settings
    with recordings(settings) as store:
        counted = store.rewrite(name, _change(redactor), dry=True)
        click.echo(f"{_in_words(*counted)} of session {name} hold{'s' if sum(counted) == 1 else ''} what is to go{_places(redactor)}.")
        if dry_run:
            return 0
        if any(counted) and not yes and not agreed(f"Take it away from session {name} for good?", "redacted"):
            return 1
        kept = _harmless(rules, redactor.texts)
        _redact(store, name, rules, kept if any(counted) else (), settings.label_header)
        found = _Left.of(store, settings, name, rules, redactor.texts)
    click.echo(found.told(name))
    if kept != rules:
        click.echo(_NOT_KEPT.format(name))
    return 1 if found.wrong else 0


def _rules(patterns: tuple[str, ...], paths: tuple[str, ...], kind: str) -> tuple[Rule, ...]:
    """What is to go, as match rules say it. Raises ConfigError."""
    from playhead.config.rules import parse_rule

    if not patterns and not paths:
        raise ConfigError("give what is to go: --pattern REGEX, or --path JSONPATH such as $..email")
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"--pattern {pattern!r} is no regular expression: {error}") from None
        if not pattern:
            raise ConfigError("--pattern is empty: give what is to go, such as \\w+@example\\.com")
    lines = [f"redact /{_SLASH.sub(lambda found: found[1] or '[/]', pattern)}/ as {kind}" for pattern in patterns]
    lines += [f"redact {path} as {kind}" for path in paths]
    try:
        return tuple(map(parse_rule, lines))
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _change(redactor: Redactor) -> Change:
    from playhead.storage.packing.content import Change

    from ..redacting.rewriting import head, rewritten

    return Change(
        exchange=lambda content: rewritten(content, redactor),
        head=lambda data: head(data, redactor),
        message=lambda data: redactor.events([data])[0] if data else data,
        value=redactor.value,
    )


def _harmless(rules: tuple[Rule, ...], texts: set[str]) -> tuple[Rule, ...]:
    """Those that can be stored. `texts`: what was found, which would come back with a rule that says it, and leave with the session's cassettes."""
    gone = [text.casefold() for text in texts]
    return tuple([rule for rule in rules if not any(text in str(rule).replace("\\", "").casefold() for text in gone)])


def _redact(store: Store, session: str, rules: tuple[Rule, ...], kept: tuple[Rule, ...], headers: tuple[str, ...]) -> None:
    from ..redacting.redactor import Redactor
    from .deriving import derive

    store.rewrite(session, _change(Redactor(rules)))
    if kept:  # at once: who is broken off and begins again finds nothing any more, and then there is no rule to be added
        store.set_match_rules(session, dict.fromkeys((*store.match_rules(session), *kept)))
    derive(store, session, headers)
    store.make_anew(lambda word: Redactor(rules).text(word) != word)


@dataclass(frozen=True, slots=True)
class _Left:
    """What is still to be found. `files`: that hold it; `others`: sessions that do, which explains the files; `elsewhere`: the store
    is on a server, whose files are not looked through."""

    counted: tuple[int, int, int]
    files: tuple[Path, ...]
    others: tuple[str, ...]
    elsewhere: bool = False

    @classmethod
    def of(cls, store: Store, settings: Settings, session: str, rules: tuple[Rule, ...], texts: set[str]) -> _Left:
        from playhead.storage.datadir import DataDir
        from playhead.storage.journal import remove_free

        from ..redacting.redactor import Redactor

        journal = DataDir(settings.data, settings.key_file).journal_dir
        remove_free(journal, workers=True)
        counted = store.rewrite(session, _change(Redactor(rules)), dry=True)
        wanted = re.compile(b"|".join([re.escape(text.encode("utf-8", "surrogateescape")) for text in sorted(texts)])) if texts else None
        known = [] if store.path is None else [store.path, Path(f"{store.path}-wal")]
        files = tuple([path for path in (*known, *sorted(journal.glob("*"))) if wanted is not None and path.is_file() and _holds(path, wanted)])
        names = [one.session for one in store.sessions() if one.session != session] if files else []
        others = tuple([name for name in names if any(store.rewrite(name, _change(Redactor(rules)), dry=True))])
        return cls(counted, files, others, store.path is None)

    @property
    def wrong(self) -> bool:
        """Whether something is left that should not be."""
        return any(self.counted) or bool(self.files and not self.others)

    def told(self, session: str) -> str:
        """In words."""
        if any(self.counted):
            return f"Looked through again: {_in_words(*self.counted)} of session {session} still hold it."
        if self.files and not self.others:
            return f"Looked through again: it still stands in {', '.join(map(str, self.files))}, though in no session: is a server at work? Then stop it first."
        where = "in the journal (the server of the store has files of its own)" if self.elsewhere else "in the files of the store"
        there = f". It stands in session{'s'[: len(self.others) != 1]} {', '.join(self.others)}, too." if self.others else f" and {where}."
        return f"Looked through again: nothing of it is left in session {session}{there}"


def _holds(path: Path, wanted: re.Pattern[bytes]) -> bool:
    before = b""
    try:
        with path.open("rb") as file:
            while piece := file.read(_READ):
                if wanted.search(before + piece):
                    return True
                before = piece[-4096:]
    except FileNotFoundError:
        return False  # a segment of the journal that was stored meanwhile
    except OSError as error:
        raise StoreError(f"{path} cannot be looked through: {error.strerror}") from None
    return False


def _in_words(exchanges: int, connections: int, divergences: int) -> str:
    counts = ((exchanges, "exchange"), (connections, "connection"), (divergences, "divergence"))
    parts = [f"{count:,} {name}{'s'[: count != 1]}" for count, name in counts if count or name == "exchange"]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _places(redactor: Redactor) -> str:
    counted = sum(redactor.found.values())
    return f", in {counted:,} place{'s'[: counted != 1]}" if counted else ""
