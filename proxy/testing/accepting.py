"""What diverged in a test is written into its cassette as something that may."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from playhead.config.rules import Rule, rules_of
from playhead.storage.carrying.cassettes import Cassette, Equivalence
from playhead.storage.records import DivergenceRecord
from playhead.storage.store import Store

from ..cassettes.cassette_files import edit_file
from .wanted import Accept

_NO_RULES = "not accepted: no rule would make a request match; --playhead-accept=as-is takes it as it is"
_NOT_ALIKE = "not accepted: a request resembles no exchange, or one that has answered another request"


def accept(path: Path, store: Store, divergences: Sequence[DivergenceRecord], how: Accept) -> list[str]:
    """Change a cassette, which the store holds, so that these requests are served from the next run on; what was done, a line each. Raises StoreError."""
    done: list[str] = []

    def change(cassette: Cassette) -> None:
        done.extend(_rules(cassette, divergences) if how == "rules" else _requests(cassette, store, divergences))

    edit_file(path, change)
    return done


def _rules(cassette: Cassette, divergences: Sequence[DivergenceRecord]) -> Iterator[str]:
    wanted = dict.fromkeys(rules_of([rule for one in divergences for rule in one.proposal or ()]))
    known: Sequence[Rule] = rules_of(cassette.rules)
    new = [rule for rule in wanted if rule not in known]
    cassette.rules = tuple(map(str, (*known, *new)))
    yield from (f"accepted: the rule `{rule}` is added" for rule in new)
    if any(not one.proposal for one in divergences):
        yield _NO_RULES


def _requests(cassette: Cassette, store: Store, divergences: Sequence[DivergenceRecord]) -> Iterator[str]:
    runs = {one.run for one in cassette.connections} | {one.run for one in cassette.exchanges}
    takes = sorted(runs, key=int)  # as they are numbered in the store
    places = {(takes.index(one.run) + 1, one.seq): place for place, one in enumerate(cassette.exchanges)}
    equal = dict.fromkeys(cassette.equivalences)
    for one in divergences:
        digest = store.decisions.divergence(one.id)[1] if one.id else None
        if one.code != "no_match" or one.nearest is None or one.served or digest is None:
            yield _NOT_ALIKE
            continue
        recorded = store.exchange(one.nearest)
        equal[Equivalence(places[recorded.take, recorded.seq], digest, one.asks)] = None
        yield f"accepted: exactly this {one.method} {one.path.partition('?')[0]} is answered by exchange {one.nearest}"
    cassette.equivalences = tuple(sorted(equal))
