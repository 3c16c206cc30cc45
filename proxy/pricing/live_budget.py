"""How many requests may go to upstream and what they may cost, and how many have and did: pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from playhead.storage.costing.costs import dollars

from ..forwarding.answers import Refusal


class Paid(NamedTuple):
    """What the calls that a server has recorded cost. Money in 10^-12 USD. `ended`: calls whose price is settled; `dearest`: of one call.

    `unpriced`: of these calls, those that cost something nobody knows; `example`: one of them, and why.
    """

    ended: int = 0
    amount: int = 0
    dearest: int = 0
    unpriced: int = 0
    example: str = ""


@dataclass(slots=True)
class LiveBudget:
    """`calls`: so many may; `money`: they may cost as much, in 10^-12 USD; None: any number, and any sum. `strict`: not after a call without a price."""

    calls: int | None = None
    money: int | None = None
    strict: bool = True
    spent: int = 0
    paid: Paid = field(default_factory=Paid)

    @classmethod
    def of(cls, calls: int | None, money: str | None, *, strict: bool) -> LiveBudget:
        """`money`: a decimal text in USD."""
        whole, _, rest = (money or "").partition(".")
        return cls(calls, None if money is None else int(whole + rest.ljust(12, "0")), strict)

    def learn(self, paid: Paid) -> None:
        """What is known of prices; older news are none."""
        if paid.ended >= self.paid.ended:
            self.paid = paid

    def take(self, *, recorded: bool = True) -> Refusal | None:
        """One more goes to upstream; the reason if it must not. `recorded`: it will be, and so will have a price."""
        reason = self._counted() or (self._paid(recorded) if self.money is not None else "")
        if reason:
            return Refusal("live_budget", f"It did not go to upstream: {reason}")
        self.spent += 1
        return None

    def _counted(self) -> str:
        if self.calls is None or self.spent < self.calls:
            return ""
        allowed = "no live call is" if self.calls == 0 else f"{self.calls} live call{'s are' if self.calls > 1 else ' is'}"
        return f"{allowed} allowed here (the setting live_calls)."

    def _paid(self, recorded: bool) -> str:
        """Those in flight count as much as the dearest before them: nobody knows better before they have ended."""
        paid, allowed = self.paid, f"live calls may cost {dollars(self.money or 0)} USD here (the setting live_money)"
        if not recorded:
            return f"{allowed}, and only what is recorded has a price."
        if paid.unpriced and self.strict:
            return (
                f"{allowed}, and nobody knows what {paid.example} has cost. price_table or assume can give such a call a price, and with "
                "live_unpriced = allow it counts as nothing."
            )
        flying = max(self.spent - paid.ended, 0)
        if paid.amount + flying * paid.dearest < (self.money or 0):
            return ""
        more = f", and {flying} in flight may cost {dollars(paid.dearest)} each" if flying and paid.dearest else ""
        return f"{allowed}, and {dollars(paid.amount)} are spent{more}."
