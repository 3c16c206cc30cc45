"""How long recordings are kept, as people write it and as it counts for a session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.config.retention import Clocks, Override, Retention, age_of, age_text, size_of, size_text

DAY = 86_400.0


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("90s", 90), ("5m", 300), ("12h", 43_200), ("30d", 30 * DAY), ("2w", 14 * DAY), ("1.5d", 1.5 * DAY)])
def test_an_age_has_a_unit(text: str, seconds: float) -> None:
    assert age_of(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1y", "1d2h", "1e3s", "none", "\N{ARABIC-INDIC DIGIT THREE}"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an age such as"):
        age_of(text)


@given(st.integers(0, 10**9).map(float))
def test_an_age_in_words_means_the_same(seconds: float) -> None:
    assert age_of(age_text(seconds)) == seconds


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("17", 17), ("1KiB", 1024), ("1 kB", 1000), ("1.5GiB", 3 << 29), ("10TiB", 10 << 40), ("2M", 2_000_000)])
def test_a_size_may_have_a_unit(text: str, size: int) -> None:
    assert size_of(text) == size


@given(st.integers(0, 1 << 50))
def test_a_size_in_words_means_the_same(size: int) -> None:
    assert size_of(size_text(size)) == size


@pytest.mark.parametrize("text", ["ci-*: content=2d costs=90d size=1GiB", "golden: content=none size=none", "a:b: costs=36h", "*: content=0"])
def test_an_override_is_told_as_it_is_written(text: str) -> None:
    assert str(Override.parse(text)) == text


@pytest.mark.parametrize("text", ["ci", "ci:", "ci: ", "c*i: content=1d", "ci content=1d", "ci: keep=1d", "ci: content", "ci: size=1 size=2", "a b: size=1"])
def test_what_is_no_override_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        Override.parse(text)


def retention(*overrides: str, **clocks: float | int | None) -> Retention:
    return Retention(Clocks(**clocks), tuple(map(Override.parse, overrides)))  # type: ignore[arg-type]


def test_the_first_override_that_fits_counts_and_sets_only_what_it_says() -> None:
    found = retention("ci-special: content=9d", "ci-*: content=2d size=5", content=30 * DAY, costs=400 * DAY, size=7)

    assert found.of("default") == Clocks(30 * DAY, 400 * DAY, None)
    assert found.of("ci-1") == Clocks(2 * DAY, 400 * DAY, 5)
    assert found.of("ci-special") == Clocks(9 * DAY, 400 * DAY, None)


def test_a_session_with_a_size_of_none_is_spared() -> None:
    found = retention("golden: size=none", "ci-*: size=5", size=7)

    assert [found.sized(name) for name in ("golden", "ci-1", "default")] == [False, True, True]


def test_nothing_runs_where_nothing_is_set() -> None:
    assert not retention().run
    assert not retention("golden: content=none").run
    assert retention("ci-*: size=5").run
    assert retention(content=0).run


def test_the_shortest_age_is_that_of_anything() -> None:
    assert retention("ci-*: costs=3s", "golden: content=none", content=DAY).shortest == 3
    assert retention("ci-*: size=3").shortest is None


def test_what_is_given_for_named_sessions_counts_before_overrides_and_for_them_only() -> None:
    found = retention("golden: content=none costs=5d", content=DAY, costs=2 * DAY, size=100).named(["golden"], ["content", "size"])

    assert found.of("golden") == Clocks(DAY, 5 * DAY, 100)
    assert found.of("default") == Clocks()
    assert found.clocks == Clocks()
