"""Lanes over time as text: a column for each, time downwards, a row for each thing that happened. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from .lane_marks import Mark, Run

WIDTH = 80
MOST = 100
"""Rows of a chart that is abbreviated."""

_TIME = 10
_SPACED = 16  # lanes that have a column of two characters
_ENDS = 30  # rows that stay at each end
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
Style = Literal["", "dim", "red", "yellow", "bold"]


class Line(NamedTuple):
    """One line of a chart."""

    text: str
    style: Style = ""


class _Row(NamedTuple):
    at: int
    cells: str
    text: str
    style: Style
    remarkable: bool
    turn: int


def chart(lanes: Sequence[str | None], marks: Sequence[Mark], *, width: int = WIDTH, most: int | None = MOST) -> list[Line]:
    """The lanes with their turns, each by the number of its exchange. `marks`: in order. `most`: rows; None: all."""
    rows = _abbreviated(_rows(len(lanes), marks), most)
    letters = [_letter(place) for place in range(len(lanes))]
    return [*_legend(lanes, letters, width), Line(_fitting(f"{'':>{_TIME}}  {_joined(letters)}", width), "bold"), *(_line(row, width) for row in rows)]


def _letter(lane: int) -> str:
    return _LETTERS[lane] if lane < len(_LETTERS) else "*"


def _joined(cells: Sequence[str]) -> str:
    return (" " if len(cells) <= _SPACED else "").join(cells)


def _legend(lanes: Sequence[str | None], letters: Sequence[str], width: int) -> Iterator[Line]:
    """Which letter is which lane."""
    line = "lanes:"
    for letter, name in zip(letters, lanes, strict=True):
        entry = f" {letter} = {'the default lane' if name is None else _short(name, 32)},"
        if len(line) + len(entry) > width and line.strip():
            yield Line(line)
            line = "      "
        line += entry
    if lanes:
        yield Line(_fitting(line.rstrip(","), width))


def _line(row: _Row, width: int) -> Line:
    return Line(_fitting(f"{_time(row.at):>{_TIME}}  {row.cells}  {row.text}".rstrip(), width), row.style)


def _time(ns: int) -> str:
    seconds = ns / 1e9
    if seconds < 1000:
        return f"{seconds:.3f} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}m{rest:06.3f}s"


def _fitting(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _rows(lanes: int, marks: Sequence[Mark]) -> list[_Row]:
    """A row for each mark; one for a turn of which nothing else stands between its beginning and its end."""
    rows: list[_Row] = []
    open_ = [0] * lanes
    place = 0
    while place < len(marks):
        mark = marks[place]
        after = marks[place + 1] if place + 1 < len(marks) else None
        if mark.what == "begin" and after is not None and after.what == "end" and after.turn == mark.turn:
            rows.append(_row(mark, open_, "●", _whole_text(mark, after), wrong=after.wrong))
            place += 2
            continue
        rows.append(_row(mark, open_, _sign(mark, open_), _text(mark, open_), wrong=mark.wrong))
        if mark.lane is not None and mark.what in ("begin", "end"):
            open_[mark.lane] += 1 if mark.what == "begin" else -1
        place += 1
    return rows


def _row(mark: Mark, open_: Sequence[int], sign: str, text: str, *, wrong: bool) -> _Row:
    cells = ["│" if count > 0 else "·" for count in open_]
    if mark.lane is not None:
        cells[mark.lane] = sign
    style: Style = "red" if wrong else "yellow" if mark.what == "steer" else ""
    return _Row(mark.at, _joined(cells), text, style, wrong or mark.what not in ("begin", "end"), mark.turn)


def _sign(mark: Mark, open_: Sequence[int]) -> str:
    busy = mark.lane is not None and open_[mark.lane] > 0
    if mark.what == "begin":
        return "├" if busy else "┬"
    if mark.what == "end":
        return "┤" if mark.lane is not None and open_[mark.lane] > 1 else "┴"
    return "!" if mark.what == "error" else "◆"


def _text(mark: Mark, open_: Sequence[int]) -> str:
    who = "" if mark.exchange is None else f"{mark.exchange} "
    if mark.what == "begin":
        waits = mark.lane is not None and open_[mark.lane] > 0
        return f"{who}{'queued' if waits else 'begins'}{f' {mark.text}' if mark.text else ''}"
    return who + mark.text


def _whole_text(begin: Mark, end: Mark) -> str:
    about = ", ".join(filter(None, (begin.text, _took(end.at - begin.at))))
    return f"{begin.exchange} {end.text}{f' ({about})' if about else ''}"


def _took(ns: int) -> str:
    return f"{ns / 1e9:.1f} s" if ns >= 1_000_000_000 else f"{ns / 1e6:.0f} ms"


def _abbreviated(rows: list[_Row], most: int | None) -> list[_Row]:
    """As many as are wanted: the first, the last, and of the others what is remarkable."""
    if most is None or len(rows) <= most:
        return rows
    ends = min(_ENDS, most // 3)
    room = most - 2 * ends
    kept: list[_Row] = rows[:ends]
    gap: list[_Row] = []
    for row in rows[ends : len(rows) - ends]:
        if row.remarkable and room > 1:
            room -= 1 + bool(gap)
            kept += [*_gap(gap), row]
            gap = []
        else:
            gap.append(row)
    return [*kept, *_gap(gap), *rows[len(rows) - ends :]]


def _gap(rows: Sequence[_Row]) -> list[_Row]:
    """A row for those that are left out; none for none."""
    if len(rows) < 2:
        return [*rows]
    turns = len({row.turn for row in rows if row.turn})
    cells = "".join("⋮" if cell != " " else " " for cell in rows[0].cells)
    return [_Row(rows[0].at, cells, f"{len(rows):,} rows, {turns:,} turns left out", "dim", False, 0)]


# Connections that are one exchange.


def transcript(runs: Sequence[Run], *, width: int = WIDTH, most: int | None = MOST) -> list[Line]:
    """Types of messages by time; > from the client, < from upstream. `most`: lines; None: all."""
    lines = [_run_line(run, width) for run in runs]
    if most is None or len(lines) <= most:
        return lines
    ends = most // 2
    left = runs[ends : len(runs) - ends]
    text = f"{'':>{_TIME}}  ⋮ {sum(run.messages for run in left):,} messages in {len(left):,} lines left out"
    wrong = [_run_line(run, width) for run in left if run.wrong][:ends]
    return [*lines[:ends], Line(_fitting(text, width), "dim"), *wrong, *lines[len(lines) - ends :]]


def _run_line(run: Run, width: int) -> Line:
    size = f"{run.bytes:,} B"
    many = f"{run.messages:,} times in {_took(run.until - run.at)}, {size}" if run.messages > 1 else size
    text = f"{_time(run.at):>{_TIME}}  {'<' if run.direction else '>'} {run.type}  {many}"
    return Line(_fitting(text, width), "red" if run.wrong else "dim" if run.type.startswith("websocket.p") else "")
