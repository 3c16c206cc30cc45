"""A month of traffic beside the provider's books: every difference is found, with its cause, its amount and its exchanges, and nothing else.

The month of 100,000 exchanges is `tests/bench/reconcile.py`; this one is the same with fewer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from playhead.proxy.cli import run
from playhead.proxy.reconciling.findings import CAUSES
from playhead.storage.store import Store
from simulated_month import TABLE, Month, Simulation, store_month

Command = Callable[..., tuple[int, str]]


@dataclass
class Known:
    """A month in a data directory, and what `reconcile --json` said of it. `requests`: by exchange."""

    month: Month
    data: Path
    exports: list[str]
    requests: dict[int, int]
    flags: list[str]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    data = tmp_path_factory.mktemp("month")
    month = Simulation(1500, 2).month
    with Store.open(f"sqlite:///{data}/store.db", create=True) as store:
        requests = store_month(month, store)
    table = data / "month.toml"
    table.write_text(TABLE, encoding="utf-8")
    exports = []
    for name, content in month.books.files():
        (data / name).write_bytes(content)
        exports.append(str(data / name))
    return Known(month, data, exports, requests, ["--data", str(data), "--price-table", str(table)])


@pytest.fixture
def reconcile(known: Known, capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*more: str, exports: list[str] | None = None) -> tuple[int, str]:
        capsys.readouterr()
        status = run(["reconcile", *(known.exports if exports is None else exports), *known.flags, *more])
        return status, capsys.readouterr().out

    return command


def lines(told: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.splitlines()]


@pytest.fixture
def differences(reconcile: Command) -> list[dict[str, Any]]:
    return lines(reconcile("--json")[1])[:-1]


def planted(known: Known, cause: str) -> tuple[Decimal, set[int]]:
    mine = [one for one in known.month.planted if one.cause == cause]
    return Decimal(sum(one.amount for one in mine)) / 10**12, {request for one in mine for request in one.requests}


@pytest.mark.parametrize("cause", [cause for cause in CAUSES if cause not in ("rounding", "unexplained")])
def test_every_difference_is_found_with_its_amount_and_its_exchanges(known: Known, differences: list[dict[str, Any]], cause: str) -> None:
    mine = [one for one in differences if one["cause"] == cause]
    amount, requests = planted(known, cause)

    assert abs(sum(Decimal(one["amount"]) for one in mine) - amount) < Decimal("0.0001")  # of prices, lines are rounded as well
    assert {known.requests[exchange] for one in mine for exchange in one["exchanges"]} == requests


def test_nothing_else_is_found(differences: list[dict[str, Any]]) -> None:
    assert [one for one in differences if one["cause"] == "unexplained" or not one["exact"]] == []
    assert sum(abs(Decimal(one["amount"])) for one in differences if one["cause"] == "rounding") < Decimal("0.001")


def test_the_causes_add_up_to_the_difference(reconcile: Command) -> None:
    whole = lines(reconcile("--json")[1])[-1]

    assert sum(map(Decimal, whole["causes"].values())) == Decimal(whole["difference"]) == Decimal(whole["billed"]) - Decimal(whole["ledger"])


def test_more_than_is_tolerated_fails(reconcile: Command) -> None:
    assert reconcile()[0] == 1


def test_what_is_tolerated_passes(reconcile: Command) -> None:
    assert [reconcile("--tolerance", text)[0] for text in ("100000", "90%")] == [0, 0]


def test_people_see_the_causes_and_the_biggest_differences(reconcile: Command) -> None:
    told = reconcile()[1]

    assert all(meaning in told for cause, meaning in CAUSES.items() if cause != "unexplained")
    assert "USD per million" in told
    assert told.rstrip().endswith("More differs than is tolerated.")


def test_one_cause_is_shown_whole(reconcile: Command) -> None:
    told = reconcile("--cause", "tier")[1].partition("FROM (UTC)")[2]

    assert told.count(" tier ") >= 2
    assert "in the ledger: tier" in told


def test_usage_alone_is_valued_by_the_price_book(known: Known, reconcile: Command) -> None:
    told = lines(reconcile("--json", exports=[name for name in known.exports if "costs" not in name])[1])[-1]

    assert told["billed"] is None
    assert {cause: Decimal(told["causes"][cause]) for cause in ("unseen", "tier", "late")} == {
        cause: planted(known, cause)[0] for cause in ("unseen", "tier", "late")
    }


@pytest.mark.parametrize("wrong", [["--tolerance", "much"], ["--cause", "magic"], ["--key", "key_abc"]])
def test_a_wrong_flag_is_refused(reconcile: Command, wrong: list[str]) -> None:
    assert reconcile(*wrong)[0] == 2


def test_a_file_that_is_not_there_is_refused(reconcile: Command) -> None:
    assert reconcile(exports=["nowhere.json"])[0] == 2
