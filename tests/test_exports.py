"""What the provider exports is read as it is: pages, buckets, groups, money; and what does not fit together is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playhead.config.errors import ConfigError
from playhead.proxy.reconciling.exports import Billed, Cell, Exports, read_exports

ROW = {"object": "organization.usage.completions.result", "input_tokens": 10, "output_tokens": 5, "num_model_requests": 1}
WHOLE = ROW | {"model": "gpt-5", "service_tier": "default", "project_id": "proj_1"}
NOBODY = dict.fromkeys(("project_id", "user_id", "api_key_id", "model", "batch", "service_tier"))


def bucket(*results: dict[str, Any], start: int = 0, end: int = 3600) -> dict[str, Any]:
    return {"object": "bucket", "start_time": start, "end_time": end, "results": list(results)}


def page(*buckets: dict[str, Any], more: bool = False) -> dict[str, Any]:
    return {"object": "page", "data": list(buckets), "has_more": more, "next_page": "page_2" if more else None}


def read(*files: Any) -> Exports:
    return read_exports((f"{place}.json", json.dumps(file).encode()) for place, file in enumerate(files))


def cost(value: Any, item: str | None = None, **more: Any) -> dict[str, Any]:
    return {"object": "organization.costs.result", "amount": {"value": value, "currency": "usd"}, "line_item": item, "project_id": None, **more}


def test_a_row_counts_what_it_says() -> None:
    row = ROW | NOBODY | {"input_tokens": 100, "input_cached_tokens": 30, "input_cache_write_tokens": 20, "input_cache_write_30m_tokens": 15}

    assert read(page(bucket(row))).tables["completions"].rows == {Cell(0, 3600): (1, 50, 30, 15, 0, 5, 5)}


def test_an_export_is_grouped_by_what_its_rows_tell() -> None:
    table = read(page(bucket(ROW | NOBODY | {"model": "gpt-5", "batch": False}))).tables["completions"]

    assert (set(table.grouped), list(table.rows)) == ({"model", "batch"}, [Cell(0, 3600, model="gpt-5", batch=False)])


def test_groups_that_recordings_do_not_know_are_added_up() -> None:
    table = read(page(bucket(ROW | {"user_id": "user_1"}, ROW | {"user_id": "user_2"}))).tables["completions"]

    assert table.rows == {Cell(0, 3600): (2, 20, 0, 0, 0, 0, 10)}


def test_pages_are_put_together() -> None:
    found = read(page(bucket(WHOLE), more=True), page(bucket(WHOLE, start=3600, end=7200)))

    assert (len(found.tables["completions"].buckets), found.span, found.notes) == (2, (0, 7200), [])


def test_a_file_may_hold_pages_one_after_the_other_or_in_a_list() -> None:
    pages = [page(bucket(ROW)), page(bucket(ROW, start=3600, end=7200))]
    lines = "\n".join(map(json.dumps, pages)).encode()

    assert read_exports([("lines", lines)]).tables == read(pages).tables


def test_a_page_that_is_missing_is_told() -> None:
    assert "goes on (has_more)" in read(page(bucket(WHOLE), more=True)).notes[0]


def test_what_an_export_is_not_grouped_by_is_told() -> None:
    assert "not grouped by model, service_tier, project_id" in read(page(bucket(ROW))).notes[0]


def test_a_gap_between_buckets_is_told() -> None:
    assert "1 gap" in read(page(bucket(WHOLE), bucket(WHOLE, start=7200, end=10800))).notes[0]


def test_a_bucket_without_results_is_no_gap() -> None:
    assert read(page(bucket(WHOLE), bucket(start=3600, end=7200), bucket(WHOLE, start=7200, end=10800))).notes == []


def test_what_comes_twice_counts_once() -> None:
    found = read(page(bucket(WHOLE)), page(bucket(WHOLE)))

    assert ([*found.tables["completions"].rows.values()], len(found.notes)) == ([(1, 10, 0, 0, 0, 0, 5)], 1)


@pytest.mark.parametrize("other", [bucket(ROW | {"model": "gpt-5"}), bucket(ROW, end=86_400)])
def test_two_exports_of_one_endpoint_are_refused(other: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="give one export of each endpoint"):
        read(page(bucket(ROW)), page(other))


def test_money_is_read_as_the_digits_say() -> None:
    found = read(page(bucket(cost(0.06, "gpt-5-2025-08-07, input", quantity=1000, quantity_unit="tokens"), end=86_400)))

    assert found.billed == [Billed(0, 86_400, None, None, "gpt-5-2025-08-07, input", 6 * 10**10, 2, found.billed[0].quantity, "tokens")]


def test_money_may_be_text() -> None:
    assert read(page(bucket(cost("1.000000000001")))).billed[0].amount == 10**12 + 1


def test_another_currency_is_refused() -> None:
    with pytest.raises(ConfigError, match="costs in eur"):
        read(page(bucket(cost(1) | {"amount": {"value": 1, "currency": "eur"}})))


def test_what_recordings_do_not_tell_is_told() -> None:
    stores = {"object": "organization.usage.vector_stores.result", "usage_bytes": 1}

    assert read(page(bucket(WHOLE, stores))).notes == ["0.json: vector_stores cannot be compared, since recordings do not tell it"]


@pytest.mark.parametrize("endpoint", ["embeddings", "images", "audio_speeches", "audio_transcriptions", "moderations", "code_interpreter_sessions"])
def test_every_endpoint_is_read(endpoint: str) -> None:
    counts = dict.fromkeys(("num_model_requests", "num_sessions", "input_tokens", "characters", "seconds", "images"), 2)
    found = read(page(bucket({"object": f"organization.usage.{endpoint}.result", **counts})))

    assert set(found.tables[endpoint].rows[Cell(0, 3600)]) == {2}


@pytest.mark.parametrize("wrong", ["{", "[]", "7", '{"data": 3}', '{"data": [{"start_time": 5, "end_time": 5, "results": []}]}', '{"data": [{}]}', "\xff"])
def test_what_is_no_export_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError):
        read_exports([("wrong.json", wrong.encode("latin-1"))])


@pytest.mark.parametrize("value", ["much", "NaN", 10**30, [1], [0, [4, 5], -5], True, "1e-99"])
def test_what_is_no_amount_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="is no amount"):
        read(page(bucket(cost(value))))


@pytest.mark.parametrize("wrong", [-5, 1.5, "10", True, [], 10**30])
@pytest.mark.parametrize("name", ["input_tokens", "num_model_requests", "input_uncached_tokens"])
def test_what_is_no_count_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(ConfigError, match=rf"0\.json: completions from 0 to 3600: {name} = .* is not what the provider exports"):
        read(page(bucket(ROW | {name: wrong})))


def test_a_whole_number_may_be_written_as_a_float_and_nothing_as_null() -> None:
    assert read(page(bucket(ROW | {"input_tokens": 10.0, "output_tokens": None}))).tables["completions"].rows == {Cell(0, 3600): (1, 10, 0, 0, 0, 0, 0)}


@pytest.mark.parametrize(("name", "wrong"), [("batch", "false"), ("model", ["gpt-5"]), ("project_id", 7)])
def test_what_is_no_name_of_a_group_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} = "):
        read(page(bucket(ROW | {name: wrong})))


def test_a_result_that_is_no_object_is_refused() -> None:
    with pytest.raises(ConfigError, match="a list results of objects"):
        read(page(bucket("x")))  # type: ignore[arg-type]


def test_costs_without_an_amount_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"0\.json: the costs from 0 to 3600 have a line without amount\.value"):
        read(page(bucket(cost(None))))
