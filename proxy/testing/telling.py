"""What the plugin says: in the report of a test, and at the end of the run. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from playhead.storage.costing.costs import about
from playhead.storage.records import DivergenceRecord, ExchangeRecord
from playhead.storage.replaying.replay_rows import RequestRow

from .wanted import Mode

_LISTED = 20  # of a kind


class Unused(NamedTuple):
    """A recorded exchange that nothing has asked for."""

    exchange: int
    request: str

    @classmethod
    def of(cls, number: int, record: ExchangeRecord | RequestRow) -> Unused:
        """`number`: what the texts call it."""
        path = record.path.partition("?")[0]
        return cls(number, " ".join(filter(None, (record.method, path, record.model))))

    def __str__(self) -> str:
        return f"exchange {self.exchange}: {self.request}"


class Named(NamedTuple):
    """What the texts say of a test. `cassette`: as a person finds it."""

    nodeid: str
    mode: Mode
    cassette: str


def diverged(test: Named, divergences: Sequence[DivergenceRecord], unused: Sequence[Unused]) -> str:
    """The report of a test whose program asked for what was not recorded."""
    count = len(divergences)
    lines = [f"{count} request{'s' * (count > 1)} of this test {'were' if count > 1 else 'was'} not answered from {test.cassette}:"]
    for number, one in enumerate(divergences[:_LISTED], 1):
        first, *rest = one.message.split("\n")
        lines += ["", f"{number}. {first}", *(f"   {line}" for line in rest)]
    if count > _LISTED:
        lines += ["", f"and {count - _LISTED} more"]
    if unused:
        lines += ["", *_unused(unused)]
    return "\n".join([*lines, "", *_advice(test, divergences)])


def _advice(test: Named, divergences: Sequence[DivergenceRecord]) -> Iterable[str]:
    if all(one.code == "session_not_found" for one in divergences):
        return
    if rules := list(dict.fromkeys(rule for one in divergences for rule in one.proposal or ())):
        spelled = ", ".join(map(repr, rules))
        yield "If what differs is new in each run:"
        yield f"  pytest --playhead-accept=rules {quoted(test.nodeid)}  writes {' and '.join(f'`{rule}`' for rule in rules)} into the cassette"
        yield f"  @pytest.mark.playhead(rules=[{spelled}])  lets it differ in this test; playhead_rules in the ini file does so in all"
    if any(one.nearest is not None and not one.served and not one.proposal and one.code == "no_match" for one in divergences):
        yield "If the recorded answer still does:"
        yield f"  pytest --playhead-accept=as-is {quoted(test.nodeid)}  lets the nearest exchange answer exactly this request"
    yield "If the program is as it should be:"
    yield f"  pytest --playhead-mode=all {quoted(test.nodeid)}           records all of it again"
    yield f"  pytest --playhead-mode=new_episodes {quoted(test.nodeid)}  keeps what is recorded, and adds what is missing"


def missing(test: Named, *, ci: bool) -> str:
    """What a request is told where there is no cassette."""
    told = f"There is no cassette {test.cassette}. `pytest --playhead-mode=once {quoted(test.nodeid)}` records it"
    return f"{told}, on a machine that may go to upstream: CI is set here, and so only the command line may say so." if ci else f"{told}."


def left_unused(test: Named, unused: Sequence[Unused], allowed: int) -> str:
    """The report of a test that must use all that is recorded."""
    beyond = f" {allowed} may stay so: @pytest.mark.playhead(allow_unused={allowed})." if allowed else ""
    advice = f"If the program is as it should be: pytest --playhead-mode=all {quoted(test.nodeid)} records it again, and allow_unused in the marker allows it."
    return "\n".join([f"dropped_call: not everything in {test.cassette} was asked for.{beyond}", *_unused(unused), "", advice])


def out_of_order(test: Named, moved: Sequence[tuple[int, int]]) -> str:
    """The report of a test that must ask in the recorded order. `moved`: exchanges that were asked for behind a later one, with that."""
    lines = [f"  exchange {exchange} was asked for after exchange {later}" for exchange, later in moved[:_LISTED]]
    more = [f"  and {len(moved) - _LISTED} more"] if len(moved) > _LISTED else []
    advice = f"If any order will do: order='any' in the marker. If this one is right: pytest --playhead-mode=all {quoted(test.nodeid)} records it again."
    return "\n".join([f"order: what is in {test.cassette} was asked for in another order.", *lines, *more, "", advice])


def _unused(unused: Sequence[Unused]) -> list[str]:
    lines = [f"{len(unused)} recorded exchange{'s were' if len(unused) > 1 else ' was'} not asked for:", *(f"  {one}" for one in unused[:_LISTED])]
    return [*lines, f"  and {len(unused) - _LISTED} more"] if len(unused) > _LISTED else lines


def quoted(nodeid: str) -> str:
    """As a shell takes it."""
    return nodeid if not set(nodeid) & set(" '\"[]()$&;|<>*?!`\\{}") else "'" + nodeid.replace("'", "'\\''") + "'"


# The end of a run.


@dataclass(slots=True)
class Counted:
    """What became of a test, as it travels in its report: from the process that ran it to the one that tells."""

    nodeid: str
    mode: Mode
    replayed: int = 0
    live: int = 0
    diverged: int = 0
    cassette: str = ""
    written: bool = False
    kept: str = ""
    """Why a cassette was not written though something was recorded."""
    unused: list[str] = field(default_factory=list)
    saved: int = 0
    spent: int = 0
    unpriced: int = 0
    """Money in 10^-12 USD, and answers of which nobody knows what they cost."""
    accepted: list[str] = field(default_factory=list)
    """What was written into the cassette of what had diverged."""
    ruled: int = 0
    """Of what was replayed, what only match rules made equal."""

    def as_json(self) -> dict[str, Any]:
        """For `of`."""
        return asdict(self)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Counted:
        """As `as_json` gave it."""
        return cls(**value)


@dataclass(slots=True)
class Total:
    """A run so far."""

    tests: list[Counted] = field(default_factory=list)
    orphans: set[str] = field(default_factory=set)
    late: int = 0

    def lines(self) -> list[str]:
        """What is said at its end; nothing if no test has used playhead."""
        if not self.tests and not self.orphans:
            return []
        parts = (self._sums(), self._written(), self._kept(), self._accepted(), self._unused(), self._late(), self._orphans())
        return [line for part in parts for line in part]

    def _sums(self) -> Iterable[str]:
        counts: Counter[str] = Counter()
        for one in self.tests:
            counts.update(replayed=one.replayed, ruled=one.ruled, live=one.live, diverged=one.diverged, saved=one.saved, spent=one.spent, unpriced=one.unpriced)
        tests = len({one.nodeid for one in self.tests})
        if tests:
            went = f"{counts['live']:,} went to upstream"
            ruled = f" ({counts['ruled']:,} of them by match rules)" if counts["ruled"] else ""
            yield f"{tests:,} test{'s' * (tests > 1)}: {counts['replayed']:,} replayed{ruled}, {went}, {counts['diverged']:,} diverged"
        if counts["saved"] or counts["spent"]:
            unknown = f"; of {counts['unpriced']:,} answers the price is not known" if counts["unpriced"] else ""
            yield f"{about(counts['spent'])} spent on live calls, {about(counts['saved'])} saved by replay{unknown}"

    def _written(self) -> Iterable[str]:
        return (f"written: {cassette}" for cassette in dict.fromkeys(one.cassette for one in self.tests if one.written))

    def _kept(self) -> Iterable[str]:
        return (f"not written: {one.cassette}: {one.kept}" for one in self.tests if one.kept)

    def _accepted(self) -> Iterable[str]:
        found = [f"{one.cassette}: {line}" for one in self.tests for line in one.accepted]
        yield from dict.fromkeys(found)
        if any(line.startswith("accepted: ") for one in self.tests for line in one.accepted):
            yield "what was accepted holds from the next run on"

    def _unused(self) -> Iterable[str]:
        found = [(cassette, unused) for cassette, unused in self._unused_of().items() if unused]
        for cassette, unused in found[:_LISTED]:
            more = f", and {len(unused) - 1} more" if len(unused) > 1 else ""
            yield f"not asked for: {cassette}: {unused[0]}{more}"
        if len(found) > _LISTED:
            yield f"not asked for: something in {len(found) - _LISTED} more cassettes"

    def _unused_of(self) -> dict[str, list[str]]:
        """By cassette what none of its tests has asked for. Where one diverged, its report has named that."""
        diverged = {one.cassette for one in self.tests if one.diverged}
        left: dict[str, list[str]] = {}
        for one in self.tests:
            if one.cassette not in diverged:
                known = left.get(one.cassette, one.unused)
                left[one.cassette] = [each for each in known if each in one.unused]
        return left

    def _late(self) -> Iterable[str]:
        if self.late:
            yield f"{self.late:,} request{'s' * (self.late > 1)} came while no test was running that had a playhead"

    def _orphans(self) -> Iterable[str]:
        if self.orphans:
            yield f"{len(self.orphans)} cassette{'s' * (len(self.orphans) > 1)} that no test uses:"
            yield from (f"  {path}" for path in sorted(self.orphans))
