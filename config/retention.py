"""How long recordings are kept: one clock for their content and one for what they cost, by session, by age and by size. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

AGE_HINT = "an age such as 90s, 12h, 30d or 52w, 0 for nothing, or none"
SIZE_HINT = "a number of bytes or a size such as 512MiB or 10GiB, or none"
SESSIONS_HINT = "a session, or the beginning of names with * behind it, and its own clocks, such as ci-*: content=2d costs=90d size=1GiB, or none"

_NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}|[A-Za-z0-9._:-]{0,127}\*")
_AGE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?) ?([smhdw])", re.ASCII)
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,6})?) ?([kKMGT]i?)?B?", re.ASCII)
_SECONDS: Mapping[str, int] = {"d": 86_400, "h": 3600, "m": 60, "s": 1, "w": 604_800}
_POWERS: Mapping[str, int] = {"": 0, "k": 1, "M": 2, "G": 3, "T": 4}

Clock = Literal["content", "costs", "size"]
CLOCKS: tuple[Clock, ...] = ("content", "costs", "size")


class Clocks(NamedTuple):
    """How long something is kept. `content`, `costs`: seconds from the start of an exchange. `size`: bytes that content may take. None: for ever."""

    content: float | None = None
    costs: float | None = None
    size: int | None = None

    @property
    def run(self) -> bool:
        """Whether anything ever runs out."""
        return any(value is not None for value in self)


def age_of(text: str) -> float:
    """The seconds of an age. Raises ValueError."""
    if text in ("0", "0.0"):
        return 0.0
    match = _AGE.fullmatch(text)
    if match is None:
        raise ValueError(AGE_HINT)
    return float(match[1]) * _SECONDS[match[2]]


def size_of(text: str) -> int:
    """The bytes of a size. Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(SIZE_HINT)
    unit = (match[2] or "").replace("K", "k")
    return int(float(match[1]) * (1024 if unit.endswith("i") else 1000) ** _POWERS[unit[:1]])


def age_text(seconds: float) -> str:
    """As a person writes it: in days, hours, minutes or seconds, the greatest that it is whole in."""
    if not seconds:
        return "0"
    unit, size = next(((unit, size) for unit, size in _SECONDS.items() if seconds % size == 0), ("s", 1))
    return f"{seconds / size:.6f}".rstrip("0").rstrip(".") + unit


def size_text(size: int) -> str:
    """As a person writes it."""
    power, unit = next(((power, unit) for unit, power in reversed([*_POWERS.items()]) if size and size % 1024**power == 0), (0, ""))
    return f"{size // 1024**power}{unit.upper()}iB" if power else str(size)


def in_words(value: float | None, text: Callable[[Any], str]) -> str:
    """What may be none."""
    return "none" if value is None else text(value)


class Override(NamedTuple):
    """Clocks of the sessions that a name or the beginning of one fits. `given`: those that it sets; the others are those of all."""

    name: str
    clocks: Clocks
    given: frozenset[Clock]

    @classmethod
    def parse(cls, text: str) -> Override:
        """`NAME: content=30d costs=none size=1GiB`. Raises ValueError."""
        name, found, rest = text.strip().rpartition(": ")
        if not found or not _NAME.fullmatch(name) or not rest.strip():
            raise ValueError(SESSIONS_HINT)
        given: dict[Clock, float | int | None] = {}
        for part in rest.replace(",", " ").split():
            which, _, value = part.partition("=")
            clock = next((one for one in CLOCKS if one == which), None)
            if clock is None or clock in given:
                raise ValueError(SESSIONS_HINT)
            given[clock] = None if value == "none" else size_of(value) if clock == "size" else age_of(value)
        return cls(name, Clocks(**given), frozenset(given))  # type: ignore[arg-type]

    @property
    def own(self) -> Clocks:
        """Those that it sets."""
        return Clocks(**{which: getattr(self.clocks, which) for which in self.given})

    def fits(self, session: str) -> bool:
        """Whether a session is meant."""
        return session == self.name or (self.name.endswith("*") and session.startswith(self.name[:-1]))

    def __str__(self) -> str:
        told = {
            "content": in_words(self.clocks.content, age_text),
            "costs": in_words(self.clocks.costs, age_text),
            "size": in_words(self.clocks.size, size_text),
        }
        return f"{self.name}: " + " ".join(f"{which}={told[which]}" for which in CLOCKS if which in self.given)


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept for how long. `clocks`: of all sessions, `size` of their content together. `overrides`: the first that fits a session counts."""

    clocks: Clocks
    overrides: tuple[Override, ...] = ()

    @property
    def run(self) -> bool:
        """Whether anything ever runs out."""
        return self.clocks.run or any(one.own.run for one in self.overrides)

    def of(self, session: str) -> Clocks:
        """The clocks of a session; `size` of its own content, not of all."""
        override = self._fitting(session)
        common = self.clocks._replace(size=None)
        return common if override is None else common._replace(**{which: getattr(override.clocks, which) for which in override.given})

    def sized(self, session: str) -> bool:
        """Whether its content may go because that of all sessions takes too much."""
        override = self._fitting(session)
        return override is None or "size" not in override.given or override.clocks.size is not None

    def named(self, sessions: Iterable[str], given: Collection[Clock]) -> Retention:
        """For these sessions only. `given`: clocks of all that were given together with the names, and so count before overrides; a size is that of each."""
        own = self.clocks._asdict()
        found = [Override(name, self.of(name)._replace(**{which: own[which] for which in given}), frozenset(CLOCKS)) for name in sessions]
        return Retention(Clocks(), tuple(found))

    def _fitting(self, session: str) -> Override | None:
        return next((one for one in self.overrides if one.fits(session)), None)

    @property
    def shortest(self) -> float | None:
        """The shortest age after which anything goes; None if nothing goes by its age."""
        return min((*self._ages("content"), *self._ages("costs")), default=None)

    def shortest_of(self, which: Literal["content", "costs"]) -> float | None:
        """The shortest time that these are kept; None if they are kept for ever."""
        return min(self._ages(which), default=None)

    def _ages(self, which: Literal["content", "costs"]) -> Iterator[float]:
        clocks = (self.clocks, *(one.own for one in self.overrides))
        return (age for one in clocks if (age := one.content if which == "content" else one.costs) is not None)
