"""What a replay does where its recordings have no answer: the names of the policies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Exhausted = Literal["fail", "last", "cycle"]

CI = "CI"
"""The environment variable that every service for continuous integration sets."""

_MONEY = re.compile(r"\d{1,9}(?:\.\d{1,12})?", re.ASCII)
_NO = frozenset(("", "0", "false", "no", "off"))


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether this is a run of continuous integration, where nothing goes live by accident."""
    return environ.get(CI, "").strip().lower() not in _NO


def optional_money(value: object) -> str | None:
    """A sum in USD as a decimal text; None for none. Raises ValueError: also for a float, which is no decimal number."""
    if value is None or value == "none":
        return None
    if isinstance(value, bool) or not isinstance(value, int | str) or not _MONEY.fullmatch(str(value)):
        raise ValueError
    return str(value)
