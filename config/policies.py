"""What a replay does where its recordings have no answer: the names of the policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Exhausted = Literal["fail", "last", "cycle"]

CI = "CI"
"""The environment variable that every service for continuous integration sets."""

_NO = frozenset(("", "0", "false", "no", "off"))


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether this is a run of continuous integration, where nothing goes live by accident."""
    return environ.get(CI, "").strip().lower() not in _NO
