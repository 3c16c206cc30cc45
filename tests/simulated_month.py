"""A month of an organization's traffic, simulated: what playhead recorded of it, and the provider's own books, which say in some places something else.

The books have prices of their own and know nothing of playhead's arithmetic. Every difference is planted, with its cause, its amount and the exchanges
that it is about; no two of them in the same hour for the same project, key and model, where nobody could tell them apart.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from playhead.config.assumptions import Assumptions
from playhead.config.listed_prices import installed_list
from playhead.config.prices import own_table, parse_table
from playhead.proxy.pricing.book import Book
from playhead.proxy.pricing.entries import Entries
from playhead.proxy.pricing.pricing import Pricer
from playhead.storage.connecting.connected import RecordedConnection, turn_number
from playhead.storage.costing.priceable import priceable
from playhead.storage.records import Batch, Facts, Raw, Recorded
from playhead.storage.store import Store

START = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
HOUR, DAY, DAYS = 3600, 86_400, 30
CHANGE = START + 14 * DAY
"""When sim-large becomes cheaper, as price tables know it."""
DEARER = START + 20 * DAY
"""When the provider begins to take more for the output of sim-small, which no table knows."""

TABLE = """name = "month"
version = "1"
source = "invented for the month"
[[price]]
models = ["sim-large"]
until = 2026-11-15
input = "4"
cached_input = "0.4"
cache_write_30m = "5"
output = "20"
[[price]]
models = ["sim-large"]
until = 2026-11-15
above = 100_000
input = "8"
cached_input = "0.8"
cache_write_30m = "10"
output = "30"
[[price]]
models = ["sim-large"]
from = 2026-11-15
input = "3"
cached_input = "0.3"
cache_write_30m = "3.75"
output = "15"
[[price]]
models = ["sim-large"]
from = 2026-11-15
above = 100_000
input = "6"
cached_input = "0.6"
cache_write_30m = "7.5"
output = "22.5"
[[price]]
models = ["sim-small"]
input = "0.25"
cached_input = "0.025"
output = "2"
[[tier]]
models = ["sim-large", "sim-small"]
tier = "flex"
by = "0.5"
[[tier]]
models = ["sim-large", "sim-small"]
tier = "priority"
by = "2"
"""
WHATS = ("input", "cached input", "cache write", "output")
_TIERS = {"default": 2, "flex": 1, "priority": 4}  # halves
PROJECTS = {"proj_web": ("key_web_a", "key_web_b"), "proj_lab": ("key_lab",)}


class Tokens(NamedTuple):
    """Input: neither cached nor written."""

    input: int
    cached: int
    written: int
    output: int

    @property
    def whole(self) -> int:
        return self.input + self.cached + self.written


@dataclass(frozen=True)
class Request:
    """What was really asked and used. `kind`: plain, ws, background (asked here, told by another exchange later) or cut (its usage was never told)."""

    number: int
    at: float
    seconds: float
    kind: str
    project: str
    key: str
    model: str
    tier: str
    tokens: Tokens
    told_at: float = 0

    @property
    def end(self) -> int:
        return int(self.at + self.seconds)

    @property
    def place(self) -> tuple[int, str, str, str]:
        return (self.end - START) // HOUR, self.project, self.key, self.model


class Planted(NamedTuple):
    """One difference: `amount` of the bill less the ledger, in 10^-12 USD; the exchanges by the numbers of their requests."""

    cause: str
    amount: int
    requests: tuple[int, ...]


def price(request: Request, at: int) -> dict[str, int]:
    """By the provider's own books: 10^-12 USD by what a bill has lines for."""
    cheaper, long = at >= CHANGE, request.tokens.whole > 100_000
    if request.model == "sim-small":
        rates = [250, 25, 250, 2000]
    elif request.model == "sim-new":
        rates = [7000, 700, 7000, 9000]
    else:
        rates = [3000, 300, 3750, 15000] if cheaper else [4000, 400, 5000, 20000]
        rates = [rate * (3 if what == "output" else 4) // 2 for rate, what in zip(rates, WHATS, strict=True)] if long else rates
    half = _TIERS[request.tier] * 10**6 // 2 // 1000  # rates are in 10^-9 USD
    return {what: rate * half * count for what, rate, count in zip(WHATS, rates, request.tokens, strict=True)}


def worth(request: Request, at: int | None = None) -> int:
    return sum(price(request, request.end if at is None else at).values())


class Books:
    """The provider's: usage by the hour, costs by the day, rounded to six places as it writes them."""

    def __init__(self) -> None:
        self.usage: dict[tuple[int, str, str, str, str], list[int]] = {}
        self.costs: dict[tuple[int, str, str], int] = {}
        self.quantities: dict[tuple[int, str, str], int] = {}
        self.dearer = 0
        self.dearer_requests: list[int] = []

    def count(self, request: Request, at: int | None = None) -> None:
        at = request.end if at is None else at
        row = self.usage.setdefault(((at - START) // HOUR, request.project, request.key, request.model, request.tier), [0] * 5)
        for place, count in enumerate((1, *request.tokens)):
            row[place] += count
        for what, amount in price(request, at).items():
            if request.model == "sim-small" and what == "output" and at >= DEARER and amount:
                self.dearer += amount // 4
                self.dearer_requests.append(request.number)
                amount += amount // 4
            name = "input" if what == "cache write" and request.model == "sim-small" else what
            key = ((at - START) // DAY, request.project, f"{request.model}, {name}")
            self.costs[key] = self.costs.get(key, 0) + amount
            self.quantities[key] = self.quantities.get(key, 0) + request.tokens[WHATS.index(what)]

    def files(self) -> list[tuple[str, bytes]]:
        """As the endpoints answer, page by page."""
        hours = [self._bucket(hour * HOUR, HOUR, [self._row(key, row) for key, row in self.usage.items() if key[0] == hour]) for hour in range(DAYS * 24)]
        days = [self._bucket(day * DAY, DAY, [self._cost(key) for key in self.costs if key[0] == day]) for day in range(DAYS)]
        pages = [*_pages("completions", hours, 168), *_pages("costs", days, 7)]
        return [(name, json.dumps(page).encode()) for name, page in pages]

    @staticmethod
    def _bucket(at: int, width: int, results: list[Any]) -> dict[str, Any]:
        return {"object": "bucket", "start_time": START + at, "end_time": START + at + width, "results": results}

    def _row(self, key: tuple[int, str, str, str, str], row: list[int]) -> dict[str, Any]:
        _, project, key_id, model, tier = key
        requests, fresh, cached, written, output = row
        counts = {"input_tokens": fresh + cached + written, "output_tokens": output, "num_model_requests": requests, "input_cached_tokens": cached}
        writes = {"input_cache_write_tokens": written, "input_cache_write_30m_tokens": written, "input_cache_write_12h_tokens": 0}
        names = {"project_id": project, "api_key_id": key_id, "model": model, "service_tier": tier, "batch": False, "user_id": None}
        return {"object": "organization.usage.completions.result", **counts, **writes, "input_uncached_tokens": fresh, **names}

    def _cost(self, key: tuple[int, str, str]) -> dict[str, Any]:
        amount = {"value": round(self.costs[key] / 10**12, 6), "currency": "usd"}
        told = {"line_item": key[2], "project_id": key[1], "quantity": self.quantities.get(key), "quantity_unit": "tokens"}
        return {"object": "organization.costs.result", "amount": amount, **told, "api_key_id": None}


def _pages(name: str, buckets: Sequence[Any], most: int) -> Iterator[tuple[str, Any]]:
    for start in range(0, len(buckets), most):
        last = start + most >= len(buckets)
        page = {"object": "page", "data": buckets[start : start + most], "has_more": not last, "next_page": None if last else f"page_{start}"}
        yield f"{name}-{start // most}.json", page


@dataclass
class Month:
    """What happened, what playhead saw of it, and what the provider says."""

    seen: list[Request] = field(default_factory=list)
    books: Books = field(default_factory=Books)
    planted: list[Planted] = field(default_factory=list)
    told_tier: dict[int, str | None] = field(default_factory=dict)
    never_told: set[int] = field(default_factory=set)


class Simulation:
    """Makes a month of so many requests, with `plants` differences of each cause."""

    def __init__(self, requests: int, plants: int, seed: int = 7) -> None:
        self.random, self.month, self._plants = random.Random(seed), Month(), plants
        self._used: set[tuple[int, str, str, str]] = set()
        made = sorted((self._request(number) for number in range(1, requests + 1)), key=lambda request: request.at)
        self._made = [replace(request, number=number) for number, request in enumerate(made, 1)]
        self._open = {request.number: request for request in self._made}
        self._next = requests
        for request in self._made:
            if request.kind in ("cut", "background"):  # what is sure to be told apart stands alone
                self._used.add(request.place)
        self._plant()
        for request in self._open.values():
            self.month.seen.append(request)
            if request.kind != "cut":  # upstream counts nothing of what was cut before it had begun
                self.month.books.count(request)
        self._dearer()
        self.month.seen.sort(key=lambda request: request.number)

    def _request(self, number: int) -> Request:
        r = self.random
        project = r.choice(list(PROJECTS))
        model, tier = r.choice(("sim-large", "sim-small", "sim-small")), r.choices(list(_TIERS), (6, 2, 1))[0]
        kind = r.choices(("plain", "ws", "background", "cut"), (60, 36, 3, 1))[0]
        at = START + r.uniform(2 * HOUR, DAYS * DAY - 4 * HOUR)
        at = at - at % HOUR + r.uniform(60, HOUR - 120)  # not at the border of an hour; what is counted late is planted
        whole = r.randrange(200, 60_000) if r.random() < 0.97 or model != "sim-large" else r.randrange(100_001, 200_000)
        cached = r.randrange(whole) // 128 * 128 if whole > 1024 and r.random() < 0.7 else 0
        written = r.randrange(whole - cached) if model == "sim-large" and r.random() < 0.3 else 0
        tokens = Tokens(whole - cached - written, cached, written, r.randrange(1, 4000))
        return Request(number, at, r.uniform(0.3, 50), kind, project, r.choice(PROJECTS[project]), model, tier, tokens)

    def _take(self, wanted: Callable[[Request], bool], *more: int) -> Request:
        """One that nothing is planted beside, `more` hours after it included."""
        for request in self.random.sample(self._made, len(self._made)):
            hour, project, key, model = request.place
            places = {(hour + each, project, key, model) for each in (0, *more)}
            if request.number in self._open and wanted(request) and not places & self._used:
                self._used |= places
                del self._open[request.number]
                return request
        raise AssertionError("there is no room for one more difference")

    def _see(self, request: Request) -> Request:
        self.month.seen.append(request)
        return request

    def _note(self, cause: str, amount: int, *requests: Request) -> None:
        self.month.planted.append(Planted(cause, amount, tuple(sorted(request.number for request in requests))))

    def _plant(self) -> None:
        for _ in range(self._plants):
            for cause in ("unseen", "no_usage", "cached", "tier", "late", "never_told", "regrouped", "not_billed", "unpriced"):
                getattr(self, f"_{cause}")()
        self.month.books.costs[(3, "proj_lab", "Vector storage")] = 5 * 10**11
        self.month.planted.append(Planted("no_request", 5 * 10**11, ()))

    def _unseen(self) -> None:
        request = self._take(_plain)
        self.month.books.count(request)
        self._note("unseen", worth(request))

    def _no_usage(self) -> None:
        request = replace(self._take(_plain), kind="cut")
        self.month.books.count(self._see(request))
        self._note("no_usage", worth(request), request)

    def _cached(self) -> None:
        request = self._see(self._take(lambda request: _plain(request) and request.tokens.cached > 0))
        tokens = request.tokens._replace(input=request.tokens.input + request.tokens.cached, cached=0)
        theirs = replace(request, tokens=tokens)
        self.month.books.count(theirs)
        self._note("cached", worth(theirs) - worth(request), request)

    def _tier(self) -> None:
        """An answer that told another tier than is billed, or none."""
        request = self._see(self._take(lambda request: _plain(request) and request.tier == "flex"))
        told = self.random.choice(("priority", "flex", None))
        self.month.told_tier[request.number] = told
        theirs = replace(request, tier="default")
        self.month.books.count(theirs)
        self._note("tier", worth(theirs) - (worth(replace(request, tier=told)) if told else 0), request)

    def _late(self) -> None:
        """Its usage was told to the client soon, and counted by the provider hours later."""
        request = replace(self._take(_plain, 2), kind="background")
        request = self._see(replace(request, told_at=request.at + 100))
        self.month.books.count(request, request.end + 2 * HOUR)
        self._note("late", worth(request, request.end + 2 * HOUR) - worth(request), request)

    def _never_told(self) -> None:
        request = self._see(replace(self._take(_plain), kind="background"))
        self.month.never_told.add(request.number)
        self.month.books.count(request)
        self._note("late", worth(request), request)

    def _regrouped(self) -> None:
        request = self._take(lambda request: _plain(request) and request.project == "proj_web")
        other = "key_web_b" if request.key == "key_web_a" else "key_web_a"
        place = ((request.end - START) // HOUR, request.project, other, request.model)
        self._used.add(place)
        self.month.books.count(replace(self._see(request), key=other))
        self._note("regrouped", 0, request)

    def _not_billed(self) -> None:
        request = self._see(self._take(_plain))
        self._note("not_billed", -worth(request), request)

    def _unpriced(self) -> None:
        request = self._see(replace(self._take(_plain), model="sim-new"))
        self.month.books.count(request)
        self._note("unpriced", worth(request), request)

    def _dearer(self) -> None:
        self.month.planted.append(Planted("price", self.month.books.dearer, tuple(sorted(set(self.month.books.dearer_requests)))))


def _plain(request: Request) -> bool:
    return request.kind in ("plain", "ws") and not (request.model == "sim-small" and request.end >= DEARER) and abs(request.end - CHANGE) > 4 * HOUR


# What playhead has of it.


def pricer() -> Pricer:
    return Pricer(Book(installed_list(), [own_table(), parse_table(TABLE.encode(), "month.toml")]), Assumptions.parse("provider=path,region=global"))


def recorded(month: Month, connections: dict[int, RecordedConnection]) -> Iterator[tuple[int, Recorded]]:
    """Exchanges in the order of time, with the numbers of their requests; connections come beside."""
    entries = Entries(pricer())
    for request in month.seen:
        for one in _exchanges(month, request, connections):
            one.cost = entries.of(priceable(one))
            yield request.number, one


def _exchanges(month: Month, request: Request, connections: dict[int, RecordedConnection]) -> Iterator[Recorded]:
    number, started, lasted = request.number * 4, int(request.at * 10**9), int(request.seconds * 10**9)
    response, tier = f"resp_{request.number}", month.told_tier.get(request.number, request.tier)
    facts = Facts(kind="responses", model=request.model, response_id=response, response_status="completed", service_tier=tier, usage=_usage(request.tokens))
    facts.parse = "parsed"
    base = Recorded("m", number, "default", "run-1", "sse", "POST", "/v1/responses", started, 200, "complete", 10**6, lasted)
    base.key_id, base.project, base.upstream = f"k_{request.key[::-1]}", request.project, "https://api.openai.com"
    base.facts, base.raw = facts, Raw(b"", b"{}", b"", b"{}")
    if request.kind == "plain":
        if request.number % 50 == 0:  # the first try was refused, which costs nothing
            refused = Facts(kind="responses", model=request.model, error_code="rate_limit_exceeded")
            yield replace(base, number=number - 1, status=429, facts=refused, started_at_ns=started - 10**9, duration_ns=10**7)
            base.attempt = 2
        yield base
    elif request.kind == "ws":
        socket = number // 400 * 400 + 1  # a hundred requests may share a connection, in lanes
        if socket not in connections:
            connections[socket] = RecordedConnection("m", socket, "default", "run-1", "/v1/responses", base.upstream, started, 101)
        yield replace(base, number=turn_number(socket, number % 400 + 1), transport="ws", method="GET", status=101, stream_id=f"lane_{number % 3}")
    elif request.kind == "cut":
        cut = Facts(kind="responses", model=request.model, response_id=response, response_status="in_progress", service_tier="auto", parse="partial")
        cut.response_status = None
        yield replace(base, outcome="client_closed", facts=cut)
    else:
        yield replace(base, facts=replace(facts, usage=None, response_status="queued", service_tier="auto"), duration_ns=10**8, transport="http")
        if request.number not in month.never_told:
            told = int((request.told_at or request.at + request.seconds) * 10**9)
            yield replace(base, number=number + 1, method="GET", path=f"/v1/responses/{response}", started_at_ns=told, duration_ns=10**8, transport="http")


def _usage(tokens: Tokens) -> dict[str, Any]:
    writes = {"cache_write_tokens": tokens.written, "cache_write_tokens_details": {"ttl_30m_tokens": tokens.written, "ttl_12h_tokens": 0}}
    details = {"cached_tokens": tokens.cached, **(writes if tokens.written else {})}
    return {"input_tokens": tokens.whole, "input_tokens_details": details, "output_tokens": tokens.output, "total_tokens": tokens.whole + tokens.output}


def store_month(month: Month, store: Store, at_once: int = 500) -> dict[int, int]:
    """Put it into a store; the number of the request of each exchange."""
    connections: dict[int, RecordedConnection] = {}
    numbers: dict[int, int] = {}
    batch: list[Recorded] = []
    stored: set[int] = set()

    def write() -> None:
        new = [one for socket, one in connections.items() if socket not in stored]
        stored.update(connections)
        store.write(Batch(finished=list(batch), connections=new))
        batch.clear()

    by_number: dict[int, int] = {}
    for request, one in recorded(month, connections):
        by_number[one.number] = request
        batch.append(one)
        if len(batch) >= at_once:
            write()
    write()
    with store._database.reading() as connection:
        for id_, number in connection.exec_driver_sql("SELECT id, number FROM exchanges"):
            numbers[id_] = by_number[number]
    return numbers
