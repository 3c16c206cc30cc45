"""The tape: the journal has it before the client gets it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journals import read_all, writer
from playhead.proxy.notes import end
from playhead.proxy.tapes.tape import Tape
from playhead.storage.journal import JournalWriter, Kind

END = 8
WHOLE, LOST = end("complete"), end("complete", lost=True)


class Client:
    """Whose bytes wait for the journal."""

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.got: list[Any] = []
        self.problems: list[str] = []

    def take(self, what: Any) -> None:
        self.got.append(what)

    def unrecordable(self, problem: str) -> None:
        self.problems.append(problem)


def payloads(directory: Path) -> list[bytes]:
    return [frame.payload for frame in read_all(directory)]


def ending(lost: bool) -> bytes:
    return LOST if lost else WHOLE


async def turns(done: Callable[[], object]) -> None:
    """Let the event loop turn until something is so."""
    while not done():
        await asyncio.sleep(0.001)


async def turn() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def full(directory: Path, **options: Any) -> JournalWriter:
    """A journal that has no room for anything."""
    return writer(directory, limit=1, **options)


async def test_exchanges_are_numbered_from_one(tmp_path: Path) -> None:
    tape = Tape(None, strict=False)

    assert [tape.open(), tape.open()] == [1, 2]


async def test_a_client_gets_its_bytes_when_the_journal_has_them(tmp_path: Path) -> None:
    tape, seen = Tape(writer(tmp_path), strict=False), []
    tape.record(5, 1, 0, b"answer")
    tape.then(Client(), lambda: seen.extend(payloads(tmp_path)))
    await turns(lambda: seen)

    assert seen == [b"answer"]
    tape.shut()


async def test_what_is_recorded_is_written_together_with_the_next_step(tmp_path: Path) -> None:
    tape, client = Tape(writer(tmp_path), strict=False), Client()
    tape.record(5, 1, 0, b"a")
    tape.record(5, 2, 0, b"b")
    before = payloads(tmp_path)
    tape.then(client, client.take, 1)

    assert (before, payloads(tmp_path), client.got) == ([], [b"a", b"b"], [1])
    tape.shut()


@pytest.mark.parametrize("kind", [Kind.OPEN, Kind.BEGIN, Kind.REQUEST_DATA, Kind.CLIENT_FRAME])
async def test_what_a_client_has_sent_is_written_though_no_step_follows(tmp_path: Path, kind: Kind) -> None:
    tape = Tape(writer(tmp_path), strict=False)
    tape.record(kind, 1, 0, b"asked")
    await turns(lambda: payloads(tmp_path))

    assert payloads(tmp_path) == [b"asked"]
    tape.shut()


async def test_an_end_is_written_though_no_step_follows(tmp_path: Path) -> None:
    tape = Tape(writer(tmp_path), strict=False)
    tape.close(1, 9, END, ending)
    await turns(lambda: payloads(tmp_path))

    assert payloads(tmp_path) == [WHOLE]
    tape.shut()


async def test_much_that_a_client_sends_is_written_at_once(tmp_path: Path) -> None:
    tape = Tape(writer(tmp_path), strict=False)
    tape.record(Kind.REQUEST_DATA, 1, 0, bytes(2 << 20))

    assert len(payloads(tmp_path)) == 1
    tape.shut()


async def test_steps_are_taken_in_order(tmp_path: Path) -> None:
    tape, client = Tape(writer(tmp_path), strict=False), Client()
    for place in range(5):
        tape.then(client, client.take, place)
    await turn()

    assert client.got == [0, 1, 2, 3, 4]
    tape.shut()


async def test_a_step_that_begins_another_does_not_lose_it(tmp_path: Path) -> None:
    tape, client = Tape(writer(tmp_path), strict=False), Client()
    tape.then(client, lambda: tape.then(client, client.take, "second"))
    await turns(lambda: client.got)

    assert client.got == ["second"]
    tape.shut()


async def test_without_a_journal_steps_are_taken(tmp_path: Path) -> None:
    tape, client = Tape(None, strict=True), Client()
    tape.record(5, 1, 0, b"x")
    tape.close(1, 0, END, ending)
    tape.then(client, client.take, 1)
    await turn()

    assert (client.got, tape.flush_now(), tape.dropped) == ([1], None, 0)
    tape.shut()


async def test_what_is_passed_on_is_in_the_journal_behind_what_was_recorded_before(tmp_path: Path) -> None:
    tape, seen = Tape(writer(tmp_path), strict=False), list[bytes]()

    class Looking(Client):
        def take(self, what: Any) -> None:
            seen.extend([*payloads(tmp_path), what])

    tape.record(5, 2, 0, b"a")
    tape.pass_on(Looking(), 5, 0, b"b", b"c")

    assert seen == [b"a", b"b", b"c"]
    tape.shut()


async def test_what_is_passed_on_without_a_journal_is_taken(tmp_path: Path) -> None:
    tape, client = Tape(None, strict=False), Client()
    tape.pass_on(client, 5, 0, b"x", b"x")

    assert client.got == [b"x"]


async def test_a_client_that_fails_to_take_is_told_of_and_the_next_gets_its_bytes(tmp_path: Path) -> None:
    tape, client, told = Tape(writer(tmp_path), strict=False), Client(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))

    class Failing(Client):
        def take(self, what: Any) -> None:
            raise RuntimeError

    tape.pass_on(Failing(), 5, 0, b"a", b"a")
    tape.pass_on(client, 5, 0, b"b", b"b")

    assert client.got == [b"b"]
    assert [type(error) for error in told] == [RuntimeError]
    tape.shut()


async def test_a_step_that_fails_does_not_keep_the_others_from_theirs(tmp_path: Path) -> None:
    tape, client, told = Tape(writer(tmp_path), strict=False), Client(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    tape.then(Client(), lambda: [][0])
    tape.then(client, client.take, 1)
    await turn()

    assert client.got == [1]
    assert [type(error) for error in told] == [IndexError]
    tape.shut()


async def test_what_is_left_is_written_when_the_tape_is_shut(tmp_path: Path) -> None:
    tape = Tape(writer(tmp_path), strict=False)
    tape.record(5, 1, 0, b"x")
    tape.shut()
    tape.shut()

    assert payloads(tmp_path) == [b"x"]
    await turn()


async def test_an_exchange_that_is_whole_says_so_at_its_end(tmp_path: Path) -> None:
    tape = Tape(writer(tmp_path), strict=False)
    tape.record(5, 1, 0, b"x")
    tape.close(1, 9, END, ending)
    tape.flush_now()

    assert payloads(tmp_path) == [b"x", WHOLE]
    assert tape.dropped == 0
    tape.shut()


# What cannot be recorded, relaxed.


async def test_relaxed_clients_get_their_bytes_though_nothing_can_be_recorded(tmp_path: Path) -> None:
    tape, client = Tape(full(tmp_path), strict=False), Client()
    tape.record(5, 1, 0, b"x")
    tape.then(client, client.take, 1)
    await turn()

    assert (client.got, client.problems, payloads(tmp_path)) == ([1], [], [])
    tape.shut()


async def test_relaxed_clients_take_what_is_passed_on_though_it_cannot_be_recorded(tmp_path: Path) -> None:
    tape, client = Tape(full(tmp_path), strict=False), Client()
    tape.pass_on(client, 5, 0, b"a", b"a")
    tape.pass_on(client, 5, 1, b"not even tried", b"b")

    assert (client.got, client.problems, payloads(tmp_path)) == ([b"a", b"b"], [], [])
    tape.shut()


async def test_an_end_that_is_lost_with_what_is_passed_on_is_counted(tmp_path: Path) -> None:
    tape = Tape(full(tmp_path), strict=False)
    tape.close(1, 1, END, ending)
    tape.pass_on(Client(2), 5, 0, b"x", b"x")

    assert tape.journal is not None
    assert (tape.dropped, tape.journal.lost) == (1, {2})
    tape.shut()


async def test_an_exchange_with_lost_frames_says_so_and_is_counted_once(tmp_path: Path) -> None:
    other = writer(tmp_path, "other")
    other.append(5, 1, 0, bytes(2000))
    other.close()
    tape = Tape(writer(tmp_path, limit=1000), strict=False)
    tape.record(5, 1, 0, bytes(200))
    tape.flush_now()
    (tmp_path / "other-000001.seg").unlink()
    tape.record(5, 1, 1, b"not even tried")
    tape.close(1, 2, END, ending)
    tape.flush_now()

    assert payloads(tmp_path) == [LOST]
    assert tape.dropped == 1
    assert tape.journal is not None
    assert tape.journal.lost == set()
    tape.shut()


async def test_an_exchange_whose_end_is_lost_is_counted_and_forgotten(tmp_path: Path) -> None:
    tape = Tape(full(tmp_path), strict=False)
    tape.record(5, 1, 0, b"x")
    tape.close(1, 1, END, ending)
    tape.flush_now()

    assert tape.journal is not None
    assert (tape.dropped, tape.journal.lost) == (1, set())
    tape.shut()


async def test_an_exchange_that_loses_frames_first_and_its_end_later_is_counted_once(tmp_path: Path) -> None:
    tape = Tape(full(tmp_path), strict=False)
    tape.record(5, 1, 0, b"x")
    tape.flush_now()
    tape.close(1, 1, END, ending)
    tape.flush_now()

    assert tape.journal is not None
    assert (tape.dropped, tape.journal.lost) == (1, set())
    tape.shut()


async def test_writing_at_once_tells_why_it_failed(tmp_path: Path) -> None:
    tape = Tape(full(tmp_path), strict=False)
    tape.record(5, 1, 0, b"x")

    assert tape.flush_now() == "the journal has reached its limit"
    tape.shut()
    await turn()


async def test_writing_at_once_writes(tmp_path: Path) -> None:
    tape = Tape(writer(tmp_path), strict=False)
    tape.record(5, 1, 0, b"x")

    assert (tape.flush_now(), payloads(tmp_path)) == (None, [b"x"])
    tape.shut()
    await turn()


async def test_what_is_lost_when_written_at_once_is_counted_as_well(tmp_path: Path) -> None:
    tape = Tape(full(tmp_path), strict=False)
    tape.record(5, 1, 0, b"x")
    tape.close(1, 1, END, ending)
    tape.flush_now()
    await turn()

    assert tape.journal is not None
    assert (tape.dropped, tape.journal.lost) == (1, set())
    tape.shut()


# Strict.


async def test_strict_clients_get_their_bytes_in_order(tmp_path: Path) -> None:
    tape, client = Tape(writer(tmp_path, durable=True, segment_bytes=200), strict=True), Client()
    for place in range(20):
        tape.record(5, 1, place, b"%d" % place)
        tape.then(client, client.take, place)
        if place % 3 == 0:
            await turn()
    await turns(lambda: len(client.got) == 20)

    assert client.got == list(range(20))
    assert payloads(tmp_path) == [b"%d" % place for place in range(20)]
    tape.shut()


async def test_strict_clients_do_not_get_what_is_not_on_disk_yet(tmp_path: Path) -> None:
    tape, client = Tape(writer(tmp_path), strict=True), Client()
    tape.record(5, 1, 0, b"x")
    tape.then(client, client.take, 1)
    await asyncio.sleep(0)  # the turn ends; a thread has begun to bring it to the disk
    written, early = payloads(tmp_path), list(client.got)
    await turns(lambda: client.got)

    assert (written, early, client.got) == ([b"x"], [], [1])
    tape.shut()


async def test_strict_clients_do_not_take_what_is_passed_on_before_it_is_on_disk(tmp_path: Path) -> None:
    tape, client = Tape(writer(tmp_path), strict=True), Client()
    tape.pass_on(client, 5, 0, b"x", b"y")
    await asyncio.sleep(0)
    written, early = payloads(tmp_path), list(client.got)
    await turns(lambda: client.got)

    assert (written, early, client.got) == ([b"x"], [], [b"y"])
    tape.shut()


async def test_strict_clients_do_not_get_what_cannot_be_recorded(tmp_path: Path) -> None:
    tape, client = Tape(full(tmp_path), strict=True), Client()
    tape.record(5, 1, 0, b"x")
    tape.then(client, client.take, 1)
    tape.then(client, client.take, 2)
    await turn()

    assert (client.got, client.problems) == ([], ["the journal has reached its limit"])
    tape.shut()


async def test_strict_clients_do_not_get_what_was_dropped_earlier_in_the_turn(tmp_path: Path) -> None:
    tape, client = Tape(full(tmp_path), strict=True), Client()
    tape.record(5, 1, 0, b"x")
    tape.then(client, client.take, 1)
    tape.flush_now()  # for another exchange
    await turn()

    assert (client.got, len(client.problems)) == ([], 1)
    tape.shut()


async def test_strict_clients_do_not_get_what_was_dropped_for_a_new_segment(tmp_path: Path) -> None:
    tape, client = Tape(writer(tmp_path, limit=2000, segment_bytes=500), strict=True), Client()
    tape.record(5, 1, 0, bytes(5000))
    tape.record(5, 2, 0, b"fits")
    tape.then(client, client.take, 1)
    await turns(lambda: client.got or client.problems)

    assert (client.got, len(client.problems)) == ([], 1)
    tape.shut()


async def test_strict_traffic_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    other = writer(tmp_path, "other")
    other.append(5, 1, 0, bytes(2000))
    other.close()
    tape, client = Tape(writer(tmp_path, limit=1000), strict=True), Client()
    tape.record(5, 1, 0, bytes(200))
    tape.then(client, client.take, 1)
    await turns(lambda: client.problems)
    (tmp_path / "other-000001.seg").unlink()
    tape.record(5, 2, 0, b"x")
    tape.then(client, client.take, 2)
    await turns(lambda: client.got)

    assert client.got == [2]
    tape.shut()


async def test_strict_clients_of_what_is_not_recorded_need_not_wait(tmp_path: Path) -> None:
    tape, client = Tape(full(tmp_path), strict=True), Client(number=0)
    tape.record(5, 1, 0, b"of another")
    tape.then(client, client.take, 1)
    await turn()

    assert (client.got, client.problems) == ([1], [])
    tape.shut()
