"""What a test wants of its playhead: the marker, the ini file, the command line, and CI."""

from __future__ import annotations

from typing import Any

import pytest

from playhead.config.errors import ConfigError
from playhead.proxy.testing.wanted import Act, Mode, Wanted, act_of, in_force, with_markers


def marked(*keywords: dict[str, Any], run: Wanted | None = None) -> Wanted:
    """With markers of these keywords, the closest first."""
    return with_markers(run or Wanted(), [((), given) for given in keywords])


def test_without_a_marker_the_run_counts() -> None:
    run = Wanted(mode="once", rules=("uuid",), unused="fail")

    assert with_markers(run, []) == run


def test_the_closest_marker_counts() -> None:
    found = marked({"mode": "all", "pace": "2x"}, {"mode": "once", "pace": "1x", "exhausted": "last"})

    assert (found.mode, found.settings) == ("all", (("exhausted", "last"), ("pace", "2x")))


def test_rules_and_paths_to_ignore_add_up() -> None:
    found = marked({"rules": "uuid", "ignore": ["$.user"]}, {"rules": ["codex", "uuid"]}, run=Wanted(rules=("times",)))

    assert found.rules == ("times", "codex", "uuid", "ignore $.user")


def test_a_cassette_may_stand_without_its_name() -> None:
    assert with_markers(Wanted(), [(("shared.jsonl",), {})]).cassette == "shared.jsonl"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"casette": "x"}, "knows no casette: it takes cassette, mode"),
        ({"mode": "rewrite"}, r"mode='rewrite'\): allowed is none, once"),
        ({"rules": [1]}, "allowed is a list of rules"),
        ({"cassette": ""}, "allowed is the path of a cassette"),
        ({"allow_unused": -1}, "True, or how many"),
        ({"env": "no"}, "True or False"),
    ],
)
def test_what_a_marker_cannot_mean_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        marked(given)


@pytest.mark.parametrize(("arguments", "keywords"), [(("a", "b"), {}), (("a",), {"cassette": "b"})])
def test_a_marker_names_one_cassette(arguments: tuple[str, ...], keywords: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="one argument"):
        with_markers(Wanted(), [(arguments, keywords)])


def test_a_mode_on_the_command_line_wins_over_markers() -> None:
    assert marked({"mode": "none"}, run=Wanted(mode="all", told=True)).mode == "all"


@pytest.mark.parametrize(("told", "ci", "mode"), [(False, True, "none"), (True, True, "all"), (False, False, "all")])
def test_where_things_are_built_only_the_command_line_lets_a_test_go_live(told: bool, ci: bool, mode: Mode) -> None:
    assert in_force(Wanted(mode="all", told=told), ci=ci).mode == mode


@pytest.mark.parametrize(
    ("mode", "exists", "act"),
    [
        ("none", False, "replay"),
        ("none", True, "replay"),
        ("once", False, "auto"),
        ("once", True, "replay"),
        ("new_episodes", True, "auto"),
        ("all", True, "record"),
        ("off", True, "forward"),
    ],
)
def test_each_mode_says_what_a_server_does(mode: Mode, exists: bool, act: Act) -> None:
    assert act_of(mode, exists=exists) == act
