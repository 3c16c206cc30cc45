"""For tests of chains: recordings in memory, made of what clients ask and upstreams answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from playhead.proxy.chains.said import Said
from playhead.storage.records import ExchangeRecord

START = datetime(2026, 11, 26, tzinfo=UTC)


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def spoken(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}], **more}


def row(id_: int, **changes: Any) -> ExchangeRecord:
    """The row of a create over HTTP that went well."""
    plain: dict[str, Any] = dict.fromkeys(ExchangeRecord.model_fields)
    plain |= {"id": id_, "session": "s", "take": 1, "seq": id_, "transport": "http", "method": "POST", "path": "/v1/responses", "status": 200}
    plain |= {"outcome": "complete", "started_at": START + timedelta(seconds=id_), "parse": "parsed", "kind": "responses", "response_status": "completed"}
    return ExchangeRecord.model_construct(**(plain | changes))


class Kept:
    """Recordings that remember what was asked of them."""

    def __init__(self) -> None:
        self.rows: dict[int, ExchangeRecord] = {}
        self.told: dict[int, Said] = {}
        self.read: list[int] = []

    def add(
        self, request: Mapping[str, Any] | None = None, output: Sequence[Mapping[str, Any]] = (), *, said: Mapping[str, Any] | None = None, **changes: Any
    ) -> int:
        """The next exchange, whose response is `resp_N`; its number."""
        id_ = len(self.rows) + 1
        asked, more = dict(request or {}), dict(said or {})
        answer = {"id": changes.get("response_id") or f"resp_{id_}", "output": list(output), **more.pop("answer", {})}
        named = asked.get("conversation")
        links = {"previous_response_id": asked.get("previous_response_id"), "conversation": named["id"] if isinstance(named, dict) else named}
        self.rows[id_] = row(id_, **({"response_id": answer["id"], **links} | changes))
        self.told[id_] = Said(asked, answer, **more)
        return id_

    def turn(self, request: Mapping[str, Any] | None = None, output: Sequence[Mapping[str, Any]] = (), **changes: Any) -> int:
        """The same as a turn on a WebSocket."""
        return self.add(request, output, **{"transport": "ws", "method": "GET", "status": 101, "connection": 1, **changes})

    def exchange(self, id_: int) -> ExchangeRecord:
        return self.rows[id_]

    def responding(self, response_id: str) -> list[ExchangeRecord]:
        return [row for row in self.rows.values() if row.response_id == response_id]

    def conversing(self, conversation: str) -> list[ExchangeRecord]:
        return [row for row in self.rows.values() if row.conversation == conversation]

    def item_makers(self, ids: Sequence[str], session: str) -> dict[str, int]:
        made: dict[str, int] = {}
        for id_, said in self.told.items():
            for item in [*said.answer.get("output", ()), *said.answer.get("data", ())]:
                if item.get("id") in ids:
                    made.setdefault(item["id"], id_)
        return made

    def said(self, row: ExchangeRecord) -> Said:
        self.read.append(row.id)
        return self.told[row.id]
