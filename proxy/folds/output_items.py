"""The output items of one Response, by the events that tell of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..models.wire import Wire, field
from .folding import Notes, as_json, as_object, named, text_in
from .growth import SHELL_OUTPUT, TEXTS, Growth, Item

Handler = Callable[["OutputItems", Any], None]


class OutputItems:
    """The items by output_index. An index that is used again, by a server that does not count, gets an item more."""

    __slots__ = ("_by_index", "_items", "_notes", "_spoken")

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._items: list[Item] = []
        self._by_index: dict[Any, Item] = {}  # the newest of each output_index
        self._spoken: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._items)

    @property
    def transcript(self) -> str:
        return "".join(self._spoken)

    def standing(self, *, done: bool) -> list[Item]:
        """In order. `done`: only those that are."""
        return sorted((item for item in self._items if item.done or not done), key=lambda item: item.index)

    def state(self) -> dict[str, Any]:
        return {"items": [item.state() for item in self._items], "transcript": self.transcript}

    def restore(self, state: dict[str, Any]) -> None:
        self._items = [Item.restore(item) for item in state["items"]]
        self._by_index = {item.index: item for item in self._items}
        self._spoken = [state["transcript"]]

    def added(self, event: Wire) -> None:
        source = field(event, "item")
        index = self._index(event, source)
        if not isinstance(source, Wire | dict):
            self._notes.add(f"{named(event)} has no item")
            return
        there = self._by_index.get(index)
        if there is not None and _same(there, source) and not (there.done and _identity(source) is None):
            self._notes.add(f"{named(event)} comes again for item {index}")
            return
        if there is not None:
            self._notes.add(f"{named(event)} uses output_index {index} again")
        self._new(Item(index, source, begun=True))

    def finished(self, event: Wire) -> None:
        source = field(event, "item")
        index = self._index(event, source)
        if not isinstance(source, Wire | dict):
            self._notes.add(f"{named(event)} has no item")
            return
        item = self._by_index.get(index)
        same = item is not None and _same(item, source)
        if item is None or (item.done and (not same or _identity(source) is None)):
            self._notes.add(f"{named(event)} ends item {index}, which had not begun")
            item = self._new(Item(index, source, begun=False))
        elif item.done:
            self._notes.add(f"{named(event)} comes again for item {index}")
        elif not same:
            self._notes.add(f"{named(event)} gives item {index} another id")
        item.finish(source)

    def _index(self, event: Wire, source: Any = None) -> int:
        """The output_index, or what stands for it where there is none: that of the item with that id, or the next."""
        index = field(event, "output_index")
        if isinstance(index, int):
            return index
        self._notes.add(f"{named(event)} has no output_index")
        id_ = text_in(source, "id") or text_in(event, "item_id")
        known = [item.index for item in reversed(self._items) if id_ is not None and text_in(item.newest, "id") == id_]
        return known[0] if known else max((item.index for item in self._items), default=-1) + 1

    def _new(self, item: Item) -> Item:
        self._items.append(item)
        self._by_index[item.index] = item
        return item

    def _growing(self, event: Wire, type_: str) -> Item | None:
        """The item that this event is of; one of this type if it had not begun. None if it is done."""
        index = self._index(event)
        item = self._by_index.get(index)
        if item is None:
            self._notes.add(f"item {index} begins with {named(event)}")
            id_ = text_in(event, "item_id")
            return self._new(Item(index, {"id": id_, "type": type_} if id_ is not None else {"type": type_}, begun=False))
        if item.done:
            self._notes.add(f"{named(event)} comes after item {index} was done")
            return None
        return item

    def _first_delta(self, event: Wire, kind: str, index: Any) -> None:
        """The first of its part, or a strange one."""
        item = self._growing(event, TEXTS[kind].item if kind in TEXTS else "shell_call_output")
        if item is not None:
            where = index if isinstance(index, int) else None
            item.pieces.setdefault((kind, where), []).append(field(event, "delta"))

    def _logprobs(self, event: Wire) -> None:
        item = self._by_index.get(self._index(event))
        if item is not None and not item.done:
            index = field(event, "content_index")
            item.pieces.setdefault(("logprobs", index if isinstance(index, int) else None), []).append(field(event, "logprobs"))

    def _text_done(self, event: Wire, kind: str, growth: Growth) -> None:
        item = self._growing(event, growth.item)
        if item is None:
            return
        item.settle()
        index = field(event, growth.where) if growth.where else None
        gathered, told = item.text(growth, index), text_in(event, growth.key)
        if told is None:
            self._notes.add(f"{named(event)} has no {growth.key}")
            return
        if gathered and gathered != told and item.begun:
            self._notes.add(f"{named(event)} is not what the deltas of item {item.index} add up to")
        item.put(growth, index, told)
        logprobs = field(event, "logprobs") if kind == "response.output_text" else None
        if logprobs and isinstance(logprobs, list):
            item.set_part("content", index, {**as_object(item.part("content", index)), "logprobs": as_json(logprobs)})

    def _part(self, event: Wire) -> None:
        """A part that begins, or that is whole."""
        part = as_json(field(event, "part"))
        summary = "summary_part" in str(field(event, "type"))
        reasoning = summary or text_in(part, "type") == "reasoning_text"
        item = self._growing(event, "reasoning" if reasoning else "message")
        if not isinstance(part, dict):
            self._notes.add(f"{named(event)} has no part")
        elif item is not None:
            item.settle()
            item.set_part("summary" if summary else "content", field(event, "summary_index" if summary else "content_index"), part)

    def _annotation(self, event: Wire) -> None:
        item = self._growing(event, "message")
        annotation = as_json(field(event, "annotation"))
        if item is not None and annotation is not None:
            item.settle()
            item.annotate(field(event, "content_index"), field(event, "annotation_index"), annotation)

    def _command(self, event: Wire) -> None:
        """A shell command begins; nearly always empty."""
        growth = TEXTS["response.shell_call_command"]
        item = self._growing(event, growth.item)
        if item is not None:
            item.settle()
            item.put(growth, field(event, growth.where), text_in(event, "command") or "")

    def _shell_output_done(self, event: Wire) -> None:
        item = self._growing(event, "shell_call_output")
        output = as_json(field(event, "output"))
        if item is not None and isinstance(output, list):
            item.settle()
            first = field(event, "command_index")
            for offset, part in enumerate(output):
                item.set_part("output", first + offset if isinstance(first, int) else offset, part)

    def _picture(self, event: Wire) -> None:
        """The picture as far as it is drawn stands for the result until that comes."""
        item = self._growing(event, "image_generation_call")
        picture = field(event, "partial_image_b64")
        if item is not None and isinstance(picture, str):
            told = {name: field(event, name) for name in ("background", "output_format", "quality", "size")}
            item.set_fields({"result": picture} | {name: value for name, value in told.items() if value is not None})

    def _speech(self, event: Wire) -> None:
        piece = field(event, "delta")
        if isinstance(piece, str):
            self._spoken.append(piece)

    def _status(self, event: Wire) -> None:
        """A hosted tool's call goes on."""
        prefix, _, status = str(field(event, "type")).rpartition(".")
        item = self._growing(event, prefix.removeprefix("response."))
        if item is not None:
            item.status = status


def _identity(item: Any) -> str | None:
    return text_in(item, "id") or text_in(item, "call_id")


def _same(item: Item, source: Any) -> bool:
    return _identity(item.newest) == _identity(source)


def _delta(kind: str, index_name: str) -> Handler:
    """Nearly all events of a stream come by here, so that there is no call more than needed."""

    def indexed(items: OutputItems, event: Any) -> None:
        values = event.__dict__
        try:
            items._by_index[values["output_index"]].pieces[kind, values[index_name]].append(values["delta"])
        except (KeyError, TypeError):  # the first of its part; or an index that is none
            items._first_delta(event, kind, values.get(index_name))

    def single(items: OutputItems, event: Any) -> None:
        values = event.__dict__
        try:
            items._by_index[values["output_index"]].pieces[kind, None].append(values["delta"])
        except (KeyError, TypeError):
            items._first_delta(event, kind, None)

    return indexed if index_name else single


def _text_delta(items: OutputItems, event: Any) -> None:
    values = event.__dict__
    try:
        items._by_index[values["output_index"]].pieces["response.output_text", values["content_index"]].append(values["delta"])
    except (KeyError, TypeError):
        items._first_delta(event, "response.output_text", values.get("content_index"))
    if values.get("logprobs"):
        items._logprobs(event)


def _text_end(kind: str, growth: Growth) -> Handler:
    return lambda items, event: items._text_done(event, kind, growth)


_STATUSES: Mapping[str, tuple[str, ...]] = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "file_search_call": ("in_progress", "searching", "completed"),
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
    "mcp_call": ("in_progress", "completed", "failed"),
}
STATUSES: Mapping[str, Handler] = {f"response.{call}.{name}": OutputItems._status for call, names in _STATUSES.items() for name in names}
GROWTH: Mapping[str, Handler] = {
    **{f"{kind}.delta": _delta(kind, growth.where) for kind, growth in TEXTS.items()},
    "response.output_text.delta": _text_delta,
    **{f"{kind}.done": _text_end(kind, growth) for kind, growth in TEXTS.items()},
    **dict.fromkeys((f"response.{part}_part.{end}" for part in ("content", "reasoning", "reasoning_summary") for end in ("added", "done")), OutputItems._part),
    "response.output_text.annotation.added": OutputItems._annotation,
    "response.shell_call_command.added": OutputItems._command,
    f"{SHELL_OUTPUT}.delta": _delta(SHELL_OUTPUT, "command_index"),
    f"{SHELL_OUTPUT}.done": OutputItems._shell_output_done,
    "response.image_generation_call.partial_image": OutputItems._picture,
    "response.audio.transcript.delta": OutputItems._speech,
}
"""What happens to items and their texts between their beginning and their end."""
