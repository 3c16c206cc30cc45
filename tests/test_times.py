"""Times in ns as listings have them."""

from __future__ import annotations

from datetime import UTC, datetime

from playhead.storage.times import milliseconds, moment


def test_a_moment_is_told_to_the_microsecond_and_never_rounded_up() -> None:
    assert moment(1_756_315_696_999_999_999) == datetime(2025, 8, 27, 17, 28, 16, 999_999, UTC)


def test_milliseconds_have_all_their_decimals() -> None:
    assert (milliseconds(1_234_567), milliseconds(0), milliseconds(None)) == (1.234567, 0.0, None)
