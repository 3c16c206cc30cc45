"""`playhead rules` lists and changes the match rules of a session."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from command_line import recorded, write
from playhead.proxy.cli import run
from playhead.storage.replaying.replay_rows import RuleHit
from playhead.storage.store import Store


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with one session."""
    write(tmp_path / "data", recorded(1))
    return tmp_path / "data"


@pytest.fixture
def rules(data: Path, capsys: pytest.CaptureFixture[str]) -> Rules:
    return Rules(data, capsys)


class Rules:
    """Runs the command."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._data, self._capsys = data, capsys

    def __call__(self, *arguments: str, session: str = "default", status: int = 0) -> str:
        """What it says, or why it does not do it."""
        assert run(["rules", session, *arguments, "--data", str(self._data)]) == status
        said = self._capsys.readouterr()
        return said.err if status else said.out

    def lines(self, *arguments: str) -> list[str]:
        """The rules there are after it."""
        return [json.loads(line)["rule"] for line in self(*arguments, "--json").splitlines()]


def test_a_session_has_none_at_first_and_the_listing_says_how_to_add_some(rules: Rules) -> None:
    assert "Session default has no match rules: a request must equal the recorded one. `--add` adds some." in rules()


def test_rules_are_added_by_line_and_by_name(rules: Rules) -> None:
    assert rules.lines("--add", "ignore $.a", "--add", "uuid,openai-sdk") == [
        "ignore $.a",
        "normalize uuid",
        "ignore $.metadata",
        "ignore $.user",
        "ignore $.safety_identifier",
        "ignore $.prompt_cache_key",
    ]


def test_rules_are_removed_by_number_by_line_and_by_name(rules: Rules) -> None:
    rules("--add", "times", "--add", "ignore $.a", "--add", "uuid")
    assert rules.lines("--remove", "4", "--remove", "normalize date", "--remove", "uuid") == ["normalize timestamp", "normalize duration"]


def test_rules_are_taken_from_a_file(rules: Rules, tmp_path: Path) -> None:
    (tmp_path / "rules.txt").write_text("# what differs\n\nignore $.a\n  times\n")
    rules("--add", "uuid")
    assert rules.lines("--set", str(tmp_path / "rules.txt")) == ["ignore $.a", "normalize timestamp", "normalize date", "normalize duration"]


def test_each_change_is_a_version_and_what_changes_nothing_is_none(rules: Rules) -> None:
    for text in ("uuid", "uuid", "hex"):
        rules("--add", text)
    versions = [json.loads(line) for line in rules("--versions", "--json").splitlines()]
    assert [(one["version"], one["rules"]) for one in versions] == [(1, ["normalize uuid"]), (2, ["normalize uuid", "normalize hex"])]
    assert "version 2" in rules("--versions")


def test_one_answer_is_told_as_one(rules: Rules, data: Path) -> None:
    rules("--add", "uuid")
    at = datetime(2026, 11, 26, tzinfo=UTC)
    hit = RuleHit(session="default", take=1, run="r", exchange=1, rules="normalize uuid", count=1, first_at=at, last_at=at)
    with Store.open(f"sqlite:///{data}/store.db") as store:
        store.add_rule_hits([hit])

    assert "   1  normalize uuid  (1 answer)\n" in rules()


def test_the_listing_has_numbers_version_and_how_often_each_rule_was_needed(rules: Rules, data: Path) -> None:
    rules("--add", "uuid,hex")
    at = datetime(2026, 11, 26, tzinfo=UTC)
    hit = RuleHit(session="default", take=1, run="r", exchange=1, rules="normalize uuid\nignore $.b", count=2, first_at=at, last_at=at)
    with Store.open(f"sqlite:///{data}/store.db") as store:
        store.add_rule_hits([hit])

    said = rules()
    assert "session default, version 1, since 20" in said
    assert "   1  normalize uuid  (2 answers)\n   2  normalize hex\n" in said
    assert json.loads(rules("--hits", "--json"))["rules"] == "normalize uuid\nignore $.b"
    assert "exchange 1  2 times, last 2026-11-26" in rules("--hits")


def test_where_there_is_nothing_it_says_so(rules: Rules) -> None:
    assert "No replay of session default has answered by a match rule." in rules("--hits")
    assert "Session default never had match rules." in rules("--versions")


@pytest.mark.parametrize(
    ("arguments", "story"),
    [
        (["--add", "forget"], "--add: There are no match rules named 'forget'. Sets are: codex,"),
        (["--add", "ignore x"], "--add: 'ignore x' is no match rule: a path like"),
        (["--remove", "1"], "--remove 1: there is no such rule; there are none"),
        (["--remove", "uuid"], "--remove uuid: the session has no rule 'normalize uuid'"),
        (["--remove", "forget"], "--remove forget: There are no match rules named"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(rules: Rules, arguments: list[str], story: str) -> None:
    assert story in rules(*arguments, status=2)


def test_a_file_that_holds_something_else_is_refused_with_its_line(rules: Rules, tmp_path: Path) -> None:
    (tmp_path / "rules.txt").write_text("uuid\nnonsense\n")
    assert "--set: line 2 of " in rules("--set", str(tmp_path / "rules.txt"), status=2)
    assert rules.lines() == []


def test_a_session_that_is_not_there_is_refused(rules: Rules) -> None:
    assert "nowhere" in rules(session="nowhere", status=3)


# Those of a cassette.


@pytest.fixture
def cassette(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "one.jsonl"
    assert run(["export", "default", "--data", str(data), "-o", str(path)]) == 0
    capsys.readouterr()
    return path


def of_cassette(path: Path, capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert run(["rules", "--cassette", str(path), *arguments]) == status
    said = capsys.readouterr()
    return said.err if status else said.out


def test_rules_of_a_cassette_are_changed_in_the_file(cassette: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = cassette.read_bytes()

    assert f"The cassette {cassette} has no match rules" in of_cassette(cassette, capsys)
    assert of_cassette(cassette, capsys, "--add", "uuid", "--add", "normalize date").split() == ["1", "normalize", "uuid", "2", "normalize", "date"]
    assert json.loads(of_cassette(cassette, capsys, "--remove", "1", "--json")) == {"cassette": str(cassette), "number": 1, "rule": "normalize date"}
    of_cassette(cassette, capsys, "--remove", "normalize date")
    assert cassette.read_bytes() == before


@pytest.mark.parametrize(("arguments", "told"), [(("--hits",), "neither hits nor versions"), (("--add", "forget it"), "--add: ")])
def test_what_a_cassette_cannot_have_is_refused(arguments: tuple[str, ...], told: str, cassette: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told in of_cassette(cassette, capsys, *arguments, status=2)


def test_a_cassette_of_vcr_has_no_rules_to_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.json"
    path.write_text('{"version": 1, "interactions": []}')

    assert "is a cassette of VCR.py, which is only replayed" in of_cassette(path, capsys, "--add", "uuid", status=3)


def test_without_a_session_and_without_a_cassette_it_asks_whose(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules"]) == 2
    assert "whose rules?" in capsys.readouterr().err
