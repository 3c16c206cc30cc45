"""Axes: round numbers to draw lines at, and where values lie between them. Pure. Money stays whole numbers of 10^-12 USD; only places on paper are floats."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from playhead.storage.costing.costs import dollars

_STEPS = (1, 2, 5, 10)
_LINES = 4  # at most, above zero
_EVERY = (1, 2, 3, 4, 6, 12, 24, 48, 96)
_MONTH, _HOUR = len("2026-11"), len("2026-11-01T00")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Scale(NamedTuple):
    """An axis from zero to its last tick."""

    ticks: tuple[int, ...]

    @property
    def top(self) -> int:
        """Its end."""
        return self.ticks[-1]

    def place(self, value: int, length: float) -> float:
        """How far from zero a value is, on an axis of that length."""
        return round(value / self.top * length, 2)


def scale_to(most: int, least_step: int = 1) -> Scale:
    """An axis with round numbers, on which that value has its place. `least_step`: no finer than so."""
    magnitude = least_step
    while True:
        for step in _STEPS:
            if most <= magnitude * step * _LINES:
                size = magnitude * step
                count = max(1, -(-most // size))
                return Scale(tuple([size * place for place in range(count + 1)]))
        magnitude *= 10


def log_ticks(least: int, most: int) -> tuple[int, ...]:
    """Powers of ten around these values, both above zero."""
    low = high = 1
    while low * 10 <= least:
        low *= 10
    while high < most or high <= low:
        high *= 10
    found = []
    while low <= high:
        found.append(low)
        low *= 10
    return tuple(found)


def slot_labels(slots: Sequence[str], most: int) -> list[tuple[int, str]]:
    """What is written below an axis of time, where there is place for so many words: at which slots, and the words."""
    step = next((step for step in _EVERY if -(-len(slots) // step) <= most), len(slots))
    hours = bool(slots) and len(slots[0]) == _HOUR
    places = [place for place, slot in enumerate(slots) if (int(slot[11:13]) if hours else place) % step == 0]
    return [(place, _slot_name(slots[place])) for place in places]


def money(pico: int) -> str:
    """A tick: exact, since ticks are round."""
    whole, point, rest = dollars(pico).partition(".")
    return f"{int(whole):,}{point}{rest}"


def number(value: int) -> str:
    """A tick of a count, short: 2M, 50k, 300."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size and not value % (size // 10):
            return f"{value // size}{unit}" if not value % size else f"{value / size:.1f}{unit}"
    return f"{value:,}"


def time_span(ms: int) -> str:
    """A tick of a time: 10 ms, 1 s, 100 s."""
    return f"{ms // 1000:,} s" if ms >= 1000 else f"{ms} ms"


def _slot_name(at: str) -> str:
    """14:00, at midnight and of a day 3 Nov, Nov 2026."""
    if len(at) == _HOUR and at[11:13] != "00":
        return f"{at[11:13]}:00"
    month = _MONTHS[int(at[5:7]) - 1]
    return f"{int(at[8:10])} {month}" if len(at) > _MONTH else f"{month} {at[:4]}"


def moment(at: datetime) -> str:
    """A moment, to the minute."""
    return f"{at:%Y-%m-%d %H:%M}"


def heights(parts: Sequence[int], scale: Scale, length: float) -> list[tuple[float, float]]:
    """Of a stack: where each part begins and ends above zero."""
    found, below = [], 0
    for part in parts:
        found.append((scale.place(below, length), scale.place(below + part, length)))
        below += part
    return found
