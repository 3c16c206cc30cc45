"""`audit --cache`: which turns broke the cached beginning of their prompts, why, and what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playhead.config.settings import Settings
    from playhead.storage.store import Store

    from ..caching.forensics import Finding, Forensics, Total
    from ..caching.reading import RecordedTurns

_STEP = 100  # turns after which the bar moves


def print_cache(store: Store, settings: Settings, wanted: Any, *, most: int, as_json: bool) -> None:
    """What was lost, by cause, and the dearest breaks. Raises ConfigError, StoreError."""
    from ..caching.reading import RecordedTurns
    from ..caching.report import row_of, summary
    from ..listing import print_json

    recorded = RecordedTurns(store, wanted)
    found = _looked_through(recorded, settings, most)
    if as_json:
        print_json(row_of(one, recorded.diagnosis(one.turn)) for one in found.dearest)
        print_json([summary(found.totals, found.unread, recorded.pruned())])
    else:
        _print(found, recorded)


def _looked_through(recorded: RecordedTurns, settings: Settings, most: int) -> Forensics:
    from ..caching.forensics import Forensics
    from ..caching.lost import money_of
    from ..listing import progress
    from ..pricing.setting import pricer_for

    pricer = pricer_for(settings)
    found = Forensics(recorded, lambda turn, lost: money_of(turn, lost, pricer), most)
    with progress("Turns", recorded.count()) as done:
        for number, (turn, body, counts) in enumerate(recorded.turns(), 1):
            found.look(turn, body, counts=counts)
            if number % _STEP == 0:
                done(_STEP)
    return found


def _print(found: Forensics, recorded: RecordedTurns) -> None:
    from ..caching.report import in_order
    from ..listing import print_table, terminal

    console = terminal()
    print_table(console, _layout(), in_order(found.totals), empty="No turn was recorded whose prompt and usage are known.")
    dearest = found.dearest
    if dearest:
        console.print(f"\nThe {len(dearest)} that cost most:" if len(dearest) > 1 else "\nWhat it was:", style="bold")
    for number, one in enumerate(dearest, 1):
        _print_one(console, number, one, recorded.diagnosis(one.turn))
    for count, what in ((found.unread, "cannot be read"), (recorded.pruned(), "are pruned")):
        if count:
            console.print(f"\n{count:,} request{'s'[: count != 1]} {what}: nothing is said of {'them' if count != 1 else 'it'}.", style="dim")


def _print_one(console: Any, number: int, one: Finding, says: str | None) -> None:
    from rich.text import Text

    from ..caching.report import story
    from ..listing import visible

    for place, line in enumerate(story(one, says)):
        margin = f"\n{number:>3}. " if not place else "     "
        console.print(Text(margin + visible(line), style="bold" if not place else ""), soft_wrap=True)


def _layout() -> Any:
    from ..caching.judging import CAUSES
    from ..listing import Column, Layout

    def money(one: Sequence[Any]) -> str:
        from playhead.storage.costing.costs import dollars

        total: Total = one[1]
        return dollars(total.money) + (f" + {total.unpriced} unpriced" if total.unpriced else "") if total.lost else ""

    return Layout(
        (
            Column("CAUSE", lambda one: one[0]),
            Column("TURNS", lambda one: f"{one[1].turns:,}", right=True),
            Column("LOST TOKENS", lambda one: f"{one[1].lost:,}" if one[1].lost else "", right=True),
            Column("COST (USD)", money, right=True),
            Column("WHY", lambda one: CAUSES[one[0]], least=20),
        )
    )
