"""One text for all JSON texts that mean the same: key order, white space, escapes and the notation of numbers do not show. Pure.

The text is compact JSON in UTF-8, the members of each object sorted by key, of equal keys the last. A number is written as an integer if it is one,
of up to 400 digits; else as `[NaN,"DIGITSePOWER"]`, digits without zeros at their ends, which no JSON can say. So no number loses a digit, and 1, 1.0
and 10e-1 are one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache, partial
from json.scanner import make_scanner
from operator import itemgetter
from typing import Any, Never, cast

from pydantic_core import to_json

WHITE = " \t\n\r"
_LONGEST = 400  # digits of an integer that was written with a point or a power
_USUAL = 40  # characters of a number worth remembering
_NO_INTEGER = float("nan")
_key = itemgetter(0)


def parse(text: str) -> Any:
    """The value of a text, ready for `dump`. Raises ValueError, RecursionError: it is no JSON, or nothing that can be dumped."""
    if text[:1] in WHITE:
        text = text.lstrip(WHITE)
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("a value is missing") from None
    if end < len(text) and text[end:].strip(WHITE):
        raise ValueError("something follows")
    return value


dump = partial(to_json, inf_nan_mode="constants")
"""The canonical text of a value. Raises ValueError: half a surrogate pair, or nested too deep (some 250 levels)."""


def _sorted(members: list[tuple[str, Any]]) -> dict[str, Any]:
    members.sort(key=_key)  # keeps the order of equal keys: the last one wins
    return dict(members)


def _number(text: str) -> int | tuple[float, str]:
    return _usual(text) if len(text) <= _USUAL else _read(text)


def _read(text: str) -> int | tuple[float, str]:
    """A number with a point or a power."""
    mantissa, _, power = text.lower().partition("e")
    sign = "-" if mantissa[0] == "-" else ""
    whole, _, fraction = mantissa[len(sign) :].partition(".")
    padded = (whole + fraction).lstrip("0")
    digits = padded.rstrip("0")
    exponent = int(power or 0) - len(fraction) + len(padded) - len(digits)
    if not digits:
        return 0
    if exponent >= 0 and len(digits) + exponent <= _LONGEST:
        return int(sign + digits + "0" * exponent)
    return _NO_INTEGER, f"{sign}{digits}e{exponent}"


_usual = lru_cache(1024)(_read)


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is no JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_sorted, parse_float=_number, parse_constant=_refuse)
_scan: Callable[[str, int], tuple[Any, int]] = make_scanner(cast("Any", _decoder))  # as `scan`, but for what it raises where there is no value

scan = _decoder.raw_decode
"""The value that begins at a place of a text, and where it ends. Raises ValueError, RecursionError."""
