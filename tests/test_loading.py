"""What of the settings in force depends on where they come from: in continuous integration nothing goes live by accident."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from playhead.config.errors import ConfigError
from playhead.config.loading import Loaded, load_settings

CI = {"CI": "true"}


def load(tmp_path: Path, flags: dict[str, Any] | None = None, environ: dict[str, str] | None = None, **options: Any) -> Loaded:
    return load_settings({"mode": "replay", **(flags or {})}, environ=environ or {}, cwd=tmp_path, **options)


def policy(loaded: Loaded) -> tuple[str, str]:
    return loaded.settings.live, loaded.settings.on_miss


def test_elsewhere_than_in_ci_a_setting_lets_a_replay_go_live(tmp_path: Path) -> None:
    loaded = load(tmp_path, environ={"PLAYHEAD_ON_MISS": "record"})

    assert (policy(loaded), loaded.notes) == (("yes", "record"), ())


def test_in_ci_a_setting_does_not(tmp_path: Path) -> None:
    loaded = load(tmp_path, environ={**CI, "PLAYHEAD_ON_MISS": "record"})

    assert policy(loaded) == ("no", "fail")
    assert (loaded.sources["live"], loaded.sources["on_miss"]) == ("environment variable CI", "live = no (environment variable CI)")
    assert loaded.notes == (
        "on_miss = record (environment variable PLAYHEAD_ON_MISS) counts as fail: live = no (environment variable CI); --live yes lets a replay pass "
        "requests on to upstream",
    )


def test_in_ci_the_command_line_does(tmp_path: Path) -> None:
    assert policy(load(tmp_path, {"on_miss": "record"}, CI)) == ("yes", "record")


def test_in_ci_an_argument_in_a_program_does_not(tmp_path: Path) -> None:
    assert policy(load(tmp_path, {"on_miss": "forward"}, CI, told=False)) == ("no", "fail")


@pytest.mark.parametrize("given", [({"live": "yes"}, {}), ({}, {"PLAYHEAD_LIVE": "yes"})])
def test_in_ci_it_may_be_told_otherwise(tmp_path: Path, given: tuple[dict[str, Any], dict[str, str]]) -> None:
    flags, environ = given

    assert policy(load(tmp_path, flags, {**CI, **environ, "PLAYHEAD_ON_MISS": "record"}, told=False)) == ("yes", "record")


def test_whoever_forbids_live_calls_forbids_them_to_the_command_line_too(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"on_miss": "record"}, {"PLAYHEAD_LIVE": "no"})

    assert (policy(loaded), loaded.sources["on_miss"]) == (("no", "fail"), "live = no (environment variable PLAYHEAD_LIVE)")


def test_a_replay_that_goes_nowhere_is_nothing_to_speak_of(tmp_path: Path) -> None:
    loaded = load(tmp_path, environ=CI)

    assert (policy(loaded), loaded.notes) == (("no", "fail"), ())


def test_money_is_counted_of_what_is_recorded_in_one_worker(tmp_path: Path) -> None:
    assert load(tmp_path, {"mode": "record", "live_money": "1.50"}).settings.live_money == "1.50"
    for flags, text in (({"mode": "record", "workers": "2"}, "are 2 workers"), ({"mode": "forward"}, "only what is recorded has a price")):
        with pytest.raises(Exception, match=f"live_money = 1.50: .*{text}"):
            load(tmp_path, {**flags, "live_money": "1.50"})


def test_live_calls_are_counted_in_one_worker(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="live_calls = 3: live calls are counted by one worker, and there are 2 workers"):
        load(tmp_path, {"mode": "record", "live_calls": "3", "workers": "2"})


# Price tables.

WRONG = 'name = "contract"\nversion = "1"\nsource = "ours"\n[[price]]\nmodels = ["m"]\ninput = -1\n'


@pytest.mark.parametrize("flags", [{"mode": "record"}, {"mode": "replay", "on_miss": "record", "live": "yes"}])
def test_a_price_table_that_is_wrong_is_refused_before_anything_is_recorded(tmp_path: Path, flags: dict[str, Any]) -> None:
    (tmp_path / "contract.toml").write_text(WRONG)
    table = str(tmp_path / "contract.toml")

    with pytest.raises(ConfigError) as caught:
        load(tmp_path, flags, {"PLAYHEAD_PRICE_TABLE": table})

    assert str(caught.value) == (
        f"price_table = {table} (environment variable PLAYHEAD_PRICE_TABLE): the price table {table}: [[price]] 1: input = -1: wanted is a number "
        "that is not negative, such as 1.25"
    )


def test_a_price_table_that_is_not_there_is_refused_with_the_place_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"price_table = .*no\.toml \(flag --price-table\): the price table .* cannot be read: No such file or directory"):
        load(tmp_path, {"mode": "record", "price_table": (str(tmp_path / "no.toml"),)})


def test_who_records_nothing_needs_no_price_table(tmp_path: Path) -> None:
    assert load(tmp_path, {"price_table": (str(tmp_path / "no.toml"),)}).settings.price_table == (tmp_path / "no.toml",)


def test_two_price_tables_of_one_name_and_version_are_refused(tmp_path: Path) -> None:
    tables = (tmp_path / "a.toml", tmp_path / "b.toml")
    for amount, table in enumerate(tables):
        table.write_text(WRONG.replace("-1", str(amount)))

    with pytest.raises(ConfigError, match=r"b\.toml: it is called contract@1 as that of .*a\.toml is, and says something else"):
        load(tmp_path, {"mode": "record", "price_table": tuple(map(str, tables))})


def test_a_replay_has_one_worker_however_many_a_file_gives_to_recording(tmp_path: Path) -> None:
    (tmp_path / "playhead.toml").write_text("workers = 3\n", encoding="utf-8")
    loaded = load(tmp_path)

    assert (loaded.settings.workers, loaded.sources["workers"]) == (1, "mode = replay (command)")
    assert load(tmp_path, {"mode": "record"}).settings.workers == 3


def test_a_wrong_number_of_workers_is_told_to_a_replay_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"workers = 'x' \(environment variable PLAYHEAD_WORKERS\)"):
        load(tmp_path, environ={"PLAYHEAD_WORKERS": "x"})
