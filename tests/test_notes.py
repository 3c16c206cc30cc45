"""The JSON of journal frames says what it was told, on the fast paths too."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.notes import Meta, bundle, end, opening, opening_meta, read_opening, request_end

texts = st.none() | st.text(max_size=20)


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: name != "started_at"), texts | st.booleans(), min_size=1), st.integers(0, 2**63), st.binary())
def test_an_opening_holds_meta_time_and_head(meta: dict[str, Any], started: int, head: bytes) -> None:
    first, _, rest = opening(opening_meta(meta), started, head).partition(b"\n")

    assert json.loads(first) == {**meta, "started_at": started}
    assert rest == head


@given(st.integers(0, 2**63), st.booleans(), texts, texts)
def test_the_end_of_a_request_says_all_it_was_told(size: int, redacted: bool, problem: str | None, digest: str | None) -> None:
    said = json.loads(request_end(size, redacted=redacted, problem=problem, digest=digest if problem is not None else None))

    assert said == {"bytes": size, "redacted": redacted, "problem": problem, "xxh3": digest if problem is not None else None}


@given(st.sampled_from(["complete", "client_closed", "timeout"]), texts, st.booleans(), st.booleans(), texts)
def test_the_end_of_an_exchange_says_all_it_was_told(outcome: str, error: str | None, redacted: bool, lost: bool, problem: str | None) -> None:
    said = json.loads(end(outcome, error or None, redacted=redacted, lost=lost, problem=problem or None))
    unsaid = {"error": None, "redacted": False, "lost": False, "problem": None}

    assert unsaid | said == {"outcome": outcome, "error": error or None, "redacted": redacted, "lost": lost, "problem": problem or None}


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(Meta._fields, st.text(max_size=20))), st.integers(0, 2**63), st.binary())
def test_an_opening_is_read_back_as_it_was_told_or_as_any_json(meta: dict[str, str], started: int, head: bytes) -> None:
    other = {"mode": "record", **meta}
    told, plain = opening(opening_meta(other), started, head), json.dumps({"started_at": started, **other}).encode() + b"\n" + head

    assert read_opening(told) == read_opening(plain) == read_opening(bundle(told, b"", b""), bundled=True) == (Meta(**meta), started)
