"""Bodies under match rules: what does not count is left out, what is volatile is named. Pure.

Numbers of what patterns find begin anew in each member of the outermost object, so that a conversation which only grows need not be read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final, NamedTuple

from playhead.config.rules import Rule, Step, steps_of

from .finders import Finder, Numbering, finder_of, in_order, redacted, replaced


class Gone(Enum):
    """In place of what is left out."""

    GONE = 0


GONE: Final = Gone.GONE


class _Path(NamedTuple):
    """The rest of the way to where a rule holds."""

    steps: tuple[Step, ...]
    rule: Rule


class _Here(NamedTuple):
    """What holds at one place. `gone`: it is left out; `put`: what stands there instead. `paths`: to places inside; `finders`: in all texts inside."""

    gone: bool
    put: str | None
    paths: tuple[_Path, ...]
    finders: tuple[Finder, ...]


class Normaliser:
    """The rules that hold for one kind of requests. Values that are given are not changed."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        rules = tuple(rules)
        self.headers = tuple(sorted({rule.what.encode() for rule in rules if rule.action == "header"}))
        """Names of those that count."""
        paths = [_Path(steps_of(rule.place or rule.what), rule) for rule in rules if rule.action != "header" and (rule.place or rule.what[0] == "$")]
        everywhere = in_order([finder_of(rule) for rule in rules if rule.action != "header" and not rule.place and rule.what[0] != "$"])
        self._top = _Here(False, None, tuple(paths), everywhere)
        self._named = {path.steps[0].key: _inside(self._top, path.steps[0].key) for path in paths if isinstance(path.steps[0].key, str)}
        self._other = _inside(self._top, "")

    @property
    def idle(self) -> bool:
        """It changes nothing of any body."""
        return not self._top.paths and not self._top.finders

    def text(self, text: str) -> str:
        """A text that is no JSON."""
        return replaced(text, self._top.finders, Numbering())

    def whole(self, value: Any) -> Any:
        """A body's value."""
        if not isinstance(value, dict):
            return _normalised(value, self._top, Numbering())
        made = ((name, self.member(name, member)) for name, member in value.items())
        return {name: member for name, member in made if member is not GONE}

    def member(self, name: str, value: Any) -> Any:
        """The value of a member of the outermost object; or GONE."""
        here = self._named.get(name, self._other)
        return _value(value, here, Numbering())

    def keeps(self, name: str) -> bool:
        """Whether the member of that name is not left out or replaced as a whole."""
        here = self._named.get(name, self._other)
        return not here.gone and here.put is None

    def is_alike(self, name: str) -> bool:
        """Whether an item of the list of that name means the same wherever it stands."""
        return not any(isinstance(path.steps[0].key, int) for path in self._named.get(name, self._other).paths)

    def item(self, name: str, place: int, value: Any, numbering: Numbering) -> Any:
        """The item at that place of the list of that name; or GONE. `numbering`: of the items before it."""
        numbering.place = place
        return _value(value, _inside(self._named.get(name, self._other), place), numbering)


def _inside(here: _Here, key: str | int) -> _Here:
    """What holds of the member or item of that name or number."""
    if not here.paths:
        return here
    paths: list[_Path] = []
    finders: list[Finder] = []
    gone, put = False, None
    for path in here.paths:
        step, rest = path.steps[0], path.steps[1:]
        if step.deep:
            paths.append(path)
        if step.key is not None and step.key != key:
            continue
        if rest:
            paths.append(_Path(rest, path.rule))
        elif path.rule.place:
            finders.append(finder_of(path.rule))
        elif path.rule.action == "redact":
            put = redacted(path.rule)
        else:
            gone = True
    # One way leads to a place, however many steps at any depth could be taken for it.
    return _Here(gone, put, tuple(dict.fromkeys(paths)), in_order((*here.finders, *finders)) if finders else here.finders)


def _value(value: Any, here: _Here, numbering: Numbering) -> Any:
    if here.gone:
        return GONE
    return _normalised(value, here, numbering) if here.put is None else here.put


def _normalised(value: Any, here: _Here, numbering: Numbering) -> Any:
    finders = here.finders
    if isinstance(value, str):
        return replaced(value, finders, numbering) if finders else value
    if not finders and not here.paths:
        return value
    if isinstance(value, dict):
        made = [(name, _value(member, _inside(here, name), numbering)) for name, member in value.items()]
        return {name: member for name, member in made if member is not GONE}
    if isinstance(value, list):
        return [item for item in [_value(item, _inside(here, place), numbering) for place, item in enumerate(value)] if item is not GONE]
    if value is None or isinstance(value, bool):
        return value
    return next((f"<{finder.put}>" for finder in finders if finder.finds_number(value)), value)
