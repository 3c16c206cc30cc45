"""Which recorded handshake a handshake follows."""

from __future__ import annotations

from playhead.config.policies import Exhausted
from playhead.proxy.recordings.handshakes import Handshakes
from playhead.storage.connecting.connected import Handshake


def of(*exchanges: int | None) -> Handshakes:
    """Handshakes with one fingerprint; those of exchanges are transcripts, the others in Responses mode."""
    found = Handshakes()
    found.known([Handshake(number, 1, b"a", 101, exchange, "complete") for number, exchange in enumerate(exchanges, 1)])
    return found


def connections(handshakes: Handshakes, exhausted: Exhausted, count: int) -> list[int | None]:
    asked = ((handshakes.next([b"b", b"a"]) or handshakes.again([b"b", b"a"], exhausted)) for _ in range(count))
    return [one and one.connection for one in asked]


def test_the_nth_handshake_follows_the_nth() -> None:
    assert connections(of(8, 9), "fail", 3) == [1, 2, None]


def test_the_last_transcript_is_followed_again_where_that_is_wanted() -> None:
    assert connections(of(8, 9), "last", 4) == [1, 2, 2, 2]


def test_all_transcripts_are_followed_again_where_that_is_wanted() -> None:
    assert connections(of(8, 9), "cycle", 5) == [1, 2, 1, 2, 1]


def test_a_connection_in_responses_mode_is_not_followed_again() -> None:
    assert (connections(of(None), "last", 2), connections(of(None), "cycle", 2), Handshakes().again([b"a"], "cycle")) == ([1, None], [1, None], None)
