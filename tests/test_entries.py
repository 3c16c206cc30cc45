"""Entries of the ledger: who pays, what is free, and why something has no price."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.config.assumptions import Assumptions
from playhead.config.listed_prices import installed_list
from playhead.config.prices import own_table
from playhead.proxy.pricing.book import Book
from playhead.proxy.pricing.entries import Entries
from playhead.proxy.pricing.pricing import Pricer
from playhead.storage.costing.costs import Cost, Priceable
from playhead.storage.costing.priceable import priceable
from prices_by_hand import ASTRA, imaged, said, used
from stores import recorded

AT = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * 10**9
MICRO = 10**6  # of a price per million tokens, in 10^-12 USD


@cache
def pricer() -> Pricer:
    return Pricer(Book(installed_list(), [own_table()]), Assumptions.parse("none"))


def exchange(**changes: Any) -> Priceable:
    values: dict[str, Any] = {
        **{"id": 1, "method": "POST", "path": "/v1/responses", "transport": "http", "upstream": "https://api.openai.com", "started_at_ns": AT},
        **{"status": 200, "outcome": "complete", "parse": "parsed", "kind": "responses", "model": ASTRA, "response_id": "resp_1"},
        **{"response_status": "completed", "service_tier": "default", "error_code": None, "usage": used(1000, 100), "billing": None, "steer": None},
    }
    return Priceable(**(values | changes))


def entry(**changes: Any) -> Cost | None:
    return Entries(pricer()).of(exchange(**changes))


def known(**changes: Any) -> Cost:
    found = entry(**changes)
    assert found is not None
    return found


def test_an_exchange_has_a_line_for_each_thing_it_pays() -> None:
    found = known(usage=used(1000, 100, cached=400, w30=200, reasoning=60))

    assert [(line.rate.item, line.quantity, line.amount) for line in found.lines] == [
        ("input", 400, 400 * 10 * MICRO),
        ("cached_input", 400, 400 * 1 * MICRO),
        ("cache_write_30m", 200, 200 * 125 * MICRO // 10),
        ("output", 100, 100 * 50 * MICRO),
    ]
    assert (found.state, found.amount, found.note) == ("priced", 11_900 * MICRO, None)


def test_tokens_and_money_are_told_by_class() -> None:
    found = known(usage=used(1000, 100, cached=400, w30=200, reasoning=60), billing={"calls": {"web_search": 2}})

    assert found.counts == (400, 400, 200, 100, 60)
    assert found.amounts == (4000 * MICRO, 400 * MICRO, 2500 * MICRO, 5000 * MICRO, 20_000 * MICRO)


def test_an_entry_names_the_tables_and_what_was_assumed_by_them() -> None:
    found = known()

    assert [name for name, _, _ in json.loads(found.pricing.tables)] == ["genai-prices", "playhead"]
    assert (found.pricing.assumed, found.pricing.made_by, found.pricing.as_of) == ("none", "recorder", None)


def test_what_an_image_tool_costs_is_no_output_of_the_model() -> None:
    found = known(model="gpt-5", billing={"tool_usage": {"image_gen": imaged(50, 0, 0, 400)}, "image_model": "gpt-image-1"}, usage=used(0, 0))

    assert [line.rate.item for line in found.lines] == ["image_generation.input", "image_generation.output"]
    assert found.amounts[-1] == found.amount == (50 * 5 + 400 * 40) * MICRO


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/v1/responses/compact"},
        {"method": "GET", "transport": "ws"},
        {"method": "GET", "transport": "ws", "steer": "steer_1"},
        {"path": "/v1/chat/completions", "kind": "chat.completions"},
        {"path": "/v1/embeddings", "kind": "embeddings", "model": "text-embedding-3-small", "service_tier": None, "usage": {"prompt_tokens": 9}},
        {"path": "/v1/decisions", "kind": "other", "model": "gpt-6-luna"},
        {"path": "/openai/deployments/x/responses"},
    ],
)
def test_money_is_counted_where_something_is_made(changes: dict[str, Any]) -> None:
    found = known(**changes)

    assert (found.state, found.told) == ("priced", False)
    assert found.amount


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "GET", "path": "/v1/responses/resp_1"},
        {"method": "GET", "path": "/v1/responses/resp_1?stream=true&starting_after=3", "transport": "sse"},
        {"path": "/v1/responses/resp_1/cancel", "response_status": "cancelled"},
        {"method": "GET", "path": "/v1/chat/completions/chatcmpl_1", "kind": "chat.completions", "response_status": None},
    ],
)
def test_who_only_tells_of_a_usage_says_so(changes: dict[str, Any]) -> None:
    assert known(**changes).told


def test_a_finished_batch_is_told_of_at_the_price_of_batches() -> None:
    found = known(method="GET", path="/v1/batches/batch_1", kind="other", model="gpt-4.1", response_id="batch_1", service_tier=None)

    assert (found.told, found.amount) == (True, (1000 * 1 + 100 * 4) * MICRO)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "GET", "path": "/v1/responses/resp_1", "usage": None},
        {"method": "GET", "path": "/v1/responses/resp_1", "response_status": "in_progress"},
        {"method": "GET", "path": "/v1/responses/resp_1/input_items", "usage": None},
        {"method": "DELETE", "path": "/v1/responses/resp_1", "usage": None},
        {"method": "GET", "path": "/v1/models", "kind": "other", "usage": None},
        {"method": "GET", "path": "/v1/batches/batch_1", "kind": "other", "response_status": "in_progress"},
        {"outcome": None},
    ],
)
def test_the_rest_has_nothing_to_do_with_money(changes: dict[str, Any]) -> None:
    assert entry(**changes) is None


@pytest.mark.parametrize("path", ["/v1/threads/thread_1/runs/run_1", "/v1/models", "/custom"])
def test_who_asks_for_a_usage_that_nobody_knows_the_maker_of_has_no_price_and_says_why(path: str) -> None:
    found = known(method="GET", path=path, kind="other", response_id="run_1", response_status="completed")

    assert (found.state, found.amount, found.told) == ("unpriced", None, False)
    assert found.note == "unpriced: it asks for a usage, and it is not known which exchange made that"
    assert entry(method="GET", path=path, kind="other", response_status="in_progress") is None


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"status": 429, "usage": None}, "not billed: refused with 429"),
        ({"status": None, "outcome": "unreachable", "usage": None}, "not billed: upstream was not reached"),
        ({"path": "/v1/responses/input_tokens", "usage": None}, "not billed: it counts tokens"),
        ({"path": "/v1/messages/count_tokens", "kind": "messages", "usage": None}, "not billed: it counts tokens"),
        ({"path": "/v1/moderations", "kind": "other", "usage": None}, "not billed: moderations are free"),
    ],
)
def test_what_is_not_billed_costs_nothing_and_says_why(changes: dict[str, Any], note: str) -> None:
    found = known(**changes)

    assert (found.state, found.amount, found.note) == ("free", None, note)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"usage": None, "outcome": "client_closed", "parse": "partial", "response_status": None}, "it was cut before it told its usage"),
        ({"usage": None, "response_status": "failed"}, "the answer told no usage"),
        (
            {"kind": "chat.completions", "path": "/v1/chat/completions", "transport": "sse", "usage": None, "response_status": None},
            "the stream did not tell its usage: the client has to ask for it by stream_options.include_usage",
        ),
        (
            {"kind": "messages", "path": "/v1/messages", "transport": "sse", "usage": said(10, 1), "outcome": "client_closed", "parse": "partial"},
            "the stream was cut before it told its final usage",
        ),
    ],
)
def test_what_broke_off_before_its_usage_has_no_price(changes: dict[str, Any], why: str) -> None:
    found = known(**changes)

    assert (found.state, found.amount, found.note) == ("unpriced", None, f"unpriced: {why}")


def test_a_response_that_goes_on_in_the_background_waits_for_its_usage() -> None:
    found = known(usage=None, response_status="queued")

    assert (found.state, found.amount) == ("pending", None)


@pytest.mark.parametrize("changes", [{"response_status": "in_progress"}, {"outcome": "client_closed", "billing": {"background": True}}, {"outcome": "aborted"}])
def test_what_goes_on_in_the_background_is_awaited_though_its_stream_was_cut(changes: dict[str, Any]) -> None:
    assert known(**{"usage": None, "response_status": "queued"} | changes).state == "pending"


def test_a_stream_that_was_cut_and_is_not_in_the_background_is_awaited_by_nobody() -> None:
    found = known(usage=None, response_status="in_progress", outcome="client_closed", transport="sse", parse="partial")

    assert (found.state, found.note) == ("unpriced", "unpriced: it was cut before it told its usage")


@pytest.mark.parametrize("changes", [{"error_code": "server_error"}, {"parse": "partial"}])
@pytest.mark.parametrize("transport", ["sse", "ws"])
def test_a_stream_that_ended_before_its_response_and_is_not_in_the_background_is_awaited_by_nobody(transport: str, changes: dict[str, Any]) -> None:
    found = known(usage=None, response_status="in_progress", service_tier="auto", transport=transport, **changes)

    assert (found.state, found.note) == ("unpriced", "unpriced: it ended before it told its usage")


def test_a_usage_that_nobody_can_pay_has_no_price() -> None:
    found = known(usage=used(10**12, 10**12))

    assert (found.state, found.amount, found.lines) == ("unpriced", None, ())
    assert "more than a million dollars" in (found.note or "")


@pytest.mark.parametrize("path", ["/v1/audio/voices", "/v1/images/uploads"])
def test_a_call_beside_those_that_are_known_costs_nothing_unless_it_tells_a_usage(path: str) -> None:
    kind = path.split("/")[2]

    assert entry(path=path, kind=kind, usage=None, model=None, service_tier=None, response_id=None, response_status=None) is None


def test_what_is_not_wholly_priced_keeps_what_is_known() -> None:
    found = known(model="gpt-5", billing={"calls": {"container": 1}})

    assert (found.state, found.listed, found.amount) == ("partly", None, 2250 * MICRO)
    assert found.note == (
        "unpriced: container: the answer does not tell its memory and how long it lived, and no setting assumes it; the rest comes to 0.00225 USD"
    )


def test_tokens_of_what_has_no_price_are_told_all_the_same() -> None:
    found = known(model="gpt-99")

    assert (found.state, found.counts) == ("unpriced", (1000, 0, 0, 100, 0))


def test_a_note_says_what_was_assumed() -> None:
    entries = Entries(Pricer(pricer().book, Assumptions.parse("provider=path,region=global")))
    found = entries.of(exchange(upstream="http://localhost:9"))

    assert found is not None
    assert (found.state, found.note) == ("priced", "assumed: provider openai, region global")


def test_prices_as_of_another_time_are_those_of_that_time() -> None:
    entries = Entries(pricer(), "reprice", datetime(2026, 8, 1, tzinfo=UTC))
    found = entries.of(exchange(model="gpt-5.6-sol"))

    assert found is not None
    assert (found.amount, found.pricing.made_by, found.pricing.as_of) == ((1000 * 5 + 100 * 30) * MICRO, "reprice", "2026-08-01T00:00:00+00:00")


def test_what_is_being_recorded_is_priced_by_what_is_known_of_it() -> None:
    r = recorded()
    r.facts.usage, r.facts.service_tier = used(1000, 100), "default"
    found = Entries(pricer()).of(priceable(r))

    assert found is not None
    assert found.amount == (1250 + 1000) * MICRO


NAMES = (
    *("input_tokens", "output_tokens", "total_tokens", "prompt_tokens", "completion_tokens", "seconds", "cache_read_input_tokens", "server_tool_use"),
    *("input_tokens_details", "output_tokens_details", "prompt_tokens_details", "cached_tokens", "cached_tokens_details", "cache_write_tokens"),
    *("cache_write_tokens_details", "ttl_12h_tokens", "audio_tokens", "image_tokens", "web_search_requests", "iterations", "input_audio_transcription"),
)
ODD = st.one_of(st.none(), st.booleans(), st.integers(-2, 10**16), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=3))
USAGES = st.recursive(ODD, lambda values: st.dictionaries(st.sampled_from(NAMES), values, max_size=6) | st.lists(values, max_size=2), max_leaves=12)
CALLS = [
    {"kind": "responses"},
    {"kind": "chat.completions", "path": "/v1/chat/completions", "model": "gpt-audio"},
    {"kind": "realtime", "path": "/v1/realtime", "model": "gpt-realtime", "transport": "ws", "service_tier": None},
    {"kind": "messages", "path": "/v1/messages", "model": "claude-opus-5", "service_tier": "standard", "upstream": "https://api.anthropic.com"},
    {"kind": "other", "method": "GET", "path": "/v1/batches/b", "model": "gpt-4.1", "service_tier": None},
]


@given(st.sampled_from(CALLS), st.dictionaries(st.sampled_from(NAMES), USAGES, max_size=6), st.dictionaries(st.just("tool_usage"), USAGES))
def test_whatever_stands_for_usage_has_a_price_that_adds_up_and_fits_any_database_or_says_why_not(
    call: dict[str, Any], usage: dict[str, Any], billing: dict[str, Any]
) -> None:
    found = entry(**call, usage=usage, billing=billing)

    if found is not None:
        amounts = [line.amount for line in found.lines]
        assert sum(amount or 0 for amount in found.amounts) == sum(amount or 0 for amount in amounts) == (found.amount or 0)
        assert all(number is None or abs(number) <= 10**18 for number in (*amounts, *found.counts, *(line.quantity for line in found.lines)))
        assert found.state in ("priced", "free") or (found.note and None in (found.amount, *amounts))
        assert found.state != "priced" or found.used
