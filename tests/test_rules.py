"""Match rules have one spelling, which is read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.config.patterns import PATTERNS
from playhead.config.rules import BUILT_IN, KINDS, Rule, Step, named_rules, parse_rule, places_of, spelled, steps_of

LINES = [
    "ignore $.metadata.run_id",
    "ignore $.input[*]..id",
    "ignore $[*]",
    "ignore $['a b'][3]",
    "normalize uuid",
    "normalize timestamp in $.input",
    "normalize duration in $.tools for responses,chat.completions at */responses",
    r"normalize /build-\d+/ as build",
    r"redact /[a-z]+@example\.com/ as email in $.input",
    "redact $.user as user",
    "header x-tenant",
    "header x-tenant for embeddings at /embeddings",
]


@pytest.mark.parametrize("line", LINES)
def test_a_rule_is_written_as_it_was_read(line: str) -> None:
    assert parse_rule(str(parse_rule(line))) == parse_rule(line)


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("  ignore   $.a ", "ignore $.a"),
        ("normalise uuid", "normalize uuid"),
        ("normalize uuid in $", "normalize uuid"),
        ("header X-Tenant", "header x-tenant"),
        ("ignore $.*", "ignore $[*]"),
        ('ignore $["a b"].c', "ignore $['a b'].c"),
        ("ignore $..*", "ignore $..[*]"),
        ("ignore $..[0]", "ignore $..[0]"),
        ("normalize uuid at /v1/responses for responses", "normalize uuid for responses at /responses"),
        ("normalize uuid for responses,embeddings,responses", "normalize uuid for embeddings,responses"),
        ("normalize uuid at responses", "normalize uuid at */responses"),
    ],
)
def test_rules_that_mean_the_same_are_written_alike(line: str, written: str) -> None:
    assert str(parse_rule(line)) == written


@pytest.mark.parametrize(
    ("line", "story"),
    [
        ("", "nothing stands there"),
        ("forget $.a", "'forget' is nothing that a rule does"),
        ("ignore", "a path like .* is missing at the end"),
        ("ignore metadata", "a path like .* is missing at 'metadata'"),
        ("ignore $", "all of a body cannot be left out"),
        ("ignore $.a $.b", r"'\$\.b' is not understood there"),
        ("ignore $.a,$.b", "a path like .* is missing at '"),
        ("ignore $.a in $.b", "'in' is not understood there"),
        ("normalize nonsense", "no pattern: there are tempdir, .*uuid"),
        ("normalize", "no pattern"),
        ("normalize uuid in", "a path like .* is missing at the end"),
        ("normalize uuid in $.a in $.b", "'in' is not understood there"),
        ("normalize uuid for", "no kind of exchange: there are responses"),
        ("normalize uuid for talks", "'talks' is no kind of exchange"),
        ("normalize uuid at", "a path is missing behind `at`"),
        ("normalize /a+/", "`as NAME` is missing"),
        ("normalize /a+/ as 1", "a name of letters"),
        ("normalize /(/ as a", "no regular expression"),
        ("normalize /a*/ as a", "finds nothing at all everywhere"),
        ("normalize /a as a", "a regular expression between slashes"),
        ("redact $.a", "`as NAME` is missing"),
        ("redact $.a as user in $.b", "'in' is not understood there"),
        ("header", "the name of a header is missing"),
        ("header a:b", "the name of a header is missing"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_is_wrong_and_what_is_allowed(line: str, story: str) -> None:
    with pytest.raises(ValueError, match=f"{story}.*Rules are: ignore PATH"):
        parse_rule(line)


def test_a_path_is_steps() -> None:
    assert steps_of("$.a..b[0]..[*]['c.d']") == (Step("a"), Step("b", deep=True), Step(0), Step(None, deep=True), Step("c.d"))


def test_a_text_that_is_no_path_has_no_steps() -> None:
    with pytest.raises(ValueError, match="is no path"):
        steps_of("$.a[")


@given(st.lists(st.builds(Step, st.one_of(st.text(min_size=1), st.integers(0, 999), st.none()), st.booleans()), min_size=1, max_size=5))
def test_any_path_is_read_as_it_is_written(steps: list[Step]) -> None:
    assert list(steps_of(spelled(steps))) == steps


def test_a_rule_holds_for_every_request_if_it_does_not_say_otherwise() -> None:
    assert all(parse_rule("normalize uuid").holds(kind, "/anything") for kind in KINDS)


def test_a_rule_holds_for_the_kinds_that_it_names() -> None:
    rule = parse_rule("normalize uuid for responses")
    assert (rule.holds("responses", "/responses"), rule.holds("embeddings", "/embeddings")) == (True, False)


def test_a_rule_holds_for_the_paths_that_it_names() -> None:
    rule = parse_rule("normalize uuid at /v1/files/*")
    assert (rule.holds("other", "/files/file-1/content"), rule.holds("other", "/batches")) == (True, False)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_set_has_rules(name: str) -> None:
    assert len(named_rules(name)) >= 3
    assert [parse_rule(str(rule)) for rule in named_rules(name)] == list(named_rules(name))


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_is_a_rule_by_its_name(name: str) -> None:
    assert named_rules(name) == (Rule("normalize", name),)


def test_no_set_is_named_like_a_pattern() -> None:
    assert not set(BUILT_IN) & set(PATTERNS)


def test_a_name_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no match rules named 'codecs'. Sets are: codex, .*Patterns are: tempdir, "):
        named_rules("codecs")


def test_several_paths_stand_with_commas_between_them() -> None:
    assert places_of("$.a.b, $['c, $.d'],$..e") == ["$.a.b", "$['c, $.d']", "$..e"]


@pytest.mark.parametrize("text", ["$.a b", "$.a,b", "$.a,", "$.a;$.b", ""])
def test_what_is_no_path_among_several_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="nor several with commas between them"):
        places_of(text)
