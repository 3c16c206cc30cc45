"""Markup that cannot be broken by what is put into it: whatever is no `Markup` is escaped. Pure.

Names of models, sessions and keys came over the network. Characters that do not print are spelled out: a name must not turn the direction of the text
around it, nor end it.
"""

from __future__ import annotations

import html

_EMPTY = frozenset(("br", "meta", "rect", "line", "circle", "path", "polyline"))


class Markup(str):
    """Text that is markup."""

    __slots__ = ()


def shown(text: str) -> Markup:
    """Text as it is to be read."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return Markup(html.escape(text))


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
    """Text of that many characters at most."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def lines(*texts: str) -> Markup:
    """Texts below each other."""
    return Markup("\n".join(map(shown, texts)))
