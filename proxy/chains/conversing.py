"""What stands in a conversation that the provider keeps, by the exchanges that put it there. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from playhead.storage.records import ExchangeRecord

from .linked import ContextItem, Missing, Near, Recordings, call_of, has_ended, kind_of_item, placed


def conversed(recordings: Recordings, conversation: str, near: Near) -> tuple[list[ContextItem], list[Missing]]:
    """The items of a conversation as it was when an exchange began, in order, and what is missing of it."""
    rows, begins = _since_its_beginning(list(recordings.conversing(conversation)), near)
    items: list[ContextItem] = []
    missing: list[Missing] = []
    if not begins:
        missing.append(Missing("conversation", conversation, near.exchange, "its beginning is not in the store: items may stand in it that are not known"))
    for row in rows:
        if (row.status or 0) >= 400 and row.transport != "ws":
            continue
        _put(items, recordings, row)
        if call_of(row) == "create" and not has_ended(row) and not row.error_code:
            missing.append(
                Missing("cut", row.response_id, row.id, "its answer has no end in the recording: what it put into the conversation is not known wholly")
            )
    return items, missing


def _since_its_beginning(rows: Sequence[ExchangeRecord], near: Near) -> tuple[list[ExchangeRecord], bool]:
    """Those up to an exchange. An upstream that gives the same ids anew has begun it anew."""
    before = [row for row in rows if row.id != near.exchange and (near.before is None or row.started_at <= near.before)]
    starts = [place for place, row in enumerate(before) if call_of(row) == "conversations.create"]
    return before[starts[-1] :] if starts else before, bool(starts)


def _put(items: list[ContextItem], recordings: Recordings, row: ExchangeRecord) -> None:
    call = call_of(row)
    if call == "create":
        if row.response_status in ("failed", "cancelled") or row.error_code:
            return  # what did not succeed is not put into it
        said = recordings.said(row)
        items += placed(row, "input", said.request.get("input"))
        output = placed(row, "output", said.answer.get("output"))
        if any(kind_of_item(one.item) == "compaction" for one in output):
            items.clear()
            output = output[max(place for place, one in enumerate(output) if one.type == "compaction") :]
        items += output
    elif call == "conversations.create":
        items += placed(row, "items", recordings.said(row).request.get("items"))
    elif call == "conversations.items.create":
        said = recordings.said(row)
        items += placed(row, "items", said.answer.get("data") or said.request.get("items"))
    elif call == "conversations.items.delete":
        gone = row.path.partition("?")[0].rstrip("/").rpartition("/")[2]
        items[:] = [one for one in items if one.item.get("id") != gone]
