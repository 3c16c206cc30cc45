"""Match rules: what of a request does not count when it is compared with recordings, each as a value with a one-line spelling. Pure.

    ignore $.metadata.run_id            what is there does not count
    normalize uuid                      texts that the pattern finds are equal (patterns.py has the names), `in PATH`: there alone
    normalize /build-\\d+/ as build      the same of a pattern of one's own
    redact /[^ ]+@example\\.com/ as email    what `playhead redact` has taken away from recordings: the same is done to requests
    header x-tenant                     this header counts, too

each optionally with `for KIND[,KIND]` and `at PATH`, a path of URLs with `*`, behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple

from .patterns import PATTERNS

Action = Literal["ignore", "normalize", "redact", "header"]

KINDS = ("responses", "chat.completions", "embeddings", "images", "audio", "realtime", "messages", "other")
"""Kinds of exchanges that a rule may be restricted to."""

_PLACE = r"\$(?:\.\.?\*|\.\.?[^\s.,;\[\]'\"*]+|\.?\.?\[(?:\d+|\*|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")\])*"
_STEP = r"(\.\.)?\.?(?:(\*)|([^\s.,;\[\]'\"*]+)|\[(?:(\d+)|(\*)|'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")\])"
_REGEX = r"/((?:[^/\\]|\\.)+)/"
_WORD = r"\S+"
_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,39}"
_HEADER = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PLAIN = r"[A-Za-z0-9_$-]+"
_SPELLINGS = "ignore PATH | normalize PATTERN [in PATH] | normalize /REGEX/ as NAME [in PATH] | redact /REGEX/ or PATH as KIND | header NAME"


class Step(NamedTuple):
    """One step of a path. `key`: a member's name or an item's number; None for all of them. `deep`: at any depth."""

    key: str | int | None
    deep: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `str` gives its line. `what`: a path, the name of a pattern, a regular expression between slashes, or the name of a header.

    `name`: what stands for texts that a regular expression finds. `place`: the path to where a pattern is looked for; empty: everywhere.
    `kinds`, `at`: of requests that it holds for; empty: all.
    """

    action: Action
    what: str
    name: str = ""
    place: str = ""
    kinds: tuple[str, ...] = ()
    at: str = ""

    def __str__(self) -> str:
        parts = (("as", self.name), ("in", self.place), ("for", ",".join(self.kinds)), ("at", self.at))
        return " ".join([self.action, self.what, *[f"{word} {said}" for word, said in parts if said]])

    def holds(self, kind: str, path: str) -> bool:
        """Whether it holds for requests of that kind to that path (of the URL, without a version in front)."""
        return (not self.kinds or kind in self.kinds) and (not self.at or fnmatchcase(path, self.at))


class RuleSet(NamedTuple):
    """Rules under one name."""

    name: str
    rules: tuple[Rule, ...]


# Spelling.


class _Reader:
    """Reads a rule's line from left to right. Everything raises ValueError."""

    def __init__(self, line: str) -> None:
        self._line, self._at = line, 0

    def take(self, wanted: str, what: str) -> re.Match[str]:
        """What must come next."""
        self._skip()
        found = re.compile(wanted).match(self._line, self._at)
        if found is None or self._line[found.end() : found.end() + 1].strip():
            raise ValueError(f"{what} is missing at {self._line[self._at :]!r}" if self._at < len(self._line) else f"{what} is missing at the end")
        self._at = found.end()
        return found

    def word(self) -> str:
        """The next word; empty at the end."""
        self._skip()
        return self.take(_WORD, "a word")[0] if self._at < len(self._line) else ""

    def begins(self, start: str) -> bool:
        """Whether the next one begins so."""
        self._skip()
        return self._line.startswith(start, self._at)

    def place(self) -> str:
        """A path, in its canonical spelling."""
        return spelled(steps_of(self.take(_PLACE, "a path like $.metadata.run_id or $.input[*]..text")[0]))

    def regex(self) -> str:
        """A regular expression, between slashes."""
        found = self.take(_REGEX, "a regular expression between slashes")
        try:
            matches_nothing = re.compile(found[1]).match("") is not None
        except re.error as error:
            raise ValueError(f"{found[0]} is no regular expression: {error}") from None
        if matches_nothing:
            raise ValueError(f"{found[0]} finds nothing at all everywhere")
        return found[0]

    def name(self, of: str) -> str:
        """`as NAME`, which must come next."""
        if self.word() != "as":
            raise ValueError(f"`as NAME` is missing behind {of}")
        return self.take(_NAME, "a name of letters, digits, - and _")[0]

    def _skip(self) -> None:
        while self._line[self._at : self._at + 1].isspace():
            self._at += 1


def parse_rule(line: str) -> Rule:
    """The rule that a line spells. Raises ValueError, which says what is wrong and what is allowed."""
    try:
        return _parse(_Reader(line))
    except ValueError as error:
        raise ValueError(f"{line.strip()!r} is no match rule: {error}. Rules are: {_SPELLINGS}, each with [for KIND,...] [at PATH] behind it.") from None


def _parse(reader: _Reader) -> Rule:
    action = reader.word()
    name = place = ""
    if action == "ignore":
        rule = Rule("ignore", _inner(reader.place()))
    elif action == "header":
        rule = Rule("header", reader.take(_HEADER, "the name of a header")[0].lower())
    elif action == "redact":
        what = reader.regex() if reader.begins("/") else _inner(reader.place())
        rule = Rule("redact", what, reader.name(what))
    elif action in ("normalize", "normalise"):
        what = reader.regex() if reader.begins("/") else _pattern(reader.word())
        name = reader.name(what) if what[0] == "/" else ""
        rule = Rule("normalize", what, name)
    else:
        raise ValueError(f"{action!r} is nothing that a rule does" if action else "nothing stands there")
    kinds: tuple[str, ...] = ()
    at = ""
    while word := reader.word():
        if word == "in" and rule.action in ("normalize", "redact") and rule.what[0] != "$" and not place:
            place = reader.place()
        elif word == "for" and not kinds:
            kinds = _kinds(reader.word())
        elif word == "at" and not at:
            at = _url_path(reader.word())
        else:
            raise ValueError(f"{word!r} is not understood there")
    return Rule(rule.action, rule.what, rule.name, "" if place == "$" else place, kinds, at)


def _inner(place: str) -> str:
    if place == "$":
        raise ValueError("all of a body cannot be left out; $.* leaves out all of its members")
    return place


def _pattern(name: str) -> str:
    if name not in PATTERNS:
        raise ValueError(f"{name!r} is no pattern: there are {', '.join(PATTERNS)}, and /REGEX/")
    return name


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(sorted(set(text.split(","))))
    if wrong := [kind for kind in kinds if kind not in KINDS]:
        raise ValueError(f"{', '.join(wrong)!r} is no kind of exchange: there are {', '.join(KINDS)}")
    return kinds


def _url_path(text: str) -> str:
    if not text:
        raise ValueError("a path is missing behind `at`")
    path = text.removeprefix("/v1")
    return path if path.startswith(("/", "*")) else f"*/{path}"


@lru_cache(512)
def steps_of(place: str) -> tuple[Step, ...]:
    """The steps of a path. Raises ValueError."""
    if re.fullmatch(_PLACE, place) is None:
        raise ValueError(f"{place!r} is no path like $.metadata.run_id")
    steps: list[Step] = []
    for deep, star, name, number, any_, single, double in re.findall(_STEP, place[1:]):
        quoted = single or double
        key: str | int | None = None if star or any_ else int(number) if number else name or re.sub(r"\\(.)", r"\1", quoted)
        steps.append(Step(key, bool(deep)))
    return tuple(steps)


def places_of(text: str) -> list[str]:
    """Paths with commas between them, in their canonical spelling. Raises ValueError."""
    if re.fullmatch(rf"\s*{_PLACE}(?:\s*,\s*{_PLACE})*\s*", text) is None:
        raise ValueError(f"{text!r} is no path like $.metadata.run_id, nor several with commas between them; other names stand in brackets: $['a,b']")
    return [spelled(steps_of(found[0])) for found in re.finditer(_PLACE, text)]


def spelled(steps: Iterable[Step]) -> str:
    """The canonical spelling of a path."""
    return "$" + "".join([_spelled(step) for step in steps])


def _spelled(step: Step) -> str:
    if isinstance(step.key, str) and re.fullmatch(_PLAIN, step.key):
        return f"{'..' if step.deep else '.'}{step.key}"
    inside = "*" if step.key is None else str(step.key) if isinstance(step.key, int) else "'" + re.sub(r"(['\\])", r"\\\1", step.key) + "'"
    return f"{'..' if step.deep else ''}[{inside}]"


# What is built in.


def _normalize(*names: str) -> tuple[Rule, ...]:
    return tuple([Rule("normalize", name) for name in names])


def _ignore(*places: str) -> tuple[Rule, ...]:
    return tuple([Rule("ignore", place) for place in places])


_TIMES = _normalize("timestamp", "date", "duration")
_IDS = _normalize("uuid", "hex", "id")
_PATHS = _normalize("tempdir", "home", "cwd")
_WHO_ASKS = _ignore("$.metadata", "$.user", "$.safety_identifier", "$.prompt_cache_key")

BUILT_IN: Mapping[str, RuleSet] = MappingProxyType(
    {
        name: RuleSet(name, rules)
        for name, rules in (
            # Its ids and turn metadata, the environment that it describes, and what its tools print with each result.
            ("codex", (*_ignore("$.client_metadata", "$.prompt_cache_key"), *_normalize("chunk", "uuid"), *_TIMES, *_PATHS)),
            # What says who asks, not what is asked: programs fill it anew for each run.
            ("openai-sdk", _WHO_ASKS),
            # Agent frameworks: that, and ids that they make up for calls, runs and traces.
            ("agents", (*_WHO_ASKS, *_IDS)),
            ("times", _TIMES),
            ("ids", _IDS),
            ("paths", _PATHS),
        )
    }
)
"""Sets of rules, by name."""


def named_rules(name: str) -> tuple[Rule, ...]:
    """The rules of a built-in set, or the one that normalises a pattern everywhere. Raises ValueError: there is none of that name."""
    if name in BUILT_IN:
        return BUILT_IN[name].rules
    if name in PATTERNS:
        return (Rule("normalize", name),)
    raise ValueError(f"There are no match rules named {name!r}. Sets are: {', '.join(BUILT_IN)}. Patterns are: {', '.join(PATTERNS)}.")


def rules_of(texts: Iterable[str]) -> tuple[Rule, ...]:
    """The rules that are asked for. Each text: a rule's line, or names with commas between them. Raises ValueError."""
    found: list[Rule] = []
    for text in texts:
        if text.split(maxsplit=1)[:1] and text.split(maxsplit=1)[0] in _ACTIONS:
            found.append(parse_rule(text))
        else:
            found += [rule for name in text.split(",") for rule in named_rules(name.strip())]
    return tuple(dict.fromkeys(found))


_ACTIONS = ("ignore", "normalize", "normalise", "redact", "header")
