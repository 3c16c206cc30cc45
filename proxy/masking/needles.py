"""Finding known texts fast, wherever they stand: plainly, or as JSON may spell them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from pydantic_core import SchemaValidator, core_schema

from playhead.config import secrets as secret_rules

from .fields import spelled

Test = Callable[[bytes | str], bool]

# A letter, digit, dash or underscore as \u00XX. Hardly any program writes these so, while \u003c and the like are common.
ODD_ESCAPE = r"\\u00(?:2[dD]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])"
_NO_LETTER = re.compile(r"[^A-Za-z0-9_]")
_LONGEST = 4096  # of a text that a test looks for
_MOST_TOGETHER = 64 << 10
_SPELLABLE = re.compile(rb"[!#-\[\]-~ ]{1,2048}\Z")
_PLACEHOLDERS = b"\n".join(sorted(secret_rules.PLACEHOLDERS))
REACH = 300  # of the name of a field, or of a parameter, each letter escaped
_RISKY = frozenset(b'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"?&;\\-')


def finds(pattern: str) -> Test:
    """A test whether that pattern is found in a text: one for both `re` and Rust's regex, of ASCII.

    Rust's engine, which comes with pydantic, looks for many texts at once and is ten times faster at finding nothing than `re` or `bytes.find`.
    Wants its text `readable`.
    """
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")).isinstance_python


def readable(text: bytes) -> bytes | str:
    """The text for tests. They would take bytes for UTF-8 and find nothing in what is none: of all but ASCII each byte is made a character."""
    return text if text.isascii() else text.decode("latin-1")


def findable(texts: Sequence[bytes]) -> list[bytes]:
    """Those that one test by `literally` can look for: the engine refuses patterns of some 130 KB."""
    found = [text for text in texts if text.isascii() and len(text) <= _LONGEST]
    return found if sum(map(len, found)) <= _MOST_TOGETHER else []


def literally(texts: Iterable[bytes]) -> str:
    """A pattern for those texts as they are."""
    return "|".join(_NO_LETTER.sub(lambda match: rf"\x{ord(match[0]):02x}", text.decode()) for text in texts)


class Needles:
    """Known secrets, each as it is and as a JSON string holds it; to be found leftmost and longest."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._plain = sorted(dict.fromkeys(form for secret in secrets if usable(secret) for form in _json_forms(secret)), key=len, reverse=True)
        self._present = finds(literally(self._plain)) if len(findable(self._plain)) == len(self._plain) else None
        self._spelled: re.Pattern[bytes] | None = None
        special = {chr(byte) for needle in self._plain if _SPELLABLE.match(needle) for byte in needle} - set(map(chr, b"_-"))
        odd = "".join(sorted(letter for letter in special if not letter.isalnum()))
        self._special = finds("|".join(map(_spelled_for_rust, odd))) if odd else None
        # What may be cut off in the middle: at most so many bytes at the end of a text, and only if its last byte is one of these.
        self.reach = max(REACH, 6 * max(map(len, self._plain), default=0))
        self.risky = _RISKY.union(*self._plain, b"/")

    def __bool__(self) -> bool:
        return bool(self._plain)

    def finder(self, text: bytes, *, odd: bool) -> Callable[[int], tuple[int, int] | None] | None:
        """What finds the next one in that text from a place on; None if there is none. `odd`: whether the text has odd escapes."""
        view = readable(text)
        if odd or (self._special is not None and self._special(view)):
            pattern = self._pattern()
            return lambda pos: None if (match := pattern.search(text, pos)) is None else match.span()
        if self._present is not None and not self._present(view):
            return None
        present = [needle for needle in self._plain if needle in text]
        if not present:
            return None
        return lambda pos: _leftmost(present, text, pos)

    def _pattern(self) -> re.Pattern[bytes]:
        if self._spelled is None:
            self._spelled = re.compile(b"|".join(_spell(needle) if _SPELLABLE.match(needle) else re.escape(needle) for needle in self._plain))
        return self._spelled


@lru_cache(maxsize=64)
def needles_of(secrets: tuple[bytes, ...]) -> Needles:
    """The needles of those secrets: a client's are the same from request to request."""
    return Needles(secrets)


def _leftmost(present: list[bytes], text: bytes, pos: int) -> tuple[int, int] | None:
    best: tuple[int, int] | None = None
    for needle in present:
        start = text.find(needle, pos)
        if start >= 0 and (best is None or start < best[0]):
            best = start, start + len(needle)
    return best


def unsaid(text: str, secrets: Iterable[bytes]) -> str:
    """A message without the secrets it quotes, the beginnings of those that the quotation cuts among them."""
    for secret in filter(usable, secrets):
        said = secret.decode("latin-1")
        for length in (len(said), *range(len(said) - 1, 2 * secret_rules.LEAST_SECRET - 1, -1)):
            text = text.replace(said[:length], "*" * length)
    return text


def usable(secret: bytes) -> bool:
    """Whether it is long enough to be looked for, and not itself to be found in what replaces secrets."""
    return len(secret) >= secret_rules.LEAST_SECRET and secret not in _PLACEHOLDERS


def _json_forms(secret: bytes) -> tuple[bytes, ...]:
    if not (b'"' in secret or b"\\" in secret or not secret.isascii()):
        return (secret,)
    text = secret.decode("utf-8", "surrogateescape")
    written = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    return (secret, *(form.encode("utf-8", "surrogateescape") for form in sorted(written)))


def _spell(needle: bytes) -> bytes:
    return spelled(needle.decode("ascii"))


def _spelled_for_rust(letter: str) -> str:
    code = f"{ord(letter):02x}"
    escape = rf"\\u00{code[0]}[{code[1]}{code[1].upper()}]"
    return escape + r"|\\/" if letter == "/" else escape
