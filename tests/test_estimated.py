"""`audit --estimate`: in columns of its own, never in the totals, and never stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command_line import HEAD, JSON_HEAD, Playhead, on, recorded, write
from playhead.config.settings import Settings
from playhead.proxy.pricing.entries import Entries
from playhead.proxy.pricing.setting import pricer_for
from playhead.storage.costing.priceable import priceable
from playhead.storage.records import Facts, Raw, Recorded
from reported import Page

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
Make = Callable[..., Recorded]


def told(number: int, *, size: int = 400, **changes: Any) -> Recorded:
    """A quarter of a token for each character of the request, a fifth for each of the answer."""
    usage = {"input_tokens": size // 4, "output_tokens": 100, "total_tokens": size // 4 + 100}
    content = [{"type": "output_text", "text": "y" * (500 - len("content") - len("text")), "annotations": []}]
    answer = {"id": f"resp_{number}", "object": "response", "status": "completed", "model": "gpt-5-mini", "output": [{"type": "message", "content": content}]}
    facts = Facts("responses", "gpt-5-mini", f"resp_{number}", response_status="completed", service_tier="default", usage=usage, parse="parsed")
    raw = Raw(HEAD, json.dumps({"model": "gpt-5-mini", "input": "x" * size}).encode(), JSON_HEAD, json.dumps({**answer, "usage": usage}).encode())
    return recorded(number, **{"facts": facts, "raw": raw, **changes})


def cut(number: int, *, size: int = 800, received: int = 250, model: str = "gpt-5-mini", parent: str | None = None, **changes: Any) -> Recorded:
    """A stream that its client left."""
    part = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "resp_x", "object": "response", "status": "in_progress", "model": model, "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {"id": "msg_1", "type": "message", "role": "assistant", "content": []}},
        {"type": "response.content_part.added", **part, "part": {"type": "output_text", "text": "", "annotations": []}},
        {"type": "response.output_text.delta", **part, "delta": "y" * (received - len("content") - len("text"))},
    ]
    stream = b"".join(b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), json.dumps(event).encode()) for event in events)
    facts = Facts("responses", model, "resp_x", previous_response_id=parent, parse="partial")
    raw = Raw(HEAD, json.dumps({"model": model, "input": "x" * size, "stream": True}).encode(), STREAM_HEAD, stream)
    return recorded(number, **{"facts": facts, "raw": raw, "transport": "sse", "outcome": "client_closed", **changes})


@pytest.fixture
def holding(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Playhead]:
    """Commands on a store with these exchanges, priced."""

    def make(*made: Recorded) -> Playhead:
        entries = Entries(pricer_for(Settings()))
        for one in made:
            one.cost = entries.of(priceable(one))
        write(tmp_path / "data", *made)
        return on(tmp_path / "data", capfdbinary)

    return make


def only(rows: list[dict[str, Any]]) -> tuple[Any, ...]:
    [row] = rows
    return tuple(row[f"estimated{name}"] for name in ("", "_input_tokens", "_output_tokens"))


def test_a_stream_that_broke_off_is_estimated_by_others_of_its_model(holding: Callable[..., Playhead]) -> None:
    playhead = holding(told(1), told(2), cut(3))
    [row] = playhead("audit", "--json", "--estimate").rows
    [plain] = playhead("audit", "--json").rows

    assert only([row]) == (1, 200, 50)
    assert float(row["estimated_cost"]) == pytest.approx(float(plain["input_cost"]) + float(plain["output_cost"]) / 4)


def test_an_estimate_is_in_no_other_number(holding: Callable[..., Playhead]) -> None:
    playhead = holding(told(1), cut(2))
    [with_it], [without] = playhead("audit", "--json", "--estimate").rows, playhead("audit", "--json").rows

    assert {name: value for name, value in with_it.items() if not name.startswith("estimated")} == {
        name: value for name, value in without.items() if not name.startswith("estimated")
    }
    assert [without[name] for name in without if name.startswith("estimated")] == [None] * 4
    assert [row["cost"] for row in playhead("exchanges", "default", "--json").rows][1] is None


def test_what_goes_on_from_a_response_has_its_tokens_as_input(holding: Callable[..., Playhead]) -> None:
    assert only(holding(told(1), cut(2, parent="resp_1"))("audit", "--json", "--estimate").rows) == (1, 200 + 100 + 100, 50)


def test_what_cannot_be_estimated_says_why(holding: Callable[..., Playhead]) -> None:
    out = holding(told(1), cut(2, parent="resp_unknown"), cut(3, model="gpt-9"), cut(4))("audit", "--estimate").out

    assert "1 more has no estimate: what it goes on from is not known." in out
    assert "1 more has no estimate: no other exchange of the model has a price and all of its input, to measure by." in out
    assert "ESTIMATE (USD)" in out


def test_where_nothing_lacks_its_usage_there_is_nothing_to_estimate(holding: Callable[..., Playhead]) -> None:
    assert "There is nothing to estimate" in holding(told(1))("audit", "--estimate").out


def test_estimates_go_by_the_groups_of_the_report(holding: Callable[..., Playhead]) -> None:
    playhead = holding(told(1), cut(2, key_id="k_0123456789abcdef"), cut(3, key_id="k_00000000000000ff"), cut(4))
    names = ("--key-name", "k_0123456789abcdef=ci,k_00000000000000ff=ci")
    rows = playhead("audit", "--by", "key", "--json", "--estimate", *names).rows

    assert {row["group"]["key"]: row["estimated"] for row in rows} == {"ci": 2, None: 1}


def test_they_are_columns_of_csv(holding: Callable[..., Playhead]) -> None:
    heads, values = (line.split(",") for line in holding(told(1), cut(2))("audit", "--csv", "--estimate").out.splitlines())

    assert dict(zip(heads, values, strict=True))["estimated_output_tokens"] == "50"


def test_the_html_report_has_them_in_a_section_of_their_own(holding: Callable[..., Playhead], tmp_path: Path) -> None:
    playhead = holding(told(1), cut(2))
    playhead("audit", "--estimate", "--html", str(tmp_path / "report.html"))
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    [row] = playhead("audit", "--json", "--estimate").rows
    [table] = [table for table in page.tables if "estimate (USD)" in table[0]]

    assert table[1][:4] == ["gpt-5-mini", "1", "200", "50"]
    assert float(table[1][4]) == float(row["estimated_cost"])


def test_they_are_not_for_budgets(holding: Callable[..., Playhead]) -> None:
    assert holding(told(1))("audit", "--estimate", "--budget", "5/day").status == 2
