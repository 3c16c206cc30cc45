"""The page: everything in it, nothing loaded, nothing run, whatever names say."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import pytest

from playhead.proxy.reporting.contents import Read, Report, report_of
from playhead.proxy.reporting.page import page
from playhead.storage.costing.sums import Reason
from reported import ASKED, MADE, ONE, Page, full, report, sums

STYLE = files("playhead.proxy").joinpath("reporting", "report.css").read_text(encoding="utf-8")
EVIL = "</text><script>alert(1)</script>\u202e\"'&\x00<img src=//x onerror=y>"


def shown(report: Report) -> Page:
    return Page(page(report, STYLE))


def test_a_page_loads_and_runs_nothing() -> None:
    text = page(full(), STYLE)
    found = Page(text)

    assert {name for name, _ in found.elements} & {"script", "link", "img", "iframe", "object", "use", "image"} == set()
    assert [name for _, attributes in found.elements for name in attributes if name.startswith("on") or name in ("src", "xlink:href")] == []
    assert {attributes["href"] for attributes in found.named("a")} == {"#unpriced"}
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_a_browser_is_told_that_it_may_not() -> None:
    assert "default-src 'none'; style-src 'unsafe-inline'" in [attributes.get("content") for attributes in shown(full()).named("meta")]


def test_every_section_is_there() -> None:
    texts = " ".join(shown(full()).texts)

    for told in (
        *("Over time", "By model", "By key", "By session", "Tokens and money by class", "How long it took", "Errors and retries", "Without a price"),
        *("Prices and assumptions", "no price table knows it", "tier default", "genai-prices 0.2 (abc), own 1 (def)", "rate_limit_exceeded"),
        *("2026-11-01 04:30 to 2026-11-04 04:30 UTC, all sessions", "Made by playhead 1.2.3 on 2026-11-26 08:05 UTC", "3 of 8 exchanges have no price"),
    ):
        assert told in texts


def test_names_break_nothing() -> None:
    evil = report(
        {("2026-11-01", EVIL): ONE},
        {(EVIL, EVIL): ONE},
        failures={("200", EVIL, EVIL): 1},
        reasons=[Reason(EVIL, EVIL, 1)],
    )
    found = shown(replace(evil, asked=replace(ASKED, sessions=(EVIL,))))

    assert {name for name, _ in found.elements} & {"script", "img"} == set()
    assert found.table("model")[0]["model"] == EVIL.replace("\u202e", "\\u202e").replace("\x00", "\\x00")


@pytest.mark.parametrize("cost", [0, 1, 10**9, 10**18])
def test_any_sum_can_be_drawn(cost: int) -> None:
    assert len(shown(report({("2026-11-01", "m"): sums(cost)})).named("svg")) >= 5


def test_where_nothing_has_a_price_groups_are_told_by_their_requests() -> None:
    texts = shown(report({("2026-11-01", "m"): sums(0, unpriced=4)}, {("k_1", "s"): sums(0, unpriced=4)})).texts

    assert "m\n4 requests" in texts


def test_a_group_without_a_price_beside_others_says_so() -> None:
    assert "no price" in shown(report({("2026-11-01", "m"): sums(0, unpriced=4), ("2026-11-01", "n"): sums(8)})).texts


def test_numbers_are_those_of_the_rows() -> None:
    found = report()
    [line, *_] = shown(found).table("model")
    row = found.breakdowns[0].groups[0].row

    told = (row.requests, row.errors, row.retries, row.input_tokens, row.cached_tokens, row.written_tokens, row.output_tokens)
    assert tuple(int(line[name].replace(",", "")) for name in ("requests", "errors", "retries", "input", "cached", "written", "output")) == told


def test_what_was_asked_for_is_said() -> None:
    texts = " ".join(shown(replace(report(), asked=replace(ASKED, sessions=("nightly",), since=MADE, until=MADE))).texts)

    assert "sessions nightly" in texts
    assert "of what was asked since 2026-11-26 08:05 UTC and before 2026-11-26 08:05 UTC" in texts


def test_nothing_is_a_page_that_says_so() -> None:
    assert "Nothing was recorded that this is about." in shown(report_of(ASKED, ("model",), Read(None))).texts


def test_paper_is_light_and_tables_are_not_cut() -> None:
    _, _, paper = STYLE.partition("@media print")

    assert "--paper: #ffffff" in paper
    assert "overflow: visible" in paper
