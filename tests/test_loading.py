"""What of the settings in force depends on where they come from: in continuous integration nothing goes live by accident."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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
