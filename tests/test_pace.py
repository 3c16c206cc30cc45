"""A recorder steps soon, and stands back where traffic needs all processors."""

from __future__ import annotations

import pytest

from playhead.proxy.recorders.pace import Pace, Seen


def busy(*, behind: bool = True) -> Pace:
    """A recorder that was abreast at 0 and made a long step, which ended at 1."""
    pace = Pace(0.0)
    pace.stepped(1.0, 1.0, behind=behind)
    return pace


def stands_back(pace: Pace, now: float = 1.1, *, idle: float | None = 0.0, room: bool = True, written: float = 0.001) -> bool:
    return pace.stands_back(now, Seen(idle, room, written))


def test_behind_the_next_step_comes_at_once() -> None:
    assert busy().rest == 0.0


@pytest.mark.parametrize(("spent", "rest"), [(0.0, 0.03), (0.01, 0.08), (0.5, 0.1)])
def test_abreast_a_long_step_is_followed_by_a_longer_rest(spent: float, rest: float) -> None:
    pace = Pace(0.0)
    pace.stepped(1.0, spent, behind=False)

    assert pace.rest == pytest.approx(rest)


def test_for_little_it_does_not_stand_back() -> None:
    pace = Pace(0.0)
    pace.stepped(1.0, 0.02, behind=False)

    assert not stands_back(pace)


def test_it_stands_back_while_traffic_needs_all_processors() -> None:
    assert stands_back(busy())


def test_it_goes_on_where_a_processor_is_idle() -> None:
    assert not stands_back(busy(), idle=0.9)


def test_it_goes_on_where_nobody_knows_how_busy_they_are() -> None:
    assert not stands_back(busy(), idle=None)


def test_it_goes_on_when_the_burst_is_over_whoever_needs_the_processors() -> None:
    assert not stands_back(busy(), written=0.2)


def test_it_goes_on_before_the_journal_grows_big() -> None:
    assert not stands_back(busy(), room=False)


def test_it_stands_back_for_five_seconds_at_the_longest() -> None:
    assert [stands_back(busy(), now) for now in (4.9, 5.1)] == [True, False]


def test_the_five_seconds_begin_anew_when_it_is_abreast() -> None:
    pace = busy()
    pace.stepped(6.0, 1.0, behind=False)

    assert stands_back(pace, 10.9)
