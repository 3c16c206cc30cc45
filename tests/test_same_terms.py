"""Exchanges that differ in how many tokens they used are priced alike: quicker, and never otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.pricing.entries import Entries
from playhead.proxy.pricing.priced import Billable, Priced
from playhead.proxy.pricing.pricing import Pricer
from prices_by_hand import ASTRA, chatted, used
from test_entries import AT, exchange, pricer

DAY = 86_400 * 10**9
LONG = {"model": "gpt-5.6-sol"}  # which costs more from 272,000 input tokens on


class Counting(Pricer):
    """A pricer that counts how often it is asked."""

    asked = 0

    def price(self, item: Billable) -> Priced:
        self.asked += 1
        return super().price(item)


def counting() -> tuple[Counting, Entries]:
    made = Counting(pricer().book, pricer().assumed)
    return made, Entries(made)


def claude(input_: int, output: int, **more: Any) -> dict[str, Any]:
    return {"input_tokens": input_, "output_tokens": output, "cache_read_input_tokens": 7, **more}


COUNTS = st.sampled_from([0, 1, 5, 199_999, 200_000, 200_001, 272_000, 272_001, 10**6, 10**14])
OPENAI = st.builds(lambda whole, output, cached, w30, w12, ttl: used(whole, output, cached=cached, w30=w30, w12=w12, ttl=ttl), *[COUNTS] * 5, st.booleans())
CHATTED = st.builds(lambda prompt, completion, cached: chatted(prompt, completion, cached_tokens=cached), *[COUNTS] * 3)
CLAUDE = st.builds(lambda i, o, w5, w1: claude(i, o, cache_creation={"ephemeral_5m_input_tokens": w5, "ephemeral_1h_input_tokens": w1}), *[COUNTS] * 4)
BILLINGS = st.sampled_from(
    [None, {}, {"labels": {"a": "b"}}, {"asked_tier": "default"}, {"window": "1h"}, {"cache_ttl": "12h"}, {"calls": {"web_search": 2}}, {"unread": True}]
)
EXCHANGES = st.builds(
    lambda changes, more: exchange(**(changes | more)),
    st.one_of(
        st.fixed_dictionaries({"usage": OPENAI, "model": st.sampled_from([ASTRA, "gpt-5.6-sol", "gpt-99", "gpt-audio", None])}),
        st.fixed_dictionaries({"usage": CHATTED, "kind": st.just("chat.completions"), "path": st.just("/v1/chat/completions"), "model": st.just("gpt-4.1")}),
        st.fixed_dictionaries(
            {
                **{
                    "usage": CLAUDE,
                    "kind": st.just("messages"),
                    "path": st.just("/v1/messages"),
                    "model": st.sampled_from(["claude-opus-5", "claude-sonnet-4-5"]),
                },
                **{"upstream": st.just("https://api.anthropic.com"), "service_tier": st.just("standard")},
            }
        ),
    ),
    st.fixed_dictionaries(
        {},
        optional={
            **{
                "billing": BILLINGS,
                "service_tier": st.sampled_from(["default", "flex", "priority", "auto", None]),
                "outcome": st.sampled_from(["complete", "aborted"]),
            },
            **{"started_at_ns": st.sampled_from([AT, AT + 1, AT + DAY, AT - 400 * DAY]), "response_status": st.sampled_from(["completed", "queued"])},
            **{"transport": st.sampled_from(["sse", "ws"]), "parse": st.just("partial"), "response_id": st.none(), "method": st.just("GET")},
        },
    ),
)


@given(st.lists(EXCHANGES, min_size=2, max_size=8))
def test_what_was_priced_before_changes_no_price(listed: list[Any]) -> None:
    entries = Entries(pricer())

    assert [entries.of(one) for one in listed] == [Entries(pricer()).of(one) for one in listed]


@given(st.lists(OPENAI, min_size=2, max_size=8))
def test_exchanges_that_differ_in_their_counts_alone_are_priced_as_if_each_was_the_first(usages: list[Any]) -> None:
    entries = Entries(pricer())

    assert [entries.of(exchange(**LONG, usage=usage)) for usage in usages] == [Entries(pricer()).of(exchange(**LONG, usage=usage)) for usage in usages]


@pytest.mark.parametrize("changes", [{}, {"model": "gpt-99"}, {"billing": {"labels": {"a": "b"}}}, {"billing": {"asked_tier": "flex"}}])
def test_they_are_looked_at_closely_once(changes: dict[str, Any]) -> None:
    made, entries = counting()
    for count in (1000, 2000, 3000):
        entries.of(exchange(**changes, usage=used(count, count // 10, cached=count // 2, ttl=False)))

    assert made.asked == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"started_at_ns": AT + DAY},
        {"model": "gpt-5"},
        {"service_tier": "flex"},
        {"billing": {"calls": {"web_search": 1}}},
        {"usage": used(1000, 0)},
        {"outcome": "client_closed"},
    ],
)
def test_one_that_differs_in_more_is_looked_at_as_well(changes: dict[str, Any]) -> None:
    made, entries = counting()
    entries.of(exchange())
    entries.of(exchange(**changes))

    assert made.asked == 2


def test_what_is_no_lifetime_of_a_cache_raises_nothing() -> None:
    entries = Entries(pricer())
    odd, none = (entries.of(exchange(billing={"cache_ttl": ttl})) for ttl in (["1h"], None))

    assert odd == none


def test_above_a_limit_other_prices_hold() -> None:
    entries = Entries(pricer())
    few, many = (entries.of(exchange(**LONG, usage=used(count, 1, ttl=False))) for count in (272_000, 272_001))

    assert few is not None
    assert many is not None
    assert few.lines[0].rate.price != many.lines[0].rate.price


def test_what_would_cost_more_than_a_million_dollars_has_no_price_though_the_one_before_had() -> None:
    entries = Entries(pricer())
    entries.of(exchange(usage=used(1000, 100, ttl=False)))
    found = entries.of(exchange(usage=used(10**14, 100, ttl=False)))

    assert found is not None
    assert (found.state, found.amount) == ("unpriced", None)
