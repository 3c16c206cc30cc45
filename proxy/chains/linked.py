"""How exchanges are linked by the ids in them: the words for it, and which of several recordings of an id is meant. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from playhead.storage.records import ENDED, ExchangeRecord

from ..models.kind import shape_of
from .said import Said

Part = Literal["instructions", "input", "output", "steer", "items"]
"""Where an item stands: `steer`: in the input of a steer that the exchange's client sent; `items`: it was put into a conversation by itself."""
Lack = Literal["response", "conversation", "item", "prompt", "steer", "input", "cut", "unread", "loop", "length", "compacted", "truncated", "pruned"]


class ContextItem(NamedTuple):
    """One item that a model saw. `exchange`, `part`, `position`: where it is recorded.

    `made_in`: of an item that was sent back, the exchange whose output it was. `reference`: the exchange that named it by its id only.
    `removed`: why the model did not see it after all.
    """

    exchange: int
    part: Part
    position: int
    item: dict[str, Any]
    made_in: int | None = None
    reference: int | None = None
    removed: str | None = None

    @property
    def type(self) -> str:
        """Of the item; a message may leave it out."""
        return kind_of_item(self.item)


class Missing(NamedTuple):
    """What the model saw, or may have seen, and is not among the items. `id`: of what was never recorded. `exchange`: where that shows."""

    what: Lack
    id: str | None
    exchange: int | None
    text: str


class Near(NamedTuple):
    """For whom an id is looked up: the same may stand in several takes. `before`: only what had begun by then counts; `exchange`: this one does not."""

    session: str
    take: int | None = None
    before: datetime | None = None
    exchange: int | None = None

    @classmethod
    def of(cls, row: ExchangeRecord) -> Near:
        """For an exchange."""
        return cls(row.session, row.take, row.started_at, row.id)


class Recordings(Protocol):
    """What is asked of the store."""

    def exchange(self, id_: int) -> ExchangeRecord:
        """Raises StoreError if there is none."""

    def responding(self, response_id: str) -> Sequence[ExchangeRecord]:
        """All exchanges whose answer was this response, the oldest first."""

    def conversing(self, conversation: str) -> Iterable[ExchangeRecord]:
        """All exchanges in, and calls about, a conversation, the oldest first."""

    def item_makers(self, ids: Sequence[str], session: str) -> Mapping[str, int]:
        """The exchanges whose answers had items with these ids."""

    def said(self, row: ExchangeRecord) -> Said:
        """What it says."""


def kind_of_item(item: Mapping[str, Any]) -> str:
    """The type of an item, which some leave out."""
    type_ = item.get("type")
    if isinstance(type_, str):
        return type_
    return "message" if "role" in item or "content" in item else "item_reference" if isinstance(item.get("id"), str) else "unknown"


def items_in(value: Any) -> list[dict[str, Any]]:
    """The items of an input or an output, whatever form it has."""
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    return [item if isinstance(item, dict) else {"type": "unknown", "value": item} for item in value] if isinstance(value, list) else []


def placed(row: ExchangeRecord, part: Part, value: Any) -> list[ContextItem]:
    """The items of a list of an exchange."""
    return [ContextItem(row.id, part, position, item) for position, item in enumerate(items_in(value))]


def call_of(row: ExchangeRecord) -> str:
    """Which call it was; a turn on a WebSocket is a `create`."""
    return "create" if row.transport == "ws" and row.kind == "responses" else shape_of(row.method, row.path).call


def making(found: Sequence[ExchangeRecord], near: Near) -> ExchangeRecord | None:
    """Which of the exchanges with a response made it; None: it was only retrieved."""
    return nearest([row for row in found if call_of(row) == "create" and (row.status or 0) < 400], near)


def retrieved(found: Sequence[ExchangeRecord], near: Near) -> ExchangeRecord | None:
    """Of the exchanges with a response one that has all of its answer."""
    return nearest([row for row in found if row.response_status in ENDED and call_of(row) in ("retrieve", "cancel", "create")], near)


def nearest(rows: Iterable[ExchangeRecord], near: Near) -> ExchangeRecord | None:
    """The newest that had begun by then, of the same take or else of the same session if there is one."""
    return max(_others(rows, near), key=lambda row: (row.session == near.session, row.take == near.take, row.started_at, row.id), default=None)


def _others(rows: Iterable[ExchangeRecord], near: Near) -> Iterator[ExchangeRecord]:
    for row in rows:
        if row.id != near.exchange and (near.before is None or row.started_at <= near.before):
            yield row


def has_ended(row: ExchangeRecord) -> bool:
    """Whether all of its answer was recorded."""
    return row.response_status in ENDED


def names_compaction(items: Iterable[ContextItem]) -> bool:
    """Whether what stood before these was compacted."""
    return any(item.type == "compaction" for item in items)
