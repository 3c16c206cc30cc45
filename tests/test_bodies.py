"""Bodies: the codec finds a good base, keeps chains and memory bounded, and what it wrote is read back."""

from __future__ import annotations

import base64
import gzip
import importlib
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.config.errors import StoreError
from playhead.storage.bodies import MAX_DEPTH, STAR, Base, BodyCodec, BodyKey, StoredBody, decode_chain, encode_against
from playhead.storage.records import Frame, Raw

WORDS = (
    "agent",
    "reads",
    "file",
    "then",
    "runs",
    "tests",
    "and",
    "reports",
    "which",
    "function",
    "failed",
    "because",
    "cache",
    "entry",
    "was",
    "stale",
)
REQUEST_HEAD = b"POST /v1/responses HTTP/1.1\r\nhost: api.openai.com\r\ncontent-type: application/json\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"

REQUESTS = st.lists(st.sampled_from((b'{"a":1}', b"word ", b"x" * 300)), max_size=12).map(b"".join)
RAWS = st.builds(Raw, st.binary(max_size=20), REQUESTS, st.binary(max_size=20), REQUESTS)


class Rows:
    """What a store does with a codec: keeps rows by id and reads bases through it."""

    def __init__(self, memory: int = 64 << 20) -> None:
        self.codec = BodyCodec(memory)
        self.rows: dict[int, StoredBody] = {}

    def add(self, raw: Raw, session: str = "s", **known: Any) -> StoredBody:
        exchange = len(self.rows) + 1
        self.rows[exchange] = self.codec.encode(BodyKey(session, exchange, "responses", **known), raw)
        return self.rows[exchange]

    def read(self, exchange: int) -> Raw:
        return self.codec.decode(self.rows[exchange], self.read)

    def chain(self, exchange: int) -> list[StoredBody]:
        chain = [self.rows[exchange]]
        while (base := chain[-1].base) is not None:
            chain.append(self.rows[base])
        return chain

    @property
    def size(self) -> int:
        return sum(len(row.data) for row in self.rows.values())

    @property
    def raw_size(self) -> int:
        return sum(row.raw_bytes for row in self.rows.values())


def words(rng: random.Random, count: int) -> bytes:
    return " ".join(rng.choice(WORDS) for _ in range(count)).encode()


def streamed(request: bytes, blocks: Sequence[bytes], head: bytes = STREAM_HEAD) -> Raw:
    sizes = tuple(map(len, blocks))
    frames = (Frame(0, 1000, len(request)), *[Frame(1, 90_000 + 65_537 * i, size) for i, size in enumerate(sizes)])
    return Raw(REQUEST_HEAD, request, head, b"".join(blocks), b"", frames, sizes)


def conversation(turns: int, seed: int, tool_words: int = 150) -> Iterator[Raw]:
    """Each request holds the one before and its answer; what does not grow stands before and after."""
    rng = random.Random(seed)
    head, history, tail = b'{"instructions":"%s","input":[' % words(rng, 200), b'"start"', b'],"tools":["%s"]}' % words(rng, 200)
    for _ in range(turns):
        secret = rng.randbytes(100).hex().encode()
        deltas = [b'event: delta\ndata: {"delta":"%s"}\n\n' % rng.choice(WORDS).encode() for _ in range(20)]
        yield streamed(head + history + tail, [*deltas, b'event: done\ndata: {"reasoning":"%s","tail":"%s"}\n\n' % (secret, tail.hex().encode())])
        history += b',{"reasoning":"%s"},{"output":"%s"}' % (secret, words(rng, tool_words))


def error(request: bytes) -> Raw:
    return Raw(REQUEST_HEAD, request, b"HTTP/1.1 429 Too Many Requests\r\n\r\n", b'{"error":{"code":"rate_limit_exceeded"}}')


@given(st.lists(RAWS, max_size=12))
def test_whatever_is_written_is_read_back(raws: list[Raw]) -> None:
    rows = Rows()
    for raw in raws:
        rows.add(raw)

    assert [rows.read(exchange) for exchange in rows.rows] == raws
    assert [decode_chain(rows.chain(exchange)) for exchange in rows.rows] == raws


@given(st.lists(st.tuples(RAWS, st.sampled_from("ab"), st.sampled_from((None, "k"))), max_size=12))
def test_the_same_calls_give_the_same_bytes(calls: list[tuple[Raw, str, str | None]]) -> None:
    once, again = Rows(), Rows()
    for rows in (once, again):
        for raw, session, cache_key in calls:
            rows.add(raw, session, prompt_cache_key=cache_key)

    assert once.rows == again.rows


def test_a_row_tells_what_it_holds() -> None:
    raw = next(conversation(1, seed=1))
    row = Rows().add(raw)

    assert (row.base, row.depth, row.codec) == (None, 0, "z1")
    assert row.raw_bytes == len(raw.request_head + raw.request + raw.response_heads + raw.response)
    assert row.digest.startswith("xxh3:")


def test_a_conversation_is_written_against_itself_turn_by_turn() -> None:
    rows = Rows()
    for raw in conversation(10, seed=1):
        rows.add(raw)

    assert [row.base for row in rows.rows.values()] == [None, *range(1, 10)]


def test_conversations_that_take_turns_keep_to_themselves_though_their_cache_key_is_the_same() -> None:
    rows = Rows()
    for turn in zip(*[conversation(6, seed=seed) for seed in range(5)], strict=True):
        for raw in turn:
            rows.add(raw, prompt_cache_key="shared")

    assert [row.base for row in rows.rows.values()][10:] == list(range(6, 26))


def test_a_branch_goes_back_to_where_it_left() -> None:
    trunk = list(conversation(8, seed=2))
    branch = replace(trunk[5], request=trunk[4].request.replace(b'],"tools"', b',{"other":"%s"}],"tools"' % words(random.Random(9), 60)))
    rows = Rows()
    for raw in (*trunk[:6], branch):
        rows.add(raw)

    assert rows.rows[7].base == 5


def test_the_parent_response_leads_to_the_base() -> None:
    rng = random.Random(3)
    rows = Rows()
    for number in range(6):
        rows.add(
            streamed(b'{"input":"%s"}' % words(rng, 100), [b'data: {"%s"}\n\n' % words(rng, 50)]),
            response_id=f"resp_{number}",
            model=str(number),
        )
    follower = streamed(b'{"previous":"resp_2"}', [b'data: {"ok"}\n\n'])

    assert rows.add(follower, previous_response_id="resp_2", model="another").base == 3


def test_an_error_between_two_answers_is_not_the_base_of_the_retry() -> None:
    first, second = conversation(2, seed=4)
    rows = Rows()
    for raw in (first, error(second.request), second):
        rows.add(raw)

    assert rows.rows[3].base == 1


def test_the_same_request_again_is_written_against_the_first() -> None:
    raw = next(conversation(1, seed=5))
    rows = Rows()
    for _ in range(10):
        rows.add(raw)

    assert [row.base for row in rows.rows.values()] == [None, *[1] * 9]


def test_no_exchange_has_more_followers_than_can_be_written_anew() -> None:
    raw = next(conversation(1, seed=5))
    rows = Rows()
    for _ in range(STAR + 20):
        rows.add(raw)
    bases = [row.base for row in rows.rows.values()]

    assert bases.count(1) == STAR
    assert bases[STAR + 1 :] == [None, *[STAR + 2] * 18]


def test_questions_about_one_context_share_a_base() -> None:
    rng = random.Random(6)
    context = words(rng, 3000)
    rows = Rows()
    for _ in range(30):
        rows.add(streamed(b'{"context":"%s","question":"%s"}' % (context, words(rng, 60)), [b"data: %s\n\n" % words(rng, 30)]))

    assert {row.base for row in rows.rows.values()} == {None, 1}


def test_a_base_is_of_the_same_session() -> None:
    raw = next(conversation(1, seed=7))
    rows = Rows()
    rows.add(raw, "one")

    assert rows.add(raw, "two").base is None


def test_a_forgotten_exchange_is_no_base() -> None:
    raw = next(conversation(1, seed=7))
    rows = Rows()
    rows.add(raw)
    rows.codec.forget(1)
    rows.codec.forget(1)

    assert rows.add(raw).base is None


def test_an_exchange_encoded_again_is_not_its_own_base() -> None:
    raw = next(conversation(1, seed=7))
    codec = BodyCodec()

    assert [codec.encode(BodyKey("s", 1), raw).base for _ in range(2)] == [None, None]


def test_no_chain_grows_beyond_what_is_read_in_milliseconds() -> None:
    rows = Rows()
    raws = list(conversation(MAX_DEPTH * 9, seed=8, tool_words=10))
    for raw in raws:
        rows.add(raw)

    assert max(row.depth for row in rows.rows.values()) == MAX_DEPTH
    assert all(row.depth == len(rows.chain(exchange)) - 1 for exchange, row in rows.rows.items())
    assert decode_chain(rows.chain(len(raws))) == raws[-1]


def test_memory_is_bounded_and_everything_is_still_read() -> None:
    rows = Rows(memory=100_000)
    raws = [raw for turn in zip(*[conversation(12, seed=seed) for seed in range(4)], strict=True) for raw in turn]
    for raw in raws:
        rows.add(raw)

    assert rows.codec.held <= 100_000
    assert [rows.read(exchange) for exchange in rows.rows] == raws


def test_an_exchange_larger_than_the_memory_is_written_and_not_remembered() -> None:
    rows = Rows(memory=1000)
    raw = Raw(request=bytes(5000))
    rows.add(raw)

    assert rows.codec.held == 0
    assert rows.read(1) == raw


@given(st.permutations(range(1, 10)))
def test_when_all_is_forgotten_in_any_order_nothing_is_held(order: list[int]) -> None:
    rows = Rows()
    for raw in conversation(9, seed=9):
        rows.add(raw, prompt_cache_key="k", response_id="r")
    for exchange in order:
        rows.codec.forget(exchange)

    assert rows.codec.held == 0
    assert rows.add(next(conversation(1, seed=9))).base is None


def test_the_latest_turn_of_each_conversation_outlives_the_turns_before() -> None:
    lanes = [list(conversation(10, seed=seed)) for seed in range(6)]
    size = sum(len(lane[-1].request) + len(lane[-1].response) for lane in lanes)
    rows = Rows(memory=2 * size + 50_000)
    for turn in zip(*lanes, strict=True):
        for raw in turn:
            rows.add(raw)

    assert [row.base for row in rows.rows.values()][-6:] == list(range(49, 55))


def test_a_row_can_be_written_anew_against_another_base() -> None:
    first, _, third = conversation(3, seed=10)
    row = encode_against(third, Base(1, first, depth=4))

    assert (row.base, row.depth) == (1, 5)
    assert BodyCodec().decode(row, {1: first}.__getitem__) == third


def test_a_row_can_be_written_anew_alone() -> None:
    raw = next(conversation(1, seed=10))
    row = encode_against(raw, None)

    assert (row.base, row.depth) == (None, 0)
    assert decode_chain([row]) == raw


def test_a_base_that_has_changed_is_named() -> None:
    first, second = conversation(2, seed=11)
    rows = Rows()
    rows.add(first)
    row = rows.add(second)
    changed = replace(first, request=first.request[:20] + b"#" + first.request[21:])

    with pytest.raises(StoreError, match="exchange 1, which it is a delta of, is not what it was then"):
        rows.codec.decode(row, {1: changed}.__getitem__)


def test_a_digest_that_does_not_fit_is_told() -> None:
    row = Rows().add(next(conversation(1, seed=11)))._replace(digest="xxh3:" + "0" * 32)

    with pytest.raises(StoreError, match="a stored body is damaged: it reads as xxh3:"):
        decode_chain([row])


def test_a_chain_without_its_end_is_refused() -> None:
    rows = Rows()
    for raw in conversation(3, seed=11):
        rows.add(raw)

    with pytest.raises(StoreError, match="is not in the store"):
        decode_chain(rows.chain(3)[:2])


def test_real_traffic_is_read_back_and_smaller_than_compressed_alone(shared: Path) -> None:
    rows, alone = Rows(), 0
    for raw in corpus(shared / "corpus" / "exchanges.responses.jsonl.gz"):
        rows.add(raw)
        alone += len(encode_against(raw, None).data)
        assert rows.read(len(rows.rows)) == raw

    assert rows.size < alone * 0.75


def corpus(path: Path) -> Iterator[Raw]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            exchange = json.loads(line)
            request, response = (base64.b64decode(exchange.get(part) or "") for part in ("request_body_b64", "response_body_b64"))
            if len(request) + len(response) >= 1 << 20:
                continue  # bodies as big as this are stored in pieces
            yield Raw(REQUEST_HEAD, request, STREAM_HEAD, response, b"", (Frame(0, 1, len(request)),), tuple(exchange.get("wire_chunks") or ()))


def loops(shared: Path, seeds: Sequence[int]) -> list[list[Raw]]:
    """The agent loops of the bench as they are recorded: heads, one chunk and one frame for each event."""
    sys.path.insert(0, str(shared / "bench"))
    try:
        turns = importlib.import_module("agent_loop").turns
    finally:
        sys.path.pop(0)
    return [[streamed(request, [block + b"\n\n" for block in reply.split(b"\n\n")[:-1]]) for request, reply in turns(seed=seed)] for seed in seeds]


def test_an_agent_loop_is_kept_in_a_thirty_third_of_its_size(shared: Path) -> None:
    rows = Rows()
    for raw in loops(shared, [5])[0]:
        rows.add(raw)

    assert rows.raw_size / rows.size > 33


def test_eight_agent_loops_that_take_turns_are_kept_as_small(shared: Path) -> None:
    rows = Rows()
    for turn in zip(*loops(shared, range(1, 9)), strict=True):
        for raw in turn:
            rows.add(raw, prompt_cache_key="0199a213-81c0-7800-8aa1-bbab2a035a53")

    assert rows.raw_size / rows.size > 33
