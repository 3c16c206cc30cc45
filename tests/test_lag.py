"""How far the recorder is behind: what counts, and from when on."""

from __future__ import annotations

from playhead.proxy.processes.lag import Lag


def test_nothing_written_is_no_lag() -> None:
    assert Lag().seconds({"a"}, {}, 5.0) == 0.0


def test_the_oldest_entry_that_is_left_counts() -> None:
    lag = Lag()
    for now, end in ((1.0, 10), (2.0, 20), (3.0, 30)):
        lag.wrote("a", (1, end), {}, now)

    assert lag.seconds({"a"}, {"a": (1, 10)}, 9.0) == 7.0
    assert lag.seconds({"a"}, {"a": (1, 29)}, 9.0) == 6.0
    assert lag.seconds({"a"}, {"a": (2, 0)}, 9.0) == 0.0


def test_the_worker_that_is_furthest_behind_counts() -> None:
    lag = Lag()
    lag.wrote("a", (1, 10), {}, 1.0)
    lag.wrote("b", (1, 10), {}, 4.0)

    assert lag.seconds({"a", "b"}, {}, 5.0) == 4.0
    assert lag.seconds({"a", "b"}, {"a": (1, 10)}, 5.0) == 1.0


def test_a_journal_that_is_gone_is_stored() -> None:
    lag = Lag()
    lag.wrote("a", (1, 10), {}, 1.0)

    assert lag.seconds(set(), {}, 5.0) == 0.0


def test_nobody_need_ask_for_what_is_taken_in_to_be_forgotten() -> None:
    lag = Lag()
    lag.wrote("a", (1, 10), {}, 1.0)
    lag.wrote("a", (1, 20), {"a": (1, 10)}, 2.0)

    assert lag.seconds({"a"}, {}, 5.0) == 3.0


def test_a_recorder_that_stands_for_long_takes_no_memory() -> None:
    lag = Lag()
    for number in range(3000):
        lag.wrote("a", (1, number), {}, float(number))

    assert lag.seconds({"a"}, {}, 3000.0) == 3000.0
    assert lag.seconds({"a"}, {"a": (1, 2998)}, 3000.0) > 0.0
    assert lag.seconds({"a"}, {"a": (1, 2999)}, 3000.0) == 0.0
