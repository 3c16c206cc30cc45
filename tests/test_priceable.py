"""What decides about the price of an exchange: the same while it is recorded and when it is stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from playhead.storage.costing.priceable import priceable
from playhead.storage.records import Batch, Facts
from playhead.storage.store import Store
from stores import recorded


def test_what_is_at_hand_says_what_the_store_says(tmp_path: Path) -> None:
    named = Facts("kind", "model", "id", "previous", "completed", "flex", "code")
    facts = replace(named, usage={"input_tokens": 1}, billing={"window": "8h"}, parse="parsed")
    one = recorded(steer="s", status=201, upstream="https://u", started_at_ns=1_756_315_696_123_456_000, facts=facts)
    with Store.open(f"sqlite:///{tmp_path / 'a.db'}", create=True) as store:
        store.write(Batch([one]))

        assert [*store.ledger.priceable()] == [priceable(one, 1)]
