"""What providers say of their caches."""

from __future__ import annotations

import pytest

from playhead.config.caches import LIFETIMES, LONGEST, CacheLimits, Lifetime, lifetime_of, limits_of


@pytest.mark.parametrize(
    ("kind", "model", "limits"),
    [
        ("responses", "gpt-5", CacheLimits(1024, 128)),
        ("chat.completions", None, CacheLimits(1024, 128)),
        ("messages", "claude-sonnet-4-5-20250929", CacheLimits(1024, 1)),
        ("messages", "claude-haiku-4-5", CacheLimits(4096, 1)),
        ("messages", "claude-opus-5", CacheLimits(512, 1)),
        ("messages", None, CacheLimits(1024, 1)),
    ],
)
def test_a_prompt_must_have_so_many_tokens(kind: str, model: str | None, limits: CacheLimits) -> None:
    assert limits_of(kind, model) == limits


@pytest.mark.parametrize(
    ("kind", "asked", "lifetime"),
    [
        ("responses", None, Lifetime(300, 3600)),
        ("responses", "in-memory", Lifetime(300, 3600)),
        ("responses", "24h", Lifetime(3600, 86_400)),
        ("responses", "30m", Lifetime(1800, 86_400)),
        ("responses", "a new one", Lifetime(300, 3600)),
        ("messages", None, Lifetime(300, 300)),
        ("messages", "1h", Lifetime(3600, 3600)),
    ],
)
def test_a_prompt_is_kept_for_so_long(kind: str, asked: str | None, lifetime: Lifetime) -> None:
    assert lifetime_of(kind, asked) == lifetime


def test_nothing_is_kept_for_longer_than_the_longest() -> None:
    assert max(lifetime.most for lifetime in LIFETIMES.values()) == LONGEST
