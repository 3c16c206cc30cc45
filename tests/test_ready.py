"""An exchange in memory: its steps, put together."""

from __future__ import annotations

from playhead.proxy.http1 import Length, parse_head
from playhead.proxy.ready import ready, together
from playhead.proxy.script import Begin, Data, End, Hold, Interim

HEAD = parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
EARLY = parse_head(b"HTTP/1.1 103 Early Hints\r\n\r\n")
STEPS = (Interim(1, EARLY), Begin(2, HEAD, Length(3)), Data(3, b"1\r\na\r\n", b"a"), Data(4, b"2\r\nbc\r\n", b"bc"), End(5))


def test_what_is_taken_at_once_is_in_one_piece() -> None:
    one = ready(iter(STEPS), at_once=True)

    assert (one.interims, one.begin, one.finale, one.steps) == (STEPS[:1], STEPS[1], STEPS[-1], ())
    assert (one.data, one.payload) == (b"1\r\na\r\n2\r\nbc\r\n", b"abc")


def test_what_is_taken_in_its_times_keeps_its_steps() -> None:
    one = ready(iter(STEPS), at_once=False)

    assert (one.steps, one.data, one.finale) == (STEPS, b"", STEPS[-1])


def test_its_size_counts_its_bytes() -> None:
    for at_once in (True, False):
        assert ready((*STEPS[:2], Data(3, b"x" * 5000, b"x" * 5000), End(5)), at_once).size > 10_000


def test_there_may_be_no_answer_at_all() -> None:
    one = ready([Hold(7)], at_once=True)

    assert (one.begin, one.data, one.finale) == (None, b"", Hold(7))


def test_pieces_that_follow_one_another_go_together() -> None:
    assert together(STEPS) == [*STEPS[:2], Data(4, b"1\r\na\r\n2\r\nbc\r\n", b"abc"), STEPS[-1]]
    assert together(STEPS[:3]) == list(STEPS[:3])
    assert together([]) == []
