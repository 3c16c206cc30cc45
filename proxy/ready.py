"""A recorded exchange in memory, ready to be served. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .script import Begin, Data, Interim, Step

_OVERHEAD = 1024


@dataclass(frozen=True, slots=True)
class Ready:
    """The steps of an exchange; where they are to be taken at once, put together as far as they can be.

    `steps`: in their times; empty where they are taken at once. Then `interims`, `begin`, the body in one piece (`data` with its transfer framing,
    `payload` without), and `finale`. `size`: bytes of memory, roughly.
    """

    steps: tuple[Step, ...]
    interims: tuple[Interim, ...]
    begin: Begin | None
    data: bytes
    payload: bytes
    finale: Step
    size: int


def ready(steps: Iterable[Step], at_once: bool) -> Ready:
    """Of the steps of an exchange that fits into memory. Raises ProtocolError as `script` does."""
    if not at_once:
        all_ = tuple(steps)
        size = sum(len(step.data) + len(step.payload) + 200 for step in all_ if isinstance(step, Data))
        return Ready(all_, (), None, b"", b"", all_[-1], size + _OVERHEAD)
    interims: list[Interim] = []
    begin: Begin | None = None
    pieces: list[Data] = []
    for step in steps:
        if isinstance(step, Data):
            pieces.append(step)
        elif isinstance(step, Begin):
            begin = step
        elif isinstance(step, Interim):
            interims.append(step)
        else:
            finale = step
    data = pieces[0].data if len(pieces) == 1 else b"".join([piece.data for piece in pieces])
    payload = pieces[0].payload if len(pieces) == 1 else b"".join([piece.payload for piece in pieces])
    return Ready((), tuple(interims), begin, data, payload, finale, len(data) + len(payload) + _OVERHEAD)


def together(steps: Iterable[Step]) -> list[Step]:
    """The steps with pieces of the body that follow one another in one."""
    joined: list[Step] = []
    run: list[Data] = []
    for step in steps:
        if isinstance(step, Data):
            run.append(step)
            continue
        if run:
            joined.append(_joined(run))
            run.clear()
        joined.append(step)
    return [*joined, _joined(run)] if run else joined


def _joined(run: list[Data]) -> Data:
    return run[0] if len(run) == 1 else Data(run[-1].at, b"".join([piece.data for piece in run]), b"".join([piece.payload for piece in run]))
