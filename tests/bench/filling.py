"""A store of conversations, as the recorder's own writer makes it: with prices, fingerprints and entries of the chain. For what is measured over many."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from playhead.config.settings import Settings
from playhead.proxy.fingerprint import Asked, fingerprint
from playhead.proxy.pricing.setting import Costing
from playhead.storage.records import Batch, EventRow, Facts, Frame, ItemRow, Raw, Recorded
from playhead.storage.store import Store

DAY_NS = 86_400_000_000_000
MODELS = ("gpt-6-sol", "gpt-6-luna", "gpt-5-mini", "gpt-5.1", "gpt-4.1", "o4-mini")
_TALKS = 16  # side by side, each in a session of its own
_TURNS = 8
_BATCH = 5000
_FAILS = 0.01  # of the answers; each is asked for again
_UPSTREAM = "https://api.openai.com"
_HEAD = b"POST /v1/responses HTTP/1.1\r\nHost: api.openai.com\r\nContent-Type: application/json\r\n\r\n"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n\r\n"
_LIMIT = b'{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}'
_ASKED = Asked.of(_HEAD, _UPSTREAM)
_DELTA = b'event: response.output_text.delta\ndata: {"delta":"%b"}\n\n'


@dataclass
class _Talk:
    """`again`: which try of its last request the next exchange is, and whether that says so."""

    model: str
    key: str
    said: list[bytes] = field(default_factory=list)
    again: tuple[int, bool] | None = None


class Conversations:
    """Makes exchanges, the oldest first, over so many days until now. The same ones each time but for their age."""

    def __init__(self, count: int, days: int) -> None:
        self._count, self._days, self._now = count, days, time.time_ns()
        self._chance = random.Random(7)
        chance = self._chance
        words = [chance.randbytes(chance.randint(2, 6)).hex().encode() for _ in range(4000)]
        self._text = chance.choices(words, k=200_000)
        self._talks = [self._begun() for _ in range(_TALKS)]
        self._cost_of = Costing(Settings())

    def __iter__(self) -> Iterator[Recorded]:
        for number in range(1, self._count + 1):
            yield self._exchange(number)

    def _begun(self) -> _Talk:
        return _Talk(self._chance.choice(MODELS), f"k{self._chance.randrange(5)}")

    def _words(self, count: int) -> Sequence[bytes]:
        start = self._chance.randrange(len(self._text) - count)
        return self._text[start : start + count]

    def _exchange(self, number: int) -> Recorded:
        chance, age_ns = self._chance, (self._count - number) * self._days * DAY_NS // self._count
        place = chance.randrange(_TALKS)
        talk = self._talks[place]
        again, talk.again = talk.again, None
        if again is None:
            if len(talk.said) >= _TURNS:
                talk = self._talks[place] = self._begun()
            talk.said.append(b" ".join(self._words(60)))
        if chance.random() < _FAILS:
            talk.again = (again[0] + 1 if again else 2, chance.random() < 0.5)
        told = Recorded("bench", number, f"agents-{place}", "run", "sse", "POST", "/v1/responses", self._now - age_ns)
        told.attempt = again[0] if again and again[1] else None
        told.key_id, told.upstream, told.request_id, told.outcome = talk.key, _UPSTREAM, f"req_{chance.randbytes(12).hex()}", "complete"
        if talk.again:
            self._refused(told, talk)
        else:
            self._answered(told, talk)
        told.fingerprint = fingerprint(_ASKED, told.raw.request)
        told.request_bytes, told.response_bytes = len(told.raw.request), len(told.raw.response)
        told.cost = self._cost_of(told)
        return told

    def _request(self, talk: _Talk) -> bytes:
        return b'{"model":"%b","stream":true,"input":["%b"]}' % (talk.model.encode(), b'","'.join(talk.said))

    def _refused(self, told: Recorded, talk: _Talk) -> None:
        told.transport, told.status = "http", 429
        told.first_event_ns = told.duration_ns = int(self._chance.lognormvariate(4, 1) * 1e6)
        told.facts = Facts("responses", talk.model, error_code="rate_limit_exceeded", parse="parsed")
        request = self._request(talk)
        told.raw = Raw(_HEAD, request, _REFUSED, _LIMIT, frames=(Frame(0, 1000, len(request)), Frame(1, 900_000, len(_LIMIT))))

    def _answered(self, told: Recorded, talk: _Talk) -> None:
        chance, turns = self._chance, len(talk.said)
        answer = b"".join([_DELTA % word for word in self._words(8)])
        told.status, told.first_event_ns = 200, int(chance.lognormvariate(6, 1) * 1e6)
        told.duration_ns = told.first_event_ns + int(chance.lognormvariate(8, 1) * 1e6)
        told.events = [EventRow(seq, told.first_event_ns, 1, "response.output_text.delta", seq, None, len(answer) // 8) for seq in range(8)]
        told.event_count = 8
        usage = {"input_tokens": 200 * turns, "input_tokens_details": {"cached_tokens": 200 * (turns - 1)}}
        usage |= {"output_tokens": (out := chance.randrange(900)), "output_tokens_details": {"reasoning_tokens": out // 3}, "total_tokens": 200 * turns + out}
        tier = "default" if chance.random() < 0.9 else "flex"
        id_ = chance.randbytes(24).hex()
        told.facts = Facts("responses", talk.model, f"resp_{id_}", response_status="completed", service_tier=tier, usage=usage, parse="parsed")
        told.items = [ItemRow("output", 0, "message", f"msg_{id_}", None, None, "completed")]
        request = self._request(talk)
        frames = (Frame(0, 1000, len(request)), Frame(1, told.first_event_ns, len(answer)))
        told.raw = Raw(_HEAD, request, _ANSWER, answer, frames=frames, chunks=(len(answer),))


def fill(path: Path, count: int, days: int = 60) -> None:
    """Write a store of them. A record of how long it took is printed."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    began, cpu = time.monotonic(), time.process_time()
    with Store.open(f"sqlite:///{path}", create=True) as store:
        batch: list[Recorded] = []
        for number, one in enumerate(Conversations(count, days), 1):
            batch.append(one)
            if len(batch) >= _BATCH or number == count:
                store.write(Batch(batch, gone=["bench"] if number == count else []))
                batch = []
    print(f"{count:,} exchanges written in {time.monotonic() - began:.0f} s, {time.process_time() - cpu:.0f} s of CPU")
