"""Usage in one normal form: every provider's way of counting, and numbers that make no sense."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.usage import added, normal_usage
from playhead.proxy.usage_form import CacheWrites, Modalities, Usage
from test_recording_corpus import CORPUS, KINDS, events_of, exchanges, parsed


def used(kind: str, usage: Any, **beside: Any) -> Usage:
    found = normal_usage(kind, usage, **beside)
    assert found is not None
    return found


def responses(**changes: Any) -> dict[str, Any]:
    usage = {
        "input_tokens": 10000,
        "input_tokens_details": {"cached_tokens": 4000, "cache_write_tokens": 3000},
        "output_tokens": 500,
        "output_tokens_details": {"reasoning_tokens": 200},
        "total_tokens": 10500,
    }
    return {**usage, **changes}


@pytest.mark.parametrize("nothing", [None, {}])
def test_who_says_nothing_used_nothing_that_is_known(nothing: Any) -> None:
    assert normal_usage("responses", nothing) is None


def test_the_input_of_openai_contains_what_was_cached_and_written() -> None:
    found = used("responses", responses())

    assert (found.input, found.uncached_input, found.cached_input) == (10000, 3000, 4000)
    assert found.cache_writes == CacheWrites(total=3000, ttl_unknown=3000)
    assert (found.output, found.reasoning, found.total, found.notes) == (500, 200, 10500, ())


def test_the_input_of_anthropic_does_not_contain_the_cache() -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 30, "output_tokens": 5}
    found = used("messages", usage)

    assert (found.input, found.uncached_input, found.cached_input) == (60, 10, 20)
    assert found.cache_writes == CacheWrites(total=30, ttl_unknown=30)


def test_what_is_not_said_is_none_and_not_zero() -> None:
    found = used("chat.completions", {"prompt_tokens": 3, "completion_tokens": 2})

    assert (found.cached_input, found.cache_writes, found.reasoning, found.total, found.tools, found.seconds) == (None,) * 6
    assert found.input_modalities is found.output_modalities is found.cached_modalities is None


def test_a_zero_that_is_said_stays_one() -> None:
    found = used("responses", responses(input_tokens_details={"cached_tokens": 0, "cache_write_tokens": 0}))

    assert (found.cached_input, found.cache_writes) == (0, CacheWrites(total=0, ttl_unknown=0))


def test_cache_writes_of_openai_are_told_apart_by_their_time() -> None:
    details = {"cache_write_tokens": 30, "cache_write_tokens_details": {"ttl_30m_tokens": 10, "ttl_12h_tokens": 15}}

    assert used("responses", responses(input_tokens_details=details)).cache_writes == CacheWrites(total=30, ttl_30m=10, ttl_12h=15, ttl_unknown=5)


def test_cache_writes_of_anthropic_are_told_apart_by_their_time() -> None:
    usage = {
        "input_tokens": 1,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 1,
    }

    assert used("messages", usage).cache_writes == CacheWrites(total=30, ttl_5m=10, ttl_1h=20)


def test_more_cache_writes_by_time_than_in_all_are_noted() -> None:
    details = {"cache_write_tokens": 3, "cache_write_tokens_details": {"ttl_30m_tokens": 10}}

    assert "cache writes: more by time than in all" in used("responses", responses(input_tokens_details=details)).notes


@pytest.mark.parametrize("name", ["cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens"])
def test_other_servers_say_what_was_cached_beside_the_details(name: str) -> None:
    found = used("chat.completions", {"prompt_tokens": 10, "completion_tokens": 1, name: 4})

    assert (found.cached_input, found.uncached_input) == (4, 6)


def test_reasoning_that_was_counted_beside_the_output_is_part_of_it_here() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 42, "completion_tokens_details": {"reasoning_tokens": 30}}
    found = used("chat.completions", usage)

    assert (found.output, found.reasoning, found.notes) == (32, 30, ("output: reasoning was counted beside it",))


def test_embeddings_may_say_their_total_only() -> None:
    found = used("embeddings", {"total_tokens": 8})

    assert (found.input, found.uncached_input, found.output) == (8, 8, None)


def test_tokens_are_told_apart_by_modality() -> None:
    usage = {
        "input_tokens": 60,
        "input_token_details": {
            "text_tokens": 10,
            "audio_tokens": 20,
            "image_tokens": 30,
            "cached_tokens": 15,
            "cached_tokens_details": {"text_tokens": 5, "audio_tokens": 10, "image_tokens": 0},
        },
        "output_tokens": 7,
        "output_token_details": {"text_tokens": 3, "audio_tokens": 4},
        "total_tokens": 67,
    }
    found = used("realtime", usage)

    assert found.input_modalities == Modalities(text=10, audio=20, image=30)
    assert found.cached_modalities == Modalities(text=5, audio=10, image=0)
    assert found.output_modalities == Modalities(text=3, audio=4)
    assert (found.cached_input, found.notes) == (15, ())


def test_a_transcription_may_be_counted_in_seconds() -> None:
    found = used("audio", {"type": "duration", "seconds": 2.5})

    assert (found.seconds, found.input, found.output) == (2.5, None, None)


def test_hosted_tools_have_tokens_and_calls_of_their_own() -> None:
    images = {
        "input_tokens": 5,
        "input_tokens_details": {"image_tokens": 2, "text_tokens": 3},
        "output_tokens": 7,
        "total_tokens": 12,
        "cached_tokens": 1,
        "cached_tokens_details": {"cached_image_tokens": 1, "cached_text_tokens": 0},
    }
    found = used("responses", responses(), tool_usage={"image_gen": images, "web_search": {"num_requests": 3}})
    part = found.parts[0]

    assert found.tools == {"web_search": 3}
    assert (part.name, part.included, part.usage.input, part.usage.cached_input, part.usage.output) == ("image_generation", False, 5, 1, 7)
    assert part.usage.cached_modalities == Modalities(image=1, text=0)
    assert (found.input, found.output) == (10000, 500)


def test_svg_images_have_a_model_and_tokens_of_their_own() -> None:
    svg = {"model": "gpt-6-astra", "input_tokens": 1, "output_tokens": 9, "reasoning_tokens": 4, "total_tokens": 10}
    found = used("images", None, svg_usage=svg)

    assert [(part.name, part.model, part.usage.output, part.usage.reasoning, part.usage.raw) for part in found.parts] == [("svg", "gpt-6-astra", 9, 4, svg)]


def test_calls_that_the_provider_counts_win_over_those_counted_in_the_output() -> None:
    calls = {"web_search": 9, "file_search": 1}

    assert used("responses", responses(), tool_usage={"web_search": {"num_requests": 2}}, tool_calls=calls).tools == {"web_search": 2, "file_search": 1}


def test_calls_that_the_provider_counts_belong_to_the_tool_that_was_used() -> None:
    found = used("responses", responses(), tool_usage={"web_search": {"num_requests": 2}}, tool_calls={"web_search_preview": 2})

    assert found.tools == {"web_search_preview": 2}


@pytest.mark.parametrize(
    ("kind", "usage"),
    [
        ("messages", {"output_tokens": 1, "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0}}),
        ("responses", {"output_tokens": 1, "server_side_tool_usage_details": {"web_search_calls": 2, "web_fetch_calls": 0}}),
    ],
)
def test_other_providers_count_calls_in_their_usage(kind: str, usage: dict[str, Any]) -> None:
    assert used(kind, usage).tools == {"web_search": 2, "web_fetch": 0}


def test_a_compaction_before_the_message_is_not_among_its_counts() -> None:
    iterations = [{"type": "compaction", "input_tokens": 60385, "output_tokens": 522}, {"type": "message", "input_tokens": 612, "output_tokens": 2819}]
    found = used("messages", {"input_tokens": 612, "output_tokens": 2819, "iterations": iterations})

    assert [(part.name, part.included, part.usage.input) for part in found.parts] == [("compaction", False, 60385), ("message", True, 612)]
    assert (found.input, found.notes) == (612, ())


def test_the_pass_of_another_model_is_told_by_its_name() -> None:
    iterations = [
        {"type": "message", "model": "claude-fable-5", "input_tokens": 408, "output_tokens": 0},
        {"type": "fallback_message", "model": "claude-opus-4-8", "input_tokens": 412, "output_tokens": 264},
    ]
    found = used("messages", {"input_tokens": 412, "output_tokens": 264, "iterations": iterations})

    assert [(part.model, part.included) for part in found.parts] == [("claude-fable-5", False), ("claude-opus-4-8", True)]


def test_iterations_that_do_not_add_up_are_noted() -> None:
    found = used("messages", {"input_tokens": 1, "output_tokens": 1, "iterations": [{"type": "message", "input_tokens": 5, "output_tokens": 5}]})

    assert found.notes == ("iterations: they do not add up",)


def test_what_else_has_a_price_is_kept() -> None:
    found = used("messages", {"input_tokens": 1, "service_tier": "priority", "speed": "fast", "inference_geo": "us"})

    assert (found.service_tier, found.speed, found.region) == ("priority", "fast", "us")


def test_the_tier_beside_the_usage_wins() -> None:
    assert used("chat.completions", {"prompt_tokens": 1, "service_tier": "a"}, service_tier="b").service_tier == "b"


@pytest.mark.parametrize(
    ("usage", "notes"),
    [
        (responses(input_tokens_details={"cached_tokens": 10001}), ["input: less than what of it was cached or written"]),
        (responses(total_tokens=1), ["total: not input and output together"]),
        (responses(output_tokens_details={"reasoning_tokens": 501}), ["reasoning: more than the output"]),
        (responses(output_tokens=-1), ["output_tokens: -1 is no count"]),
        (responses(output_tokens="500"), ["output_tokens: '500' is no count"]),
        (responses(output_tokens=True), ["output_tokens: True is no count"]),
        (responses(output_tokens=0.5), ["output_tokens: 0.5 is no count"]),
        (responses(output_tokens=float("nan")), ["output_tokens: nan is no count"]),
        (responses(output_tokens=10**30), ["output_tokens: a huge number is no count"]),
        (responses(output_tokens=[1]), ["output_tokens: list is no count"]),
        (responses(output_tokens=500.0), ["output_tokens: a float"]),
        (responses(input_tokens_details={"cached_tokens": "x"}), ["input_tokens_details.cached_tokens: 'x' is no count"]),
        (responses(input_tokens_details={"text_tokens": 10001}), ["input: less than its modalities together"]),
        ({"seconds": -1}, ["seconds: -1 is no duration"]),
    ],
)
def test_numbers_that_make_no_sense_are_noted_and_kept(usage: dict[str, Any], notes: list[str]) -> None:
    found = used("responses", usage)

    assert list(found.notes) == notes
    assert found.raw == usage or any(value != value for value in usage.values())


def test_more_cached_than_there_was_leaves_the_rest_unknown() -> None:
    assert used("responses", responses(input_tokens_details={"cached_tokens": 10001})).uncached_input is None


NAMES = st.sampled_from(
    [
        *("input_tokens", "output_tokens", "total_tokens", "prompt_tokens", "completion_tokens", "input_tokens_details", "output_tokens_details"),
        *("cached_tokens", "cached_tokens_details", "cache_write_tokens", "cache_write_tokens_details", "ttl_30m_tokens", "cache_creation"),
        *("ephemeral_5m_input_tokens", "reasoning_tokens", "text_tokens", "iterations", "seconds", "type", "server_tool_use", "web_search_requests"),
        *("image_gen", "num_requests", "web_search", "service_tier", "speed", "model", "x"),
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)
OBJECTS = st.dictionaries(NAMES, ANYTHING, max_size=8)


@given(st.sampled_from(["responses", "messages", "embeddings", "realtime", "other"]), OBJECTS, OBJECTS, OBJECTS)
def test_nothing_that_json_holds_is_too_odd(kind: str, usage: dict[str, Any], tool_usage: dict[str, Any], svg_usage: dict[str, Any]) -> None:
    found = normal_usage(kind, usage, tool_usage=tool_usage, svg_usage=svg_usage)

    assert (found is None) == (not (usage or tool_usage or svg_usage))
    assert found is None or found.raw == usage or json.dumps(found.raw) == json.dumps(usage)  # NaN is not itself


COUNTS = st.integers(-2, 40) | st.sampled_from([None, True, 3.0, "4", 2**63, 2**63 - 1])


@given(st.fixed_dictionaries({"cached_tokens": COUNTS}, optional={"cache_write_tokens": COUNTS}), *[COUNTS] * 4, st.sampled_from(["default", None, ""]))
def test_the_usual_usage_is_read_as_closely_as_any_other(details: dict[str, Any], whole: Any, output: Any, reasoning: Any, total: Any, tier: Any) -> None:
    more = total if isinstance(total, int) and total > 30 else (whole or 0, output or 0)
    usage = responses(
        input_tokens=whole,
        input_tokens_details=details,
        output_tokens=output,
        output_tokens_details={"reasoning_tokens": reasoning},
        total_tokens=sum(more) if isinstance(more, tuple) and all(isinstance(each, int) for each in more) else total,
    )
    unusual = {**usage, "x": None}

    assert normal_usage("responses", usage, service_tier=tier) == used("responses", unusual, service_tier=tier)._replace(raw=usage)


def test_usages_add_up_and_what_is_not_said_stays_so() -> None:
    details = {"text_tokens": 10, "audio_tokens": 20, "cached_tokens": 5}
    first = used("realtime", {"input_tokens": 30, "input_token_details": details, "output_tokens": 7, "total_tokens": 37}, service_tier="default")
    second = used("realtime", {"input_tokens": 40, "output_tokens": 1, "total_tokens": 41}, tool_calls={"web_search": 1}, service_tier="default")
    found = added([first, second])

    assert found is not None
    assert (found.input, found.uncached_input, found.cached_input, found.output, found.total) == (70, 65, 5, 8, 78)
    assert (found.input_modalities, found.output_modalities, found.cache_writes) == (Modalities(text=10, audio=20), None, None)
    assert (found.tools, found.service_tier, found.reasoning, found.seconds) == ({"web_search": 1}, "default", None, None)
    assert found.raw == {"added": [first.raw, second.raw]}


def test_one_usage_is_its_own_sum_and_none_has_no_sum() -> None:
    usage = used("responses", responses())

    assert added([usage]) is usage
    assert added([]) is None


def test_different_tiers_have_no_sum() -> None:
    found = added([used("responses", responses(), service_tier="flex"), used("responses", responses(), service_tier="default")])

    assert found is not None
    assert found.service_tier is None


# Real usage.

EXPLAINED = {
    "output: reasoning was counted beside it",  # xAI
    "reasoning: more than the output",  # OpenRouter
    "input: less than what of it was cached or written",  # xAI
    "input: taken from the total",
    "output_tokens: -9 is no count",  # one server of open models
    "total_tokens: -9 is no count",
}


def usages_of(exchange: dict[str, Any]) -> list[Any]:
    body = base64.b64decode(exchange["response_body_b64"])
    answers = [event for _, event, _ in events_of(body)] if exchange["streaming"] else [parsed(body)]
    inner = [answer.get("response") or answer.get("message") or answer for answer in answers if isinstance(answer, dict)]
    return [each["usage"] for each in inner if isinstance(each, dict) and isinstance(each.get("usage"), dict)]


@pytest.mark.parametrize("name", CORPUS)
def test_real_usage_has_a_normal_form_that_adds_up(shared: Path, name: str) -> None:
    seen, wrong = 0, []
    for exchange in exchanges(shared, name):
        kind = KINDS.get(exchange["sub"], exchange["endpoint"])
        for usage in usages_of(exchange):
            found, seen = used(kind, usage), seen + 1
            whole = found.input == (found.uncached_input or 0) + (found.cached_input or 0) + ((found.cache_writes and found.cache_writes.total) or 0)
            if set(found.notes) - EXPLAINED or not (whole or found.uncached_input is None):
                wrong.append((exchange["id"], found.notes, usage))

    assert seen > 50
    assert wrong == []
