"""Reads what the provider exports: pages of the organization's usage endpoints and of its costs endpoint, as JSON. Pure.

A file holds one page, a list of pages, or pages one after the other. Pages are put together by their buckets; what comes twice counts once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from playhead.config.errors import ConfigError

from .measures import COSTS, MEASURES, Vector, vector_of

DIMENSIONS = ("project", "key", "model", "tier", "batch")
"""What an export may be grouped by that recordings know, too."""

_FIELDS: Mapping[str, str] = {"project": "project_id", "key": "api_key_id", "model": "model", "tier": "service_tier", "batch": "batch"}
_OBJECT = re.compile(r"organization\.(?:usage\.)?([a-z_]+)\.result")
_PICO = 10**12


class Cell(NamedTuple):
    """What usage is counted by: a time bucket (seconds since the epoch), and what the export is grouped by; None: not by that."""

    start: int
    end: int
    project: str | None = None
    key: str | None = None
    model: str | None = None
    tier: str | None = None
    batch: bool | None = None


class Billed(NamedTuple):
    """One line of the costs. `amount`: in 10^-12 USD; `digits`: decimal places of the number as it was written; `quantity`: of what `unit` names."""

    start: int
    end: int
    project: str | None
    key: str | None
    item: str | None
    amount: int
    digits: int
    quantity: Decimal | None = None
    unit: str | None = None


@dataclass(slots=True)
class Table:
    """All that the exports hold of one endpoint. `grouped`: the dimensions that its rows tell."""

    endpoint: str
    grouped: frozenset[str] = frozenset()
    buckets: set[tuple[int, int]] = field(default_factory=set)
    rows: dict[Cell, Vector] = field(default_factory=dict)
    split_writes: bool = False


@dataclass(slots=True)
class Exports:
    """What files hold together. `notes`: what of it is not whole, or cannot be compared."""

    tables: dict[str, Table] = field(default_factory=dict)
    billed: list[Billed] = field(default_factory=list)
    billed_buckets: set[tuple[int, int]] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    @property
    def span(self) -> tuple[int, int]:
        """From when to when, in seconds since the epoch."""
        all_ = [*self.billed_buckets, *(bucket for table in self.tables.values() for bucket in table.buckets)]
        return min(start for start, _ in all_), max(end for _, end in all_)


class _Bucket(NamedTuple):
    source: str
    start: int
    end: int
    results: list[dict[str, Any]]


def read_exports(files: Iterable[tuple[str, bytes]]) -> Exports:
    """Files by name, with their bytes. Raises ConfigError for what is no export, or does not fit together."""
    found, buckets, ends = Exports(), dict[tuple[str, int, int], _Bucket](), list[tuple[str, _Bucket]]()
    for name, content in files:
        pages = list(_pages(name, content))
        held = [bucket for page in pages for bucket in _buckets(name, page)]
        named = {_endpoint(row) for bucket in held for row in bucket.results}
        for bucket in held:
            _take(found, buckets, bucket, next(iter(named)) if len(named) == 1 else "")
        ends += [(name, held[-1])] if held and isinstance(pages[-1], dict) and pages[-1].get("has_more") else []
    for (endpoint, _, _), bucket in buckets.items():
        _add(found, endpoint, bucket)
    if not (found.billed_buckets or any(table.buckets for table in found.tables.values())):
        raise ConfigError("the exports hold neither usage nor costs to compare: give what /v1/organization/usage/... and /v1/organization/costs answered")
    for table in found.tables.values():
        _without_overlap(f"usage of {table.endpoint}", table.buckets)
        table.grouped = frozenset(name for name in DIMENSIONS if any(getattr(cell, name) is not None for cell in table.rows))
        found.notes += _gaps(f"usage of {table.endpoint}", table.buckets)
    if (usage := found.tables.get("completions")) and (lacking := [_FIELDS[name] for name in ("model", "tier", "project") if name not in usage.grouped]):
        found.notes.append(f"the usage of completions is not grouped by {', '.join(lacking)}: which cause a difference has is less sure")
    _without_overlap("costs", found.billed_buckets)
    found.notes += _gaps("costs", found.billed_buckets)
    found.notes += [
        f"{name} goes on (has_more), and no file holds its next page: what was used from then on is not compared"
        for name, last in ends
        if not any(bucket.start >= last.end and bucket.end - bucket.start == last.end - last.start for bucket in buckets.values())
    ]
    found.notes = list(dict.fromkeys(found.notes))
    return found


def _pages(name: str, content: bytes) -> Iterator[Any]:
    """The JSON values of a file, lists laid open."""
    decoder = json.JSONDecoder(parse_float=Decimal)
    try:
        text, at = content.decode("utf-8-sig").strip(), 0
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            while at < len(text) and text[at].isspace():
                at += 1
            yield from value if isinstance(value, list) else (value,)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name} is no JSON: {str(error)[:200]}") from None


def _buckets(name: str, page: Any) -> Iterator[_Bucket]:
    """Those of a page; a bucket may stand alone."""
    held = page.get("data") if isinstance(page, dict) and page.get("object") != "bucket" else [page]
    if not isinstance(held, list):
        raise ConfigError(f"{name} is no export of usage or costs: a page has a list data of buckets")
    for bucket in held:
        start, end, results = (bucket.get(key) if isinstance(bucket, dict) else None for key in ("start_time", "end_time", "results"))
        if results is None and isinstance(bucket, dict):
            results = bucket.get("result")  # its older name
        rows = [row for row in results if isinstance(row, dict)] if isinstance(results, list) else None
        if not isinstance(start, int) or not isinstance(end, int) or start >= end or rows is None or len(rows) < len(results or ()):
            raise ConfigError(f"{name} is no export of usage or costs: a bucket has start_time, a later end_time, and a list results of objects")
        yield _Bucket(name, start, end, rows)


def _take(found: Exports, buckets: dict[tuple[str, int, int], _Bucket], bucket: _Bucket, empty: str) -> None:
    """Keep a bucket, once for each endpoint: the same one again says nothing new, another one contradicts it. `empty`: whose those without results are."""
    by_endpoint: dict[str, list[dict[str, Any]]] = {}
    for row in bucket.results:
        by_endpoint.setdefault(_endpoint(row), []).append(row)
    for endpoint, rows in (by_endpoint or {empty: []}).items():
        key = (endpoint, bucket.start, bucket.end)
        before = buckets.setdefault(key, bucket._replace(results=rows))
        if before.results != rows and not _same(before.results, rows):
            raise ConfigError(
                f"{before.source} and {bucket.source} both hold {endpoint or 'a bucket'} from {bucket.start} to {bucket.end}, and say something else of it: "
                "give one export of each endpoint, grouped in one way"
            )
        if before.source != bucket.source and endpoint:
            found.notes.append(f"{bucket.source} repeats what {before.source} holds: it counts once")


def _same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    return sorted(map(repr, one)) == sorted(map(repr, other))


def _endpoint(row: Mapping[str, Any]) -> str:
    match = _OBJECT.fullmatch(str(row.get("object")))
    return match[1] if match else f"{row.get('object')!s:.60}"


def _add(found: Exports, endpoint: str, bucket: _Bucket) -> None:
    if endpoint == COSTS:
        found.billed_buckets.add((bucket.start, bucket.end))
        found.billed += [_billed(bucket, row) for row in bucket.results]
    elif endpoint in MEASURES:
        _count(found.tables.setdefault(endpoint, Table(endpoint)), bucket)
    elif endpoint:
        found.notes.append(f"{bucket.source}: {endpoint} cannot be compared, since recordings do not tell it")


def _count(table: Table, bucket: _Bucket) -> None:
    table.buckets.add((bucket.start, bucket.end))
    for row in bucket.results:
        try:
            vector, split = vector_of(table.endpoint, row)
            cell = Cell(bucket.start, bucket.end, *(_name(row, name) for name in DIMENSIONS))
        except ValueError as error:
            raise ConfigError(f"{bucket.source}: {table.endpoint} from {bucket.start} to {bucket.end}: {error} is not what the provider exports") from None
        table.split_writes |= split
        before = table.rows.get(cell)  # grouped by what recordings do not know, such as the user: they are one
        table.rows[cell] = vector if before is None else tuple(map(sum, zip(before, vector, strict=True)))


def _name(row: Mapping[str, Any], dimension: str) -> Any:
    """What a row is grouped by. Raises ValueError."""
    value = row.get(_FIELDS[dimension])
    if value is not None and not isinstance(value, bool if dimension == "batch" else str):
        raise ValueError(f"{_FIELDS[dimension]} = {value!r:.60}")
    return value


def _without_overlap(what: str, buckets: set[tuple[int, int]]) -> None:
    """Raises ConfigError."""
    clash = next((after for before, after in pairwise(sorted(buckets)) if after[0] < before[1]), None)
    if clash is not None:
        raise ConfigError(f"the buckets of {what} overlap ({clash[0]} to {clash[1]}): give one export of each endpoint, with buckets of one width")


def _billed(bucket: _Bucket, row: Mapping[str, Any]) -> Billed:
    amount = row.get("amount")
    if not isinstance(amount, dict) or amount.get("value") is None:
        raise ConfigError(f"{bucket.source}: the costs from {bucket.start} to {bucket.end} have a line without amount.value")
    currency = str(amount.get("currency") or "usd").lower()
    if currency != "usd":
        raise ConfigError(f"{bucket.source}: costs in {currency}: only US dollars can be compared")
    value, quantity = _decimal(bucket.source, amount.get("value")), row.get("quantity")
    exponent = value.as_tuple().exponent
    project, key, item, unit = (None if row.get(name) is None else str(row[name]) for name in ("project_id", "api_key_id", "line_item", "quantity_unit"))
    count = None if quantity is None else _decimal(bucket.source, quantity)
    pico = int((value * _PICO).to_integral_value())
    digits = max(0, -exponent) if isinstance(exponent, int) else 0
    return Billed(bucket.start, bucket.end, project, key, item, pico, digits, count, unit)


def _decimal(source: str, value: Any) -> Decimal:
    try:
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise ValueError
        found = Decimal(value)
        if not found.is_finite() or abs(found) > 10**15 or (found and found.adjusted() < -30):
            raise ValueError
    except (ArithmeticError, ValueError, TypeError):
        raise ConfigError(f"{source}: {value!r:.60} is no amount") from None
    return found


def _gaps(what: str, buckets: set[tuple[int, int]]) -> Iterator[str]:
    ordered = sorted(buckets)
    missing = sum(before[1] != after[0] for before, after in pairwise(ordered))
    if missing:
        yield f"the export of {what} has {missing} gap{'s'[: missing != 1]} between its buckets: what was used then is not compared"
