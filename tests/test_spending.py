"""Sums over exchanges and their costs, on both databases."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aged import costing, prune
from playhead.config.errors import ConfigError, StoreError
from playhead.storage.costing.costs import Basis, Cost, LineRow, Pricing, RateRow, State
from playhead.storage.costing.sums import Assumed, Found, PricedBy, Reason, Sums, Wanted, add_sums, add_times, rounded
from playhead.storage.records import Batch, Facts, Fingerprint, Recorded
from playhead.storage.store import Store
from stores import START_NS, recorded

START = datetime.fromtimestamp(START_NS // 10**9, UTC)
DAY = 86_400 * 10**9


def cost(amount: int | None = 100, state: State = "priced", tokens: tuple[int | None, ...] = (10, 5, 1, 4, 2), note: str | None = None) -> Cost:
    amounts = (None,) * 5 if amount is None else (amount - 60, 10, 10, 20, 20)
    return Cost(Pricing("[]", "none"), state, amount, note, Basis("[]", None), (), tokens, amounts)


def write(store: Store, *made: Recorded) -> None:
    for number, one in enumerate(made, 1):
        one.number = number
    store.write(Batch(finished=list(made)))


def exchange(price: Cost | None = None, **changes: Any) -> Recorded:
    facts = changes.pop("facts", {})
    return recorded(1, facts=Facts(kind="responses", parse="parsed", **{"model": "m", **facts}), cost=price, started_at_ns=START_NS, **changes)


def sums(store: Store, *by: str, **wanted: Any) -> dict[Any, Sums]:
    found = store.ledger.spending(Wanted(by, **wanted)).found().sums
    return {key[0] if len(key) == 1 else key: one for key, one in found.items()}


def test_tokens_and_money_are_summed_up_by_class(store: Store) -> None:
    write(store, exchange(cost()), exchange(cost(200)))

    one = sums(store)[()]
    assert (one.requests, one.counts, one.amounts, one.cost) == (2, (20, 10, 2, 8, 4), (180, 20, 20, 40, 40), 300)


def test_more_money_than_an_integer_of_the_database_holds_is_summed_up(store: Store) -> None:
    write(store, *[exchange(cost(10**18, note="assumed: tier default")) for _ in range(25)])

    one = sums(store)[()]
    assert (one.requests, one.cost, one.amounts[0]) == (25, 25 * 10**18, 25 * (10**18 - 60))
    assert store.ledger.spending(Wanted()).assumed() == [Assumed("tier default", 25, 25 * 10**18)]
    assert store.ledger.paid()[:3] == (25, 25 * 10**18, 10**18)


def test_what_another_exchange_counts_is_not_counted_again(store: Store) -> None:
    write(store, exchange(cost()), exchange(cost(None, "elsewhere")))

    one = sums(store)[()]
    assert (one.requests, one.counts, one.cost) == (2, (10, 5, 1, 4, 2), 100)


def test_what_has_no_price_is_told_apart(store: Store) -> None:
    unpriced, partly, pending, free = (cost(None, "unpriced"), cost(70, "partly"), cost(None, "pending", (None,) * 5), cost(None, "free", (None,) * 5))
    lost = exchange(facts={"usage": {"input_tokens": 1}})
    write(store, exchange(cost()), exchange(unpriced), exchange(partly), exchange(pending), exchange(free), lost)

    one = sums(store)[()]
    assert (one.cost, one.unpriced, one.unpriced_tokens, one.pending, one.lost) == (170, 2, 20, 1, 1)


def test_failures_and_retries_are_counted(store: Store) -> None:
    write(store, exchange(status=429), exchange(attempt=2), exchange(outcome="client_closed"), exchange(facts={"error_code": "x"}), exchange())

    one = sums(store)[()]
    assert (one.requests, one.errors, one.retries) == (5, 3, 1)


def test_prices_by_assumption_are_counted(store: Store) -> None:
    write(store, exchange(cost(note="assumed: tier default")), exchange(cost()))

    assert sums(store)[()].assumed == 1


@pytest.mark.parametrize(
    ("by", "values"),
    [
        ("model", {"facts": {"model": "other"}}),
        ("session", {"session": "other"}),
        ("tier", {"facts": {"service_tier": "other"}}),
        ("key", {"key_id": "other"}),
        ("project", {"project": "other"}),
        ("user", {"facts": {"user": "other"}}),
        ("metadata.team", {"facts": {"billing": {"labels": {"metadata.team": "other"}}}}),
        ("prompt_cache_key", {"facts": {"billing": {"labels": {"prompt_cache_key": "other"}}}}),
    ],
)
def test_exchanges_are_grouped_by_what_is_known_of_them(store: Store, by: str, values: dict[str, Any]) -> None:
    write(store, exchange(cost()), exchange(cost(200), **values))

    found = sums(store, by)
    assert len(found) == 2
    assert found["other"].cost == 200


def test_exchanges_are_grouped_by_day_in_utc(store: Store) -> None:
    later = exchange(cost(200))
    later.started_at_ns += DAY
    write(store, exchange(cost()), later)

    assert {key: one.cost for key, one in sums(store, "day").items()} == {"2025-08-27": 100, "2025-08-28": 200}
    assert list(sums(store, "month")) == ["2025-08"]
    assert sorted(sums(store, "hour")) == ["2025-08-27T17", "2025-08-28T17"]


def test_several_groupings_go_together(store: Store) -> None:
    write(store, exchange(cost()), exchange(cost(200), session="other"))

    assert set(sums(store, "session", "model")) == {("default", "m"), ("other", "m")}


def test_a_time_range_begins_with_its_start_and_ends_before_its_end(store: Store) -> None:
    start = datetime.fromtimestamp(START_NS // 10**9, UTC)
    write(store, exchange(cost()))

    ranges = [(start, None), (start + timedelta(seconds=1), None), (None, start), (None, start + timedelta(seconds=1))]
    assert [len(sums(store, since=since, until=until)) for since, until in ranges] == [1, 0, 0, 1]


def test_only_the_sessions_that_are_named_count(store: Store) -> None:
    write(store, exchange(cost()), exchange(cost(200), session="other"))

    assert sums(store, sessions=("other",))[()].cost == 200
    with pytest.raises(StoreError, match="no session"):
        sums(store, sessions=("none",))


def test_times_are_told_to_two_significant_digits(store: Store) -> None:
    write(store, exchange(first_event_ns=1_999_000_000, duration_ns=54_321_000_000), exchange(first_event_ns=7_000_000, duration_ns=54_999_000_000))

    found = store.ledger.spending(Wanted()).found()
    assert (found.first, found.whole) == ({(): {1900: 1, 7: 1}}, {(): {54000: 2}})


def test_an_empty_store_has_nothing(store: Store) -> None:
    assert store.ledger.spending(Wanted(("model",))).found().sums == {}


def test_a_grouping_that_is_none_is_refused_with_those_there_are(store: Store) -> None:
    with pytest.raises(ConfigError, match="allowed are session, model"):
        sums(store, "colour")


def test_the_same_request_after_a_failure_is_a_retry_though_it_does_not_say_so(store: Store) -> None:
    same, other = Fingerprint(b"s" * 16, "http"), Fingerprint(b"o" * 16, "http")
    failed, again, once_more = (exchange(status=status, fingerprint=same, facts={"model": "m"}) for status in (500, 200, 200))
    said_so, failed_too = exchange(fingerprint=other, attempt=2), exchange(status=500, fingerprint=other)
    write(store, failed, again, once_more, failed_too, said_so)

    assert store.ledger.spending(Wanted(("model",))).silent_retries() == [("m",)]


def lacking(reason: str | None = None, line: str | None = None, state: State = "unpriced", note: str | None = None) -> Cost:
    """A cost without a price: of all of it, or of one line."""
    lines = () if line is None else (LineRow(RateRow("container", None, "container", None, 1, None, None, line), 1, None),)
    return Cost(Pricing("[]", "none"), state, None, note or f"unpriced: {reason or line}", Basis("[]", reason), lines, (10, 5, 1, 4, 2), (None,) * 5)


def test_reasons_come_with_the_most_frequent_first(store: Store) -> None:
    write(store, *(exchange(lacking(text)) for text in ("a", "b", "b")), exchange(facts={"usage": {"x": 1}}), exchange(cost()))

    found = store.ledger.spending(Wanted()).reasons()
    assert [(one.note, one.exchanges) for one in found] == [
        ("b", 2),
        ("a", 1),
        ("not in the ledger: recorded before prices were known, or imported; see playhead reprice", 1),
    ]


def test_reasons_of_single_lines_are_told_without_what_the_rest_costs(store: Store) -> None:
    notes = [f"unpriced: container: nobody knows; the rest comes to 0.{place} USD" for place in range(3)]
    write(store, *(exchange(lacking(line="nobody knows", state="partly", note=note)) for note in notes))

    assert store.ledger.spending(Wanted()).reasons() == [Reason("container: nobody knows", "m", 3)]


def test_reasons_of_several_days_are_one(store: Store) -> None:
    write(store, *(exchange(lacking(f"no price table knows m of openai on 2026-11-0{day}")) for day in (1, 2)))

    assert store.ledger.spending(Wanted()).reasons() == [Reason("no price table knows m of openai", "m", 2)]


def test_what_goes_on_says_why_it_has_no_price(store: Store) -> None:
    write(store, exchange(cost(None, "pending", (None,) * 5, note="it goes on")))

    assert store.ledger.spending(Wanted()).reasons() == [Reason("it goes on", "m", 1)]


def test_no_more_reasons_are_told_than_are_asked_for(store: Store) -> None:
    write(store, *(exchange(lacking(text)) for text in ("a", "b", "b")))

    assert store.ledger.spending(Wanted()).reasons(1) == [Reason("b", "m", 2)]


def test_what_was_assumed_is_told_with_what_it_cost(store: Store) -> None:
    write(store, *(exchange(cost(amount, note="assumed: tier default")) for amount in (100, 200)), exchange(cost(note="assumed: region eu")), exchange(cost()))

    assert store.ledger.spending(Wanted()).assumed() == [Assumed("tier default", 2, 300), Assumed("region eu", 1, 100)]


def test_price_tables_are_told_with_how_many_prices_they_made(store: Store) -> None:
    own = Cost(Pricing('[["list","1","abc"]]', "tier=default"), "priced", 5, None, Basis("[]", None))
    write(store, exchange(own), exchange(own), exchange(cost()), exchange(lacking("a")))

    assert store.ledger.spending(Wanted()).priced_by() == [
        PricedBy((("list", "1", "abc"),), "tier=default", "recorder", None, 2),
        PricedBy((), "none", "recorder", None, 1),
    ]


def test_failures_are_counted_by_what_is_known_of_them(store: Store) -> None:
    write(
        store, exchange(status=429, facts={"error_code": "x"}), exchange(status=429, facts={"error_code": "x"}), exchange(outcome="client_closed"), exchange()
    )

    found = store.ledger.spending(Wanted()).failures(("status", "error", "outcome"))
    assert found == {("429", "x", "complete"): 2, ("200", None, "client_closed"): 1}


def test_the_first_and_the_last_are_known(store: Store) -> None:
    later = exchange(session="other")
    later.started_at_ns += DAY
    write(store, exchange(), later)

    span = store.ledger.spending(Wanted()).span()
    assert span is not None
    assert span[1] - span[0] == timedelta(days=1)
    assert store.ledger.spending(Wanted(since=START + timedelta(days=3))).span() is None


@pytest.mark.parametrize("name", ['metadata.a"b', "metadata.a{b", "metadata.a\\b", "metadata.", "metadata.\n"])
def test_a_name_that_a_database_could_take_for_something_else_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ConfigError, match="allowed are"):
        sums(store, name)


@pytest.mark.parametrize("name", ["metadata.a b", "metadata.it's", "metadata.a.b", "metadata.$x[0]", "metadata.größe", "metadata.%s:x"])
def test_names_of_metadata_may_be_odd(store: Store, name: str) -> None:
    write(store, exchange(facts={"billing": {"labels": {name: "other"}}}))

    assert list(sums(store, name)) == ["other"]


def test_what_was_pruned_is_counted_apart_and_says_so(store: Store) -> None:
    store.write(Batch([recorded(number, cost=costing()) for number in (1, 2)]))
    prune(store, at=11.5, costs=10)

    one = sums(store)[()]
    assert (one.requests, one.cost, one.pruned) == (2, 1000, 1)
    assert [(reason.note, reason.exchanges) for reason in store.ledger.spending(Wanted()).reasons()] == [
        ("its costs are pruned: they were kept as long as keep_costs says", 1)
    ]


def test_without_times_all_else_is_the_same(store: Store) -> None:
    write(store, exchange(cost(), first_event_ns=10**7), exchange(cost(), facts={"model": "n"}))

    spending = store.ledger.spending(Wanted(("model",)))
    assert spending.found(times=False) == spending.found()._replace(first={}, whole={})


@pytest.mark.parametrize("status", ["in_progress", "validating"])
def test_who_asks_how_far_something_has_come_has_lost_nothing(store: Store, status: str) -> None:
    write(
        store,
        exchange(facts={"usage": {"input_tokens": 0}, "response_status": status}),
        exchange(facts={"usage": {"input_tokens": 1}, "response_status": "completed"}),
    )

    assert sums(store)[()].lost == 1
    assert [one.exchanges for one in store.ledger.spending(Wanted()).reasons()] == [1]
    assert store.ledger.paid()[3] == 1


def random_ledger(chance: random.Random, count: int) -> list[Recorded]:
    """Exchanges in all states; some ask again for what failed, and some of these say so."""
    made: list[Recorded] = []
    for _ in range(count):
        state: State | None = chance.choice(("priced", "priced", "partly", "unpriced", "free", "elsewhere", "pending", None))
        tokens = tuple(chance.choice((None, chance.randrange(10**6))) for _ in range(5))
        price = (
            None if state is None else cost(chance.randrange(60, 10**12) if state in ("priced", "partly") else None, state, tokens, chance.choice((None, "x")))
        )
        facts: dict[str, Any] = {"model": chance.choice(("a", "b", None)), "error_code": chance.choice((None, None, "e"))}
        facts |= {"usage": chance.choice((None, {"input_tokens": 1})), "response_status": chance.choice((None, "completed", "queued"))}
        one = exchange(price, session=chance.choice("st"), status=chance.choice((None, 200, 200, 500)), attempt=chance.choice((None, 1, 2)), facts=facts)
        one.transport, one.outcome = chance.choice(("http", "sse")), chance.choice(("complete", "complete", "timeout"))
        one.first_event_ns, one.duration_ns = (chance.choice((None, chance.randrange(10**12))) for _ in range(2))
        one.fingerprint = chance.choice((None, Fingerprint(bytes(15) + chance.randbytes(1), "http"), Fingerprint(b"1" * 16, "http")))
        one.started_at_ns += chance.randrange(3) * DAY
        made.append(one)
    return made


def failed(one: Recorded) -> bool:
    return (one.status or 0) >= 400 or one.facts.error_code is not None or one.outcome != "complete"


def summed_up(one: Recorded) -> Sums:
    """What one exchange adds, computed from what was recorded."""
    price, state = one.cost, one.cost.state if one.cost else None
    paid = state in ("priced", "partly", "unpriced")
    counts = tuple(count or 0 for count in price.counts) if price and paid else (0,) * 5
    first, whole = one.first_event_ns, one.duration_ns
    streamed = paid and one.transport != "http" and first is not None and whole is not None and whole > first
    micros = int((whole / 1e6 - first / 1e6) * 1000) if streamed and whole and first is not None else 0
    lost = price is None and one.facts.usage is not None and one.facts.response_status != "queued"
    return Sums(
        1,
        int(failed(one)),
        int((one.attempt or 0) > 1),
        counts,
        tuple(amount or 0 for amount in price.amounts) if price else (0,) * 5,
        (price.amount or 0) if price else 0,
        int(state == "priced" and bool(price and price.note)),
        int(state in ("partly", "unpriced")),
        sum(counts[:4]) if state == "unpriced" else 0,
        int(state == "pending"),
        int(lost),
        counts[3] if streamed else 0,
        micros,
    )


def retried(made: list[Recorded]) -> list[str | None]:
    """The models of those that ask again what failed before in their session and do not say so."""
    found, waiting = [], set()
    for one in made:
        place = (one.session, one.fingerprint.digest if one.fingerprint else None)
        if place[1] is None:
            continue
        if place in waiting and (one.attempt or 1) <= 1:
            found.append(one.facts.model)
        waiting.discard(place)
        if failed(one):
            waiting.add(place)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_what_is_summed_up_in_parts_equals_what_is_computed_from_each_exchange(store: Store, seed: int) -> None:
    made = random_ledger(random.Random(seed), 150)
    write(store, *made)

    expected = Found({}, {}, {})
    for one in made:
        day = datetime.fromtimestamp(one.started_at_ns // 10**9, UTC).date().isoformat()
        key = (one.facts.model, day)
        add_sums(expected.sums, key, summed_up(one))
        for known, ns in ((expected.first, one.first_event_ns), (expected.whole, one.duration_ns)):
            if ns is not None:
                add_times(known, key, [(rounded(ns // 10**6), 1)])
    for size in (7, 5000):
        found, again = store.ledger.spending(Wanted(("model", "day")), size).with_retries()
        assert without_micros(found) == without_micros(expected)
        assert all(abs(one.micros - expected.sums[key].micros) <= one.requests for key, one in found.sums.items())
        assert Counter(model for model, _ in again) == Counter(retried(made))


def without_micros(found: Found) -> Found:
    """Databases round microseconds in their own ways."""
    return found._replace(sums={key: one._replace(micros=0) for key, one in found.sums.items()})
