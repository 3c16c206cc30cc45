"""Sessions of a random client and the simulated upstream, with a hearer between them such as playhead is. Without sockets, all from a seed.

What is on its way stays there for as long as the seed says: so messages cross in every way that they can on a network.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from playhead.proxy.lanes import Assigned, Begun, Ended, Lanes, Step
from playhead.proxy.models.doors import parse_client_event, parse_server_event
from playhead.proxy.simulation.simulated_plan import Close, Cut
from playhead.proxy.simulation.simulated_socket import Act, Made, Say, SimulatedSocket
from random_client import RandomClient

_DELTA = '{"type":"response.output_text.delta"'


@dataclass
class Heard:
    """What lanes made of a session. Messages of both directions have a common count."""

    messages: list[tuple[str, str]] = field(default_factory=list)  # direction and text
    turns: dict[int, int] = field(default_factory=dict)
    begun: dict[int, Begun] = field(default_factory=dict)
    ended: dict[int, bool] = field(default_factory=dict)
    ended_at: dict[int, int] = field(default_factory=dict)  # how many messages had come
    lanes: Lanes = field(default_factory=Lanes)

    def hear(self, direction: str, text: str) -> None:
        token = len(self.messages)
        self.messages.append((direction, text))
        if direction == "<" and text.startswith(_DELTA) and "stream_id" not in text and self.lanes.running(None):
            self.turns[token] = self.lanes.running(None)  # as the recorder does with what need not be parsed
            return
        data = text.encode()
        self._take(self.lanes.client(token, parse_client_event(data)) if direction == ">" else self.lanes.server(token, parse_server_event(data)))

    def close(self) -> None:
        self._take(self.lanes.close())

    def _take(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if isinstance(step, Begun):
                self.begun[step.turn] = step
            elif isinstance(step, Ended):
                self.ended[step.turn], self.ended_at[step.turn] = step.whole, len(self.messages)
            elif isinstance(step, Assigned):
                assert step.token not in self.turns
                self.turns[step.token] = step.turn

    def places(self, direction: str) -> list[int]:
        """Where the messages of one direction stand."""
        return [place for place, (way, _) in enumerate(self.messages) if way == direction]


@dataclass
class Session:
    """One that has been played. `quiet`: it ended because nobody had anything to say, and the client had not left."""

    client: RandomClient
    socket: SimulatedSocket
    heard: Heard
    quiet: bool


class LoggedSocket(SimulatedSocket):
    """One that also remembers what it said."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.texts: list[str] = []

    def next(self) -> Act | None:
        act = super().next()
        if isinstance(act, Say):
            self.texts.append(act.text)
        return act


def upstream_of(seed: int) -> LoggedSocket:
    """The upstream's end of one connection."""
    random = Random(f"upstream {seed}")
    limit = random.choice((1 << 30, 1 << 30, 1 << 30, random.randrange(1, 12)))
    return LoggedSocket(str(seed), random.randrange, limit=limit)


def play(seed: int) -> Session:
    """Play one to its end."""
    random = Random(f"network {seed}")
    client, socket, heard = RandomClient(seed), upstream_of(seed), Heard()
    lazy = random.random()  # of the network, against the upstream
    up, through, down, back = (deque[str]() for _ in range(4))  # to the hearer, to upstream, to the hearer, to the client
    up += client.begin()
    while True:
        moves = [queue for queue in (up, through, down, back) if queue]
        if not moves or random.random() < lazy:
            act = None if client.leaves or socket.over else socket.next()
            if isinstance(act, Say):
                down.append(act.text)
                continue
            if isinstance(act, Close | Cut) or (act is None and not moves):
                break
        if moves:
            _move(random.choice(moves), (up, through, down, back), client, socket, heard)
            if client.leaves is not None and random.random() < 0.5:
                break
    while down and client.leaves is None:  # an end comes behind what was said before
        _move(random.choice([queue for queue in (up, down) if queue]), (up, through, down, back), client, socket, heard)
    heard.close()
    return Session(client, socket, heard, quiet=client.leaves is None and not socket.over)


def _move(queue: deque[str], queues: tuple[deque[str], ...], client: RandomClient, socket: SimulatedSocket, heard: Heard) -> None:
    up, through, down, back = queues
    text = queue.popleft()
    if queue is up:
        heard.hear(">", text)
        through.append(text)
    elif queue is through:
        socket.receive(text)
    elif queue is down:
        heard.hear("<", text)
        back.append(text)
    else:
        up += client.hear(text)


def faults(session: Session) -> list[str]:
    """Where lanes say something else than the log of the upstream, in words."""
    return [*_wrong_makings(session), *_wrong_messages(session), *_wrong_usage(session)]


def _turn_of(made: Made, heard: Heard, clients: list[int], servers: list[int]) -> int | None:
    """The turn that a response of the log is, by its create or else by its first event; None: nothing of it was heard."""
    if made.create is not None:
        return heard.turns[clients[made.create]]
    return next((heard.turns[servers[event]] for event in made.events if event < len(servers)), None)


def _wrong_makings(session: Session) -> list[str]:
    heard, wrong = session.heard, []
    clients, servers = heard.places(">"), heard.places("<")
    seen = set[int]()
    for made in session.socket.made:
        turn = _turn_of(made, heard, clients, servers)
        if turn is None:
            continue
        if turn == 0 or turn in seen:
            wrong.append(f"{made.id} of create {made.create} is turn {turn}, which is none or another's")
            continue
        seen.add(turn)
        begun = heard.begun[turn]
        if isinstance(made.lane, str | None) and made.lane is not None and len(made.lane) < 300 and begun.lane != made.lane:
            wrong.append(f"turn {turn} is on {begun.lane} and not {made.lane}")
        if (begun.parent, begun.steer) != (made.parent, made.steers[0] if made.steers else None):
            wrong.append(f"turn {turn} begins by {begun.parent}, {begun.steer} and not {made.parent}, {made.steers}")
        whole = made.end is not None and made.end < len(servers)
        if heard.ended[turn] != whole:
            wrong.append(f"turn {turn} ({made.ending}) is whole: {heard.ended[turn]}")
    return wrong


def _wrong_messages(session: Session) -> list[str]:
    heard, wrong = session.heard, []
    clients, servers = heard.places(">"), heard.places("<")
    by_id = {made.id: _turn_of(made, heard, clients, servers) for made in session.socket.made if made.id is not None}
    for made in session.socket.made:
        turn = _turn_of(made, heard, clients, servers)
        wrong += _elsewhere(heard, (servers[event] for event in made.events if event < len(servers)), turn)
    wrong += _elsewhere(heard, (servers[event] for event in session.socket.nobody if event < len(servers)), 0)
    for number, id_ in session.socket.steered.items():
        wrong += _elsewhere(heard, [clients[number]], 0 if id_ is None else by_id[id_])
    creates = {made.create for made in session.socket.made} | session.socket.steered.keys()
    wrong += [f"message {place} of the client is of no turn" for number, place in enumerate(clients) if _odd(heard, place, number in creates)]
    return wrong


def _elsewhere(heard: Heard, places: Iterable[int], turn: int | None) -> list[str]:
    """Those of the messages that lanes do not say to be of this turn."""
    elsewhere = [place for place in places if heard.turns[place] != turn and not _late(heard, place, turn)]
    return [f"message {place} is of turn {turn} and not of {heard.turns[place]}: {heard.messages[place][1][:300]}" for place in elsewhere]


def _odd(heard: Heard, place: int, known: bool) -> bool:
    """Whether what is no create and no steer belongs to a turn."""
    text = heard.messages[place][1]
    return not known and '"response.create"' not in text and '"response.steer"' not in text and heard.turns[place] != 0


def _late(heard: Heard, place: int, turn: int | None) -> bool:
    """Whether this is a steer, or its failure, that crossed the end of the response that it names."""
    text = heard.messages[place][1]
    crossed = turn is not None and heard.turns[place] == 0 and turn in heard.ended_at and heard.ended_at[turn] <= place
    return crossed and ('"response.steer"' in text or '"response.steer.failed"' in text)


def _wrong_usage(session: Session) -> list[str]:
    """The usage of all turns adds up to the upstream's own count."""
    heard = session.heard
    servers = heard.places("<")
    known = [made.usage["total_tokens"] for made in session.socket.made if made.usage is not None and all(event < len(servers) for event in made.events)]
    told: dict[int, int] = {}
    for place in servers:
        event: Any = json.loads(heard.messages[place][1])
        usage = (event.get("response") or {}).get("usage")
        if usage is not None:
            told[heard.turns[place]] = usage["total_tokens"]
    cut = [made for made in session.socket.made if made.usage is not None and any(event >= len(servers) for event in made.events)]
    return [] if cut or sum(told.values()) == sum(known) else [f"usage {told} and not {known}"]
