"""The player: which exchange answers which request, and what it keeps of the store."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from playhead.config.errors import StoreError
from playhead.config.settings import Settings
from playhead.proxy import player as module
from playhead.proxy.player import Missing, Playback, Player, SessionMissing
from playhead.proxy.recordings.ready import Ready, Usual
from playhead.proxy.script import Begin, Data, End
from playhead.storage.records import Asks, Batch, Fingerprint, Frame, Piece, Recorded, Spill
from playhead.storage.store import Store
from stores import place_for_store, raw, recorded


def print_of(name: str, asks: Asks = "http") -> Fingerprint:
    return Fingerprint(hashlib.md5(name.encode()).digest(), asks)


def exchange(number: int, name: str, *, asks: Asks = "http", **changes: Any) -> Recorded:
    """An exchange whose request has that fingerprint."""
    answer = b'{"answer": %d}' % number
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)
    stored = replace(raw(number), response_heads=head, response=answer, frames=(Frame(0, 1, 5), Frame(1, 2_000_000, 0), Frame(1, 5_000_000, len(answer))))
    return recorded(number, **{"raw": stored, "fingerprint": print_of(name, asks), **changes})


@contextlib.asynccontextmanager
async def playing(place: Path | str, *finished: Recorded, spills: list[Spill] | None = None, **settings: Any) -> AsyncIterator[Player]:
    """A player over these exchanges. `place`: a directory, or the URL of a store."""
    with Store.open(place if isinstance(place, str) else f"sqlite:///{place / 'store.db'}", create=True) as store:
        store.write(Batch(finished=list(finished), spills=spills or []))
        player = Player(store, Settings(mode="replay", **settings), run="replay")
        yield player
        player.close()


async def answers(player: Player, playback: Playback, *names: str) -> list[int | str]:
    """The number of the exchange that answers each, or why none does."""
    found: list[int | str] = []
    for name in names:
        place = player.match(playback, [print_of(name)])
        found.append(place.code if isinstance(place, Missing) else playback.index.exchange(place))
    return found


async def test_equal_requests_are_answered_in_order_and_then_no_more(tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a"), exchange(2, "b"), exchange(3, "a")) as player:
        playback = await player.open("default", begin=False)

        assert await answers(player, playback, "a", "b", "a", "a", "c") == [1, 2, 3, "exhausted", "no_match"]
        assert (playback.take, playback.run) == (1, "run-1")


async def test_the_last_one_may_be_asked_for_again(tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a"), exchange(2, "a"), exhausted="last") as player:
        playback = await player.open("default", begin=False)

        assert await answers(player, playback, "a", "a", "a", "a") == [1, 2, 2, 2]


async def test_all_of_them_may_be_asked_for_again(tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a"), exchange(2, "b"), exchange(3, "a"), exhausted="cycle") as player:
        playback = await player.open("default", begin=False)

        assert await answers(player, playback, "a", "a", "a", "b", "a", "a", "b", "c") == [1, 3, 1, 2, 3, 1, 2, "no_match"]


async def test_they_begin_again_when_those_of_all_transports_are_used_up(tmp_path: Path) -> None:
    recorded = (exchange(1, "a"), exchange(2, "a", asks="sse"), exchange(3, "a", asks="ws"), exchange(4, "b", asks="ws"), exchange(5, "b", asks="sse"))
    async with playing(tmp_path, *recorded, exhausted="cycle") as player:
        playback = await player.open("default", begin=False)

        assert [player.match(playback, [print_of("a", "sse")], create=True) for _ in range(7)] == [1, 0, 2, 1, 0, 2, 1]
        assert [player.match(playback, [print_of("b")], create=True) for _ in range(5)] == [3, 4, 3, 4, 3]


async def test_the_first_fingerprint_that_is_known_counts(tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a"), exchange(2, "b")) as player:
        playback = await player.open("default", begin=False)

        assert player.match(playback, [print_of("c"), print_of("b")]) == 1
        assert player.match(playback, [print_of("b"), print_of("a")]) == Missing("exhausted", print_of("b"), 1)


async def test_a_recording_over_another_transport_is_no_answer(tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a", asks="sse")) as player:
        playback = await player.open("default", begin=False)

        assert player.match(playback, [print_of("a")]) == Missing("no_match", print_of("a"), 0)
        assert player.match(playback, [print_of("a", "sse")]) == 0


async def test_what_makes_a_response_is_answered_from_another_transport_when_its_own_is_used_up(tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a", asks="sse"), exchange(2, "a"), exchange(3, "a", asks="ws"), exchange(4, "a", asks="sse")) as player:
        playback = await player.open("default", begin=False)
        found = [player.match(playback, [print_of("a")], create=True) for _ in range(5)]

        assert found == [1, 0, 2, 3, Missing("exhausted", print_of("a"), 1)]
        assert player.match(playback, [print_of("a", "sse")], create=True) == Missing("exhausted", print_of("a", "sse"), 0)
        assert player.match(playback, [print_of("b")], create=True) == Missing("no_match", print_of("b"), None)


async def test_what_another_transport_has_left_comes_before_the_last_one_again(tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a"), exchange(2, "a", asks="sse"), exchange(3, "b", asks="ws"), exhausted="last") as player:
        playback = await player.open("default", begin=False)

        assert [player.match(playback, [print_of("a")], create=True) for _ in range(4)] == [0, 1, 0, 0]
        assert [player.match(playback, [print_of("b")], create=True) for _ in range(3)] == [2, 2, 2]


async def test_a_very_long_answer_is_not_told_over_another_transport(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETOLD", 1)
    spill = Spill(exchange(1, "a", response_bytes=18), [Piece("response", 0, b"{}" * 9)], [], (Frame(1, 6, 18),), (), final=True)
    async with playing(tmp_path, spills=[spill]) as player:
        playback = await player.open("default", begin=False)

        with pytest.raises(StoreError, match="more than 0 MiB"):
            await player.fetch_retold(playback, 0, streams=True)


async def test_a_session_is_read_once_for_all_who_ask(tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a")) as player:
        assert player.opened("default") is None
        found = await asyncio.gather(*(player.open("default", begin=False) for _ in range(5)))

        assert {id(one) for one in found} == {id(player.opened("default"))}


@pytest.mark.parametrize(("take", "exchanges"), [("newest", [2]), (1, [1]), ("all", [1, 2])])
async def test_the_take_is_the_one_that_was_asked_for(take: int | str, exchanges: list[int], tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a"), exchange(2, "a", run="run-2"), take=take) as player:
        playback = await player.open("default", begin=False)

        assert await answers(player, playback, *["a"] * len(exchanges)) == exchanges
        assert playback.run == ("run-1" if take == 1 else "run-2")


async def test_what_there_is_not_is_told(tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a"), exchange(2, "a", run="run-2"), take=5) as player:
        with pytest.raises(SessionMissing, match="Nothing is recorded in session none"):
            await player.open("none", begin=False)
        assert await player.missing("default") == "Session default has no take 5; it has takes 1 and 2."


async def test_a_session_may_be_begun(tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a")) as player:
        playback = await player.open("new", begin=True)

        assert (playback.run, len(playback.index), player.opened("new")) == (None, 0, playback)


# Reading.


async def test_an_exchange_is_read_with_those_behind_it(tmp_path: Path) -> None:
    async with playing(tmp_path, *(exchange(number, str(number)) for number in range(1, 6))) as player:
        playback = await player.open("default", begin=False)
        first = await player.fetch(playback, 0)

        assert isinstance(first, Usual)
        assert first.plain.endswith(b'{"answer": 1}')
        assert player.at_hand(playback, 0) is None  # it is not served a second time
        assert [getattr(player.at_hand(playback, place), "body", None) for place in range(1, 5)] == [b'{"answer": %d}' % n for n in range(2, 6)]


async def test_what_may_be_served_again_stays_at_hand(tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a"), exhausted="last") as player:
        playback = await player.open("default", begin=False)
        await player.fetch(playback, 0)

        assert player.at_hand(playback, 0) is player.at_hand(playback, 0) is not None


async def test_a_store_behind_a_server_is_read_by_a_thread(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with place_for_store("postgresql", request, tmp_path) as url:
        async with playing(url, *(exchange(number, str(number)) for number in range(1, 30))) as player:
            playback = await player.open("default", begin=False)
            assert (player.read_now(playback, 0), player.match(playback, [print_of("1")])) == (None, 0)
            found = await asyncio.gather(*(player.fetch(playback, place) for place in range(29)))

    assert [getattr(one, "body", None) for one in found] == [b'{"answer": %d}' % n for n in range(1, 30)]


async def test_in_its_times_an_exchange_has_its_steps(tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a", duration_ns=9_000_000), pace="recorded") as player:
        playback = await player.open("default", begin=False)
        one = await player.fetch(playback, 0)

        assert isinstance(one, Ready)
        assert [(type(step).__name__, step.at) for step in one.steps] == [("Begin", 2_000_000), ("Data", 5_000_000), ("End", 9_000_000)]


async def test_those_who_wait_for_one_batch_wait_together(tmp_path: Path) -> None:
    async with playing(tmp_path, *(exchange(number, str(number)) for number in range(1, 30)), pace="recorded") as player:
        playback = await player.open("default", begin=False)
        found = await asyncio.gather(*(player.fetch(playback, place) for place in range(29)))

        bodies = [step.payload for one in found if isinstance(one, Ready) for step in one.steps if isinstance(step, Data)]
        assert bodies == [b'{"answer": %d}' % n for n in range(1, 30)]


async def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    body = b"x" * 200_000
    big = replace(raw(1), response_heads=b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", response=body, frames=())
    async with playing(tmp_path, *(exchange(number, str(number), raw=big) for number in range(1, 200)), exhausted="last") as player:
        playback = await player.open("default", begin=False)
        for place in range(199):
            await player.fetch(playback, place)

        assert sum(one.size for one in player._cache.values()) <= module._KEPT
        assert len(player._cache) > 10


async def test_a_big_exchange_is_streamed(tmp_path: Path) -> None:
    one = exchange(
        1, "a", response_bytes=9, raw=replace(raw(1), request=b"", response=b"", frames=(), response_heads=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    )
    pieces = [Piece("request", 0, b"{}"), Piece("response", 0, b"hello"), Piece("response", 1, b" you")]
    spill = Spill(one, pieces, [], (Frame(1, 5, 0), Frame(1, 6, 5), Frame(1, 7, 4)), (), final=True)
    async with playing(tmp_path, spills=[spill]) as player:
        playback = await player.open("default", begin=False)
        steps = await player.fetch(playback, 0)

        assert not isinstance(steps, Ready | Usual)
        told = list(steps)
        assert isinstance(told[0], Begin)
        assert isinstance(told[-1], End)
        assert b"".join(getattr(step, "data", b"") for step in told) == b"hello you"


async def test_a_damaged_exchange_damages_no_other(tmp_path: Path) -> None:
    garbage = replace(raw(1), response_heads=b"garbage\r\n\r\n")
    async with playing(tmp_path, exchange(1, "a"), exchange(2, "b", raw=garbage), exchange(3, "c")) as player:
        playback = await player.open("default", begin=False)

        assert isinstance(await player.fetch(playback, 0), Usual)
        with pytest.raises(StoreError, match="exchange 2 cannot be served"):
            await player.fetch(playback, 1)
        assert isinstance(player.at_hand(playback, 2) or await player.fetch(playback, 2), Usual)


async def test_nor_those_that_are_asked_for_meanwhile(tmp_path: Path) -> None:
    garbage = replace(raw(1), response_heads=b"garbage\r\n\r\n")
    async with playing(tmp_path, exchange(1, "a", raw=garbage), exchange(2, "b"), exchange(3, "c"), pace="recorded") as player:
        playback = await player.open("default", begin=False)
        first, *others = await asyncio.gather(*(player.fetch(playback, place) for place in range(3)), return_exceptions=True)

        assert isinstance(first, StoreError)
        assert [type(other) for other in others] == [Ready, Ready]


async def test_who_begins_a_session_need_not_be_the_first_to_ask_for_it(tmp_path: Path) -> None:
    async with playing(tmp_path, exchange(1, "a")) as player:
        missing, *begun = await asyncio.gather(*(player.open("new", begin=begin) for begin in (False, True, True)), return_exceptions=True)

        assert isinstance(missing, SessionMissing)
        assert isinstance(begun[0], Playback)
        assert begun[0] is begun[1]
