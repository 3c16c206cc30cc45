"""What clients of OpenAI's SDK take for the wire, of today's version and of an older one, is all known to the models."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conformance import ROOTS
from playhead.proxy.models.tagged import Unknown
from playhead.proxy.models.wire import Door, Wire
from samples import of_roots

OLDER = Path(__file__).parent / "data" / "openai-2.24.0.jsonl.gz"
Sample = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """As many objects as these are looked at by every garbage collection of the tests that follow."""
    yield
    door.cache_clear()


@cache
def door(root: str) -> Door[Wire]:
    return Door(dict(ROOTS)[root])


def older() -> list[Sample]:
    lines = gzip.decompress(OLDER.read_bytes()).splitlines()
    return [(root, sample) for root, sample in map(json.loads, lines[1:])]


def models(value: Any) -> Iterator[Wire]:
    """All models in a model."""
    if isinstance(value, Wire):
        yield value
        value = [value.__dict__[name] for name in type(value).model_fields if name in value.__dict__]
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from models(member)


def wrong(samples: list[Sample]) -> list[Any]:
    """What the models report of samples, or do not know."""
    found: list[Any] = []
    for root, sample in samples:
        model = door(root)(json.dumps(sample))
        found += [(root, sample.get("type"), problem) for problem in model.problems]
        found += [(root, sample.get("type"), type(each), each.type) for each in models(model) if isinstance(each, Unknown) and each.type]
    return found


def unequal(samples: list[Sample]) -> list[Sample]:
    return [(root, sample) for root, sample in samples if json.dumps(door(root)(json.dumps(sample)).to_wire()) != json.dumps(sample)]


@pytest.fixture(scope="module")
def today() -> list[Sample]:
    return list(of_roots())


def test_there_are_samples(today: list[Sample]) -> None:
    assert len({root for root, _ in today}) > 20
    assert len(today) > 500


def test_the_shapes_of_today_have_no_problems(today: list[Sample]) -> None:
    assert wrong(today) == []


def test_the_shapes_of_today_come_back(today: list[Sample]) -> None:
    assert unequal(today) == []


def test_the_shapes_of_an_older_version_have_no_problems() -> None:
    assert wrong(older()) == []


def test_the_shapes_of_an_older_version_come_back() -> None:
    assert unequal(older()) == []


def test_parsing_leniently_finds_the_same(today: list[Sample]) -> None:
    # Half a surrogate pair is what the strict parser does not take; there is nothing else wrong.
    for root, sample in today:
        strict, lenient = door(root)(json.dumps(sample)), door(root)(json.dumps({**sample, "\ud800": 1}))
        assert lenient.problems == ()
        assert list(map(type, models(lenient))) == list(map(type, models(strict)))
        assert json.dumps(lenient.to_wire()) == json.dumps({**sample, "\ud800": 1})
