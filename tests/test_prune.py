"""`prune`: what is kept no longer goes, and what it says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import HEAD, JSON_HEAD, Playhead, on, recorded, write
from playhead.storage.records import Raw, Recorded

LONG_AGO = 1_577_836_800_000_000_000  # 2020-01-01
LATER = 4_102_444_800_000_000_000  # 2100-01-01


def old(number: int, **changes: Any) -> Recorded:
    return recorded(number, started_at_ns=LONG_AGO + number, **changes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three that are old, and one that never will be."""
    write(tmp_path / "data", old(1), old(2), old(3, session="other"), recorded(4, started_at_ns=LATER))
    return tmp_path / "data"


@pytest.fixture
def playhead(data: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    return on(data, capsysbinary)


def test_without_a_clock_it_says_what_to_do(playhead: Playhead) -> None:
    told = playhead("prune")

    assert told.status == 2
    assert "everything is kept for ever, so there is nothing to prune: say how long it is kept, by --keep-content 30d" in told.err


def test_a_dry_run_says_what_would_go_and_leaves_it(playhead: Playhead) -> None:
    told = playhead("prune", "--keep-content", "30d", "--dry-run")

    assert told.status == 0
    assert [line.split()[:4] for line in told.out.splitlines()[:3]] == [
        ["SESSION", "CONTENT", "COSTS", "EXCHANGES"],
        ["default", "2", "0", "0"],
        ["other", "1", "0", "0"],
    ]
    assert "This would go: content of 3, costs of 0, all of 0 exchanges; about" in told.out
    assert [row["pruned"] for row in playhead("exchanges", "default", "--json").rows] == [None] * 3


def test_it_says_what_is_gone(playhead: Playhead) -> None:
    told = playhead("prune", "--keep-content", "30d", "--keep-costs", "400d", "--keep-session", "other: costs=none")

    assert "Gone: content of 1, costs of 0, all of 2 exchanges. The store took" in told.out
    assert [row["id"] for row in playhead("exchanges", "default", "--json").rows] == [4]
    assert playhead("prune", "--keep-content", "30d").out == "Nothing is kept longer than it is to be.\n"


def test_json_says_the_same_by_session(playhead: Playhead) -> None:
    rows = playhead("prune", "--keep-content", "30d", "--json").rows

    assert [{name: row[name] for name in ("session", "content", "costs", "exchanges")} for row in rows] == [
        {"session": "default", "content": 2, "costs": 0, "exchanges": 0},
        {"session": "other", "content": 1, "costs": 0, "exchanges": 0},
    ]
    assert all(row["bytes"] > 100 for row in rows)


def test_only_the_sessions_that_are_named(playhead: Playhead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYHEAD_KEEP_SESSION", "other: content=none")

    rows = playhead("prune", "--keep-content", "30d", "--session", "other", "--json").rows

    assert [(row["session"], row["content"]) for row in rows] == [("other", 1)]
    assert playhead("prune", "--session", "nobody", "--keep-content", "1d").status == 3


def test_a_session_that_is_named_keeps_its_own_clocks_unless_others_are_given(playhead: Playhead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYHEAD_KEEP_CONTENT", "30d")
    monkeypatch.setenv("PLAYHEAD_KEEP_SESSION", "other: content=none")

    assert playhead("prune", "--session", "other").status == 2
    assert [row["session"] for row in playhead("prune", "--json").rows] == ["default"]


def test_what_is_pruned_is_listed_and_shown_as_such(playhead: Playhead) -> None:
    playhead("prune", "--keep-content", "30d")

    assert "200 pruned" in playhead("exchanges", "default").out
    shown = playhead("show", "1")
    assert shown.out.endswith("\nIts content is pruned: what was said in it is not kept any more.\n")
    assert playhead("verify").status == 0
    assert [row["pruned"] for row in playhead("stats", "--json").rows] == [3]


@pytest.mark.parametrize("command", [("show", "1", "--raw", "request"), ("show", "1", "--parsed"), ("events", "1")])
def test_who_asks_for_pruned_content_is_told(playhead: Playhead, command: tuple[str, ...]) -> None:
    playhead("prune", "--keep-content", "30d")

    told = playhead(*command)

    assert (told.status, told.out) == (3, "")
    assert "The content of exchange 1 is pruned: it was kept as long as keep_content and keep_size say." in told.err


def test_a_chain_says_where_its_content_is_pruned(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    def turn(number: int, previous: str | None, started: int) -> Recorded:
        request = {"model": "m", "input": f"question {number}", **({"previous_response_id": previous} if previous else {})}
        answer = {"id": f"resp_{number}", "object": "response", "status": "completed", "output": []}
        raw = Raw(HEAD, json.dumps(request).encode(), JSON_HEAD, json.dumps(answer).encode())
        facts = recorded(number).facts
        facts.response_id, facts.previous_response_id, facts.response_status = f"resp_{number}", previous, "completed"
        return recorded(number, facts=facts, raw=raw, started_at_ns=started)

    write(tmp_path / "data", turn(1, None, LONG_AGO), turn(2, "resp_1", LATER))
    playhead = on(tmp_path / "data", capsysbinary)
    playhead("prune", "--keep-content", "30d")

    told = playhead("show", "2", "--context")

    assert "MISSING" in told.out
    assert "exchange 1: its content is pruned: what it said to the model, and the model to it, is not kept any more" in told.out


def test_an_export_says_what_it_leaves_out(playhead: Playhead, tmp_path: Path) -> None:
    playhead("prune", "--keep-content", "30d")

    told = playhead("export", "default", "-o", str(tmp_path / "some.jsonl"))
    assert (told.status, "the content of 2 exchanges of session default is pruned: they are left out" in told.err) == (0, True)

    told = playhead("export", "other", "-o", str(tmp_path / "none.jsonl"))
    assert told.status == 3
    assert "The content of session 'other', take 1, is pruned: record it anew, or export another take." in told.err


def test_parsing_and_pricing_again_say_what_they_leave(playhead: Playhead) -> None:
    playhead("prune", "--keep-content", "30d", "--session", "default")
    playhead("prune", "--keep-costs", "30d", "--session", "other")

    assert playhead("reparse", "--all", "--json").rows[0]["pruned"] == 2
    assert "2 stay as parsed before: the content is pruned.\n" in playhead("reparse", "--all").out
    assert "What 1 exchange cost is pruned, and not computed again.\n" in playhead("reprice").out
    assert "What exchange 3 cost is pruned" in playhead("show", "3", "--cost").out


def test_segments_that_are_drained_go(playhead: Playhead, data: Path) -> None:
    journal = data / "journal"
    journal.mkdir()
    free = journal / "w-000001.free"
    free.write_bytes(b"what was recorded")

    playhead("prune", "--keep-content", "30d")

    assert not free.exists()
