"""What pricing gives: cost lines, what was known and what was assumed, and why something has no price. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any, Literal, NamedTuple

from ..usage_form import Usage

_MONEY = Context(prec=60)
How = Literal["known", "assumed", "unknown"]


class Dimension(NamedTuple):
    """One thing that decides about a price. `how`: from the exchange, by a setting, or not at all."""

    name: str
    value: str | None
    how: How


class CostLine(NamedTuple):
    """What one thing costs. `quantity` of what `counts` names; `price` in USD per `per` of these; `amount` in 10^-12 USD.

    Without an amount it has no price, and `reason` says why. `model`: where it is another than the exchange's.
    """

    item: str
    quantity: int
    counts: str
    amount: int | None = None
    price: Decimal | None = None
    per: int = 1
    table: str | None = None
    model: str | None = None
    dimensions: tuple[Dimension, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Billable:
    """What of an exchange decides about its price. `upstream`: the URL of the API, without the request's path; `path`: that.

    `tier`: as the answer says it. `extra`: what stands elsewhere in the exchange, by the names of `billing.py`.
    """

    kind: str
    path: str
    upstream: str
    model: str | None
    at_ns: int
    usage: Usage | None
    tier: str | None = None
    batch: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Priced:
    """The price of one exchange: its lines; what was known of all of them alike; why there is no price at all, if so.

    `within`: with how many input tokens others that used the same kinds of tokens on that day cost as much a token, or have no price for the same reason:
    from the first number to below the second. None: nobody can say.
    """

    lines: tuple[CostLine, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    reason: str | None = None
    within: tuple[int, int] | None = None

    @property
    def known_amount(self) -> int:
        """The sum of what has a price, in 10^-12 USD: less than all of it if `reasons` says so."""
        return sum(line.amount for line in self.lines if line.amount is not None)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not all of it has a price; empty if all has."""
        lines = [f"{line.item}: {line.reason}" for line in self.lines if line.reason]
        return tuple(dict.fromkeys([*([self.reason] if self.reason else []), *lines])) if lines or self.reason else ()

    @property
    def amount(self) -> int | None:
        """The price in 10^-12 USD; None if not all of it has a price."""
        return None if self.reason or any(line.amount is None for line in self.lines) else self.known_amount

    @property
    def assumed(self) -> tuple[str, ...]:
        """What settings said where the exchange did not, as `tier default`."""
        own = [each for line in self.lines if line.dimensions for each in line.dimensions]
        return tuple(dict.fromkeys([f"{each.name} {each.value}" for each in (*self.dimensions, *own) if each.how == "assumed"]))


def pico(dollars_text: str) -> int:
    """The other way. Raises ValueError for what is no amount of money."""
    try:
        amount = _MONEY.multiply(Decimal(dollars_text), Decimal(10**12))
    except ArithmeticError as error:
        raise ValueError(dollars_text) from error
    if not amount.is_finite() or amount != int(amount):
        raise ValueError(dollars_text)
    return int(amount)
