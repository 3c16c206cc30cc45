"""What cassettes and sessions of tests are called."""

from __future__ import annotations

from playhead.config.settings import SESSION_NAME
from playhead.proxy.testing.names import file_name, session_name, shared


def test_a_cassette_is_called_as_its_test() -> None:
    assert file_name("TestWeather.test_rain[Paris-3]") == "TestWeather.test_rain[Paris-3].jsonl"


def test_what_some_system_does_not_take_in_a_file_name_is_left_out() -> None:
    assert file_name('test_x[a/b\\c:d*e?f"g<h>i|j%k\n]') == "test_x[a-b-c-d-e-f-g-h-i-j-k-].jsonl"


def test_a_name_ends_with_no_dot_and_no_space_before_its_ending() -> None:
    assert file_name("test_x[.. ") == "test_x[.jsonl"


def test_long_names_stay_different_and_fit_every_disk() -> None:
    names = [file_name(f"test_x[{'é' * 200}{number}]") for number in range(2)]

    assert names[0] != names[1]
    assert all(len(name.encode()) <= 130 and name.endswith(".jsonl") for name in names)


def test_a_session_has_only_the_characters_of_a_session() -> None:
    assert session_name("test_weather", "TestRain.test_it[Paris/3 é]") == "test_weather.TestRain.test_it-Paris-3"


def test_long_sessions_stay_different() -> None:
    names = [session_name("test_weather", f"test_x[{'y' * 200}{number}]") for number in range(2)]

    assert names[0] != names[1]
    assert all(SESSION_NAME.fullmatch(f"{name}-999999") for name in names)


def test_tests_that_would_share_a_cassette_are_found_whatever_their_case() -> None:
    found = shared([("a", "d/x.jsonl"), ("b", "d/X.jsonl"), ("c", "d/y.jsonl")])

    assert found == {"a": ["a", "b"], "b": ["a", "b"]}


def test_a_test_that_stands_there_twice_shares_with_nobody() -> None:
    assert shared([("a", "x"), ("a", "x")]) == {}
