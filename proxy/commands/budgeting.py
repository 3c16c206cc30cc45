"""`audit --budget`: what was spent against budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from playhead.config.budgets import BUDGET_HINT, Budget, parse_budgets
from playhead.config.errors import ConfigError

from .saying import warn

if TYPE_CHECKING:
    from playhead.config.settings import Settings
    from playhead.storage.store import Store

    from ..pricing.budgets import BudgetRow

_SHOWN = 40  # of the rows
_OF_SETTINGS = "settings"
_TIMES = frozenset(("month", "day", "hour"))


def budgets_of(texts: Sequence[str], settings: Settings, by: Sequence[str]) -> tuple[Budget, ...]:
    """The budgets that are asked for, by those groups if they name none themselves. Raises ConfigError."""
    from ..pricing.budgets import with_names

    if times := [name for name in by if name in _TIMES]:
        raise ConfigError(f"--by {','.join(times)}: a budget has a window of its own; --by takes groups such as key, project or model beside --budget")
    if _OF_SETTINGS in texts and not settings.budgets:
        raise ConfigError(f"--budget settings: there are none in the setting budgets; allowed there is {BUDGET_HINT}")
    given = [text for text in texts if text != _OF_SETTINGS] + [*settings.budgets] * (_OF_SETTINGS in texts)
    try:
        found = with_names((budget.by(by) for budget in parse_budgets(given)), settings.key_names)
    except ValueError as error:
        raise ConfigError(f"--budget: allowed is {error}") from None
    if not found:
        raise ConfigError(f"--budget: allowed is {BUDGET_HINT}")
    return found


def check_budgets(store: Store, budgets: Sequence[Budget], wanted: Any, *, keys: Mapping[str, str], as_json: bool, strict: bool) -> bool:
    """Print what was spent against them; whether that fails. `keys`: names of keys."""
    from ..listing import print_json
    from ..pricing import budgets as checking

    span = checking.whole_windows(budgets, wanted.since, wanted.until)
    names = checking.names_of(budgets)
    account = checking.Account(budgets, names, keys)
    for (hour, *group), spend in store.ledger.spent_by_hour(wanted._replace(by=names, since=span.start, until=span.end)).all():
        account.add(hour or "", tuple(group), spend)
    rows = checking.rows(budgets, account.spends, span)
    for budget in account.missing():
        warn(f"budget {budget}: nothing was recorded that it is about")
    if as_json:
        print_json(rows)
    else:
        _print(rows)
    return checking.failed(rows, strict=strict)


def _print(rows: Sequence[BudgetRow]) -> None:
    from ..listing import print_table, terminal

    console = terminal()
    print_table(console, _layout(), rows[:_SHOWN], empty="Nothing was recorded that these budgets are about.")
    if (more := len(rows) - _SHOWN) > 0:
        console.print(f"\nand {more:,} more, which are nearer to being held; --json has them all.", style="dim")
    exceeded, unknown = (sum(row.verdict == verdict for row in rows) for verdict in ("exceeded", "unknown"))
    if rows:
        held = len(rows) - exceeded - unknown
        console.print(f"\n{_windows(exceeded)} exceeded, {held:,} held" + (f", {unknown:,} unknown" if unknown else "") + ". Windows are UTC.", style="bold")
    if unknown or any(row.unpriced or row.unknown or row.pending for row in rows):
        console.print("What has no price is not in SPENT: there it may be more. `playhead audit` says why there is none.", style="dim")


def _windows(number: int) -> str:
    return f"{number:,} window{'s'[: number != 1]}"


def _layout() -> Any:
    from ..listing import Column, Layout

    return Layout(
        (
            Column("VERDICT", lambda row: row.verdict),
            Column("BUDGET", lambda row: row.budget, least=12),
            Column("GROUP", lambda row: ", ".join(f"{name} {value or 'none'}" for name, value in row.group.items()) or "all", least=10),
            Column("WINDOW", _window),
            Column("SPENT (USD)", lambda row: row.spent, right=True),
            Column("LIMIT", lambda row: row.limit, right=True),
            Column("USED", lambda row: "" if row.used is None else f"{row.used:.0%}", right=True),
            Column("OVER BY", lambda row: row.over or "", right=True),
            Column("UNPRICED", lambda row: _number(row.unpriced + row.unknown), right=True),
            Column("PENDING", lambda row: _number(row.pending), right=True),
        )
    )


def _number(number: int) -> str:
    return f"{number:,}" if number else ""


def _window(row: BudgetRow) -> str:
    if row.period == "total":
        ends = [f"{word} {at:%Y-%m-%d %H:%M}" for word, at in (("from", row.since), ("to", row.until)) if at is not None]
        return " ".join(ends) or "all time"
    assert row.since is not None
    return {"hour": f"{row.since:%Y-%m-%d %H:00}", "week": f"week of {row.since:%Y-%m-%d}", "month": f"{row.since:%Y-%m}"}.get(
        row.period, f"{row.since:%Y-%m-%d}"
    )
