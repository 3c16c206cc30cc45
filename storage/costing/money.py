"""Sums of money that an integer column of the database could not hold: more than nine million dollars."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func

_PART = 10**6


def summed(amount: ColumnElement[Any]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """What to select for the sum of a column of amounts, to be given to `put_together`."""
    return func.coalesce(func.sum(amount // _PART), 0), func.coalesce(func.sum(amount % _PART), 0)


def put_together(upper: Any, lower: Any) -> int:
    """The sum."""
    return int(upper) * _PART + int(lower)
