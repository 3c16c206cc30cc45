"""The events of one answer, out of the bytes of its body: a row for each, and what they tell the listings. Pure."""

from __future__ import annotations

from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, compress, repeat
from typing import Any, NamedTuple

from playhead.storage.records import Facts, ItemRow

from .. import sse
from ..facts import number_of, type_of
from ..folds.folding import Heard
from ..models.doors import event_door
from ..models.kind import Shape
from ..models.wire import Unparsed, Wire
from .gathered import Gathered
from .hearing import hearing_for
from .passing import Passed, Passing
from .usual_events import UsualEvents, usual_events

_DONE = b"[DONE]"
_HELD = 1 << 16  # bytes
_START = 64  # bytes that tell an object from a stream
_OBJECT = 1 << 20  # bytes of the longest one


class _Apart(NamedTuple):
    """Events that have been found and are to be heard."""

    times: list[int]
    usual: UsualEvents
    passed: Passed


class EventStream:
    """Takes the decoded body piece by piece. Never raises.

    Pieces are held until there are many of them, or `settle` is called: to read one costs nearly as much as to read a hundred. Where
    something unusual stands among them, a comment perhaps, they are read one by one all the same.
    """

    __slots__ = (
        "_apart",
        "_door",
        "_gathered",
        "_hearing",
        "_held",
        "_held_bytes",
        "_lost",
        "_object",
        "_passing",
        "_sse",
        "_times",
        "_usual",
        "notes",
        "unstreamed",
    )

    def __init__(self, shape: Shape, gathered: Gathered) -> None:
        self._gathered = gathered
        self._sse = sse.Decoder()
        self._door = event_door(shape)
        self._hearing = hearing_for(shape)
        self._passing = Passing(shape.kind)
        self._lost = 0  # events that are no JSON objects
        self._usual = True  # all that was fed
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._times: list[int] = []  # when these came
        self._apart: _Apart | None = None  # what was held, taken apart
        self.notes: list[str] = []
        """What is odd about a stream that was understood all the same; known once `judge` was called."""
        self._object: bytearray | None = bytearray()  # what came, as long as it may be an object and no stream
        self.unstreamed: bytes | None = None
        """A whole body that is no stream but an object; known once it was closed."""

    def feed(self, at: int, text: bytes) -> None:
        """The next bytes, and when they came."""
        self._held.append(text)
        self._times.append(at)
        self._held_bytes += len(text)
        if self._held_bytes > _HELD:
            self.settle()

    def settle(self, *, halfway: bool = False) -> None:
        """Read what is held. `halfway`: only find the events in it, for who does this to many streams: what was just run is run again in less time."""
        self._take_apart()
        while self._apart is not None and not halfway:
            apart, self._apart = self._apart, None
            self._take(*apart)
            self._take_apart()

    def _take_apart(self) -> None:
        held, times = self._held, self._times
        if not held or self._apart is not None:
            return
        self._held, self._times, self._held_bytes = [], [], 0
        usual = self._usual_events(b"".join(held))
        if usual is not None:
            self._apart = _Apart(_times_of(usual.sizes, held, times), usual, self._passing.look_at(usual.parts))
            return
        for at, text in zip(times, held, strict=True):
            self._piece(at, text)

    def _piece(self, at: int, text: bytes) -> None:
        usual = self._usual_events(text)
        if usual is not None:
            self._take([at] * len(usual.sizes), usual, self._passing.look_at(usual.parts))
        else:
            self._usual = False
            self._keep(text)
            self._events(at, self._sse.feed(text))

    def _keep(self, text: bytes) -> None:
        if self._object is not None:
            self._object += text
            if len(self._object) > _OBJECT or bytes(self._object[:_START]).removeprefix(sse.BOM).lstrip()[:1] not in (b"{", b""):
                self._object = None

    def _usual_events(self, text: bytes) -> UsualEvents | None:
        usual = usual_events(text, passing=not self._passing.none) if self._sse.between else None
        if usual is not None:
            self._sse.begin()
        return usual

    def hear(self, text: bytes) -> None:
        """A whole stream that has no rows, since its server did not say what it is."""
        self._models(self._sse.feed(text))
        self._rest()

    def _take(self, times: list[int], usual: UsualEvents, passed: Passed) -> None:
        """As `_events`, for the form that nearly all of them have: most of the recorder's time goes by here."""
        gathered, types = self._gathered, usual.types
        if gathered.first_ns is None:
            gathered.first_ns = times[0]
        told, texts, parts = passed
        models = iter(self._parsed([types[place] for place in told], texts))
        heard: list[Heard] = [part or next(models) for part in parts]
        numbers: list[int | None] = []
        for event in heard:
            if isinstance(event, list):
                numbers += event
            else:
                numbers.append(number_of(event))
        self._hear(heard)
        gathered.rows.add_answered(times, types, numbers, usual.sizes, repeat(0, len(types)))

    def _parsed(self, names: Sequence[str | None], texts: Sequence[bytes]) -> list[Wire]:
        """Models of events, each given as name and JSON. A type that stands in the name only is put into the model."""
        models = self._door.many(texts)
        if None in [model.__dict__.get("type") for model in models]:
            for place, name in enumerate(names):
                if name and not isinstance(models[place], Unparsed) and "type" not in models[place].model_fields_set:
                    models[place] = self._door({**models[place].to_wire(), "type": name})
        return models

    def _hear(self, events: list[Heard]) -> None:
        if Unparsed in map(type, events):
            sound = [event for event in events if not isinstance(event, Unparsed)]
            self._lost += len(events) - len(sound)
            events = sound
        self._hearing.hear(events)

    def _events(self, at: int, events: list[sse.SseEvent]) -> None:
        gathered = self._gathered
        models = self._models(events)
        for (name, data, size), model in zip(events, models, strict=True):
            if gathered.first_ns is None and data:
                gathered.first_ns = at
            kind = name if name is not None else type_of(model, data)
            gathered.rows.add((at, 1, kind, number_of(model), None, size, 0))

    def _models(self, events: list[sse.SseEvent]) -> list[Wire | None]:
        """What the events say, told on; None for comments and for the `[DONE]` that ends some streams."""
        self._passing.forget()
        told = [bool(data) and data[:6] != _DONE for _, data, _ in events]
        heard = [*compress(events, told)]
        parsed = self._parsed([name for name, _, _ in heard], [data for _, data, _ in heard])
        self._hear([*parsed])
        if any(data[:6] == _DONE for _, data, _ in events):
            self._hearing.done()
        rest = iter(parsed)
        return [next(rest) if tell else None for tell in told]

    def close(self, at: int) -> None:
        """Nothing more will come: the rest that is no whole event becomes a row without a type."""
        self.settle()
        size = self._rest()
        if size:
            self._gathered.rows.add((at, 1, None, None, None, size, 0))
        if self._object and not self._hearing.heard:
            self.unstreamed = bytes(self._object).removeprefix(sse.BOM)

    def _rest(self) -> int:
        """What is left, heard if it is all of an event but its blank line; its size."""
        rest = self._sse.flush()
        if rest is None:
            return 0
        event = sse.parse(rest.data, rest.size)
        if event.data and not isinstance(self._door(event.data), Unparsed):
            self._models([event])
        return rest.size

    @property
    def blocks(self) -> tuple[int, ...]:
        """The sizes of all events if these are what lies between blank lines, and is known to be; else nothing."""
        self.settle()
        return tuple(self._gathered.rows.sizes) if self._usual else ()

    def judge(self, facts: Facts) -> str | None:
        """Take what the events say, and how well they were understood; gives the problem with them."""
        self.settle()
        self.notes = self._hearing.tell(facts)
        facts.parse = "parsed" if self._hearing.ended and not self._lost else "partial"
        return f"{self._lost} of its events are no JSON objects" if self._lost else None

    def items(self) -> list[ItemRow]:
        """Rows of the output items and tool calls heard of so far."""
        self.settle()
        return self._hearing.items()

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON."""
        self.settle()
        kept = None if self._object is None or self._hearing.heard else b64encode(self._object).decode()
        return {"sse": self._sse.state(), "hearing": self._hearing.state(), "lost": self._lost, "object": kept}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on, in a new stream of the same kind, where the one stood that gave this state."""
        self._sse = sse.Decoder.restore(state["sse"])
        self._hearing.restore(state["hearing"])
        self._lost = state["lost"]
        kept = state.get("object")  # older versions had none
        self._object = None if kept is None else bytearray(b64decode(kept))
        self._usual = False  # what came before is not here


def _times_of(sizes: Sequence[int], pieces: Sequence[bytes], times: list[int]) -> list[int]:
    """When events of those sizes ended, which stand in these pieces one behind the other."""
    if len(pieces) == 1:
        return times * len(sizes)
    ends = [*accumulate(map(len, pieces))]
    return [times[bisect_left(ends, end)] for end in accumulate(sizes)]
