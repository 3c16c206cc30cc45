"""Where a parameter of a URL begins that may hold a secret: as it is, or as JSON may spell it."""

from __future__ import annotations

import re

from playhead.config import secrets as secret_rules

from .fields import in_any_case
from .needles import ODD_ESCAPE, REACH, finds, readable

MARKS = r"\\u00(?:26|3[fF])"
"""& and ? as some encoders write them."""

_NAMES = sorted(secret_rules.URL_PARAMETERS, key=len, reverse=True)
_PARAMETERS = "|".join((secret_rules.URL_PREFIX + "[a-z0-9-]{1,40}", *_NAMES))
_URL = rf"(?:[?&](?:amp;)?|{MARKS})(?i:({_PARAMETERS}))(?:=|\\u003[dD])"
_URL_PLAIN = rf"[?&](?:amp;)?(?i:{_PARAMETERS})(?:=|\\u003[dD])"
_PARAMETER = re.compile(_URL.encode())
_AMAZON_SPELLED = in_any_case(secret_rules.URL_PREFIX) + b"(?:[A-Za-z0-9-]|" + ODD_ESCAPE.encode() + b"){1,40}"
_NAMES_SPELLED = b"|".join((_AMAZON_SPELLED, *map(in_any_case, _NAMES)))
_PARAMETER_SPELLED = re.compile(rb"(?:[?&](?:amp;)?|%b)(%b)(?:=|\\u003[dD])" % (MARKS.encode(), _NAMES_SPELLED))
_BLOCK = 4096

has_plain_parameters = finds(_URL_PLAIN)
has_parameters = finds(_URL)


def next_parameter(text: bytes, pos: int) -> re.Match[bytes] | None:
    """The next parameter: `re` is slow at a pattern that may begin in several ways, and is only let into blocks that have one."""
    for start in range(pos, len(text), _BLOCK):
        end = start + _BLOCK + REACH
        if has_parameters(readable(text[start:end])) and (match := _PARAMETER.search(text, start, end)) is not None:
            return match
    return None


def next_spelled(text: bytes, pos: int) -> re.Match[bytes] | None:
    """The same where letters may be escaped, which is seldom and takes its time."""
    return _PARAMETER_SPELLED.search(text, pos)
