"""What is done about divergences: exchanges recorded anew, and sessions forked, as the commands do it and replays go by it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from fakes import FakeUpstream, fetch, replying
from playhead.config.errors import ConfigError, StoreError
from playhead.proxy.cassettes.cassette_files import load, text_of
from playhead.proxy.commands.deciding import accept, fork, rerecord
from playhead.proxy.embedded import Playhead
from playhead.proxy.formats.cassette import read
from playhead.storage.store import Store
from replays import NOWHERE, ask, code, numbered, recording

BODIES = [b'{"model":"m","input":"%s"}' % text for text in (b"a", b"b", b"c")]


def run(command: click.Command, tmp_path: Path, *arguments: str) -> None:
    command.main([*arguments, "--data", str(tmp_path)], standalone_mode=False)


async def recorded(tmp_path: Path) -> None:
    """Exchanges 1, 2 and 3, answered 0, 1 and 2."""
    async with recording(tmp_path, numbered()) as proxy:
        for body in BODIES:
            await fetch(proxy.port, ask(body))


async def answers(playhead: Playhead, bodies: Sequence[bytes] = BODIES) -> list[str]:
    """What each is answered, or the code of the error."""
    got = [await fetch(int(playhead.url.rpartition(":")[2]), ask(body)) for body in bodies]
    return [one.body.decode() if one.status == 200 else code(one) for one in got]


def volatile(run_: str) -> bytes:
    return b'{"model":"m","input":"run %s"}' % run_.encode()


RUNS = [f"6f1c1f6e-3f0f-4a58-9b1c-6f5f7d1f2a1{number}" for number in range(4)]


async def diverged(tmp_path: Path, *bodies: bytes) -> list[int]:
    """The ids of the divergences that these meet."""
    with Playhead(data=tmp_path, upstream=NOWHERE) as replay:
        await answers(replay, bodies)
        return [one.id for one in replay.divergences]


async def test_accepting_adds_the_rules_that_were_proposed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(volatile(RUNS[0])))
    (id_,) = await diverged(tmp_path, volatile(RUNS[1]))
    run(accept, tmp_path, str(id_))
    run(accept, tmp_path, str(id_))
    with Playhead(data=tmp_path, upstream=NOWHERE) as replay:
        assert await answers(replay, [volatile(RUNS[2])]) == ["0"]

    assert [line.rpartition("playhead: ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "session default: the rule `normalize uuid` is added",
        "session default: the rule `normalize uuid` was there already",
    ]


async def test_another_rule_may_be_given(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b'{"model":"m","input":"a","metadata":{"who":"ann"}}'))
    (id_,) = await diverged(tmp_path, b'{"model":"m","input":"a","metadata":{"who":"ben"}}')
    run(accept, tmp_path, str(id_), "--rule", "ignore $.metadata")
    with Playhead(data=tmp_path, upstream=NOWHERE) as replay:
        assert await answers(replay, [b'{"model":"m","input":"a","metadata":{"where":"here"}}']) == ["0"]


async def test_accepted_as_it_is_exactly_this_request_is_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await recorded(tmp_path)
    other = b'{"model":"m","input":"b, if you please"}'
    (id_,) = await diverged(tmp_path, BODIES[0], other)
    run(accept, tmp_path, str(id_), "--as-is")
    with Playhead(data=tmp_path, upstream=NOWHERE) as replay:
        assert await answers(replay, [BODIES[0], other, other, b'{"model":"m","input":"b, if you dare"}', BODIES[2]]) == ["0", "1", "no_match", "no_match", "2"]

    assert "session default: exactly this request is answered by exchange 2" in capsys.readouterr().err


async def test_under_rules_a_miss_is_told_and_accepted_as_without(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        for number, run_ in enumerate(RUNS[:3]):
            await fetch(proxy.port, ask(b'{"model":"m","input":[{"role":"user","content":"run %s"},{"role":"user","content":"%d"}]}' % (run_.encode(), number)))
    asked = b'{"model":"m","input":[{"role":"user","content":"run %s"},{"role":"user","content":"1, please"}]}' % RUNS[3].encode()
    with Playhead(data=tmp_path, upstream=NOWHERE, rules="uuid") as replay:
        await answers(replay, [asked])
        (one,) = replay.divergences
    run(accept, tmp_path, str(one.id), "--as-is")
    with Playhead(data=tmp_path, upstream=NOWHERE, rules="uuid") as replay:
        assert await answers(replay, [asked]) == [str((one.nearest or 0) - 1)]
    with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
        hits = [(hit.exchange, hit.rules, hit.count) for hit in store.rule_hits("default")]

    assert [difference["path"] for difference in one.differences] == ["$.input[1].content"]
    assert hits == [(one.nearest, "accepted", 1)]


async def test_what_cannot_be_accepted_is_said(tmp_path: Path) -> None:
    await recorded(tmp_path)
    exhausted, served = await diverged(tmp_path, *BODIES, BODIES[0], b'{"model":"m","input":"d"}')
    for id_ in (exhausted, served):
        reason = "it is recorded, and was asked more often than that" if id_ == exhausted else "exchange . has answered another request"
        with pytest.raises(ConfigError, match=f"divergence {id_} cannot be accepted: {reason}"):
            run(accept, tmp_path, str(id_))
    with pytest.raises(ConfigError, match="leave out either"):
        run(accept, tmp_path, str(served), "--as-is", "--rule", "normalize uuid")
    with pytest.raises(ConfigError, match="no match rule"):
        run(accept, tmp_path, str(served), "--rule", "nonsense")
    with pytest.raises(StoreError, match="There is no divergence 99"):
        run(accept, tmp_path, "99")


async def test_an_exchange_that_is_recorded_anew_is_served_in_the_place_of_the_old_one(tmp_path: Path) -> None:
    await recorded(tmp_path)
    run(rerecord, tmp_path, "default", "--exchange", "2")
    async with FakeUpstream({"*": numbered()}) as upstream:
        with Playhead(mode="auto", data=tmp_path, upstream=upstream.url) as auto:
            assert (await answers(auto), auto.live) == (["0", "0", "2"], 1)
    with Playhead(data=tmp_path, upstream=NOWHERE) as replay:
        assert await answers(replay) == ["0", "0", "2"]
        assert await answers(replay, BODIES[1:2]) == ["exhausted"]
    with Playhead(mode="auto", data=tmp_path, upstream=NOWHERE) as again:
        assert (await answers(again), again.live) == (["0", "0", "2"], 0)


async def anew(tmp_path: Path, exchange: str, bodies: Sequence[bytes] = BODIES, answered: str = "new") -> None:
    """Record an exchange anew, with that answer."""
    run(rerecord, tmp_path, "default", "--exchange", exchange)
    async with FakeUpstream({"*": replying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answered), answered.encode()))}) as upstream:
        with Playhead(mode="auto", data=tmp_path, upstream=upstream.url) as auto:
            await answers(auto, bodies)
            assert auto.live == 1


async def test_what_was_recorded_anew_twice_is_there_once(tmp_path: Path) -> None:
    await recorded(tmp_path)
    await anew(tmp_path, "2", answered="new")
    await anew(tmp_path, "2", answered="newer")

    with Playhead(data=tmp_path, upstream=NOWHERE) as replay:
        assert await answers(replay, [*BODIES, BODIES[1]]) == ["0", "newer", "2", "exhausted"]


async def test_a_request_that_was_accepted_is_recorded_anew_in_place_of_what_answers_it(tmp_path: Path) -> None:
    await recorded(tmp_path)
    other = [BODIES[0], b'{"model":"m","input":"b, if you please"}', BODIES[2]]
    (id_,) = await diverged(tmp_path, *other[:2])
    run(accept, tmp_path, str(id_), "--as-is")
    await anew(tmp_path, "2", other)

    with Playhead(mode="auto", data=tmp_path, upstream=NOWHERE) as replay:
        assert (await answers(replay, other), replay.live) == (["0", "new", "2"], 0)


@pytest.mark.parametrize(("at", "told"), [("3", ["0", "newer", "no_match"]), ("2", ["0", "no_match", "no_match"]), ("5", ["0", "no_match", "no_match"])])
async def test_a_fork_has_what_was_recorded_anew(at: str, told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await recorded(tmp_path)
    await anew(tmp_path, "2")
    await anew(tmp_path, "2", answered="newer")
    run(fork, tmp_path, "default", "--at", at, "--as", "other")

    with Playhead(session="other", data=tmp_path, upstream=NOWHERE) as replay:
        assert await answers(replay) == told
    with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
        assert [*store.verify()] == []
    count = told.index("no_match")
    assert f"session other: {count} exchange{'s'[: count != 1]} of session default" in capsys.readouterr().err


async def test_a_cassette_has_what_was_recorded_anew(tmp_path: Path) -> None:
    await recorded(tmp_path)
    await anew(tmp_path, "2")
    run(rerecord, tmp_path, "default", "--exchange", "3")
    with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
        data = text_of(store, "default")[0]
    with Store.open(f"sqlite:///{tmp_path}/other.db", create=True) as other:
        load(other, read(data, "x"), "default")
        again = text_of(other, "default")[0]
    (tmp_path / "x.jsonl").write_bytes(data)

    with Playhead(cassette=tmp_path / "x.jsonl", upstream=NOWHERE) as replay:
        assert await answers(replay, [*BODIES, BODIES[1]]) == ["0", "new", "2", "exhausted"]
    assert again == data


async def test_until_then_a_replay_serves_the_old_one_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await recorded(tmp_path)
    for exchange in ("1", "3"):
        run(rerecord, tmp_path, "default", "--exchange", exchange)
    with caplog.at_level(logging.WARNING, "playhead"), Playhead(data=tmp_path, upstream=NOWHERE) as replay:
        assert await answers(replay) == ["0", "1", "2"]

    assert "session default: exchanges 1, 3 are to be recorded anew: `playhead auto --session default` does it" in caplog.text


async def test_a_mark_can_be_taken_back_and_marks_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await recorded(tmp_path)
    run(rerecord, tmp_path, "default", "--exchange", "1", "--exchange", "3")
    run(rerecord, tmp_path, "default", "--exchange", "1", "--cancel")
    run(rerecord, tmp_path, "default", "--exchange", "1", "--cancel")
    run(rerecord, tmp_path, "default")
    told = capsys.readouterr()

    assert told.out == "3\n"
    assert "exchange 1 is recorded anew by the next `playhead auto --session default` that asks for it" in told.err
    assert "exchange 1 stays as it is" in told.err
    assert "exchange 1 was not to be recorded anew" in told.err


async def test_the_list_of_marks_is_json_for_programs_and_says_when_there_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await recorded(tmp_path)
    run(rerecord, tmp_path, "default")
    run(rerecord, tmp_path, "default", "--exchange", "2")
    run(rerecord, tmp_path, "default", "--json")

    assert capsys.readouterr().out == 'No exchange of session default is to be recorded anew.\n{"session":"default","exchange":2}\n'


async def test_what_was_recorded_anew_is_no_longer_on_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await recorded(tmp_path)
    run(rerecord, tmp_path, "default", "--exchange", "1", "--exchange", "3")
    async with FakeUpstream({"*": numbered()}) as upstream:
        with Playhead(mode="auto", data=tmp_path, upstream=upstream.url) as auto:
            await answers(auto, BODIES[:1])
    run(rerecord, tmp_path, "default")

    assert capsys.readouterr().out == "3\n"


async def test_an_exchange_whose_live_call_is_refused_stays_due(tmp_path: Path) -> None:
    await recorded(tmp_path)
    run(rerecord, tmp_path, "default", "--exchange", "1")
    async with FakeUpstream({"*": numbered()}) as upstream:
        with Playhead(mode="auto", data=tmp_path, upstream=upstream.url, live_calls=1) as auto:
            assert await answers(auto, [b"new", BODIES[0], BODIES[0]]) == ["0", "live_budget", "live_budget"]
            told = [(one.code, "anew in place of exchange 1" in one.message) for one in auto.divergences]

    assert told == [("no_match", True), ("no_match", True)]


async def test_a_fork_replays_what_was_before_and_goes_live_after(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await recorded(tmp_path)
    run(fork, tmp_path, "default", "--at", "3", "--as", "other")
    async with FakeUpstream({"*": numbered()}) as upstream:
        with Playhead(mode="auto", session="other", data=tmp_path, upstream=upstream.url) as auto:
            assert (await answers(auto, [*BODIES, b"new"]), auto.live) == (["0", "1", "0", "1"], 2)
    with Playhead(session="other", data=tmp_path, upstream=NOWHERE) as replay:
        assert await answers(replay, [*BODIES, b"new"]) == ["0", "1", "0", "1"]
    with Playhead(data=tmp_path, upstream=NOWHERE) as replay:
        assert await answers(replay, [*BODIES, b"new"]) == ["0", "1", "2", "no_match"]

    assert "session other: 2 exchanges of session default" in capsys.readouterr().err


async def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    await recorded(tmp_path)
    with pytest.raises(StoreError, match="There is a session 'default' already"):
        run(fork, tmp_path, "default", "--at", "3", "--as", "default")
    with pytest.raises(StoreError, match="There is no exchange 9"):
        run(rerecord, tmp_path, "default", "--exchange", "9")
    with pytest.raises(ConfigError, match="is no exchange"):
        run(rerecord, tmp_path, "default", "--exchange", "x")
    with pytest.raises(ConfigError, match="--cancel of what"):
        run(rerecord, tmp_path, "default", "--cancel")
    with pytest.raises(StoreError, match="There is no session 'other'"):
        run(rerecord, tmp_path, "other")
