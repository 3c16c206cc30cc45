"""`Playhead` records cassettes: in the modes of the pytest plugin, whole or not at all, and only when all went well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fakes import fetch
from playhead.config.errors import ConfigError, StoreError
from playhead.proxy import Playhead
from playhead.proxy.cassettes.cassette_files import edit_file, keep_file, read_file, version_of
from plugged import Upstream, threaded_upstream
from replays import NOWHERE, ask


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    with threaded_upstream() as running:
        monkeypatch.setenv("PLAYHEAD_UPSTREAM", running.url)
        yield running


async def told(path: Path, mode: Any, *bodies: bytes, **settings: Any) -> list[bytes]:
    """What comes back for these bodies, with the cassette in that mode."""
    async with Playhead(mode=mode, cassette=path, **settings) as playhead:
        port = int(playhead.url.rpartition(":")[2])
        return [(await fetch(port, ask(body))).body for body in bodies]


async def test_what_is_recorded_once_is_replayed_then(tmp_path: Path, upstream: Upstream) -> None:
    path = tmp_path / "new" / "weather.jsonl"
    recorded = await told(path, "once", b"1", b"2")
    replayed = await told(path, "once", b"1", b"2", upstream=NOWHERE)

    assert recorded == replayed == [b'"answer 1"', b'"answer 2"']
    assert [path.name for path in path.parent.iterdir()] == ["weather.jsonl"]


async def test_new_episodes_are_added_and_the_session_keeps_its_name(tmp_path: Path, upstream: Upstream) -> None:
    path = tmp_path / "weather.jsonl"
    await told(path, "once", b"1", session="rain")
    added = await told(path, "new_episodes", b"1", b"2")

    assert added == await told(path, "none", b"1", b"2", upstream=NOWHERE) == [b'"answer 1"', b'"answer 2"']
    assert read_file(path).session == "rain"


async def test_a_cassette_to_which_nothing_is_added_is_not_written(tmp_path: Path, upstream: Upstream) -> None:
    path = tmp_path / "weather.jsonl"
    await told(path, "once", b"1")
    before = path.stat()
    await told(path, "new_episodes", b"1")

    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


async def test_all_records_anew_and_keeps_the_rules(tmp_path: Path, upstream: Upstream) -> None:
    path = tmp_path / "weather.jsonl"
    await told(path, "all", b"1", b"2", rules=["uuid"])
    await told(path, "all", b"1")

    assert await told(path, "none", b"1", upstream=NOWHERE) == [b'"answer 3"']
    assert (read_file(path).rules, len(read_file(path).exchanges)) == (("normalize uuid",), 1)


async def test_off_neither_reads_nor_writes_one(tmp_path: Path, upstream: Upstream) -> None:
    assert await told(tmp_path / "weather.jsonl", "off", b"1") == [b'"answer 1"']
    assert [*tmp_path.iterdir()] == []


async def test_where_nothing_was_asked_nothing_is_written(tmp_path: Path, upstream: Upstream) -> None:
    for mode in ("once", "all", "new_episodes"):
        await told(tmp_path / "weather.jsonl", mode)

    assert [*tmp_path.iterdir()] == []


async def test_an_error_in_the_block_leaves_the_cassette_as_it_was(tmp_path: Path, upstream: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "weather.jsonl"
    with suppress(ZeroDivisionError):
        async with Playhead(mode="all", cassette=path) as playhead:
            await fetch(int(playhead.url.rpartition(":")[2]), ask(b"1"))
            raise ZeroDivisionError

    assert [*tmp_path.iterdir()] == []
    assert f"{path} is not written: it ended with an error" in caplog.text


async def test_what_was_refused_keeps_it_from_being_written(tmp_path: Path, upstream: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    await told(tmp_path / "weather.jsonl", "once", b"1", b"2", live_calls=1)

    assert [*tmp_path.iterdir()] == []
    assert "is not written: 1 request(s) were refused" in caplog.text


async def test_of_another_session_it_is_said_that_it_is_not_in_it(tmp_path: Path, upstream: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "weather.jsonl"
    with Playhead(mode="once", cassette=path) as playhead:
        port = int(playhead.url.rpartition(":")[2])
        for target in (b"/v1/responses", b"/@other/v1/responses"):
            await fetch(port, ask(b"1", target=target))

    assert len(read_file(path).exchanges) == 1
    assert "holds the session default: what was recorded of other is not in it" in caplog.text


async def test_what_looks_like_a_key_is_not_written_unless_its_path_is_allowed(tmp_path: Path, upstream: Upstream) -> None:
    path, body = tmp_path / "weather.jsonl", b'{"input":"sk-proj-%s"}' % (b"aB3" * 12)
    with pytest.raises(StoreError, match=r"looks like a secret(?s:.)*allow='\$\.request\.input'"):
        await told(path, "once", body)
    await told(path, "once", body, allow="$.request.input")

    assert path.exists()


async def test_a_damaged_cassette_is_an_error_and_stays_unless_it_is_recorded_anew(tmp_path: Path, upstream: Upstream) -> None:
    path = tmp_path / "weather.jsonl"
    path.write_text("no cassette")
    for mode in ("once", "new_episodes", "none"):
        with pytest.raises(StoreError, match="line 1"):
            await told(path, mode, b"1")
    await told(path, "all", b"1")

    assert len(read_file(path).exchanges) == 1


@pytest.mark.parametrize("mode", ["all", "new_episodes", "off", "record", "auto"])
async def test_where_ci_is_set_it_is_only_replayed_unless_it_may_go_live(
    mode: str, tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weather.jsonl"
    await told(path, "once", b"1")
    monkeypatch.setenv("CI", "true")
    refused = await told(path, mode, b"2")
    await told(path, mode, b"2", live="yes")

    assert b"has no twin in the cassette" in refused[0]
    assert len(upstream.asked) == 2


def test_these_modes_want_a_cassette() -> None:
    for mode in ("once", "new_episodes", "all"):
        with pytest.raises(ConfigError, match=f"mode = '{mode}' records a cassette: name one"):
            Playhead(mode=mode)


def test_another_mode_is_told_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="allowed is record, replay, auto, forward, none, once, new_episodes, all or off"):
        Playhead(mode="twice")  # type: ignore[arg-type]


async def test_a_cassette_that_somebody_else_has_written_meanwhile_is_not_overwritten(tmp_path: Path, upstream: Upstream) -> None:
    path = tmp_path / "weather.jsonl"
    await told(path, "once", b"1")
    playhead = Playhead(mode="new_episodes", cassette=path)
    playhead.start()
    await fetch(int(playhead.url.rpartition(":")[2]), ask(b"2"))
    edit_file(path, lambda cassette: setattr(cassette, "rules", ("normalize uuid",)))

    with pytest.raises(StoreError, match="was written by another test or process meanwhile"):
        playhead.close()
    assert read_file(path).rules == ("normalize uuid",)


def test_the_same_file_may_be_written_by_two(tmp_path: Path) -> None:
    path = tmp_path / "x"
    before = version_of(path)

    assert [keep_file(path, b"1", before), keep_file(path, b"1", before)] == [True, False]


async def test_what_would_have_matched_under_a_rule_is_told_with_the_command_that_adds_it(tmp_path: Path, upstream: Upstream) -> None:
    path = tmp_path / "my weather.jsonl"
    await told(path, "once", b'{"input":"Run 6f1c1f6e-3f0f-4a58-9b1c-6f5f7d1f2a10."}')
    (refused,) = await told(path, "none", b'{"input":"Run 0b6f8a52-91d5-4f0c-8a6e-2d7b1c9e4f33."}')

    assert f"`playhead rules --cassette '{path}' --add 'normalize uuid'` adds it." in refused.decode()


async def test_a_cassette_of_vcr_is_never_written(tmp_path: Path, upstream: Upstream) -> None:
    path = tmp_path / "old.json"
    path.write_text('{"version": 1, "interactions": []}')
    for mode in ("new_episodes", "all"):
        with pytest.raises(StoreError, match=r"is a cassette of VCR\.py, which is only replayed"):
            await told(path, mode, b"1")

    assert path.read_text() == '{"version": 1, "interactions": []}'
