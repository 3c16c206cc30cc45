"""What has been spent against the budgets of the settings, as it is kept up to date beside a recorder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from playhead.config.errors import StoreError
from playhead.config.settings import Settings
from playhead.proxy.pricing.budget_watch import BudgetWatch
from playhead.storage.records import Batch, Recorded
from playhead.storage.store import Store
from stores import START_NS
from test_spent_by_hour import exchange

NOW = datetime.fromtimestamp(START_NS // 10**9, UTC)
DAY = 86_400 * 10**9


def write(tmp_path: Path, *made: tuple[int, Recorded]) -> None:
    for number, one in made:
        one.number = number
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True) as store:
        store.write(Batch(finished=[one for _, one in made]))


def counted(watch: BudgetWatch, now: datetime = NOW) -> list[tuple[str, str, int, int]]:
    watch.count(now)
    return [(one.budget, one.key, one.spent, one.lacking) for one in watch.spendings]


@pytest.fixture
def watch(tmp_path: Path) -> BudgetWatch:
    return BudgetWatch(Settings(data=tmp_path, budgets=("5/day", "key=*:1/hour")))


def test_what_is_in_the_ledger_counts_from_the_start(tmp_path: Path, watch: BudgetWatch) -> None:
    write(tmp_path, (1, exchange()), (2, exchange(200, key_id="other")))

    assert counted(watch) == [("5/day", "", 300, 0), ("key=*:1/hour", "other", 200, 0), ("key=*:1/hour", "k_0123456789abcdef", 100, 0)]
    watch._close()


def test_what_is_recorded_meanwhile_is_counted_once(tmp_path: Path, watch: BudgetWatch) -> None:
    write(tmp_path, (1, exchange()))
    counted(watch)
    write(tmp_path, (2, exchange()))
    counted(watch)

    assert counted(watch)[0] == ("5/day", "", 200, 0)
    watch._close()


def test_a_new_day_begins_with_nothing(tmp_path: Path, watch: BudgetWatch) -> None:
    write(tmp_path, (1, exchange()))
    counted(watch)
    tomorrow = datetime.fromtimestamp((START_NS + DAY) // 10**9, UTC)

    assert counted(watch, tomorrow) == [("5/day", "", 0, 0)]
    watch._close()


def test_what_was_deleted_is_no_longer_counted(tmp_path: Path, watch: BudgetWatch) -> None:
    write(tmp_path, (1, exchange()), (2, exchange()))
    counted(watch)
    with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
        store.delete_exchange(1)

    assert counted(watch)[0] == ("5/day", "", 100, 0)
    watch._close()


def test_without_a_store_nothing_is_counted(watch: BudgetWatch) -> None:
    with pytest.raises(StoreError):
        watch.count(NOW)
    watch._try()

    assert watch.spendings == ()
