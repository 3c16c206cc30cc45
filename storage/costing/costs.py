"""What the ledger keeps of an exchange: its cost lines, by which tables they were made, and where its money is counted. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

_DOLLARS = re.compile(r"\d{1,6}(?:\.\d{1,12})?", re.ASCII)

State = Literal["priced", "partly", "unpriced", "free", "elsewhere", "pending"]
"""priced: all of it has a price. partly: some of it has none. unpriced: nothing has. free: nothing is billed. elsewhere: its money is counted in another
exchange. pending: its usage will be told by another exchange."""

CLASSES = ("input", "cached", "written", "output", "tools")
"""What the money of an exchange is for: uncached input, input read from a cache and written to it, output, and all else."""

COUNTS = ("input", "cached", "written", "output", "reasoning")
"""Tokens by class. Input: not cached and not written. Reasoning is part of the output."""

GOING_ON = ("queued", "in_progress", "validating", "finalizing", "cancelling")
"""Statuses of a response or a batch whose usage, if it tells one, is not the final one."""

ELSEWHERE = "counted in exchange {}"
"""The note of an exchange whose money another one counts."""
FAR = "counted in an exchange that did not come along"
"""The same of one whose payer is not in the cassette that it came from."""


class Pricing(NamedTuple):
    """By what prices were made. `tables`: JSON of name, version and hash of each. `assumed`: what settings said. `as_of`: prices of that time (RFC 3339)
    in place of the exchange's own; None: its own."""

    tables: str
    assumed: str
    made_by: Literal["recorder", "reprice"] = "recorder"
    as_of: str | None = None


class RateRow(NamedTuple):
    """What lines have in common. `price`: decimal text, in USD per `per` of what `counts` names; None: `reason` says why there is none.

    `model`: where it is another than the exchange's. `tables`: who says so. `dimensions`: JSON of what is known of these lines alone.
    """

    item: str
    model: str | None
    counts: str
    price: str | None
    per: int
    tables: str | None
    dimensions: str | None
    reason: str | None


class LineRow(NamedTuple):
    """One cost line. `amount`: in 10^-12 USD; None: it has no price."""

    rate: RateRow
    quantity: int
    amount: int | None


class Basis(NamedTuple):
    """What was known of an exchange as a whole. `dimensions`: JSON of name, value and how each is known. `reason`: why it has no price at all."""

    dimensions: str
    reason: str | None


@dataclass(slots=True)  # not frozen, which would take five times as long for each exchange; nobody changes one
class Cost:
    """The price of an exchange. `amount`: the sum of its lines that have a price, in 10^-12 USD; None if none has.

    `note`: as listings show it. `counts`, `amounts`: by COUNTS and CLASSES. `told`: this exchange only tells of a usage that another one made;
    `counted_in`: the exchange that its money is counted in.
    """

    pricing: Pricing
    state: State
    amount: int | None
    note: str | None
    basis: Basis
    lines: tuple[LineRow, ...] = ()
    counts: tuple[int | None, ...] = (None,) * len(COUNTS)
    amounts: tuple[int | None, ...] = (None,) * len(CLASSES)
    told: bool = False
    counted_in: int | None = None

    @property
    def listed(self) -> int | None:
        """What listings show as its cost: only if all of it has a price."""
        return self.amount if self.state == "priced" else None

    @property
    def used(self) -> bool:
        """Whether its usage is known."""
        return self.counts[0] is not None or self.counts[3] is not None


def within(cost: Cost, window: str | None) -> Cost:
    """A cost by the prices of no completion window, of a response that was asked for with one: unless a setting takes it for the same, it has no price."""
    if window in (None, "soonest") or cost.state not in ("priced", "partly"):
        return cost
    if "window=standard" in cost.pricing.assumed.split(","):
        return replace(cost, note="; ".join(filter(None, (cost.note, f"assumed: window {window} at standard prices"))))
    note = f"unpriced: it ran within the completion window {window}, which may have a price of its own: `playhead reprice` looks for one"
    return replace(cost, state="unpriced", amount=None, note=note, lines=(), amounts=(None,) * len(CLASSES))


def less_containers(cost: Cost, count: int, counted: Mapping[str, int]) -> Cost:
    """A cost less what of its containers, `count` in all, is counted in other exchanges: a container is paid once, however many responses use it."""
    fewer = [_fewer(line, count - len(counted), count) if line.rate.item.startswith("container") else line for line in cost.lines]
    lines = tuple(line for line in fewer if line is not None)
    if not counted or lines == cost.lines:
        return cost
    less = sum(line.amount or 0 for line in cost.lines) - sum(line.amount or 0 for line in lines)
    whole = cost.basis.reason is None and all(line.amount is not None for line in lines)
    some = whole or any(line.amount is not None for line in lines)
    amounts = (*cost.amounts[:-1], None if cost.amounts[-1] is None else cost.amounts[-1] - less)
    told = f"containers are counted in exchange {', '.join(map(str, sorted(set(counted.values()))))}"
    changed = replace(cost, state="priced" if whole else "partly" if some else "unpriced", amount=(cost.amount or 0) - less if some else None, lines=lines)
    return replace(changed, amounts=amounts, note="; ".join([*_lacking(changed), told, *_assumed(changed)]))


def _fewer(line: LineRow, left: int, of: int) -> LineRow | None:
    if left <= 0:
        return None
    return line._replace(quantity=line.quantity * left // of, amount=None if line.amount is None else line.amount * left // of)


def _lacking(cost: Cost) -> list[str]:
    """Why it has no price, or not for all of it."""
    reasons = [cost.basis.reason, *(f"{line.rate.item}: {line.rate.reason}" for line in cost.lines if line.rate.reason)]
    return [f"unpriced: {'; '.join(filter(None, dict.fromkeys(reasons)))}"] if any(reasons) else []


def _assumed(cost: Cost) -> list[str]:
    texts = (cost.basis.dimensions, *(line.rate.dimensions for line in cost.lines))
    named = [f"{name} {value}" for text in texts if text for name, value, how in json.loads(text) if how == "assumed"]
    return [f"assumed: {', '.join(dict.fromkeys(named))}"] if named else []


class Priceable(NamedTuple):
    """What of a stored exchange decides about its price; times in ns since the epoch. `billing`: see proxy/pricing/billing.py."""

    id: int
    method: str
    path: str
    transport: str
    upstream: str
    started_at_ns: int
    status: int | None
    outcome: str | None
    parse: str
    kind: str
    model: str | None
    response_id: str | None
    response_status: str | None
    service_tier: str | None
    error_code: str | None
    usage: dict[str, Any] | None
    billing: dict[str, Any] | None
    steer: str | None


class Repriced(NamedTuple):
    """What computing a price again has changed. Amounts in 10^-12 USD; None: it had no price, or was not in the ledger."""

    exchange: int
    model: str | None
    state_before: State | None
    amount_before: int | None
    state: State
    amount: int | None


def about(pico: int) -> str:
    """The same for a person: to a hundredth of a cent."""
    tenths = (pico + 5 * 10**7) // 10**8
    return f"{tenths // 10**4:,}.{tenths % 10**4:04d} USD" if tenths or not pico else "less than 0.0001 USD"


def dollars(pico: int) -> str:
    """10^-12 USD as a decimal string in USD, exact, without an exponent."""
    sign, digits = ("-" if pico < 0 else ""), f"{abs(pico):013d}"
    whole, rest = digits[:-12], digits[-12:].rstrip("0")
    return f"{sign}{whole}.{rest}" if rest else f"{sign}{whole}"


def pico(text: str) -> int:
    """What `dollars` made a text of. Raises ValueError."""
    if _DOLLARS.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is no amount of money such as 0.000125")
    whole, _, rest = text.partition(".")
    return int(whole + rest.ljust(12, "0"))


def counted_in(note: str | None) -> int | None:
    """The number of the exchange that a note like `ELSEWHERE` names; None: it is another note."""
    number = (note or "").removeprefix(ELSEWHERE.format(""))
    return int(number) if number != note and number.isdecimal() else None
