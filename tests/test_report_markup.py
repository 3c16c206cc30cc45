"""Markup: nothing that is put into it breaks it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.reporting.markup import Markup, clipped, lines, shown, tag
from reported import Page


def test_text_is_escaped() -> None:
    assert tag("td", '<b> & "it\'s"') == "<td>&lt;b&gt; &amp; &quot;it&#x27;s&quot;</td>"


def test_markup_is_left_as_it_is() -> None:
    assert tag("td", tag("b", "1")) == "<td><b>1</b></td>"


def test_attributes_are_escaped_and_called_as_html_calls_them() -> None:
    assert tag("td", class_='a"b', stroke_width=2, title=None) == '<td class="a&quot;b" stroke-width="2"></td>'


def test_shapes_end_at_once() -> None:
    assert tag("rect", x=1) == '<rect x="1"/>'


def test_an_element_with_a_title_inside_does_not() -> None:
    assert tag("rect", tag("title", "2"), x=1) == '<rect x="1"><title>2</title></rect>'


def test_what_does_not_print_is_spelled_out() -> None:
    assert shown("a\u202eb\x1b[31m\0") == "a\\u202eb\\x1b[31m\\x00"


@given(st.text())
def test_any_text_comes_back_from_an_element_and_from_an_attribute(text: str) -> None:
    page = Page(tag("p", text, title=text))

    assert "".join(page.texts) == page.named("p")[0]["title"]
    assert ("".join(page.texts) == text) == text.isprintable()


def test_lines_stand_below_each_other_whatever_is_in_them() -> None:
    assert lines("a\nb", "<") == "a\\nb\n&lt;"


def test_long_names_are_clipped() -> None:
    assert (clipped("abcdef", 6), clipped("abcdefg", 6)) == ("abcdef", "abcde…")


def test_wide_letters_and_what_is_spelled_out_take_their_place() -> None:
    assert (clipped("漢字漢", 6), clipped("漢字漢字", 6), clipped("a\n\n\n", 6)) == ("漢字漢", "漢字…", "a\\n\\n…")


def test_what_is_joined_of_markup_is_markup() -> None:
    assert isinstance(tag("p", Markup("<br/>"), None, "x"), Markup)
