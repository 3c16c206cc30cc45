"""How far a long piece of work is, on standard error: a bar where that is a terminal, a line now and then where it is not.

Nothing is said of what takes no longer than a second. A thread says it, since the work may be in one statement of the database for longer than that.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from playhead.config.errors import StoreError

if TYPE_CHECKING:
    from playhead.storage.store import Advance, Store

_AFTER_SECONDS = 1.0
_LINE_SECONDS = 10.0
_BAR_SECONDS = 0.2


def never() -> bool:
    """Nobody wants to stop."""
    return False


def open_store(url: str, *, stopped: Callable[[], bool] = never, **options: Any) -> Store:
    """As `Store.open`, which takes its time where the store is of an older playhead. `stopped`: it is wanted no more: what was begun is undone.

    Raises ConfigError, StoreError.
    """
    from playhead.storage.store import Store

    with headway() as advance:

        def go_on(what: str, done: int, of: int) -> None:
            if stopped():
                raise StoreError("It was stopped before the store was up to date, which it will be when it is opened next.")
            advance(what, done, of)

        return Store.open(url, advance=go_on, **options)


@contextlib.contextmanager
def headway(stream: TextIO | None = None, *, after: float = _AFTER_SECONDS, every: float = _LINE_SECONDS) -> Iterator[Advance]:
    """Gives what is to be called with what is done, how many rows of it are done, and of how many (0: that is not known). `after`: seconds in which nothing is
    said; `every`: seconds between lines."""
    shown = _Headway(sys.stderr if stream is None else stream, after, every)
    try:
        yield shown.advance
    finally:
        shown.close()


class _Headway:
    def __init__(self, stream: TextIO, after: float, every: float) -> None:
        self._stream, self._after, self._every = stream, after, every
        self._state = "", 0, 0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def advance(self, what: str, done: int, of: int) -> None:
        self._state = what, done, of
        if self._thread is None:
            self._thread = threading.Thread(target=self._show, name="headway", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _show(self) -> None:
        if not self._over.wait(self._after):
            self._bar() if self._stream.isatty() else self._lines()

    def _lines(self) -> None:
        self._line()
        while not self._over.wait(self._every):
            self._line()
        _, done, of = self._state
        if done == of > 0:
            self._line()

    def _line(self) -> None:
        what, done, of = self._state
        part = f": {done:,} of {of:,} rows ({100 * done // of} %)" if of else ""
        print(f"playhead: {what}{part}", file=self._stream, flush=True)

    def _bar(self) -> None:
        from rich.console import Console  # costs 50 ms, which only who waits has to pay
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        print(f"playhead: {self._state[0]}", file=self._stream, flush=True)
        columns = BarColumn(), MofNCompleteColumn(), TextColumn("rows,"), TimeElapsedColumn(), TextColumn("so far,"), TimeRemainingColumn(), TextColumn("left")
        with Progress(*columns, console=Console(file=self._stream)) as progress:
            task = progress.add_task("", total=None)
            more = True
            while more:
                more = not self._over.wait(_BAR_SECONDS)
                _, done, of = self._state
                progress.update(task, completed=done, total=of or None)
