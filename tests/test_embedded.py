"""`Playhead`: a proxy inside this process serves, records and replays, says what is wrong where it is started, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from openai import OpenAI

from fakes import FakeUpstream, fetch, replying
from playhead.config.errors import ConfigError, StoreError
from playhead.proxy import Playhead
from playhead.proxy.simulator import simulated_upstream
from playhead.storage.store import Store
from proxied import until
from replays import NOWHERE, ask, code, numbered

KEY = "sk-embedded-not-a-real-key"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests counts, and nobody talks to a proxy of theirs."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.upper().startswith(("PLAYHEAD_", "OPENAI_")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)


def port(playhead: Playhead) -> int:
    found = urlsplit(playhead.url).port
    assert found is not None
    return found


def create(base_url: str, question: str = "Hi.") -> str:
    """What the openai package makes of an answer."""
    with OpenAI(base_url=base_url, api_key=KEY, max_retries=0) as client:
        return client.responses.create(model="m", input=question).output_text


async def record(data: Path, *bodies: bytes, session: str = "default") -> None:
    async with FakeUpstream({"*": numbered()}) as upstream, Playhead(mode="record", data=data, upstream=upstream.url, session=session) as playhead:
        for body in bodies:
            await fetch(port(playhead), ask(body))


def ours() -> list[str]:
    """The threads of playheads."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("playhead")]


# Recording and replaying.


async def test_what_one_records_another_replays_without_upstream_to_a_client_that_cannot_tell(tmp_path: Path) -> None:
    async with simulated_upstream() as upstream, Playhead(mode="record", session="s", data=tmp_path / "d", upstream=upstream) as recording:
        recorded = await asyncio.to_thread(create, recording.base_url)
    with Playhead(mode="replay", session="s", data=tmp_path / "d", upstream=NOWHERE) as replay:
        replayed = await asyncio.to_thread(create, replay.base_url)

    assert recorded == replayed
    assert replay.base_url.endswith("/v1")
    assert (replay.replayed, replay.live, replay.divergences) == (1, 0, [])


async def test_everything_is_stored_when_it_is_closed(tmp_path: Path) -> None:
    async with FakeUpstream({"*": numbered(50)}) as upstream:
        with Playhead(mode="record", data=tmp_path / "d", upstream=upstream.url) as playhead:
            await asyncio.gather(*(fetch(port(playhead), ask(b"%d" % number)) for number in range(50)))

    with Store.open(f"sqlite:///{tmp_path}/d/store.db") as store:
        assert [row.outcome for row in store.exchanges("default")] == ["complete"] * 50
    assert not list((tmp_path / "d" / "journal").glob("*.seg*"))


async def test_a_request_without_a_twin_is_told_with_its_differences(tmp_path: Path) -> None:
    await record(tmp_path, b'{"model":"m","input":"one"}')
    async with FakeUpstream({"*": numbered()}) as upstream:
        with Playhead(mode="replay", data=tmp_path, upstream=upstream.url) as playhead:
            refused = await fetch(port(playhead), ask(b'{"model":"m","input":"two"}'))
            (divergence,) = playhead.divergences

    assert (refused.status, code(refused), upstream.requests) == (404, "no_match", [])
    assert (divergence.code, divergence.path, divergence.nearest) == ("no_match", "/v1/responses", 1)
    assert divergence.differences == [{"path": "$.input", "recorded": '"one"', "asked": '"two"', "stood": None, "cause": "prompt"}]
    assert (divergence.cause, divergence.parted, divergence.expected, divergence.proposal) == ("prompt", None, 1, None)
    assert playhead.divergences == [divergence]
    with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
        assert list(store.divergences("default")) == [divergence]


async def test_a_session_that_is_not_there_diverges_too(tmp_path: Path) -> None:
    await record(tmp_path, b"{}")
    with Playhead(session="nothing", data=tmp_path) as playhead:
        refused = await fetch(port(playhead), ask(b"{}"))

    assert code(refused) == "session_not_found"
    assert [(one.code, one.session) for one in playhead.divergences] == [("session_not_found", "nothing")]


async def test_a_damaged_recording_diverges_too(tmp_path: Path) -> None:
    await record(tmp_path, b"{}")
    with Store.open(f"sqlite:///{tmp_path}/store.db") as store, store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE bodies SET data = x'00'")
    with Playhead(data=tmp_path) as playhead:
        refused = await fetch(port(playhead), ask(b"{}"))

    assert (code(refused), [one.code for one in playhead.divergences]) == ("no_match", ["no_match"])


async def test_auto_records_what_is_missing_and_replays_it_from_then_on(tmp_path: Path) -> None:
    async with FakeUpstream({"*": numbered()}) as upstream:
        with Playhead(mode="auto", live="yes", data=tmp_path, upstream=upstream.url) as playhead:
            first = await fetch(port(playhead), ask(b"{}"))
            assert (playhead.live, playhead.replayed) == (1, 0)
        with Playhead(mode="auto", live="yes", data=tmp_path, upstream=upstream.url) as playhead:
            second = await fetch(port(playhead), ask(b"{}"))

    assert (first.body, second.body, len(upstream.requests)) == (b"0", b"0", 1)
    assert playhead.divergences == []


async def test_in_ci_auto_in_a_program_goes_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("CI", "true")
    await record(tmp_path, b"{}")
    with Playhead(mode="auto", data=tmp_path) as playhead:
        missed = await fetch(port(playhead), ask(b"[]"))

    assert (code(missed), playhead.settings.on_miss, playhead.live) == ("no_match", "fail", 0)
    assert "on_miss = record (argument on_miss) counts as fail: live = no (environment variable CI)" in caplog.text


async def test_forward_records_nothing(tmp_path: Path) -> None:
    async with FakeUpstream({"*": numbered()}) as upstream, Playhead(mode="forward", data=tmp_path / "d", upstream=upstream.url) as playhead:
        assert (await fetch(port(playhead), ask(b"{}"))).body == b"0"

    assert not (tmp_path / "d").exists()


async def test_another_session_is_reached_by_its_base_url(tmp_path: Path) -> None:
    await record(tmp_path, b"{}", session="other")
    with Playhead(data=tmp_path) as playhead:
        target = urlsplit(playhead.base_url_of("other")).path.encode() + b"/responses"
        assert (await fetch(port(playhead), ask(b"{}", target=target))).body == b"0"
        with pytest.raises(ConfigError, match="no name of a session"):
            playhead.base_url_of("no/name")


# Several at once.


async def test_several_replay_the_same_recordings_at_once_each_from_the_beginning(tmp_path: Path) -> None:
    await record(tmp_path, b"{}", b"{}")
    with Playhead(data=tmp_path) as one, Playhead(data=tmp_path) as two:
        got = [(await fetch(port(playhead), ask(b"{}"))).body for playhead in (one, two, two, one)]

    assert got == [b"0", b"0", b"1", b"1"]


async def test_one_replays_what_another_is_still_recording_into(tmp_path: Path) -> None:
    async with FakeUpstream({"*": numbered()}) as upstream:
        with Playhead(mode="record", data=tmp_path, upstream=upstream.url) as recording:
            await fetch(port(recording), ask(b"{}"))
            async with Playhead(data=tmp_path) as replay:
                assert (await fetch(port(replay), ask(b"{}"))).body == b"0"


async def test_two_do_not_record_into_one_directory(tmp_path: Path) -> None:
    with Playhead(mode="record", data=tmp_path, upstream=NOWHERE):
        with pytest.raises(StoreError, match="another playhead records into"):
            Playhead(mode="record", data=tmp_path, upstream=NOWHERE).start()
        assert sorted(ours()) == ["playhead", "playhead recorder"]


async def test_two_record_into_two_directories_and_threads_take_turns_as_before_afterwards(tmp_path: Path) -> None:
    before = sys.getswitchinterval()
    first, second = (Playhead(mode="record", data=tmp_path / name, upstream=NOWHERE) for name in "ab")
    first.start()
    second.start()
    during = sys.getswitchinterval()
    first.close()
    second.close()

    assert during < before == sys.getswitchinterval()


# Starting.


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"pace": "1"}, r"pace = '1' \(argument pace\): allowed is instant"),
        ({"pase": "1x"}, "argument pase: there is no such setting; did you mean pace"),
        ({"mode": "reply"}, "mode = 'reply': allowed is record, replay, auto, forward, none, once"),
        ({"mode": "auto", "on_miss": "fail"}, "mode auto records what is missing"),
        ({"workers": 2}, "workers is not for Playhead"),
        ({"console": "127.0.0.1:0"}, "has no console"),
    ],
)
def test_a_wrong_setting_is_refused_where_it_is_given(wrong: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Playhead(**wrong)  # type: ignore[arg-type]


def test_settings_come_from_the_environment_and_the_file_as_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "playhead.toml").write_text('session = "of-the-file"\npace = "2x"\nlisten = "127.0.0.1:1"\nworkers = 3\n')
    monkeypatch.setenv("PLAYHEAD_PACE", "3x")
    monkeypatch.setenv("PLAYHEAD_DATA", "of-the-environment")
    settings = Playhead(take=2).settings

    assert (settings.session, settings.pace, settings.take, str(settings.data)) == ("of-the-file", "3x", 2, "of-the-environment")
    assert (settings.listen.port, settings.workers) == (0, 1)


def test_a_replay_without_recordings_does_not_start_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no store"):
        Playhead(data=tmp_path / "d").start()

    assert (ours(), (tmp_path / "d").exists()) == ([], False)


def test_a_port_in_use_is_told_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with Playhead(mode="forward", upstream=NOWHERE) as first, pytest.raises(StoreError, match="cannot listen on"):
        Playhead(mode="record", data=tmp_path / "d", upstream=NOWHERE, listen=f"127.0.0.1:{port(first)}").start()

    assert (ours(), (tmp_path / "d").exists()) == ([], False)


def test_a_store_that_cannot_be_used_is_told_and_the_lock_is_given_back(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError):
        Playhead(mode="record", data=tmp_path, upstream=NOWHERE).start()
    (tmp_path / "store.db").unlink()
    with Playhead(mode="record", data=tmp_path, upstream=NOWHERE):
        pass

    assert ours() == []


def test_what_has_not_been_started_has_no_address() -> None:
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = Playhead().base_url


async def test_an_entry_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    entering = asyncio.ensure_future(Playhead(mode="record", data=tmp_path, upstream=NOWHERE).__aenter__())
    await asyncio.sleep(0)  # now it is being started in a thread
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering

    assert ours() == []


# Ending.


def test_closing_twice_is_closing_once_and_a_closed_one_is_not_started_again(tmp_path: Path) -> None:
    playhead = Playhead(mode="record", data=tmp_path, upstream=NOWHERE)
    with playhead:
        playhead.close()
    playhead.close()

    assert (ours(), "closed" in repr(playhead)) == ([], True)
    with pytest.raises(RuntimeError, match="make another one"):
        playhead.start()


async def test_what_is_in_flight_when_it_is_closed_may_end(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl", b"ow", pause=0.2)}) as upstream:
        async with Playhead(mode="record", data=tmp_path, upstream=upstream.url) as playhead:
            asking = asyncio.ensure_future(fetch(port(playhead), ask(b"{}")))
            await until(lambda: bool(upstream.requests))

        assert (await asking).body == b"slow"


def test_one_that_nobody_closes_warns_and_ends(tmp_path: Path) -> None:
    def begin_and_forget() -> None:
        Playhead(mode="record", data=tmp_path, upstream=NOWHERE).start()
        gc.collect()

    with pytest.warns(ResourceWarning, match="was not closed"):
        begin_and_forget()
    for thread in threading.enumerate():
        if thread.name.startswith("playhead"):
            thread.join()

    with Playhead(mode="record", data=tmp_path, upstream=NOWHERE):
        pass


PROGRAM = """
import sys
from playhead.proxy import Playhead
from urllib.request import ProxyHandler, build_opener
playhead = Playhead(mode="record", data=sys.argv[1], upstream=sys.argv[2])
playhead.start()
print(build_opener(ProxyHandler({})).open(playhead.base_url + "/models").read().decode())
"""


async def test_a_program_that_ends_without_closing_it_has_stored_everything(tmp_path: Path) -> None:
    async with FakeUpstream({"*": numbered()}) as upstream:
        command = [sys.executable, "-W", "default", "-c", PROGRAM, str(tmp_path / "d"), upstream.url]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=50, check=False)

    assert (done.returncode, done.stdout) == (0, "0\n")
    assert "ResourceWarning" in done.stderr
    with Store.open(f"sqlite:///{tmp_path}/d/store.db") as store:
        assert [row.path for row in store.exchanges("default")] == ["/v1/models"]


def test_importing_it_imports_nothing_that_takes_long() -> None:
    code = "import sys; from playhead.proxy import Playhead; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not {"aiohttp", "sqlalchemy", "pydantic", "uvloop", "asyncio"} & set(done.stdout.split())
