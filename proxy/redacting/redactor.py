"""What is to be taken away from recordings, and what stands in its place: in texts, JSON documents, and streams of events. Pure.

A placeholder is of the same kind as what it replaces: a string for a string, 0 for a number, false for true; null stays. All else stays byte for byte.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from playhead.config.rules import Rule, Step, steps_of

from ..fingerprinting.finders import redacted
from .json_places import STRING, leaves, places

_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*")
_DELTAS = ((Step("delta", deep=True),),)
_TELLING = ("type", "item_id", "output_index", "content_index", "summary_index", "index")
_DATA = re.compile(r"^data:[ ]?([^\r\n]*)", re.MULTILINE)
_KNOWN = 32 << 20  # characters of texts in which nothing was found
_LEAST = 4  # characters of a text that is looked for in files afterwards


class _Search(NamedTuple):
    regex: re.Pattern[str]
    put: str


class _Segment(NamedTuple):
    """A string of one document that is a part of a longer text."""

    document: int
    start: int
    end: int
    text: str


@dataclass(eq=False)
class Redactor:
    """By rules that redact. `found`: how often each rule found something; `texts`: what was found."""

    rules: tuple[Rule, ...]
    found: Counter[str] = field(default_factory=Counter)
    texts: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._searches = [_Search(re.compile(rule.what[1:-1]), redacted(rule)) for rule in self.rules if rule.what[0] == "/" and not rule.place]
        self._clean: set[str] = set()
        self._room = _KNOWN
        self._paths = [(steps_of(rule.what), redacted(rule)) for rule in self.rules if rule.what[0] == "$"]

    @property
    def unsound(self) -> str | None:
        """The first rule that finds something in its own placeholder, so that redacting would have no end."""
        return next((search.regex.pattern for search in self._searches for other in self._searches if search.regex.search(other.put)), None)

    def text(self, text: str) -> str:
        """A text that is no JSON."""
        for search in self._searches:
            text = search.regex.sub(self._noting(search.put), text)
        return text

    def value(self, value: Any) -> Any:
        """Any value, with all the texts in it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.value(member) for key, member in value.items()}
        return [self.value(member) for member in value] if isinstance(value, list) else value

    def plain(self, data: bytes) -> bytes:
        """The same of bytes, which may be no text at all."""
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def document(self, text: str) -> str | None:
        """A JSON text. None: it is none."""
        try:
            json.loads(text)
            if self._paths:
                text = self._at_places(text)
        except (ValueError, RecursionError):
            return None
        return self._strings(text)

    def body(self, data: bytes) -> bytes:
        """A body of any kind."""
        if data[:64].lstrip()[:1] in (b"{", b"[", b'"'):
            try:
                made = self.document(data.decode())
            except UnicodeDecodeError:
                made = None
            if made is not None:
                return made.encode("utf-8", "surrogatepass")
        return self.plain(data)

    def events(self, pieces: Sequence[bytes]) -> list[bytes]:
        """Blocks of an event stream, or messages: each as a document; a text that is told in deltas is looked through as a whole."""
        told = [_Told.of(piece) for piece in pieces]
        if self._searches:
            self._across(told)
        return [self._piece(one) for one in told]

    def _piece(self, one: _Told) -> bytes:
        if one.document is not None and (made := self.document(one.document)) is not None:
            return (self.text(one.before) + made + self.text(one.behind)).encode("utf-8", "surrogateescape")
        return self.plain(one.whole)

    def _noting(self, put: str) -> Callable[[re.Match[str]], str]:
        return lambda match: self._note(match[0], put)

    def _note(self, found: str, put: str) -> str:
        self.found[put] += 1
        if len(found) >= _LEAST:
            self.texts.add(found)
        return put

    # Inside a document.

    def _at_places(self, text: str) -> str:
        for path, put in self._paths:
            pieces: list[str] = []
            end = 0
            for place in places(text, [path]):
                for start, stop in leaves(text, place.start, place.end):
                    new = _same_kind(text[start:stop], put)
                    if new != text[start:stop]:
                        self._note(_plain(text[start:stop]), put)
                        pieces += (text[end:start], new)
                        end = stop
            text = "".join([*pieces, text[end:]])
        return text

    def _strings(self, text: str) -> str:
        """All strings and numbers, member names included."""
        if not self._searches:
            return text
        pieces: list[str] = []
        end = 0
        for found in STRING.finditer(text):
            if (between := self._numbers(text[end : found.start()])) is not None:
                pieces.append(between)
            literal = found[0]
            pieces.append(self._string(literal))
            end = found.end()
        return "".join([*pieces, self._numbers(text[end:])])

    def _string(self, literal: str) -> str:
        if literal in self._clean:
            return literal
        plain = _plain(literal) if "\\" in literal else literal[1:-1]
        if not any(search.regex.search(plain) for search in self._searches):
            self._remember(literal)
            return literal
        return _quoted(self.text(plain), literal)

    def _remember(self, literal: str) -> None:
        """There is nothing in it, and histories say it again and again."""
        self._room -= len(literal)
        if self._room < 0:
            self._clean.clear()
            self._room = _KNOWN
        self._clean.add(literal)

    def _numbers(self, text: str) -> str:
        """What stands between two strings."""
        return _NUMBER.sub(self._number, text) if len(text) > 1 and any(search.regex.search(text) for search in self._searches) else text

    def _number(self, match: re.Match[str]) -> str:
        for search in self._searches:
            if search.regex.fullmatch(match[0]):
                self._note(match[0], search.put)
                return "0"
        return match[0]

    # Across documents.

    def _across(self, told: list[_Told]) -> None:
        """Texts that come piece by piece in `delta`s."""
        chains: dict[tuple[object, ...], list[_Segment]] = {}
        for number, one in enumerate(told):
            if one.document is not None and '"delta"' in one.document:
                for key, segment in _segments(number, one.document):
                    chains.setdefault(key, []).append(segment)
        changes: dict[int, list[tuple[int, int, str]]] = {}
        for chain in chains.values():
            texts = before = [segment.text for segment in chain]
            for search in self._searches:
                texts = self._cut(texts, search)
            for segment, old, new in zip(chain, before, texts, strict=True):
                if old != new:
                    changes.setdefault(segment.document, []).append((segment.start, segment.end, new))
        for number, replaced in changes.items():
            told[number] = told[number].changed(replaced)

    def _cut(self, texts: list[str], search: _Search) -> list[str]:
        """The pieces of a text: the placeholder stands in the one where what is found begins."""
        whole = "".join(texts)
        spans = [match.span() for match in search.regex.finditer(whole)]
        if not spans:
            return texts
        for start, end in spans:
            self._note(whole[start:end], search.put)
        made: list[str] = []
        at = 0
        for text in texts:
            stop, kept, end = at + len(text), "", at
            for first, last in spans:
                if last <= at or first >= stop:
                    continue
                kept += whole[end : max(first, at)] + (search.put if first >= at else "")
                end = min(last, stop)
            made.append(kept + whole[end:stop])
            at = stop
        return made


class _Told(NamedTuple):
    """A block or a message. `document`: the JSON text in it, between `before` and `behind`; None: there is none, or not just one."""

    whole: bytes
    before: str = ""
    document: str | None = None
    behind: str = ""

    @classmethod
    def of(cls, piece: bytes) -> _Told:
        try:
            text = piece.decode()
        except UnicodeDecodeError:
            return cls(piece)
        if text.lstrip()[:1] in ("{", "["):
            return cls(piece, "", text, "")
        lines = list(_DATA.finditer(text))
        if len(lines) != 1 or lines[0][1][:1] not in ("{", "["):
            return cls(piece)
        return cls(piece, text[: lines[0].start(1)], lines[0][1], text[lines[0].end(1) :])

    def changed(self, replaced: list[tuple[int, int, str]]) -> _Told:
        """With other strings at some places of its document."""
        text = self.document or ""
        for start, end, new in sorted(replaced, reverse=True):
            text = text[:start] + _quoted(new, text[start:end]) + text[end:]
        return self._replace(document=text)


def _segments(number: int, text: str) -> list[tuple[tuple[object, ...], _Segment]]:
    """The strings in the deltas of a document, each with what tells of which text it is a part."""
    try:
        value = json.loads(text)
        found = places(text, _DELTAS)
        ways = [tuple(_told_on_the_way(value, place.path)) for place in found]
    except (ValueError, RecursionError, LookupError, TypeError):  # of members with one name only the last one is known
        return []
    segments = []
    for place, own in zip(found, ways, strict=True):
        for nth, (start, end) in enumerate(leaves(text, place.start, place.end)):
            if text[start] == '"':
                key = (*own, place.path, _name_before(text, start) if start != place.start else nth)
                segments.append((key, _Segment(number, start, end, _plain(text[start:end]))))
    return segments


def _name_before(text: str, at: int) -> str:
    """The key of the member whose value begins there."""
    colon = text.rfind(":", 0, at)
    end = text.rfind('"', 0, colon)
    return text[text.rfind('"', 0, end) + 1 : end]


def _told_on_the_way(value: Any, path: Sequence[str | int]) -> Iterator[object]:
    """What the objects around a delta say of which text it is a part."""
    for key in path:
        if isinstance(value, dict):
            for name in _TELLING:
                told = value.get(name)
                yield told if isinstance(told, str | int) else None
        value = value[key]


def _plain(literal: str) -> str:
    """What a literal says."""
    value = json.loads(literal, strict=False)
    return value if isinstance(value, str) else literal


def _quoted(text: str, like: str) -> str:
    """A string of a JSON text, with the escapes that another one has."""
    return json.dumps(text, ensure_ascii=like.isascii())


def _same_kind(literal: str, put: str) -> str:
    """What stands for a string, a number or a word."""
    if literal[0] == '"':
        return json.dumps(put)
    return {"true": "false", "false": "false", "null": "null"}.get(literal, "0")
