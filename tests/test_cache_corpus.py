"""Real exchanges of the shared corpus, and anything at all: every prompt is looked at, and what is told of it can be told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journalled import fold
from playhead.config.assumptions import Assumptions
from playhead.config.listed_prices import installed_list
from playhead.config.prices import own_table
from playhead.proxy.caching.forensics import Forensics
from playhead.proxy.caching.judging import CAUSES
from playhead.proxy.caching.lost import money_of
from playhead.proxy.caching.reading import RecordedTurns
from playhead.proxy.caching.report import row_of, story
from playhead.proxy.pricing.book import Book
from playhead.proxy.pricing.entries import Entries
from playhead.proxy.pricing.pricing import Pricer
from playhead.storage.costing.priceable import priceable
from playhead.storage.costing.prompting import KINDS
from playhead.storage.costing.sums import Wanted
from playhead.storage.records import Batch, Recorded
from playhead.storage.store import Store
from prompted import Talk
from test_recording_corpus import WAYS, exchanges, journalled

SAMPLE = 3  # one of so many


def recordings(shared: Path, entries: Entries) -> list[Recorded]:
    found: list[Recorded] = []
    for name in ("responses", "chat"):
        for exchange in exchanges(shared, name)[::SAMPLE]:
            one = fold(journalled(exchange, WAYS[len(found) % len(WAYS)]))
            one.writer, one.number, one.session, one.run = "w1", len(found) + 1, "default", "run-1"
            one.cost = entries.of(priceable(one))
            found.append(one)
    return found


def test_every_prompt_of_the_corpus_is_looked_at(shared: Path, tmp_path: Path) -> None:
    pricer = Pricer(Book(installed_list(), [own_table()]), Assumptions.parse("provider=path,region=global,tier=default"))
    made = recordings(shared, Entries(pricer))
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True) as store:
        store.write(Batch(finished=made))
        recorded = RecordedTurns(store, Wanted())
        forensics = Forensics(recorded, lambda turn, lost: money_of(turn, lost, pricer), 10_000)
        for turn, body, _ in recorded.turns():
            forensics.look(turn, body)
        told = [(row_of(one, recorded.diagnosis(one.turn)), [*story(one)]) for one in forensics.dearest]

    later = {one.facts.response_id for one in made if one.cost and one.cost.told and one.cost.used}
    asked = [one for one in made if one.facts.kind in KINDS and one.method == "POST" and one.cost and not one.cost.told]
    prompts = [one for one in asked if one.cost and (one.cost.counts[0] is not None or one.facts.response_id in later)]
    assert len(prompts) > 200
    assert sum(total.turns for total in forensics.totals.values()) + forensics.unread == len(prompts)
    assert forensics.unread == sum(not isinstance(_json(one.raw.request), dict) for one in prompts)
    assert forensics.totals.keys() <= CAUSES.keys()
    assert len(told) <= sum(total.turns for total in forensics.totals.values() if total.lost)


def _json(request: bytes) -> Any:
    try:
        return json.loads(request)
    except ValueError:
        return None


TEXTS = st.text(max_size=20) | st.sampled_from(["2026-11-26T06:30:01Z", "x" * 5000])
JSON = st.recursive(st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4))
NAMES = ("input", "messages", "tools", "instructions", "system", "text", "reasoning", "prompt", "tool_choice", "prompt_cache_options", "truncation")
BODIES = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6)


@pytest.mark.parametrize("kind", KINDS)
@given(bodies=st.lists(BODIES, min_size=2, max_size=4), tokens=st.integers(1, 10**6))
def test_any_requests_can_be_compared(kind: str, bodies: list[dict[str, Any]], tokens: int) -> None:
    talk = Talk()
    for body in bodies:
        assert talk.say(body, tokens=tokens, kind=kind) in CAUSES

    for finding in talk.forensics.dearest:
        assert 0 < finding.judged.lost <= tokens
        assert row_of(finding).lost_tokens == finding.judged.lost
        assert len([*story(finding)]) >= 3
