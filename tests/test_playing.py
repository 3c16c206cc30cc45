"""An answer that is played step by step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from playhead.config.errors import StoreError, UpstreamError
from playhead.config.faults import Fault, parse_faults
from playhead.proxy.forwarding.http1 import Framing, Head, Length, parse_head
from playhead.proxy.replay.playing import Playing
from playhead.proxy.script import AT_ONCE, Begin, Break, Data, End, Hold, Interim, Met, Reset, Step, Wait

HEAD = parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
EARLY = parse_head(b"HTTP/1.1 103 Early Hints\r\n\r\n")
STEPS = (Interim(0, EARLY), Begin(0, HEAD, Length(3)), Data(1_000_000, b"ab", b"ab"), Data(2_000_000, b"c", b"c"), End(2_000_000))


class Listener:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.done = asyncio.Event()

    def settled(self) -> None:
        """What it is told together does not matter here."""

    def interim(self, head: Head) -> None:
        self.told.append(f"interim {head.status}")

    def head(self, head: Head, framing: Framing) -> None:
        self.told.append(f"head {head.status}")

    def data(self, data: bytes, payload: list[bytes] | None) -> None:
        assert payload is not None
        self.told.append(f"data {data.decode()} {b''.join(payload).decode()}")

    def ended(self) -> None:
        self._last("ended")

    def failed(self, error: UpstreamError) -> None:
        self._last("failed")

    def broke(self) -> None:
        self._last("broke")

    def holds(self) -> None:
        self._last("holds")

    def reset(self) -> None:
        self._last("reset")

    def met(self, fault: Fault) -> None:
        self.told.append(f"met {fault}")

    def _last(self, what: str) -> None:
        self.told.append(what)
        self.done.set()


async def played(steps: tuple[Step, ...] | Iterator[Step], speed: float = AT_ONCE) -> list[str]:
    listener = Listener()
    Playing(listener, steps, started=time.monotonic_ns(), speed=speed)
    await listener.done.wait()
    return listener.told


async def test_every_step_is_told_in_order() -> None:
    assert await played(STEPS, 1.0) == ["interim 103", "head 200", "data ab ab", "data c c", "ended"]


async def test_steps_may_come_from_a_thread_and_then_in_bigger_pieces() -> None:
    assert await played(iter(STEPS)) == ["interim 103", "head 200", "data abc abc", "ended"]


async def test_in_their_times_they_stay_apart() -> None:
    assert await played(iter(STEPS), 10.0) == ["interim 103", "head 200", "data ab ab", "data c c", "ended"]


async def test_a_break_and_a_wait_are_told_as_such() -> None:
    assert await played((Begin(0, HEAD, Length(3)), Break(0))) == ["head 200", "broke"]
    assert await played((Hold(0),)) == ["holds"]


async def test_a_fault_and_a_reset_are_told_as_such() -> None:
    [fault] = parse_faults("reset")

    assert await played((Begin(0, HEAD, Length(3)), Met(0, fault), Reset(0))) == ["head 200", "met reset", "reset"]


@pytest.mark.parametrize("speed", [AT_ONCE, 2.0])
async def test_a_wait_is_waited_for_at_any_speed_and_what_follows_comes_later_by_as_much(speed: float) -> None:
    began = time.monotonic_ns()
    await played((Begin(0, HEAD, Length(0)), Wait(0, 30_000_000), End(20_000_000)), speed)

    assert time.monotonic_ns() - began >= 30_000_000 + (10_000_000 if speed == 2.0 else 0)


async def test_no_step_comes_before_its_time() -> None:
    began = time.monotonic_ns()
    await played((Begin(0, HEAD, Length(0)), End(40_000_000)), 2.0)

    assert time.monotonic_ns() - began >= 19_000_000


async def test_a_slower_client_stops_it() -> None:
    listener = Listener()
    playing = Playing(listener, STEPS, started=time.monotonic_ns(), speed=AT_ONCE)
    playing.pause_reading()
    await asyncio.sleep(0.02)
    before = list(listener.told)
    playing.resume_reading()
    await listener.done.wait()

    assert (before, listener.told[-1]) == ([], "ended")


async def test_after_its_end_nothing_is_told() -> None:
    listener = Listener()
    playing = Playing(listener, STEPS, started=time.monotonic_ns(), speed=1.0)
    playing.abort()
    playing.abort()
    await asyncio.sleep(0.02)

    assert listener.told == []


async def test_it_may_be_given_up_out_of_a_step() -> None:
    class Leaver(Listener):
        def data(self, data: bytes, payload: list[bytes] | None) -> None:
            super().data(data, payload)
            playing.release()
            self.done.set()

    listener = Leaver()
    playing = Playing(listener, STEPS, started=time.monotonic_ns(), speed=1.0)
    await listener.done.wait()
    await asyncio.sleep(0.02)

    assert listener.told == ["interim 103", "head 200", "data ab ab"]


@pytest.mark.parametrize("error", [StoreError("a piece is damaged"), RuntimeError("a fault of ours")])
async def test_what_fails_in_the_middle_breaks_the_answer(error: Exception) -> None:
    def failing() -> Iterator[Step]:
        yield from STEPS[:3]
        raise error

    assert (await played(failing()))[-1] == "broke"


async def test_a_long_answer_is_drawn_bit_by_bit() -> None:
    drawn = 0

    def long() -> Iterator[Step]:
        nonlocal drawn
        yield Begin(0, HEAD, Length(0))
        for _ in range(1000):
            drawn += 1
            yield Data(0, b"x" * 100_000, b"x" * 100_000)
        yield End(0)

    listener = Listener()
    playing = Playing(listener, long(), started=time.monotonic_ns(), speed=AT_ONCE)
    playing.pause_reading()
    await asyncio.sleep(0.05)
    ahead = drawn
    playing.resume_reading()
    await listener.done.wait()

    assert ahead <= 11
    assert drawn == 1000


async def test_what_a_client_says_is_of_no_account() -> None:
    listener = Listener()
    playing = Playing(listener, STEPS, started=time.monotonic_ns(), speed=AT_ONCE)
    playing.begin(listener, "POST")
    playing.write(b"anything")
    await playing.drain()
    await listener.done.wait()

    assert (playing.stalled, playing.answered, listener.told[-1]) == (False, True, "ended")
