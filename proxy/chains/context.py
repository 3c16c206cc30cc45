"""The logical conversation that a model saw for one exchange: its own input, and all that its ids link it to, whatever transport that went over. Pure.

`previous_response_id` stands for what the other exchange saw, its input and its output; instructions are not inherited. `conversation` stands for all
that was put into it before. `item_reference` stands for the item. A successor begins with the input of its steer, which the client sent into a response
before it. What stood before a compaction the model no longer saw: one that was made inside a generation is an output item; one in an input was made by
`/responses/compact` or by a generation before, and that input is a window of its own, shown as it was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from playhead.storage.records import ExchangeRecord

from .conversing import conversed
from .linked import ContextItem, Missing, Near, Recordings, call_of, has_ended, items_in, making, names_compaction, placed, retrieved
from .said import Said

MOST_LINKS = 100_000
"""Responses that are followed back at most."""

_UNKNOWN = ""  # for the id of a steer
_NOTES = frozenset(("compacted", "truncated", "prompt"))
_TALKS = frozenset(("chat.completions", "messages"))


@dataclass(frozen=True, slots=True)
class Context:
    """`items`: in order. `missing`: in the order of what is missing. `answer`: what the model then said. `exchange`: whose it is: of a retrieved response
    the exchange that made it, if that was recorded."""

    exchange: int
    items: Sequence[ContextItem]
    missing: Sequence[Missing]
    answer: Sequence[ContextItem] = ()

    @property
    def whole(self) -> bool:
        """Whether all that the model saw of the conversation is among the items."""
        return all(lack.what in _NOTES for lack in self.missing)

    @property
    def sendable(self) -> bool:
        """Whether upstream can be asked with its items alone: it is whole, but perhaps for items that are named only, and left out (`as_input`)."""
        return all(lack.what in _NOTES or lack.what == "item" for lack in self.missing)


def context_of(recordings: Recordings, id_: int) -> Context | None:
    """What the model saw; None: the exchange asks no model anything. Raises StoreError if there is no such exchange."""
    row = recordings.exchange(id_)
    if row.kind in _TALKS:
        return _of_one(recordings, row)
    if row.kind != "responses" or call_of(row) in ("delete", "input_items"):
        return None
    if call_of(row) in ("retrieve", "cancel") and row.response_id is not None:
        row = making(recordings.responding(row.response_id), Near.of(row)) or row
    said = recordings.said(row)
    walk = _Walk(recordings, Near.of(row))
    walk.own(row, said)
    walk.back(row, said)
    items, missing = walk.found(said)
    return Context(row.id, items, missing, _answer(row, said))


def expanded(recordings: Recordings, request: Mapping[str, Any], near: Near) -> Context:
    """What a request that goes on from a response would let the model see, so that it can be sent without `previous_response_id`: see `as_input`.

    Its own input comes last, as of exchange 0.
    """
    walk = _Walk(recordings, near)
    own = [ContextItem(0, "input", position, item) for position, item in enumerate(items_in(request.get("input")))]
    walk.parts.append(own)
    previous = request.get("previous_response_id")
    if isinstance(previous, str) and not names_compaction(own):
        walk.follow(previous, 0)
    return Context(0, *walk.found(Said(request)))


def as_input(items: Iterable[ContextItem]) -> list[dict[str, Any]]:
    """Items as the `input` of a request that goes on from nothing: without reasoning that upstream could not read, and without what names other items.

    A call whose reasoning is left out loses its id: upstream refuses one that it knows to belong to a reasoning item that is not there.
    """
    kept: list[dict[str, Any]] = []
    bare: set[int] = set()
    for one in items:
        if one.type == "item_reference" or one.part == "instructions" or one.removed is not None:
            continue
        if one.type == "reasoning" and not one.item.get("encrypted_content"):
            bare.add(one.exchange)
        elif one.exchange in bare and one.part == "output" and one.type in ("message", "function_call", "custom_tool_call"):
            kept.append({name: value for name, value in one.item.items() if name != "id"})
        else:
            kept.append(one.item)
    return kept


def _of_one(recordings: Recordings, row: ExchangeRecord) -> Context | None:
    """Of APIs whose requests hold everything."""
    said = recordings.said(row)
    if not isinstance(said.request.get("messages"), list) and not said.unread:
        return None
    system = said.request.get("system")
    before = [ContextItem(row.id, "instructions", 0, {"type": "instructions", "content": system})] if system else []
    missing = _unread(row, said)
    choices = said.answer.get("choices")
    answered = [choice.get("message") for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else [said.answer]
    answer = [{"type": "message", **{name: one.get(name) for name in ("role", "content", "tool_calls") if one.get(name)}} for one in answered if one]
    return Context(row.id, [*before, *placed(row, "input", said.request.get("messages"))], missing, placed(row, "output", answer))


def _answer(row: ExchangeRecord, said: Said) -> list[ContextItem]:
    return placed(row, "output", said.answer.get("output"))


def _unread(row: ExchangeRecord, said: Said) -> list[Missing]:
    if row.pruned == "content":
        return [Missing("pruned", None, row.id, "its content is pruned: what it said to the model, and the model to it, is not kept any more")]
    lost = [Missing("unread", None, row.id, f"its {what} was recorded and cannot be read") for what in said.unread]
    if not lost and row.parse == "unparsed":
        lost.append(Missing("unread", None, row.id, "it was recorded and could not be parsed"))
    return lost


@dataclass(slots=True)
class _Walk:
    """Goes from an exchange back to where its conversation began. `parts`: lists of items, the last of the conversation first."""

    recordings: Recordings
    near: Near
    parts: list[list[ContextItem]] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)  # the last first, too
    seen: set[int] = field(default_factory=set)
    steers: dict[str, tuple[int, list[ContextItem]]] = field(default_factory=dict)
    """Whose input was not found yet: the successor, and the place for it."""

    def own(self, row: ExchangeRecord, said: Said) -> None:
        """What the exchange itself says that goes to the model."""
        self.seen.add(row.id)
        self.missing += reversed(_unread(row, said))
        prompt = said.request.get("prompt")
        if isinstance(prompt, dict) and not said.answer.get("instructions"):
            id_ = prompt.get("id")
            self.missing.append(Missing("prompt", id_ if isinstance(id_, str) else None, row.id, "the provider keeps this prompt: its text is not recorded"))
        if said.request.get("truncation") == "auto":
            self.missing.append(Missing("truncated", None, row.id, "truncation is auto: upstream left out the oldest items if all would not have fitted"))
        if call_of(row) in ("retrieve", "cancel"):
            text = "the exchange that made this response is not in the store: its input is not known"
            self.missing.append(Missing("input", row.response_id, row.id, text))
        self.parts.append(placed(row, "input", said.request.get("input")))

    def back(self, row: ExchangeRecord, said: Said) -> None:
        """All that stands before the exchange's own input, which is there already."""
        if names_compaction(self.parts[-1]):
            self._compacted(row)
            return
        previous = row.previous_response_id
        self._expect_steer(row, said)
        if previous is not None:
            self.follow(previous, row.id, row if said.request and row.transport == "ws" else None)
        elif row.conversation is not None:
            self._converse(row.conversation, Near.of(row))

    def follow(self, previous: str, by: int, create: ExchangeRecord | None = None) -> None:
        """What stands behind a response and before it. `by`: the exchange that names it; `create`: that, if it is a turn that asks something itself."""
        while True:
            found = self.recordings.responding(previous)
            parent = making(found, self.near)
            whole = parent if parent is not None and has_ended(parent) else retrieved(found, self.near)
            step = parent or whole
            if step is None:
                self.missing.append(Missing("response", previous, by, "this response is not in the store, nor what the model saw for it"))
                return
            if not self._may(step, previous, by):
                return
            said = _of_response(self.recordings.said(step), previous)
            self._steered(step, said, create)
            if self._take(step, said, whole):
                self._compacted(step)
                return
            self._expect_steer(step, said)
            if step.previous_response_id is None:
                if step.conversation is not None:
                    self._converse(step.conversation, Near.of(step))
                return
            previous, by = step.previous_response_id, step.id
            create = step if said.request and step.transport == "ws" else None

    def _may(self, step: ExchangeRecord, previous: str, by: int) -> bool:
        if step.id in self.seen:
            self.missing.append(Missing("loop", previous, by, f"it goes on from exchange {step.id}, which goes on from itself"))
        elif len(self.seen) > MOST_LINKS:
            self.missing.append(Missing("length", previous, by, f"what stands before this is not followed: the chain has more than {MOST_LINKS:,} links"))
        else:
            self.seen.add(step.id)
            return True
        return False

    def _take(self, step: ExchangeRecord, said: Said, whole: ExchangeRecord | None) -> bool:
        """The output and the input of an exchange; whether what stood before was compacted."""
        answered = said
        if whole is None:
            text = "its answer has no end in the recording: the model may have seen more of it"
            self.missing.append(Missing("cut", step.response_id, step.id, text))
        elif whole.id != step.id:
            answered = self.recordings.said(whole)
        self.missing += reversed(_unread(step, said))
        output = placed(whole if answered is not said and whole is not None else step, "output", answered.answer.get("output"))
        if names_compaction(output):
            last = max(place for place, one in enumerate(output) if one.type == "compaction")
            self.parts.append(output[last:])
            return True
        self.parts.append(output)
        if not said.request and step.transport != "ws" and not said.unread:
            self.missing.append(Missing("input", step.response_id, step.id, "this response was only retrieved: its input is not in the store"))
        self.parts.append(placed(step, "input", said.request.get("input")))
        return names_compaction(self.parts[-1])

    def _compacted(self, row: ExchangeRecord) -> None:
        self.missing.append(Missing("compacted", None, row.id, "what stood before was compacted: the model saw the compaction item in its place"))

    def _converse(self, conversation: str, near: Near) -> None:
        items, missing = conversed(self.recordings, conversation, near)
        self.parts.append(items)
        self.missing += reversed(missing)

    # Steers.

    def _expect_steer(self, row: ExchangeRecord, said: Said) -> None:
        """The input of a successor, which was asked for by nobody, is that of its steer."""
        if row.steer is None and (said.request or row.transport != "ws" or row.previous_response_id is None):
            return
        place: list[ContextItem] = []
        self.parts.append(place)
        self.steers[row.steer or _UNKNOWN] = row.id, place

    def _steered(self, row: ExchangeRecord, said: Said, create: ExchangeRecord | None) -> None:
        """Inputs that were sent into this response: of successors, and those that wait for the create that goes on from it."""
        pending: list[ContextItem] = []
        for steer in said.steers:
            place = self.steers.pop(steer.id, None) if steer.id is not None else None
            if place is None and not steer.failed and not steer.pending:
                place = self.steers.pop(_UNKNOWN, None)
            if place is not None:
                place[1].extend(placed(row, "steer", steer.input))
            elif steer.pending and create is not None and create.connection == row.connection:
                pending += placed(row, "steer", steer.input)
        self.parts.append(pending)

    # The whole.

    def found(self, said: Said) -> tuple[list[ContextItem], list[Missing]]:
        """All items in order, and what is missing. `said`: by the exchange that it is all for."""
        for id_, (row, _) in self.steers.items():
            self.missing.append(Missing("steer", id_ or None, row, "the input of the steer that this response came of is not in the store"))
        items = [item for part in reversed(self.parts) for item in part]
        items, unknown = _resolved(self.recordings, items, self.near)
        removed = _removed(said.answer.get("input_transformations"))
        if removed:
            items = [one._replace(removed=removed.get(one.item.get("id") or "")) if one.item.get("id") in removed else one for one in items]
        return [*_instructions(self.near, said), *items], [*reversed(self.missing), *unknown]


def _of_response(said: Said, id_: str) -> Said:
    """Of a socket that older versions recorded as one exchange only its last response is told."""
    answered = said.answer.get("id")
    return said if answered in (None, id_) else Said(unread=("request", "answer"))


def _instructions(near: Near, said: Said) -> list[ContextItem]:
    given = said.request.get("instructions") or said.answer.get("instructions")
    if isinstance(given, str) and given:
        return [ContextItem(near.exchange or 0, "instructions", 0, {"type": "instructions", "content": given})]
    return [ContextItem(near.exchange or 0, "instructions", place, item) for place, item in enumerate(items_in(given))]


def _removed(transformations: Any) -> dict[Any, str]:
    listed = transformations if isinstance(transformations, list) else []
    found = [one for one in listed if isinstance(one, dict) and one.get("action") == "removed" and isinstance(one.get("id"), str)]
    return {one["id"]: str(one.get("reason") or "removed") for one in found}


def _resolved(recordings: Recordings, items: list[ContextItem], near: Near) -> tuple[list[ContextItem], list[Missing]]:
    """References replaced by what they name; items that were sent back are told where they were made."""
    known = {one.item["id"]: one for one in items if isinstance(one.item.get("id"), str) and one.type != "item_reference"}
    asked = {one.item["id"] for one in items if one.part == "input" and isinstance(one.item.get("id"), str)}
    makers = recordings.item_makers(sorted(asked), near.session) if asked else {}
    answers: dict[int, Mapping[str, ContextItem]] = {}
    found: list[ContextItem] = []
    missing: list[Missing] = []
    for one in items:
        id_ = one.item.get("id")
        maker = makers.get(id_) if isinstance(id_, str) and one.part == "input" else None
        if one.type != "item_reference":
            found.append(one if maker is None or maker == one.exchange else one._replace(made_in=maker))
            continue
        named = known.get(id_) if isinstance(id_, str) else None
        if named is None and maker is not None and isinstance(id_, str):
            if maker not in answers:
                answers[maker] = _answered(recordings, maker)
            named = answers[maker].get(id_)
        if named is None:
            missing.append(Missing("item", id_ if isinstance(id_, str) else None, one.exchange, "this item is named by its id, and is not in the store"))
        found.append(one if named is None else named._replace(reference=one.exchange))
    return found, missing


def _answered(recordings: Recordings, maker: int) -> Mapping[str, ContextItem]:
    """The items of an answer by their ids."""
    row = recordings.exchange(maker)
    answer = recordings.said(row).answer
    listed = placed(row, "output", answer.get("output")) or placed(row, "items", answer.get("data"))
    return {one.item["id"]: one for one in listed if isinstance(one.item.get("id"), str)}
