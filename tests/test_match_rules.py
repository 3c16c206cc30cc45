"""Match rules of sessions in the store, in versions, and the answers that were given by them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update

from playhead.config.errors import StoreError
from playhead.config.rules import Rule, parse_rule
from playhead.storage.records import Batch
from playhead.storage.replaying.replay_rows import RuleHit
from playhead.storage.replaying.replay_tables import match_rules
from playhead.storage.store import Store
from stores import opened, recorded

UUID, RUN = parse_rule("normalize uuid"), parse_rule("ignore $.metadata.run_id")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(opened(url)) as made:
        made.write(Batch([recorded(1), recorded(2, session="b")]))
        yield made


def hit(**changes: Any) -> RuleHit:
    at = datetime(2026, 11, 26, tzinfo=UTC)
    values: dict[str, Any] = {"session": "default", "take": 1, "run": "r", "exchange": 1, "rules": "normalize uuid", "count": 2, "first_at": at, "last_at": at}
    return RuleHit(**values | changes)


def test_a_session_has_none_at_first(store: Store) -> None:
    assert (store.match_rules("default"), store.rule_versions("default")) == ((), [])


def test_the_newest_version_is_in_force_and_the_older_ones_stay(store: Store) -> None:
    assert [store.set_match_rules("default", rules) for rules in ([UUID], [UUID, RUN], [])] == [1, 2, 3]

    assert store.match_rules("default") == ()
    assert [(one.version, one.rules) for one in store.rule_versions("default")] == [(1, (UUID,)), (2, (UUID, RUN)), (3, ())]
    assert store.match_rules("b") == ()


def test_the_same_rules_again_are_no_new_version(store: Store) -> None:
    assert [store.set_match_rules("default", rules) for rules in ([UUID, RUN], [UUID, RUN, UUID])] == [1, 1]


def test_sessions_begin_with_rules_if_they_have_none(store: Store) -> None:
    store.set_match_rules("b", [RUN])
    store.begin_sessions_with([UUID], "default")
    store.write(Batch([recorded(number, session=name, run="run 2") for number, name in ((3, "default"), (4, "b"), (5, "c"))]))

    assert [store.match_rules(name) for name in ("default", "b", "c")] == [(UUID,), (RUN,), (UUID,)]


def test_a_session_that_had_its_rules_taken_away_begins_with_none(store: Store) -> None:
    store.set_match_rules("default", [RUN])
    store.set_match_rules("default", [])
    store.begin_sessions_with([UUID], "default")

    assert store.match_rules("default") == ()


def test_a_session_that_is_not_there_yet_has_none(store: Store) -> None:
    store.begin_sessions_with([UUID], "nowhere")

    assert store.rule_versions("nowhere") == []


def test_rules_that_cannot_be_read_are_refused(store: Store) -> None:
    store.set_match_rules("default", [UUID])
    with store._database.writing() as connection:
        connection.execute(update(match_rules).values(rules=["forget everything"]))

    with pytest.raises(StoreError, match=r"session default cannot be read: 'forget everything' is no match rule.*newer playhead"):
        store.match_rules("default")


def test_hits_of_one_replay_by_the_same_rules_are_counted_together(store: Store) -> None:
    later = datetime(2026, 11, 27, tzinfo=UTC)
    store.add_rule_hits([hit(), hit(exchange=1, rules="normalize hex", count=1)])
    store.add_rule_hits([hit(count=3, first_at=later, last_at=later), hit(run="r 2"), hit(session="b", exchange=2)])
    store.add_rule_hits([])

    first, *others = sorted(store.rule_hits("default"), key=lambda one: (one.run, one.rules != "normalize uuid"))
    assert first == hit(count=5, last_at=later)
    assert others == [hit(rules="normalize hex", count=1), hit(run="r 2")]
    assert store.rule_hits("default", run="r 2") == [hit(run="r 2")]


def test_a_session_that_is_not_there_has_no_hits(store: Store) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        store.rule_hits("nowhere")


def test_rules_and_hits_go_with_their_session(store: Store) -> None:
    store.set_match_rules("default", [UUID])
    store.add_rule_hits([hit()])
    store.delete_session("default")
    store.write(Batch([recorded(9)]))

    assert (store.match_rules("default"), store.rule_hits("default")) == ((), [])


def test_a_rule_is_a_value() -> None:
    assert Rule("normalize", "uuid") == UUID
