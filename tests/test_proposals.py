"""Rules that would make a request equal to a recorded one."""

from __future__ import annotations

from typing import Any

from playhead.proxy.diverging.differences import Compared, places
from playhead.proxy.diverging.proposals import Proposal, propose

ONE, OTHER = "b6c5e9a2-5a3f-4c5e-9d27-0d6f6ad5a0c1", "0d6f6ad5-9d27-4c5e-5a3f-b6c5e9a2a0c1"


def proposal(recorded: Any, asked: Any) -> Proposal:
    one, other = (body if isinstance(body, Compared) else Compared("POST", "/responses", "", {}, body) for body in (recorded, asked))
    return propose(places(one, other))


def rules(recorded: Any, asked: Any) -> list[str]:
    return [str(rule) for rule in proposal(recorded, asked).rules]


def test_a_pattern_is_proposed_for_volatile_values() -> None:
    found = proposal({"input": f"run {ONE}", "model": "m"}, {"input": f"run {OTHER}", "model": "m"})

    assert ([str(rule) for rule in found.rules], found.volatile, found.whole) == (["normalize uuid"], frozenset({0}), True)


def test_each_rule_is_proposed_once() -> None:
    recorded, asked = ({"instructions": f"{value} at {day}", "input": [value]} for value, day in ((ONE, "2026-01-02"), (OTHER, "2026-01-03")))

    assert sorted(rules(recorded, asked)) == ["normalize date", "normalize uuid"]


def test_what_differs_by_more_is_not_volatile() -> None:
    found = proposal({"input": f"run {ONE}", "temperature": 1}, {"input": f"run {OTHER}", "temperature": 0})

    assert (found.volatile, found.whole) == (frozenset({0}), False)
    assert proposal({"input": "rain"}, {"input": "snow"}) == Proposal([], frozenset(), False)


def test_labels_are_proposed_to_be_ignored() -> None:
    found = proposal({"metadata": {"who": "ann"}}, {"metadata": {"who": "ben"}})

    assert ([str(rule) for rule in found.rules], found.volatile, found.whole) == (["ignore $.metadata.who"], frozenset(), True)
    assert rules({"metadata": {"a b": 1}}, {"metadata": {}}) == ["ignore $.metadata['a b']"]
    assert rules({"metadata": {"": 1}}, {"metadata": {}}) in ([], ["ignore $.metadata['']"])


def test_a_body_that_is_a_text_may_be_volatile() -> None:
    assert rules(f"a={ONE}".encode(), f"a={OTHER}".encode()) == ["normalize uuid"]
    assert rules(b"\xff1", b"\xff2") == []


def test_nothing_is_proposed_for_what_is_no_body() -> None:
    assert rules(Compared("POST", "/x", f"a={ONE}", {}, {}), Compared("POST", "/x", f"a={OTHER}", {}, {})) == []


def test_only_so_much_is_looked_through() -> None:
    long = "a" * (3 << 20)

    assert proposal({"input": f"{long} {ONE}"}, {"input": f"{long} {OTHER}"}).rules == []


def test_requests_that_do_not_differ_need_no_rules() -> None:
    assert proposal({}, {}) == Proposal([], frozenset(), False)
