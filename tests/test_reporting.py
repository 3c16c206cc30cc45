"""`audit --html`: a file whose numbers are those of `audit --json`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from command_line import Playhead, on, recorded, write
from playhead.config.settings import Settings
from playhead.proxy.pricing.entries import Entries
from playhead.proxy.pricing.setting import pricer_for
from playhead.storage.costing.priceable import priceable
from playhead.storage.records import Facts, Recorded
from reported import Page

NAMES = {"requests": "requests", "errors": "errors", "input": "input_tokens", "cached": "cached_tokens", "output": "output_tokens"}


def exchange(number: int, entries: Entries, **changes: Any) -> Recorded:
    usage = {"input_tokens": 1000 * number, "input_tokens_details": {"cached_tokens": 100}, "output_tokens": 10 + number}
    facts = Facts("responses", f"gpt-{5 + number % 2}-mini" if number % 2 else "gpt-5-mini", usage=usage, service_tier="default", parse="parsed")
    one = recorded(number, **({"facts": facts, "key_id": f"k_{number % 3}", "first_event_ns": number * 10**7} | changes))
    one.cost = entries.of(priceable(one))
    return one


@pytest.fixture
def playhead(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    entries = Entries(pricer_for(Settings()))
    refused = exchange(8, entries, status=429, facts=Facts(error_code="rate_limit_exceeded", kind="responses", model="gpt-5-mini", parse="parsed"))
    write(tmp_path / "data", *(exchange(number, entries) for number in range(1, 8)), refused)
    return on(tmp_path / "data", capfdbinary)


def written(playhead: Playhead, tmp_path: Path, *arguments: str) -> Page:
    told = playhead("audit", *arguments, "--html", str(tmp_path / "report.html"))
    assert told.status == 0, told.err
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("by", ["model", "key", "session", "tier"])
def test_numbers_are_those_of_json(playhead: Playhead, tmp_path: Path, by: str) -> None:
    page = written(playhead, tmp_path, "--by", by)
    rows = {row["group"][by]: row for row in playhead("audit", "--by", by, "--json").rows}
    lines = {line[by]: line for line in page.table(by)}

    assert len(rows) >= 1
    for name, row in rows.items():
        line = lines[name or f"no {by}"]
        assert {shown: int(line[shown].replace(",", "")) for shown in NAMES} == {shown: row[told] for shown, told in NAMES.items()}
        assert Decimal(line["cost (USD)"]) == Decimal(row["cost"])


def test_the_file_is_named_with_what_is_in_it(playhead: Playhead, tmp_path: Path) -> None:
    told = playhead("audit", "--html", str(tmp_path / "report.html"))

    assert "report.html: 8 exchanges, 0.0" in told.err
    assert told.out == ""


def test_what_a_clock_that_is_ahead_has_dated_is_in_it(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write(tmp_path / "data", exchange(1, Entries(pricer_for(Settings())), started_at_ns=4_000_000_000 * 10**9))
    told = on(tmp_path / "data", capfdbinary)("audit", "--html", str(tmp_path / "report.html"))

    assert "report.html: 1 exchange, " in told.err


def test_it_can_go_to_standard_output(playhead: Playhead) -> None:
    assert playhead("audit", "--html", "-").out.startswith("<!doctype html>")


def test_a_report_on_nothing_is_one(playhead: Playhead, tmp_path: Path) -> None:
    assert "Nothing was recorded that this is about." in written(playhead, tmp_path, "--until", "2020-01-01").texts


def test_it_is_written_in_one_way_only(playhead: Playhead) -> None:
    told = playhead("audit", "--html", "x", "--json")

    assert told.status == 2
    assert "give one of them" in told.err


def test_a_place_that_cannot_be_written_is_told(playhead: Playhead, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = playhead("audit", "--html", str(tmp_path / "file" / "report.html"))

    assert told.status == 3
    assert "cannot be written" in told.err


def test_a_wrong_time_names_its_flag(playhead: Playhead) -> None:
    assert "--until 'soon'" in playhead("audit", "--until", "soon").err


def test_of_very_many_reasons_people_see_the_most_frequent_and_how_many_more(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    entries = Entries(pricer_for(Settings()))
    unknown = [Facts("responses", f"model-{number:02d}", usage={"input_tokens": 1, "output_tokens": 1}, service_tier="default") for number in range(20)]
    write(tmp_path / "data", *(exchange(number, entries, facts=facts) for number, facts in enumerate(unknown, 1)))
    out = on(tmp_path / "data", capfdbinary)("audit").out

    assert out.count("no price table knows the model") == 12
    assert out.splitlines()[-1].split() == ["8", "other", "reasons"]
