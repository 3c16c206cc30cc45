"""Times in ns as listings have them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def moment(nanoseconds: int) -> datetime:
    """Of ns since the epoch: to the microsecond, UTC."""
    return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC) + timedelta(microseconds=nanoseconds % 1_000_000_000 // 1000)


def milliseconds(nanoseconds: int | None) -> float | None:
    """With all their decimals."""
    return None if nanoseconds is None else nanoseconds / 1_000_000
