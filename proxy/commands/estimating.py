"""`audit --estimate`: what answers that told no usage may have cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from playhead.config.errors import StoreError
from playhead.storage.costing.sums import Key

from ..pricing.estimating import ESTIMATED_KINDS, SAMPLES, Estimate, Measure, Sample, answered_in, asked_in

if TYPE_CHECKING:
    from playhead.storage.costing.untold import Untold, UntoldExchange
    from playhead.storage.store import Store

    from ..audit import AuditRow

_NO_OTHERS = "no other exchange of the model has a price and all of its input, to measure by"
_NO_CONTEXT = "what it goes on from is not known"
_UNREADABLE = "it cannot be read"


class Estimated(NamedTuple):
    """Estimates by group, and how many exchanges have none, by the reason."""

    groups: Mapping[Key, Estimate]
    lacking: Mapping[str, int]

    @property
    def whole(self) -> Estimate:
        """All groups together."""
        whole = Estimate()
        for one in self.groups.values():
            whole = whole.plus(one)
        return whole


def estimated(store: Store, wanted: Any) -> Estimated:
    """Estimates of what is wanted, by its groups."""
    from ..listing import progress

    untold = store.ledger.untold(wanted)
    measures = _Measures(store, untold)
    groups: dict[Key, Estimate] = {}
    lacking: Counter[str] = Counter()
    with progress("Estimating", untold.count(ESTIMATED_KINDS)) as advance:
        for one in untold.exchanges(ESTIMATED_KINDS):
            found = _estimate(store, untold, measures, one)
            if isinstance(found, str):
                lacking[found] += 1
            else:
                groups[one.key] = groups.get(one.key, Estimate()).plus(found)
            advance(1)
    return Estimated(groups, dict(lacking.most_common()))


def _estimate(store: Store, untold: Untold, measures: _Measures, one: UntoldExchange) -> Estimate | str:
    """Of one exchange; a text says why there is none."""
    measure = measures.of(one.kind, one.model)
    if measure is None:
        return _NO_OTHERS
    context = untold.tokens_of(one.goes_on) if one.goes_on is not None else None if one.conversation is not None else 0
    if context is None:
        return _NO_CONTEXT
    found = _texts(store, one.id)
    return _UNREADABLE if found is None else measure.estimate(*found, context)


class _Measures:
    """By model, made when they are asked for."""

    def __init__(self, store: Store, untold: Untold) -> None:
        self._store, self._untold = store, untold
        self._known: dict[tuple[str, str], Measure | None] = {}

    def of(self, kind: str, model: str | None) -> Measure | None:
        """None: there is nothing to measure by."""
        if model is None:
            return None
        if (kind, model) not in self._known:
            self._known[kind, model] = Measure.of(self._samples(kind, model))
        return self._known[kind, model]

    def _samples(self, kind: str, model: str) -> Iterator[Sample]:
        for id_, *told in self._untold.told(kind, model, SAMPLES):
            found = _texts(self._store, id_)
            if found is not None and all(found):
                yield Sample(*found, *told)


def _texts(store: Store, id_: int) -> tuple[int, int] | None:
    """Characters of what was asked and answered; None: it cannot be read."""
    from .parsed import models_of

    try:
        request, answer = models_of(store, store.exchange(id_))
    except StoreError:  # damaged, or deleted meanwhile
        return None
    asked, answered = (None if model is None else model.to_wire() for model in (request, answer))
    return (asked_in(asked), answered_in(answered)) if isinstance(asked, dict) else None


def print_estimates(by: Sequence[str], groups: Sequence[AuditRow], whole: AuditRow, lacking: Mapping[str, int]) -> None:
    """A table of its own, so that nobody takes an estimate for a price."""
    from ..listing import print_table, terminal

    console = terminal()
    told = [row for row in groups if row.estimated]
    if told:
        console.print("\nEstimates of answers that told no usage, by other exchanges of their models; they are in no number above:", style="bold")
        print_table(console, _layout(by), [*told, whole] if len(told) > 1 else told)
    elif not lacking:
        console.print("\nThere is nothing to estimate: no answer of text lacks its usage.", style="dim")
    for reason, count in lacking.items():
        console.print(f"{count:,} more {'has' if count == 1 else 'have'} no estimate: {reason}.", style="dim")


def _layout(by: Sequence[str]) -> Any:
    from ..listing import Column, Layout

    names = [Column(name.upper(), partial(_named, name), least=8) for name in by]
    return Layout(
        (
            *names,
            Column("ESTIMATED", lambda row: f"{row.estimated:,}", right=True),
            Column("INPUT (EST.)", lambda row: f"{row.estimated_input_tokens:,}", right=True),
            Column("OUTPUT (EST.)", lambda row: f"{row.estimated_output_tokens:,}", right=True),
            Column("ESTIMATE (USD)", lambda row: row.estimated_cost, right=True),
        )
    )


def _named(name: str, row: AuditRow) -> str:
    return (row.group.get(name) or "") if row.group else "in all"
