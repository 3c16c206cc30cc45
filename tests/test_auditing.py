"""`audit`: what of a report people see."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from playhead.config.errors import ConfigError
from playhead.proxy import listing
from playhead.proxy.commands.auditing import audit, print_audit
from playhead.storage.costing.costs import Basis
from playhead.storage.costing.sums import Wanted
from playhead.storage.records import Batch, Facts
from playhead.storage.store import Store
from stores import recorded
from test_ledger import cost, exchange


@pytest.fixture
def many(tmp_path: Path) -> Store:
    """An exchange of each of 1,002 users."""
    store = Store.open(f"sqlite:///{tmp_path}/store.db", create=True)
    facts = [Facts(kind="responses", model="m", user=f"user-{number}", parse="parsed") for number in range(1, 1003)]
    store.write(Batch(finished=[recorded(number, facts=one) for number, one in enumerate(facts, 1)]))
    return store


def test_people_see_a_thousand_groups_and_that_there_are_more(many: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with many as store:
        print_audit(store, Wanted(("user",)))

    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert sum(line.startswith("user-") for line in lines) == 1000
    assert any(line.startswith("in all") and " 1,002 " in line for line in lines)
    assert "1,000 of 1,002 groups" in told.err


def test_programs_get_all_groups(many: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with many as store:
        print_audit(store, Wanted(("user",)), as_json=True)

    assert len({json.loads(line)["group"]["user"] for line in capsys.readouterr().out.splitlines()}) == 1002


def test_columns_that_there_is_no_room_for_are_each_named_by_a_title_of_their_own(
    many: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_PIPE_WIDTH", 120)
    with many as store:
        print_audit(store, Wanted(("model",)))

    assert "Too narrow for TIME p50, TIME p90, TOKENS/s.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--top", "3"], "--top goes with --cache"),
        (["--budget-unpriced", "fail"], "--budget-unpriced goes with --budget"),
        (["--assume", "tier=default"], "--assume goes with --cache: .* `playhead reprice --assume ...` computes it anew"),
        (["--price-table", "t.toml"], "--price-table goes with --cache"),
        (["--since", "2026-11-26", "--until", "2026-11-26"], "--until 2026-11-26 is not after --since 2026-11-26"),
    ],
)
def test_flags_that_would_change_nothing_are_refused(flags: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        audit.main(flags, standalone_mode=False)


def test_the_priced_part_of_what_is_not_priced_wholly_counts_and_people_are_told_what_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    partly = replace(cost(2 * 10**12, "partly"), basis=Basis("[]", "its container"))
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True) as store:
        store.write(Batch(finished=[exchange(1, price=cost(10**12)), exchange(2, price=partly)]))
        print_audit(store, Wanted())

    told = capsys.readouterr().out
    assert " 3 " in told
    assert "1 exchange has no price, or not for all of it; what has none is not in the cost above:" in told
