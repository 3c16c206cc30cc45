"""JSON bodies as JSON values, with what is needed to have their bytes again. Pure.

A body is a value and the name of the style it was written in, wherever writing the value in that style gives the body byte for byte; with a small patch
where it nearly does; else it is text, or base64.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Never

Patch = tuple[int, int, str]
"""A place in a text, how many of its letters go there, and what takes their place."""

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_TOKEN = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*"|[^\s"{}\[\],:]+|[{}\[\],:]|$)')
_ROOM = 256  # letters of all patches, or a quarter of what is patched
_OF_EACH = 8
_LONGEST = 1 << 22  # letters of a text that patches are looked for in


class Written(NamedTuple):
    """A body in a cassette. `form`: json, text or base64. `style`: of JSON. `patches`: where the text that the style gives is to be changed."""

    form: str
    value: Any
    style: str = ""
    patches: tuple[Patch, ...] = ()


def _never(word: str) -> Never:
    raise ValueError(f"{word} is no JSON")


_loads = json.JSONDecoder(parse_constant=_never).decode


def _dumps(separators: tuple[str, str], ascii_only: bool = False, indent: int | None = None) -> Callable[[Any], str]:
    return json.JSONEncoder(ensure_ascii=ascii_only, allow_nan=False, separators=separators, indent=indent).encode


_COMPACT = _dumps((",", ":"))


def _for_html(value: Any) -> str:
    text = _COMPACT(value)
    for letter in "<>&\u2028\u2029":
        if letter in text:
            text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


_STYLES: Mapping[str, Callable[[Any], str]] = {
    "compact": _COMPACT,
    "spaced": _dumps((", ", ": ")),
    "indented": _dumps((",", ": "), indent=2),
    "indented4": _dumps((",", ": "), indent=4),
    "compact ascii": _dumps((",", ":"), ascii_only=True),
    "spaced ascii": _dumps((", ", ": "), ascii_only=True),
    "indented ascii": _dumps((",", ": "), ascii_only=True, indent=2),
    "indented4 ascii": _dumps((",", ": "), ascii_only=True, indent=4),
    "compact html": _for_html,
}
_LINE = " line"  # of a style: a line feed follows the value
STYLES = frozenset([*_STYLES, *(style + _LINE for style in _STYLES)])

compact = _COMPACT
"""The text of a value, as cassettes are written."""


def render(value: Any, style: str) -> bytes:
    """The bytes of a value. Raises ValueError: there is no such style, or it is nothing that JSON can say."""
    name = style.removesuffix(_LINE)
    if name not in _STYLES:
        raise ValueError(f"there is no style {style!r}")
    return (_STYLES[name](value) + ("\n" if style != name else "")).encode()


def written(body: bytes, likely: str = "") -> Written:
    """How a body stands in a cassette. `likely`: the style to try first."""
    try:
        text = body.decode()
    except ValueError:
        return Written("base64", b64encode(body).decode())
    if body[:1] not in (b"{", b"[", b'"') or b"\0" in body:
        return Written("text", text)
    try:
        value = _loads(text)
        if _HALF.search(body):
            compact(value).encode()  # half a surrogate pair cannot stand in a file
    except (ValueError, RecursionError):
        return Written("text", text)
    return _styled(value, body, text, likely) or Written("text", text)


def _styled(value: Any, body: bytes, text: str, likely: str) -> Written | None:
    nearest: tuple[int, str, str] | None = None
    for style in dict.fromkeys(filter(None, (likely, *_candidates(text)))):
        try:
            rendered = render(value, style)
        except (ValueError, RecursionError):
            return None
        if rendered == body:
            return Written("json", value, style)
        if nearest is None or abs(len(rendered) - len(body)) < nearest[0]:
            nearest = abs(len(rendered) - len(body)), style, rendered.decode()
    patches = None if nearest is None else _patches(nearest[2], text)
    return None if nearest is None or patches is None else Written("json", value, nearest[1], patches)


def _candidates(text: str) -> list[str]:
    """The styles that a text may be in, the likeliest first."""
    line = _LINE if text.endswith("\n") else ""
    start = text[:200]
    shape = (
        ("indented4" if start[2:6] == "    " else "indented")
        if start[1:2] == "\n"
        else "spaced"
        if '": ' in start or '", ' in start or "}, " in start
        else "compact"
    )
    escaped = text.isascii() and "\\u" in text
    shapes = [shape, *(other for other in ("compact", "spaced") if other != shape and "indented" not in shape)]
    found = [f"{each}{kind}{line}" for each in shapes for kind in ((" ascii", "") if escaped else ("",))]
    return [*found, f"compact html{line}"] if "\\u00" in text or "\\u20" in text else found


def _patches(rendered: str, text: str) -> tuple[Patch, ...] | None:
    """Where both differ, token by token: a number, an escape, white space. None if that is too much, or they are not the same tokens."""
    if len(text) > _LONGEST:
        return None
    theirs, ours = _TOKEN.findall(text), _TOKEN.findall(rendered)
    if len(theirs) != len(ours):
        return None  # a key stands twice
    patches: list[Patch] = []
    place, room = 0, max(_ROOM, len(text) // 4)
    for their, our in zip(theirs, ours, strict=True):
        if their != our:
            patches.append((place, len(our), their))
            room -= len(their) + _OF_EACH
            if room < 0:
                return None
        place += len(our)
    return tuple(patches) if _patched(rendered, patches) == text else None


def restored(one: Written) -> bytes:
    """The body. Raises ValueError: what stands there is not what can be written."""
    if one.form == "json":
        data = render(one.value, one.style)
        return _patched(data.decode(), one.patches).encode() if one.patches else data
    if not isinstance(one.value, str):
        raise ValueError(f"{one.form} must be a string")
    if one.form == "text":
        return one.value.encode()
    try:
        return b64decode(one.value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"base64 is damaged: {error}") from None


def _patched(text: str, patches: Sequence[Patch]) -> str:
    parts: list[str] = []
    done = 0
    for start, cut, put in patches:
        if start < done or cut < 0 or start + cut > len(text):
            raise ValueError("a patch lies outside of the text")
        parts += (text[done:start], put)
        done = start + cut
    return "".join((*parts, text[done:]))
