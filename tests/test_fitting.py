"""Which rules make two requests equal."""

from __future__ import annotations

from typing import Any

import pytest

from playhead.config.rules import parse_rule
from playhead.proxy.fingerprint import Asked, Rules
from playhead.proxy.matching.fitting import fewest, rules_between, rules_that_fit

ONE, TWO = "76f8b89e-4a41-46fb-86ae-546cc1e4ba6c", "11111111-4a41-46fb-86ae-546cc1e4ba6c"
ASKED = Asked("POST", "/v1/responses", {b"content-type": b"application/json"})


@pytest.mark.parametrize(
    ("recorded", "asked", "lines"),
    [
        (f"id {ONE}", f"id {TWO}", ["normalize uuid"]),
        ("2026-01-31T12:00:01Z", "2026-02-01T12:00:01Z", ["normalize timestamp"]),
        ("Today is 2026-01-31", "Today is 2026-02-01", ["normalize date"]),
        ("took 0.11 seconds", "took 0.12 seconds", ["normalize duration"]),
        ("/tmp/tmpabc/x", "/tmp/tmpdef/x", ["normalize tempdir"]),
        ("/home/al/x", "/Users/bo/x", ["normalize home"]),
        ("run-1f4c9a2b", "run-2f4c9a2b", ["normalize hex"]),
        ("localhost:4915", "localhost:4916", ["normalize port"]),
        (1769860801, 1769860802, ["normalize timestamp"]),
        ({"a": [ONE, "12:00:01"]}, {"a": [TWO, "12:00:02"]}, ["normalize uuid", "normalize timestamp"]),
        ("a word", "another word", []),
        (f"{ONE} and {TWO}", f"{ONE} and {ONE}", []),
        (1, 2, []),
        (f"a {ONE}", f"b {TWO}", []),
        ("12:00:01", None, []),
    ],
)
def test_the_fewest_patterns_that_explain_a_difference_are_proposed(recorded: Any, asked: Any, lines: list[str]) -> None:
    assert list(map(str, rules_that_fit(recorded, asked))) == lines


RULES = Rules.of(map(parse_rule, ["ignore $.metadata", "normalize uuid", "normalize timestamp", "normalize hex"]))


@pytest.mark.parametrize(
    ("asked", "lines"),
    [
        (f'{{"input":"{ONE}","metadata":{{"a":1}}}}', []),
        (f'{{"metadata": {{"a":1}}, "input":"{ONE}"}}', []),
        (f'{{"input":"{ONE}","metadata":{{"a":2}}}}', ["ignore $.metadata"]),
        (f'{{"input":"{TWO}","metadata":{{"a":1}}}}', ["normalize uuid"]),
        (f'{{"input":"{TWO}"}}', ["ignore $.metadata", "normalize uuid"]),
        (f'{{"input":"{TWO} x"}}', []),
    ],
)
def test_the_fewest_rules_that_made_requests_equal_are_told(asked: str, lines: list[str]) -> None:
    recorded = f'{{"input":"{ONE}","metadata":{{"a":1}}}}'
    assert list(map(str, rules_between((ASKED, recorded.encode()), (ASKED, asked.encode()), RULES))) == lines


def test_of_rules_that_do_the_same_the_first_is_told() -> None:
    rules = [parse_rule("normalize uuid"), parse_rule("normalize hex")]
    assert fewest(rules, lambda some: len(some) > 0) == rules[:1]


def test_a_rule_that_can_be_spared_is_not_told() -> None:
    one, two, three = map(parse_rule, ["normalize uuid", "normalize hex", "normalize id"])
    assert fewest([one, two, three], lambda some: {one, three} <= set(some)) == [one, three]
