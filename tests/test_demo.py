"""`demo`: what it tells is what it recorded and replayed; and it says when they differ."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from command_line import Told, in_a_process
from playhead.config.settings import Settings
from playhead.proxy.commands.demo import Answer, Demo, difference
from playhead.storage.store import Store

ANSWER = Answer(200, ((b"Content-Type", b"text/plain"), (b"X-A", b"1")), b"hello")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    """A data directory in which the demo was run once, and what it said."""
    data = tmp_path_factory.mktemp("demo") / "d"
    return data, in_a_process("demo", "--data", str(data))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Answer]]:
    """A data directory with the first half of a demo, and what its agent received."""
    data = tmp_path_factory.mktemp("recorded") / "d"
    return data, asyncio.run(Demo({"data": str(data)}, Settings(data=data), "demo").record())


class Tampered(Demo):
    """The second half of a demo, on a copy of its store that was changed in between."""

    def __init__(self, data: Path, recorded: tuple[Path, list[Answer]], tamper: Callable[[sqlite3.Connection], object]) -> None:
        super().__init__({"data": str(data)}, Settings(data=data), "demo")
        self._data = data
        self._first, self._answers = recorded
        self._tamper = tamper

    async def record(self) -> list[Answer]:
        shutil.copytree(self._first, self._data)
        with closing(sqlite3.connect(self._data / "store.db")) as store:
            self._tamper(store)
            store.commit()
        return self._answers


def one_byte(exchange: int) -> Callable[[sqlite3.Connection], object]:
    """Changes one byte in the middle of what is stored of an exchange."""

    def tamper(store: sqlite3.Connection) -> None:
        ((data,),) = store.execute("SELECT data FROM bodies WHERE exchange = ?", (exchange,))
        changed = bytearray(data)
        changed[len(changed) // 2] ^= 1
        store.execute("UPDATE bodies SET data = ? WHERE exchange = ?", (bytes(changed), exchange))

    return tamper


def test_the_demo_replays_what_its_agent_received(told: tuple[Path, Told]) -> None:
    data, done = told

    assert done.status == 0, done.err
    assert "All 6 answers are the same, byte for byte" in done.out
    assert f"playhead replay --session demo --data={data}" in done.out
    with Store.open(f"sqlite:///{data}/store.db") as store:
        found = list(store.exchanges("demo"))
        assert list(store.divergences("demo")) == []
    assert [(row.transport, row.status) for row in found] == [("http", 200), ("sse", 200), ("http", 500), ("http", 200), ("ws", 101), ("ws", 101)]
    assert [row.attempt for row in found] == [found[0].attempt] * 3 + [(found[0].attempt or 0) + 1, None, None]
    assert [row.stream_id for row in found[4:]] == ["paris", "rome"]


def test_the_demo_sums_up_the_tokens_of_its_answers(told: tuple[Path, Told]) -> None:
    _, done = told
    compared = done.out[: done.out.index("Audit:")]
    table = [line.split() for line in compared.splitlines() if line.endswith(("the same", "REPLAYED")) or "in all" in line]
    totals = [int(cells[-3]) for cells in table[1:-1] if "server_error" not in cells]
    assert (table[-1][:2], int(table[-1][-1]), len(totals)) == (["in", "all"], sum(totals), 5)


def test_the_demo_ends_with_what_it_cost(told: tuple[Path, Told]) -> None:
    data, done = told
    with Store.open(f"sqlite:///{data}/store.db") as store:
        prices = [Decimal(row.cost) for row in store.exchanges("demo") if row.cost is not None]
    [line] = [line for line in done.out[done.out.index("Audit:") :].splitlines() if line.startswith("in all")]

    assert len(prices) == 5
    assert str(sum(prices)) in line


@pytest.mark.parametrize("exchange", [2, 4, 5])
def test_one_changed_byte_in_the_store_fails_the_demo(
    recorded: tuple[Path, list[Answer]], exchange: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status = Tampered(tmp_path / "d", recorded, one_byte(exchange)).run()

    assert (status, "differ from what was recorded" in capfd.readouterr().err) == (1, True)


def test_a_recording_that_is_gone_fails_the_demo(recorded: tuple[Path, list[Answer]], tmp_path: Path) -> None:
    assert Tampered(tmp_path / "d", recorded, lambda store: store.execute("DELETE FROM exchanges WHERE id = 4")).run() == 1


@pytest.mark.parametrize(
    ("replayed", "told"),
    [
        (ANSWER, ""),
        (replace(ANSWER, status=500), "status 500"),
        (replace(ANSWER, headers=ANSWER.headers[::-1]), "other headers"),
        (replace(ANSWER, body=b"hellO"), "another byte at 4"),
        (replace(ANSWER, body=b"hell"), "another byte at 4"),
        (None, "missing"),
    ],
)
def test_every_byte_of_an_answer_counts(replayed: Answer | None, told: str) -> None:
    assert difference(ANSWER, replayed) == told


def test_an_answer_too_many_is_a_difference() -> None:
    assert difference(None, ANSWER) == "not recorded"
