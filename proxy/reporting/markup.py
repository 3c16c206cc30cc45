"""Markup that cannot be broken by what is put into it: whatever is no `Markup` is escaped. Pure.

Names of models, sessions and keys came over the network. Characters that do not print are spelled out: a name must not turn the direction of the text
around it, nor end it.
"""

from __future__ import annotations

import html
from unicodedata import east_asian_width

_EMPTY = frozenset(("br", "meta", "rect", "line", "circle", "path", "polyline"))


class Markup(str):
    """Text that is markup."""

    __slots__ = ()


def shown(text: str) -> Markup:
    """Text as it is to be read."""
    return Markup(html.escape(spelled(text)))


def spelled(text: str) -> str:
    """Text with what does not print spelled out."""
    return text if text.isprintable() else "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def tag(name: str, /, *inside: str | None, **attributes: object) -> Markup:
    """An element. An attribute of None is left out; `class_` is `class`, `stroke_width` is `stroke-width`."""
    given = "".join([f' {key.rstrip("_").replace("_", "-")}="{shown(str(value))}"' for key, value in attributes.items() if value is not None])
    if name in _EMPTY and not inside:
        return Markup(f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{joined(inside)}</{name}>")


def joined(parts: tuple[str | None, ...] | list[Markup]) -> Markup:
    """Parts one after the other."""
    return Markup("".join([part if isinstance(part, Markup) else shown(part) for part in parts if part is not None]))


def clipped(text: str, most: int) -> str:
    """Text that takes the place of that many characters at most."""
    text = spelled(text)
    if places(text) <= most:
        return text
    end = min(len(text), most - 1)
    while places(text[:end]) > most - 1:
        end -= 1
    return f"{text[:end]}…"


def places(text: str) -> int:
    """How many characters' place it takes: Chinese ones and pictures take that of two."""
    return len(text) if text.isascii() else sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def lines(*texts: str) -> Markup:
    """Texts below each other."""
    return Markup("\n".join(map(shown, texts)))
