"""Single differences of every endpoint, by hand: an exchange or two, and an export that says something else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playhead.proxy.reconciling.exports import read_exports
from playhead.proxy.reconciling.parts import parts_of
from playhead.proxy.reconciling.report import Reconciled, Tolerance, reconcile
from playhead.storage.costing.spent import Spent, SpentLine
from simulated_month import pricer

AT = 1_795_000_000
KNOWN = [["provider", "openai", "known"], ["region", "global", "known"], ["tier", "default", "known"]]
PRICER = pricer()


def spent(id_: int = 1, **changes: Any) -> Spent:
    """An exchange with sim-small: 1000 tokens in, 100 out, 0.00045 USD."""
    plain: dict[str, Any] = {
        **{"id": id_, "method": "POST", "path": "/v1/responses", "kind": "responses", "transport": "http", "session": "default"},
        **{"upstream": "https://api.openai.com", "started_at_ns": AT * 10**9, "duration_ns": 10**9, "made_ns": None, "status": 200},
        **{"outcome": "complete", "project": None, "key_id": "k_1", "model": "sim-small", "service_tier": "default", "billing": None},
        **{"state": "priced", "amount": 450_000_000, "reason": None, "dimensions": KNOWN},
        **{"counts": (1000, 0, 0, 100, 0), "amounts": (250_000_000, 0, 0, 200_000_000, 0)},
    }
    return Spent(**(plain | changes))


def usage(endpoint: str = "completions", **counts: Any) -> tuple[str, bytes]:
    row = {"object": f"organization.usage.{endpoint}.result", **counts}
    bucket = {"object": "bucket", "start_time": AT - 3600, "end_time": AT + 3600, "results": [row]}
    return f"{endpoint}.json", json.dumps({"object": "page", "data": [bucket], "has_more": False}).encode()


def costs(**amounts: float) -> tuple[str, bytes]:
    rows = [{"object": "organization.costs.result", "amount": {"value": value, "currency": "usd"}, "line_item": item} for item, value in amounts.items()]
    bucket = {"object": "bucket", "start_time": AT - 3600, "end_time": AT + 3600, "results": rows}
    return "costs.json", json.dumps({"object": "page", "data": [bucket], "has_more": False}).encode()


ONE: dict[str, Any] = {"num_model_requests": 1, "input_tokens": 1000, "output_tokens": 100, "model": "sim-small"}
TWO: dict[str, Any] = ONE | {"num_model_requests": 2, "input_tokens": 2000, "output_tokens": 200}


def found(*files: tuple[str, bytes], of: list[Spent]) -> Reconciled:
    return reconcile(read_exports(files), [part for one in of for part in parts_of(one)], PRICER)


def causes(result: Reconciled) -> list[tuple[str, tuple[int, ...]]]:
    return [(finding.cause, finding.exchanges) for finding in result.findings]


def test_what_is_equal_differs_in_nothing() -> None:
    result = found(usage(**ONE), of=[spent()])

    assert (result.findings, result.difference, result.above(Tolerance())) == ((), 0, False)


OTHERS: dict[str, tuple[Spent, dict[str, int]]] = {
    "embeddings": (
        spent(kind="embeddings", path="/v1/embeddings", counts=(50, None, None, None, None), amounts=(9, None, None, None, None)),
        {"num_model_requests": 1, "input_tokens": 50},
    ),
    "images": (spent(kind="images", path="/v1/images/generations"), {"num_model_requests": 1, "images": 4}),
    "moderations": (
        spent(kind="other", path="/v1/moderations", state="free", dimensions=[], counts=(None,) * 5, amounts=(None,) * 5),
        {"num_model_requests": 1, "input_tokens": 7},
    ),
    "audio_speeches": (spent(kind="audio", path="/v1/audio/speech", billing={"characters": 60}), {"num_model_requests": 1, "characters": 60}),
    "audio_transcriptions": (
        spent(kind="audio", path="/v1/audio/transcriptions", lines=(SpentLine("audio", None, 30 * 10**6, 5),)),
        {"num_model_requests": 1, "seconds": 30},
    ),
    "web_searches": (spent(lines=(SpentLine("web_search", None, 3, 3 * 10**10),)), {"num_model_requests": 1, "num_requests": 3}),
    "file_searches": (spent(lines=(SpentLine("file_search", None, 2, 5 * 10**9),)), {"num_requests": 2}),
    "code_interpreter_sessions": (spent(lines=(SpentLine("container_1g", None, 20, 3 * 10**10),)), {"num_sessions": 1}),
}


@pytest.mark.parametrize("endpoint", OTHERS)
def test_every_endpoint_is_laid_beside_its_exchanges(endpoint: str) -> None:
    one, counts = OTHERS[endpoint]
    twice = {name: 2 * count for name, count in counts.items()}

    assert causes(found(usage(endpoint, **counts), of=[one])) == []
    assert causes(found(usage(endpoint, **twice), of=[one])) == [("unseen", ())]
    assert causes(found(usage(endpoint, **counts), of=[one, one._replace(id=2)]))[0][0] == "not_billed"


SPEECH: dict[str, Any] = {
    **{"kind": "audio", "path": "/v1/audio/speech", "billing": {"characters": 60}, "counts": (None,) * 5},
    **{"amount": 900, "amounts": (None,) * 4, "lines": (SpentLine("characters", None, 60, 900),)},
}
MOVED: dict[str, tuple[Spent, tuple[str, dict[str, Any]]]] = {
    "a search": (spent(lines=(SpentLine("web_search", None, 3, 3 * 10**10),), amount=30_450_000_000), ("completions", ONE)),
    "speech": (spent(**SPEECH), ("audio_speeches", {"num_model_requests": 1, "characters": 60})),
    "a picture": (spent(kind="images", path="/v1/images/generations"), ("images", {"num_model_requests": 1})),
}


@pytest.mark.parametrize("what", MOVED)
def test_what_is_counted_under_another_project_costs_what_it_did(what: str) -> None:
    one, (endpoint, counts) = MOVED[what]
    result = found(usage(endpoint, **counts, project_id="proj_default"), of=[one])

    assert [(finding.cause, finding.amount) for finding in result.findings] == [("regrouped", 0)]


def test_what_others_than_openai_are_paid_for_is_left_out() -> None:
    assert causes(found(usage(**ONE), of=[spent(), spent(2, kind="messages", dimensions=[["provider", "anthropic", "known"]])])) == []


def test_a_cut_stream_that_is_counted_is_named() -> None:
    cut = spent(2, state="unpriced", amount=None, outcome="client_closed", counts=(None,) * 5, amounts=(None,) * 5)

    assert causes(found(usage(**TWO), of=[spent(), cut])) == [("no_usage", (2,))]


def test_where_causes_meet_requests_are_shared_out_by_their_number() -> None:
    cut = spent(2, state="unpriced", amount=None, outcome="client_closed", counts=(None,) * 5, amounts=(None,) * 5)
    result = found(usage(**(TWO | {"num_model_requests": 3, "input_tokens": 3000, "output_tokens": 300})), of=[spent(), cut])

    assert [(finding.cause, finding.counts[:2], finding.exact) for finding in result.findings] == [("no_usage", (1, 1000), False), ("unseen", (1, 1000), False)]


def test_cached_tokens_that_are_not_counted_are_found() -> None:
    cached = spent(2, counts=(400, 600, 0, 100, 0), amounts=(100_000_000, 15_000_000, 0, 200_000_000, 0), amount=315_000_000)
    result = found(usage(**TWO, input_cached_tokens=0), of=[spent(), cached])

    assert (causes(result), result.difference) == ([("cached", (2,))], 600 * 225_000)


def test_another_price_is_told_with_its_share() -> None:
    result = found(usage(**ONE), costs(**{"sim-small, input": 0.0003, "sim-small, output": 0.000200}, other=0.000001), of=[spent()])

    assert [(one.cause, one.amount, one.exchanges, one.note) for one in result.findings if one.cause == "price"] == [
        ("price", 50_000_000, (1,), "input; +20.0 %")
    ]


def test_what_the_digits_of_a_bill_leave_out_is_rounding() -> None:
    result = found(usage(**ONE), costs(**{"sim-small, input": 0.0003, "sim-small, output": 0.0002}), of=[spent()])

    assert (causes(result), result.above(Tolerance())) == ([("rounding", ())], False)


def test_costs_alone_do_not_tell_why() -> None:
    assert causes(found(costs(**{"sim-small, input": 0.0005, "sim-small, output": 0.0002}), of=[spent()])) == [("unexplained", (1,))]


def test_what_was_recorded_without_a_price_is_not_taken_for_unseen_by_costs_alone() -> None:
    unpriced = spent(2, state="unpriced", amount=None, model="sim-new", amounts=(None,) * 5)
    result = found(costs(**{"sim-small, input": 0.00025, "sim-small, output": 0.0002, "sim-new, input": 0.5}), of=[spent(), unpriced])

    assert [(finding.cause, finding.amount, finding.exchanges) for finding in result.findings] == [("unpriced", 5 * 10**11, (2,))]


def test_costs_that_name_no_items_are_compared_whole() -> None:
    file = costs(x=0.00045)[1].replace(b'"line_item": "x"', b'"line_item": null')

    assert causes(found(("costs.json", file), of=[spent()])) == []


@pytest.mark.parametrize("text", ["tts-1, input", "tts-1, characters", "tts-1, output"])
def test_what_is_paid_by_its_characters_is_found_whatever_the_bill_calls_it(text: str) -> None:
    one = spent(model="tts-1", **SPEECH)

    assert causes(found(costs(**{text: 0.0000000009}), of=[one])) == []


def test_what_is_counted_otherwise_and_nobody_knows_why_is_not_explained() -> None:
    assert causes(found(usage(**(ONE | {"output_tokens": 90})), of=[spent()])) == [("unexplained", (1,))]


def test_causes_do_not_make_up_for_each_other() -> None:
    result = found(usage(**(ONE | {"output_tokens": 90})), usage("embeddings", num_model_requests=1, input_tokens=10), of=[spent()])

    assert result.above(Tolerance(10**12))  # nobody knows what those embeddings cost


@pytest.mark.parametrize("value", [1, 1.0, 0.5])
def test_a_round_number_of_a_bill_is_no_reason_to_take_dimes_for_rounding(value: float) -> None:
    result = found(costs(**{"sim-small, input": value}), of=[spent(amounts=(4 * 10**10, 0, 0, 4 * 10**10, 0), amount=8 * 10**10)])

    assert {finding.cause for finding in result.findings} == {"unexplained", "not_billed"}
