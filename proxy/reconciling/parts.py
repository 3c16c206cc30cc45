"""Exchanges as the provider counts them: to which endpoint's usage each belongs, when, and with which counts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from playhead.storage.costing.spent import Spent, SpentLine

from ..models.kind import shape_of
from ..pricing.dimensions import located
from .measures import COMPLETIONS, MEASURES, Vector

_NS = 10**9
_ENDPOINTS: Mapping[str, str] = {
    "responses": "completions",
    "chat.completions": "completions",
    "realtime": "completions",
    "embeddings": "embeddings",
    "images": "images",
}
_CALLS: Mapping[tuple[str, str], str] = {
    ("audio", "speak"): "audio_speeches",
    ("audio", "transcribe"): "audio_transcriptions",
    ("audio", "translate"): "audio_transcriptions",
    ("other", "moderations"): "moderations",
    ("other", "completions"): "completions",
}
_CLASSES = ("input", "cached", "written", "output")
_TOOLS: Mapping[str, str] = {
    "web_search": "web search",
    "web_search_preview": "web search",
    "file_search": "file search",
    "container": "containers",
    "code_interpreter": "containers",
}
_WRITES = ("cache_write_30m", "cache_write_12h")


class Money(NamedTuple):
    """What part of an exchange's price a bill may have a line for. `what`: input, cached, written, output, or the name of a tool."""

    model: str | None
    what: str
    amount: int
    quantity: int


class Part(NamedTuple):
    """What an exchange adds to the usage of one endpoint; times in seconds. `made`: when its response was asked for; `end`: when its usage was known.

    `vector`: by MEASURES; None: its usage is not known. `amount`: what of the ledger belongs to it, in 10^-12 USD; None: it has no price. `tier`: as the
    answer says it, `asked`: as the request does. `countable`: False if the provider counts it as several requests. `late`: it went on in the background.
    """

    exchange: int
    endpoint: str
    made: int
    start: int
    end: int
    at_ns: int
    project: str | None
    key: str | None
    model: str | None
    tier: str | None
    asked: str | None
    batch: bool
    vector: Vector | None
    amount: int | None
    money: tuple[Money, ...]
    countable: bool
    late: bool
    pending: bool
    reason: str | None
    upstream: str

    @property
    def suspect(self) -> bool:
        """Whether there is a reason why the provider may count it elsewhere than the ledger does."""
        return self.late or self.tier in (None, "auto")

    @property
    def beside(self) -> tuple[Money, ...]:
        """What it cost beside the tokens that are counted, wherever these are: calls of tools, and what other models made."""
        return tuple(each for each in self.money if each.model != self.model or each.what not in _CLASSES)


def parts_of(spent: Spent) -> Iterator[Part]:
    """All that an exchange adds to usage; nothing if another provider is paid for it, or nobody."""
    if not _at_openai(spent):
        return
    endpoint = _endpoint(spent)
    if endpoint is None:
        return
    if spent.state == "free" and (endpoint != "moderations" or (spent.status or 0) >= 400):
        return
    tiers = {name: value for name, value, _ in spent.dimensions}
    batch = tiers.get("tier") == "batch"
    end_ns = spent.started_at_ns + spent.duration_ns
    made_ns = spent.made_ns if spent.made_ns is not None else spent.started_at_ns
    billing = spent.billing or {}
    own = Part(
        *(spent.id, endpoint, made_ns // _NS, spent.started_at_ns // _NS, end_ns // _NS, made_ns),
        *(spent.project, spent.key_id, spent.model, "default" if batch else spent.service_tier, billing.get("asked_tier"), batch),
        _vector(spent, endpoint, billing),
        spent.amount if spent.state != "partly" else None,
        tuple(_money(spent)),
        countable=not batch and spent.kind != "realtime",
        late=spent.made_ns is not None,
        pending=spent.state == "pending",
        reason=spent.reason,
        upstream=spent.upstream,
    )
    yield own
    yield from _tools(own, spent.lines)


def _at_openai(spent: Spent) -> bool:
    told = next((value for name, value, _ in spent.dimensions if name == "provider"), None)
    if told is None:
        return spent.kind != "messages" and located(spent.upstream)[0] in (None, "openai")
    return told.startswith("openai")


def _endpoint(spent: Spent) -> str | None:
    if spent.path.partition("?")[0].rstrip("/").endswith("/decisions"):
        return "decisions"
    if found := _ENDPOINTS.get(spent.kind):
        return found
    found = _CALLS.get((spent.kind, shape_of(spent.method, spent.path).call))
    return found or ("completions" if spent.used and spent.kind == "other" else None)


def _vector(spent: Spent, endpoint: str, billing: Mapping[str, Any]) -> Vector | None:
    """Its counts; None if its usage is not known, and the endpoint counts more than requests."""
    names = MEASURES[endpoint]
    if names == ("requests",):
        return (1,)
    fresh, cached, written, output, _ = (count or 0 for count in spent.counts)
    if names is COMPLETIONS:
        if not spent.used:
            return None
        half_hour, half_day = (sum(line.quantity for line in spent.lines if line.item == item) for item in _WRITES)
        return (1, fresh, cached, half_hour, half_day, max(written - half_hour - half_day, 0), output)
    if endpoint == "audio_speeches":
        return (1, int(billing.get("characters") or 0))
    if endpoint == "audio_transcriptions":
        return (1, sum(line.quantity for line in spent.lines if line.item == "audio") // 10**6)
    return (1, fresh + cached + written) if spent.used else None


def _money(spent: Spent) -> Iterator[Money]:
    """What its price is made of, as bills name it."""
    for what, count, amount in zip(_CLASSES, spent.counts, spent.amounts, strict=False):
        if amount:
            yield Money(spent.model, what, amount, count or 0)
    for line in spent.lines:
        if line.amount and not line.item.startswith("cache_write"):
            _, dot, item = line.item.partition(".")
            what = _class(item) if dot else _tool(line.item)
            by_model = dot or line.item in ("audio", "characters")
            yield Money((line.model or spent.model) if by_model else None, what, line.amount, line.quantity)


def _class(item: str) -> str:
    if item.startswith("cached"):
        return "cached"
    return "written" if item.startswith("cache_write") else "output" if item.startswith("output") else "input"


def _tool(item: str) -> str:
    return "containers" if item.startswith("container") else _TOOLS.get(item, item.replace("_", " "))


def _tools(own: Part, lines: tuple[SpentLine, ...]) -> Iterator[Part]:
    """What hosted tools add to usage of their own; their money is that of the exchange, and counted with it."""
    searches = sum(line.quantity for line in lines if line.item in ("web_search", "web_search_preview"))
    files = sum(line.quantity for line in lines if line.item == "file_search")
    sessions = sum(line.item.startswith("container") or line.item == "code_interpreter" for line in lines)
    for endpoint, vector in (("web_searches", (1, searches)), ("file_searches", (files,)), ("code_interpreter_sessions", (sessions,))):
        if any(vector[-1:]):
            yield own._replace(endpoint=endpoint, vector=vector, amount=0, money=(), countable=own.countable, late=False, pending=False)
