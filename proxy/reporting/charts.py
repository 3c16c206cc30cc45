"""Charts as SVG: columns over time, bars by group, shares of a whole, ranges of times. Pure.

Colours are classes (`c0` to `c5`, `rest`, `bad`, ...) that the page's style sheet defines for light, dark and paper. Every shape has a title that says its
numbers, for who points at it and for who cannot see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import log10
from typing import NamedTuple

from .markup import Markup, clipped, joined, lines, places, tag
from .scales import Scale, heights, log_ticks, slot_labels, time_span

WIDTH = 960
_LEFT = 64  # of what is drawn over time: room for numbers
_RIGHT = 8
_TOP = 10
_BOTTOM = 22
_LABELS = 14  # below an axis, at most
_NAME = 210  # room for the names of bars
_NUMBER = 180  # and for their numbers
_ROW = 24
_BAR = 14
_LETTERS = 30  # of a name that fits
_SURELY = 24  # of one that fits whatever its letters are


class Series(NamedTuple):
    """What is stacked: its name, its colour, a value for each slot."""

    name: str
    colour: str
    values: tuple[int, ...]


class Bar(NamedTuple):
    """One bar: its name, its parts with their colours and titles, and what is written behind it."""

    name: str
    parts: tuple[tuple[int, str, str], ...]
    text: str
    muted: bool = False


class Range(NamedTuple):
    """Percentiles of one group, each in ms, from the least to the greatest."""

    name: str
    values: tuple[int, ...]
    muted: bool = False


def columns(title: str, slots: Sequence[str], series: Sequence[Series], scale: Scale, words: Callable[[int], str], *, height: int = 200) -> Markup:
    """Stacked columns over time."""
    inner, length = WIDTH - _LEFT - _RIGHT, height - _TOP - _BOTTOM
    step = inner / max(len(slots), 1)
    wide = round(min(step * 0.78, 46), 2)
    parts = [_grid(scale, words, height)]
    for place, slot in enumerate(slots):
        values = [one.values[place] for one in series]
        if not any(values):
            continue
        left = round(_LEFT + step * place + (step - wide) / 2, 2)
        told = lines(_slot_title(slot), *(f"{one.name}: {words(value)}" for one, value in zip(series, values, strict=True) if value))
        shapes = [
            tag("rect", x=left, y=round(height - _BOTTOM - end, 2), width=wide, height=round(max(end - start, 0.4), 2), class_=one.colour)
            for one, value, (start, end) in zip(series, values, heights(values, scale, length), strict=True)
            if value
        ]
        parts.append(tag("g", tag("title", told), *shapes))
    parts.append(_slot_names(slots, step, height))
    return _svg(title, height, parts)


def line(title: str, slots: Sequence[str], shares: Sequence[float | None], height: int = 130) -> Markup:
    """A share over time, from nothing to all; where there is none, the line is broken."""
    inner, length = WIDTH - _LEFT - _RIGHT, height - _TOP - _BOTTOM
    step = inner / max(len(slots), 1)
    scale = Scale((0, 25, 50, 75, 100))
    parts = [_grid(scale, lambda value: f"{value} %", height)]
    run: list[str] = []
    for place, share in enumerate([*shares, None]):
        if share is None:
            if len(run) > 1:
                parts.append(tag("polyline", points=" ".join(run), class_="line"))
            run = []
            continue
        x, y = round(_LEFT + step * (place + 0.5), 2), round(height - _BOTTOM - share * length, 2)
        run.append(f"{x},{y}")
        parts.append(
            tag("circle", tag("title", lines(_slot_title(slots[place]), f"{100 * share:.2f} %")), cx=x, cy=y, r=2.5 if step > 8 else 1.2, class_="dot")
        )
    parts.append(_slot_names(slots, step, height))
    return _svg(title, height, parts)


def bars(title: str, rows: Sequence[Bar]) -> Markup:
    """Horizontal bars, one below the other."""
    most = max((sum(value for value, _, _ in row.parts) for row in rows), default=0) or 1
    scale, length = Scale((0, most)), WIDTH - _NAME - _NUMBER
    parts = []
    for place, row in enumerate(rows):
        top = _ROW * place + (_ROW - _BAR) / 2
        spans = heights([value for value, _, _ in row.parts], scale, length)
        shapes = [
            tag("rect", tag("title", lines(row.name, told)), x=_NAME + start, y=top, width=round(max(end - start, 0.6), 2), height=_BAR, class_=colour)
            for (value, colour, told), (start, end) in zip(row.parts, spans, strict=True)
            if value
        ]
        end = max((end for _, end in spans), default=0.0)
        parts += [_row_name(row.name, place, muted=row.muted), *shapes]
        parts.append(tag("text", row.text, x=round(_NAME + end + 8, 2), y=_baseline(place), class_="value"))
    return _svg(title, _ROW * len(rows) + 4, parts)


def shares(title: str, rows: Sequence[tuple[str, Sequence[tuple[int, str, str]]]]) -> Markup:
    """Wholes as bars of one length; each row has a name, and parts with their colours and titles. A part that is big enough says its share."""
    parts = []
    length = WIDTH - _NAME - _RIGHT
    for place, (name, values) in enumerate(rows):
        scale = Scale((0, sum(value for value, _, _ in values) or 1))
        parts.append(_row_name(name, place))
        for (value, colour, told), (start, end) in zip(values, heights([value for value, _, _ in values], scale, length), strict=True):
            if not value:
                continue
            shape = tag("rect", x=_NAME + start, y=_ROW * place + 3, width=round(max(end - start, 0.6), 2), height=_ROW - 6, class_=colour)
            share = f"{value / scale.top:.0%}"
            text = tag("text", share, x=round(_NAME + (start + end) / 2, 2), y=_baseline(place), class_="inside") if end - start > 34 else None
            parts.append(tag("g", tag("title", f"{told}, {value / scale.top:.1%}"), shape, text))
    return _svg(title, _ROW * len(rows) + 4, parts)


def ranges(title: str, rows: Sequence[Range], names: Sequence[str]) -> Markup:
    """Percentiles as points on a line, on a scale where each step is ten times as long. `names`: of the percentiles."""
    known = [value for row in rows for value in row.values]
    ticks = log_ticks(max(min(known, default=1), 1), max(known, default=10))
    length, height = WIDTH - _NAME - 40, _ROW * len(rows) + _BOTTOM
    low, decades = log10(ticks[0]), len(ticks) - 1

    def place_of(ms: int) -> float:
        return round(_NAME + (log10(max(ms, ticks[0])) - low) / decades * length, 2)

    parts = [_upright(place_of(tick), height, time_span(tick)) for tick in ticks]
    for place, row in enumerate(rows):
        middle = _ROW * place + _ROW / 2
        told = lines(row.name, *(f"{name}: {value:,} ms" for name, value in zip(names, row.values, strict=True)))
        points = [tag("circle", cx=place_of(value), cy=middle, r=5 - dot, class_=f"p{dot}") for dot, value in enumerate(row.values)]
        track = tag("line", x1=place_of(row.values[0]), x2=place_of(row.values[-1]), y1=middle, y2=middle, class_="track")
        parts += [_row_name(row.name, place, muted=row.muted), tag("g", tag("title", told), track, *points)]
    return _svg(title, height, parts)


def legend(entries: Iterable[tuple[str, str]]) -> Markup:
    """What colours mean."""
    return tag("ul", *(tag("li", tag("span", class_=f"key {colour}"), name) for name, colour in entries), class_="legend")


def _svg(title: str, height: float, parts: Sequence[Markup]) -> Markup:
    return tag("svg", joined(list(parts)), viewBox=f"0 0 {WIDTH} {height:g}", role="img", aria_label=title, class_="chart")


def _grid(scale: Scale, words: Callable[[int], str], height: int) -> Markup:
    length = height - _TOP - _BOTTOM
    return joined([*_levels(scale, words, height - _BOTTOM, length)])


def _levels(scale: Scale, words: Callable[[int], str], zero: float, length: float) -> Iterator[Markup]:
    for tick in scale.ticks:
        y = round(zero - scale.place(tick, length), 2)
        yield tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="axis" if not tick else "grid")
        yield tag("text", words(tick), x=_LEFT - 6, y=y + 4, class_="tick end")


def _upright(x: float, height: float, text: str) -> Markup:
    return joined([tag("line", x1=x, x2=x, y1=0, y2=height - _BOTTOM, class_="grid"), tag("text", text, x=x, y=height - 7, class_="tick middle")])


def _slot_names(slots: Sequence[str], step: float, height: int) -> Markup:
    labels = slot_labels(slots, _LABELS)
    return joined([tag("text", text, x=round(_LEFT + step * (place + 0.5), 2), y=height - 6, class_="tick middle") for place, text in labels])


def _slot_title(slot: str) -> str:
    return f"{slot[:10]} {slot[11:13]}:00 UTC" if len(slot) == 13 else slot


def _row_name(name: str, place: int, *, muted: bool = False) -> Markup:
    text = clipped(name, _LETTERS)
    length, how = (_NAME - 14, "spacingAndGlyphs") if places(text) > _SURELY else (None, None)  # or wide letters would push its beginning out of sight
    told = {"x": _NAME - 10, "y": _baseline(place), "class_": "name muted" if muted else "name", "textLength": length, "lengthAdjust": how}
    return tag("text", tag("title", name), text, **told)


def _baseline(place: int) -> float:
    return _ROW * place + _ROW / 2 + 4.5
