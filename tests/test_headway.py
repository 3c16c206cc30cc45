"""What is said of a long piece of work."""

from __future__ import annotations

import contextlib
import io
import shutil
import time
from pathlib import Path

import pytest

from playhead.config.errors import StoreError
from playhead.proxy.headway import headway, open_store

OLD = Path(__file__).parent / "data" / "store-0004.db"


class Heard(io.StringIO):
    """Standard error, a terminal or not."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def wait_for(self, text: str) -> None:
        """The work goes on until that has been said."""
        while text not in self.getvalue():
            time.sleep(0.001)


def test_of_what_takes_no_time_nothing_is_said() -> None:
    heard = Heard()
    with headway(heard, after=60) as advance:
        advance("work", 1, 2)

    assert heard.getvalue() == ""


def test_without_a_terminal_a_line_tells_how_far_it_is() -> None:
    heard = Heard()
    with headway(heard, after=0, every=60) as advance:
        advance("work", 1_000, 4_000)
        heard.wait_for("\n")
        advance("work", 4_000, 4_000)

    assert heard.getvalue() == "playhead: work: 1,000 of 4,000 rows (25 %)\nplayhead: work: 4,000 of 4,000 rows (100 %)\n"


def test_lines_come_now_and_then_even_if_nothing_is_known_of_how_far_it_is() -> None:
    heard = Heard()
    with headway(heard, after=0, every=0.001) as advance:
        advance("work", 0, 0)
        heard.wait_for("playhead: work\nplayhead: work\n")


def test_work_that_is_broken_off_does_not_seem_to_be_done() -> None:
    heard = Heard()
    with contextlib.suppress(KeyboardInterrupt), headway(heard, after=0, every=60) as advance:
        advance("work", 1, 4)
        heard.wait_for("\n")
        raise KeyboardInterrupt

    assert heard.getvalue() == "playhead: work: 1 of 4 rows (25 %)\n"


def test_a_terminal_has_a_bar() -> None:
    heard = Heard(terminal=True)
    with headway(heard, after=0) as advance:
        advance("work", 1, 4)
        heard.wait_for("1/4")
        advance("work", 4, 4)

    assert heard.getvalue().startswith("playhead: work\n")
    assert "4/4" in heard.getvalue()


def test_a_store_that_is_wanted_no_more_is_left_as_it_was(tmp_path: Path) -> None:
    old = Path(shutil.copy(OLD, tmp_path / "store.db"))
    with pytest.raises(StoreError, match="It was stopped before the store was up to date"):
        open_store(f"sqlite:///{old}", stopped=lambda: True)

    assert old.read_bytes() == OLD.read_bytes()
