"""What differs between a bill and the ledger, by cause. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .exports import Cell
from .measures import Vector
from .parts import Money

CAUSES: Mapping[str, str] = {
    "unseen": "traffic that playhead did not see",
    "no_usage": "responses that told no usage",
    "cached": "cached tokens counted otherwise",
    "tier": "another service tier",
    "late": "background and late responses: counted in another time bucket, or never told",
    "regrouped": "counted under another project, key or model, or as batch",
    "not_billed": "recorded, and not in the export",
    "unpriced": "used, and without a price in the ledger",
    "price": "another price",
    "no_request": "billed for what is no request",
    "rounding": "rounding",
    "unexplained": "not explained",
}
"""Why a bill says something else, in the order of reports."""


class Finding(NamedTuple):
    """One difference. `counts`: of the provider less those of the ledger, by the endpoint's measures; `amount`: likewise, in 10^-12 USD; None: no price
    is known.

    `exchanges`: those behind it; `exact`: just these, else some of them. `where`: where the ledger counts what the provider counts in `cell`.
    `money`: the amount by what a bill has lines for.
    """

    cause: str
    endpoint: str
    cell: Cell
    counts: Vector
    amount: int | None
    exchanges: tuple[int, ...] = ()
    exact: bool = True
    where: Cell | None = None
    money: tuple[tuple[Cell, Money], ...] = ()
    note: str = ""


def total(money: tuple[tuple[Cell, Money], ...]) -> int:
    """The sum of amounts."""
    return sum(each.amount for _, each in money)
