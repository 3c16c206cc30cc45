"""Of equal recordings the next, where it can be on the recorded lane that a lane has followed so far."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from playhead.config.policies import Exhausted
from playhead.proxy.recordings.following import Follower, Followers, Found
from playhead.proxy.recordings.replay_index import Lane, ReplayIndex
from playhead.storage.records import Asks, Fingerprint
from playhead.storage.replaying.replay_rows import ReplayRow


def digest(text: str) -> bytes:
    return hashlib.md5(text.encode()).digest()


def turns(*lanes: tuple[int, str | None], text: str = "x") -> ReplayIndex:
    """Equal turns on these lanes of connections, in that order."""
    return ReplayIndex(turn_rows(*lanes, text=text))


def turn_rows(*lanes: tuple[int, str | None], text: str = "x", first: int = 1) -> list[ReplayRow]:
    return [ReplayRow(number, 1, number, digest(text), "ws", "complete", False, 9, number, *lane) for number, lane in enumerate(lanes, first)]


class Client:
    """The lanes of clients, and what they are given."""

    def __init__(self, index: ReplayIndex, *, exhausted: Exhausted = "fail") -> None:
        self.index, self.exhausted = index, exhausted
        self.followers = Followers()

    def ask(self, follower: Follower, text: str = "x") -> int | None:
        """The exchange that is given to a lane."""
        found = self.followers.find(self.index, [Fingerprint(digest(text), "ws")], follower, exhausted=self.exhausted)
        return None if found.place is None else self.index.exchange(found.place)

    def found(self, text: str) -> Found:
        return self.followers.find(self.index, [Fingerprint(digest(text), "ws")], Follower(None, None), exhausted=self.exhausted)


def test_equal_turns_are_given_in_order() -> None:
    client, lane = Client(turns((1, None), (1, None), (1, None))), Follower(None, 1)

    assert [client.ask(lane) for _ in range(4)] == [1, 2, 3, None]


def test_a_lane_gets_its_namesakes_turns() -> None:
    client = Client(turns((1, "a"), (1, "b"), (1, "a"), (1, "b")))
    b, a = Follower("b", 1), Follower("a", 1)

    assert [client.ask(b), client.ask(b), client.ask(a), client.ask(a)] == [2, 4, 1, 3]


def test_a_lane_of_another_name_follows_one_recorded_lane() -> None:
    client = Client(turns((1, "a"), (1, "a"), (1, "b"), (1, "b")))
    x, y = Follower("x", 1), Follower("y", 1)

    assert [client.ask(x), client.ask(y), client.ask(x), client.ask(y)] == [1, 3, 2, 4]


def test_the_recorded_connection_of_a_client_comes_first() -> None:
    client = Client(turns((1, None), (2, None)))

    assert client.ask(Follower(None, 2)) == 2


def test_where_a_lane_has_nothing_left_another_one_does() -> None:
    client = Client(turns((1, "a"), (1, "b")))
    lane = Follower("a", 1)

    assert [client.ask(lane), client.ask(lane), lane.lane] == [1, 2, Lane(1, "b")]


def test_who_has_left_is_followed_by_another_one() -> None:
    client = Client(turns((1, "a"), (1, "a"), (1, "b")))
    first = Follower("x", 1)
    client.ask(first)
    client.followers.leave(first)

    assert client.ask(Follower("y", 1)) == 2


def rows(*asks: Asks) -> Iterable[ReplayRow]:
    return [ReplayRow(number, 1, number, digest("x"), one, "complete", False, 9) for number, one in enumerate(asks, 1)]


def test_what_was_recorded_over_http_serves_when_no_turn_is_left() -> None:
    index = ReplayIndex([*rows("sse", "http"), ReplayRow(3, 1, 3, digest("x"), "ws", "complete", False, 9, 1, 1, None)])
    client, lane = Client(index), Follower(None, 1)

    assert [client.ask(lane) for _ in range(4)] == [3, 1, 2, None]


def test_nothing_is_exhausted_that_was_not_recorded() -> None:
    client = Client(turns((1, None)))
    client.ask(Follower(None, 1))

    assert client.found("x").group is not None
    assert client.found("other").group is None


def test_the_last_one_is_given_again_where_that_is_wanted() -> None:
    client, lane = Client(turns((1, None), (1, None)), exhausted="last"), Follower(None, 1)

    assert [client.ask(lane) for _ in range(4)] == [1, 2, 2, 2]


def test_all_are_given_again_where_that_is_wanted() -> None:
    index = ReplayIndex([*rows("sse"), *turn_rows((1, "a"), (1, "a"), first=2)])
    client, lane = Client(index, exhausted="cycle"), Follower("b", 1)

    assert [client.ask(lane) for _ in range(7)] == [2, 3, 1, 2, 3, 1, 2]
    assert client.found("other").group is None


def test_what_was_recorded_over_http_alone_is_given_again_to_a_lane() -> None:
    client, lane = Client(ReplayIndex(rows("sse", "http")), exhausted="cycle"), Follower(None, 1)

    assert [client.ask(lane) for _ in range(5)] == [1, 2, 1, 2, 1]


@given(st.lists(st.tuples(st.integers(1, 2), st.sampled_from(["a", "b", None])), max_size=12), st.lists(st.integers(0, 3), max_size=20))
def test_every_turn_is_given_once(lanes: list[tuple[int, str | None]], asked: list[int]) -> None:
    client = Client(turns(*lanes))
    followers = [Follower("a", 1), Follower("b", 1), Follower(None, 2), Follower("z", None)]
    given_ = [client.ask(followers[which]) for which in asked]

    served = [one for one in given_ if one is not None]
    assert len(served) == len(set(served)) == min(len(lanes), len(asked))
