"""What of a recorded connection leaves when: the recorded order where the client does as it did, and never nothing where it does not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.forwarding.frames import Opcode
from playhead.proxy.script import AT_ONCE
from playhead.proxy.sockets.interleaving import ENDING, Interleaving, Log, Out, Over, Play
from playhead.storage.connecting.connected import LogEntry

MS = 1_000_000
CLIENT, UPSTREAM = 0, 1


def log_of(*said: tuple[int, int], step: int = MS, roots: dict[int, int] | None = None) -> Log:
    """Direction and turn of each message, a ms apart."""
    entries = [LogEntry(direction, Opcode.TEXT, number * step, turn, 10) for number, (direction, turn) in enumerate(said)]
    return Log.of(entries, roots or {})


def plays(out: Sequence[Out]) -> list[tuple[int, int]]:
    """Turn and number of each message that left."""
    return [(one.turn, message) for one in out if isinstance(one, Play) for message in range(one.start, one.stop)]


def begun(log: Log, *, speed: float = AT_ONCE, now: int = 0) -> Interleaving:
    return Interleaving(log, speed=speed, now=now)


class Recorded(NamedTuple):
    """A random connection: its log, and the order of what upstream said."""

    log: Log
    order: list[tuple[int, int]]
    creates: list[int]


@st.composite
def recordings(draw: st.DrawFn) -> Recorded:
    """Some turns of some messages each, in any interleaving in which each begins with its create."""
    counts = draw(st.lists(st.integers(0, 5), min_size=1, max_size=6))
    chance = random.Random(draw(st.integers(0, 2**32)))
    left = {turn: [(CLIENT, turn)] + [(UPSTREAM, turn)] * count for turn, count in enumerate(counts, 1)}
    said: list[tuple[int, int]] = []
    while left:
        turn = chance.choice([*left])
        said.append(left[turn].pop(0))
        if not left[turn]:
            del left[turn]
    seen = dict.fromkeys(range(1, len(counts) + 1), 0)
    order = []
    for direction, turn in said:
        if direction == UPSTREAM:
            order.append((turn, seen[turn]))
            seen[turn] += 1
    return Recorded(log_of(*said), order, [turn for direction, turn in said if direction == CLIENT])


@given(recordings(), st.randoms(use_true_random=False))
def test_creates_that_come_together_in_any_order_are_answered_in_the_recorded_order(recorded: Recorded, chance: random.Random) -> None:
    inter = begun(recorded.log)
    for turn in chance.sample(recorded.creates, len(recorded.creates)):
        inter.come(turn, 0)
    out = inter.advance(0)

    assert plays(out) == recorded.order
    assert out[-1] is ENDING
    assert inter.wake is None


@given(recordings())
def test_a_client_that_asks_as_it_did_gets_each_message_as_soon_as_it_did(recorded: Recorded) -> None:
    inter, got = begun(recorded.log), list[tuple[int, int]]()
    expected = 0
    for direction, turn in zip([flag & 0x10 for flag in recorded.log.flags], recorded.log.turns, strict=True):
        if direction:
            inter.come(turn, 0)
            got += plays(inter.advance(0))
        else:
            expected += 1
            assert got[:expected] == recorded.order[:expected]

    assert got == recorded.order


@given(recordings(), st.randoms(use_true_random=False), st.lists(st.integers(0, 5_000), min_size=6, max_size=6))
def test_whatever_a_client_asks_and_when_it_gets_all_of_it_in_order(recorded: Recorded, chance: random.Random, pauses: list[int]) -> None:
    asked = chance.sample(recorded.creates, chance.randint(0, len(recorded.creates)))
    inter, now, got = begun(recorded.log), 0, list[tuple[int, int]]()
    over: list[int] = []
    for turn, pause in zip(asked, pauses, strict=False):
        now += pause * MS
        inter.come(turn, now)
        for out in inter.advance(now):
            got += plays([out])
            over += [out.root] if isinstance(out, Over) else []
    while inter.wake is not None:
        assert inter.wake > now
        now = inter.wake
        for out in inter.advance(now):
            got += plays([out])
            over += [out.root] if isinstance(out, Over) else []

    assert sorted(got) == sorted(entry for entry in recorded.order if entry[0] in asked)
    for turn in asked:
        assert [message for one, message in got if one == turn] == sorted(message for one, message in got if one == turn)
    assert sorted(over) == sorted(asked)


@given(recordings(), st.randoms(use_true_random=False))
def test_turns_that_others_were_given_are_not_waited_for(recorded: Recorded, chance: random.Random) -> None:
    asked = set(chance.sample(recorded.creates, chance.randint(0, len(recorded.creates))))
    inter = Interleaving(recorded.log, speed=AT_ONCE, now=0, elsewhere=lambda root: root not in asked)
    for turn in asked:
        inter.come(turn, 0)
    out = inter.advance(0)

    assert plays(out) == [entry for entry in recorded.order if entry[0] in asked]
    assert out[-1] is ENDING


@given(recordings())
def test_in_recorded_times_everything_comes_when_it_did(recorded: Recorded) -> None:
    inter = begun(recorded.log, speed=1.0)
    clock: list[int] = []
    asks = [(at, turn) for at, flag, turn in zip(recorded.log.ats, recorded.log.flags, recorded.log.turns, strict=True) if flag & 0x10]
    now = 0
    while asks or inter.wake is not None:
        now = min([at for at, _ in asks[:1]] + ([inter.wake] if inter.wake is not None else []))
        while asks and asks[0][0] == now:
            inter.come(asks.pop(0)[1], now)
        clock += [now] * len(plays(inter.advance(now)))

    assert clock == [at for at, flag in zip(recorded.log.ats, recorded.log.flags, strict=True) if not flag & 0x10]


def test_a_create_that_does_not_come_keeps_others_back_for_a_while_only() -> None:
    inter = begun(log_of((CLIENT, 1), (UPSTREAM, 1), (CLIENT, 2), (UPSTREAM, 2), (UPSTREAM, 1)))
    inter.come(1, 0)

    assert plays(inter.advance(0)) == [(1, 0)]
    assert inter.wake == 1_001_500_000
    assert plays(inter.advance(1_001 * MS)) == []
    assert plays(inter.advance(1_002 * MS)) == [(1, 1)]

    inter.come(2, 9_000 * MS)
    assert plays(inter.advance(9_000 * MS)) == [(2, 0)]


def test_a_client_that_says_other_things_may_take_longer_but_not_for_ever() -> None:
    log = log_of((CLIENT, 1), (UPSTREAM, 1), (CLIENT, 2), (CLIENT, 0), (CLIENT, 0), (CLIENT, 0), (UPSTREAM, 1), (UPSTREAM, 2))
    inter = begun(log)
    inter.come(1, 0)
    inter.advance(0)
    for place, now in ((3, 900), (4, 1_800), (5, 2_700)):
        inter.said(place, now * MS)
        assert plays(inter.advance(now * MS)) == []

    assert inter.wake == 3_000 * MS


def test_a_long_pause_of_the_recording_is_not_waited_for_in_full() -> None:
    inter = begun(log_of((CLIENT, 1), (UPSTREAM, 1), (CLIENT, 2), (UPSTREAM, 2), (UPSTREAM, 1), step=60_000 * MS))
    inter.come(1, 0)
    inter.advance(0)

    assert inter.wake == 3_000 * MS


def test_nothing_is_waited_for_while_nothing_waits() -> None:
    inter = begun(log_of((CLIENT, 1), (UPSTREAM, 1), (CLIENT, 2), (UPSTREAM, 2)))
    inter.come(1, 0)
    inter.advance(0)

    assert inter.wake is None


def test_a_turn_that_a_client_has_left_out_is_not_waited_for() -> None:
    inter = begun(log_of((CLIENT, 1), (UPSTREAM, 1), (CLIENT, 2), (UPSTREAM, 2)))
    inter.come(2, 0)

    assert plays(inter.advance(0)) == [(2, 0)]


def test_a_steer_is_waited_for() -> None:
    inter = begun(log_of((CLIENT, 1), (UPSTREAM, 1), (CLIENT, 1), (UPSTREAM, 1), (UPSTREAM, 2), roots={2: 1}))
    inter.come(1, 0)
    assert plays(inter.advance(0)) == [(1, 0)]

    inter.said(2, 5)
    out = inter.advance(5)
    assert plays(out) == [(1, 1), (2, 0)]
    assert out[-2:] == [Over(1), ENDING]


def test_what_is_held_leaves_when_it_is_released() -> None:
    inter = begun(log_of((CLIENT, 1), (CLIENT, 2), (UPSTREAM, 2), (UPSTREAM, 1), (UPSTREAM, 2)))
    inter.come(1, 0)
    inter.come(2, 0, held=True)
    assert plays(inter.advance(0)) == [(1, 0)]

    inter.release(2, 0)
    assert plays(inter.advance(0)) == [(2, 0), (2, 1)]


def test_a_turn_without_an_answer_is_over_at_once() -> None:
    inter = begun(log_of((CLIENT, 1)))
    inter.come(1, 0)

    assert inter.advance(0) == [Over(1), ENDING]


def test_the_connections_own_messages_come_in_their_place() -> None:
    inter = begun(log_of((UPSTREAM, 0), (CLIENT, 1), (UPSTREAM, 1), (UPSTREAM, 0), (UPSTREAM, 1)))

    assert plays(inter.advance(0)) == [(0, 0)]
    inter.come(1, 0)
    assert plays(inter.advance(0)) == [(1, 0), (0, 1), (1, 1)]


def test_somebody_elses_connection_says_nothing_of_its_own() -> None:
    inter = Interleaving(log_of((UPSTREAM, 0), (CLIENT, 1), (UPSTREAM, 1)), speed=AT_ONCE, now=0, own=False)
    inter.come(1, 0)

    assert inter.advance(0) == [Play(1, 0, 1), Over(1)]


def test_an_answer_to_what_belongs_to_no_turn_waits_for_that() -> None:
    inter = begun(log_of((CLIENT, 0), (UPSTREAM, 0)))
    assert plays(inter.advance(0)) == []

    inter.said(0, 0)
    assert plays(inter.advance(0)) == [(0, 0)]


@pytest.mark.parametrize("opcode", [Opcode.PONG, 0])
def test_pongs_and_what_is_no_message_are_not_said_again(opcode: int) -> None:
    inter = begun(Log.of([LogEntry(UPSTREAM, opcode, 0, 0, 3), LogEntry(UPSTREAM, Opcode.PING, 0, 0, 3)]))

    assert plays(inter.advance(0)) == [(0, 1)]


def test_a_close_waits_for_all_that_the_client_may_still_ask_for() -> None:
    entries = [LogEntry(CLIENT, Opcode.TEXT, 0, 1, 1), LogEntry(UPSTREAM, Opcode.TEXT, 1, 1, 1), LogEntry(UPSTREAM, Opcode.CLOSE, 2, 0, 2)]
    inter = begun(Log.of(entries))

    assert inter.advance(0) == []
    inter.come(1, 0)
    assert plays(inter.advance(0)) == [(1, 0), (0, 0)]


def test_hidden_messages_are_left_out() -> None:
    entries = [
        LogEntry(CLIENT, 1, 0, 1, 1),
        LogEntry(UPSTREAM, 1, 1, 1, 1, hidden=True),
        LogEntry(CLIENT, 1, 2, 1, 1, hidden=True),
        LogEntry(UPSTREAM, 1, 3, 1, 1),
    ]
    inter = begun(Log.of(entries))
    inter.come(1, 0)

    assert inter.advance(0) == [Play(1, 1, 2), Over(1), ENDING]


def test_a_held_turn_plays_in_its_times_from_its_release_on() -> None:
    inter = begun(log_of((CLIENT, 1), (UPSTREAM, 1), (UPSTREAM, 1), step=10 * MS), speed=2.0)
    inter.come(1, 0, held=True)
    assert inter.advance(0) == []
    inter.release(1, 100 * MS)

    assert plays(inter.advance(100 * MS)) == [(1, 0)]
    assert inter.wake == 105 * MS
