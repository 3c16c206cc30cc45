"""Random sessions of a client that reacts to what it hears, said again to the same client: it hears the same in the same order, and waits for nothing."""

from __future__ import annotations

import json
from collections import deque

import pytest

from playhead.proxy.script import AT_ONCE
from playhead.proxy.sockets.interleaving import Interleaving, Log, Play
from playhead.proxy.sockets.recorded_sockets import roots_of
from playhead.storage.connecting.connected import LogEntry
from playhead.storage.replaying.replay_rows import TurnRow
from random_client import RandomClient
from random_sessions import Heard, Session, play


def log_of(heard: Heard) -> Log:
    """The log that the recorder keeps of such a session."""
    responses: dict[int, str] = {}
    for place, (direction, text) in enumerate(heard.messages):
        if direction == "<" and (turn := heard.turns[place]) and '"response.created"' in text:
            responses.setdefault(turn, json.loads(text)["response"]["id"])
    turns = [TurnRow(turn, turn, begun.lane, responses.get(turn), begun.parent, begun.steer, "complete") for turn, begun in sorted(heard.begun.items())]
    asked = {heard.turns[place] for place in heard.places(">")}
    entries = [LogEntry(direction == "<", 1, place, heard.turns[place], len(text)) for place, (direction, text) in enumerate(heard.messages)]
    return Log.of(entries, roots_of(turns, asked))


def heard_again(session: Session, seed: int) -> list[str]:
    """What the same client hears in a replay."""
    log, messages = log_of(session.heard), session.heard.messages
    inter, client = Interleaving(log, speed=AT_ONCE, now=0), RandomClient(seed)
    places = iter(session.heard.places(">"))
    got: list[str] = []
    saying = deque(client.begin())
    while client.leaves is None:
        while saying:
            text, place = saying.popleft(), next(places, None)
            if place is None:  # it was on its way when the connection ended
                continue
            assert messages[place] == (">", text)
            root = log.root(log.turns[place])
            if root and place == log.asked(root):
                inter.come(root, 0)
            else:
                inter.said(place, 0)
        said = [messages[log.answers[out.turn][number]][1] for out in inter.advance(0) if isinstance(out, Play) for number in range(out.start, out.stop)]
        if not said:
            assert inter.wake is None
            break
        for one in said:
            got.append(one)
            saying += client.hear(one)
            if client.leaves is not None:
                break
    return got


@pytest.mark.parametrize("seeds", [range(0, 60), range(60, 120)], ids=str)
def test_a_client_that_reacts_as_it_did_hears_the_same_again(seeds: range) -> None:
    different = []
    for seed in seeds:
        session = play(seed)
        received = list(session.client.received)
        if heard_again(session, seed)[: len(received)] != received:  # more was on its way when the connection ended
            different.append(seed)

    assert different == []
