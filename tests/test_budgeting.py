"""`playhead audit --budget`: a check that fails when more was spent than allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import Playhead, on, recorded, write
from playhead.storage.costing.costs import Cost
from test_spending import cost

DOLLAR = 10**12


@pytest.fixture
def playhead(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Playhead:
    """On a store in which key a has spent 3 USD on 2026-11-22, and key b 4, one of whose exchanges has no price."""
    data = tmp_path / "data"

    def spent(number: int, key: str, price: Cost) -> None:
        write(data, recorded(number, key_id=key, cost=price))

    spent(1, "a", cost(3 * DOLLAR))
    spent(2, "b", cost(4 * DOLLAR))
    spent(3, "b", cost(None, "unpriced", note="unpriced: nobody knows"))
    monkeypatch.chdir(tmp_path)
    return on(data, capfdbinary)


def test_a_budget_that_is_exceeded_fails_and_says_by_how_much(playhead: Playhead) -> None:
    told = playhead("audit", "--budget", "5.00/day")

    assert told.status == 1
    [line] = [line for line in told.out.splitlines() if line.startswith("exceeded")]
    assert line.split() == ["exceeded", "5.00/day", "all", "2026-11-22", "7", "5", "140%", "2", "1"]
    assert "1 window exceeded, 0 held. Windows are UTC." in told.out


def test_a_budget_that_is_held_does_not(playhead: Playhead) -> None:
    told = playhead("audit", "--budget", "key=a:3/day", "--budget-unpriced", "fail")

    assert (told.status, told.out.split()[:2]) == (0, ["VERDICT", "BUDGET"])


def test_each_group_has_a_budget_of_its_own(playhead: Playhead) -> None:
    told = playhead("audit", "--budget", "3.5/day", "--by", "key", "--json")

    assert told.status == 1
    assert [(row["verdict"], row["group"], row["spent"], row["over"], row["unpriced"]) for row in told.rows] == [
        ("exceeded", {"key": "b"}, "4", "0.5", 1),
        ("held", {"key": "a"}, "3", None, 0),
    ]


@pytest.mark.parametrize(("unpriced", "status"), [("say", 0), ("fail", 1)])
def test_a_budget_of_which_nobody_knows_is_told(playhead: Playhead, unpriced: str, status: int) -> None:
    told = playhead("audit", "--budget", "9/month", "--budget-unpriced", unpriced)

    assert told.status == status
    assert "0 windows exceeded, 0 held, 1 unknown." in told.out


def test_a_budget_that_nothing_is_about_is_warned_of(playhead: Playhead) -> None:
    told = playhead("audit", "--budget", "key=gone:1/day")

    assert (told.status, told.out) == (0, "Nothing was recorded that these budgets are about.\n")
    assert "budget key=gone:1/day: nothing was recorded that it is about" in told.err


def test_the_budgets_of_the_settings_are_checked(playhead: Playhead, tmp_path: Path) -> None:
    (tmp_path / "playhead.toml").write_text('budgets = ["key=*:3/day"]')

    told = playhead("audit", "--budget", "settings", "--json")

    assert (told.status, [row["group"]["key"] for row in told.rows]) == (1, ["b", "a"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "5"], "--budget: allowed is AMOUNT/PERIOD in USD"),
        (["--budget", "5/day", "--by", "day"], "a budget has a window of its own"),
        (["--budget", "5/day", "--csv"], "--budget and --cache take --json"),
        (["--budget", "settings"], "there are none in the setting budgets"),
        (["--budget", "5/day", "--by", "nothing"], "--by 'nothing': allowed are"),
    ],
)
def test_wrong_usage_is_told(playhead: Playhead, arguments: list[str], said: str) -> None:
    told = playhead("audit", *arguments)

    assert told.status == 2
    assert said in told.err


def test_a_time_range_takes_in_whole_windows(playhead: Playhead) -> None:
    told = playhead("audit", "--budget", "5/day", "--since", "2026-11-22T23:00", "--json")

    assert [row["spent"] for row in told.rows] == ["7"]
