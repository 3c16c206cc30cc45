"""The usage of a whole WebSocket that is one exchange (Realtime, Live): what its events tell, added up (PROTOCOL.md 4.4). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..folds.folding import as_object
from ..models.wire import Wire, field
from ..plain import plain

_DONE = "response.done"
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
_SECONDS = frozenset(("session.usage.updated", "session.closed"))
_NESTED = "response.event"
_ENDS = frozenset(f"response.{name}" for name in ("completed", "failed", "incomplete"))


class SocketUsage:
    """Usage of responses is added up, in the form of one. Beside it stand `input_audio_transcription`, the same of transcriptions; `responses`, of the
    Responses that a Live session made; and `seconds` of a Live session, of which each event tells all so far."""

    def __init__(self, total: Mapping[str, Any] | None = None) -> None:
        self.total: dict[str, Any] | None = dict(total) if total is not None else None
        """None: nothing was told."""

    def hear(self, kind: str | None, event: Wire) -> None:
        """The next event of upstream."""
        if kind == _DONE:
            self._add(as_object(field(field(event, "response"), "usage")) or field(event, "usage"))  # xAI tells it beside the response
        elif kind == _TRANSCRIBED:
            self._add(field(event, "usage"), "input_audio_transcription")
        elif kind in _SECONDS:
            seconds = as_object(field(event, "usage")).get("seconds")
            if isinstance(seconds, int | float) and not isinstance(seconds, bool):
                self.total = {**(self.total or {}), "seconds": plain(seconds)}
        elif kind == _NESTED:
            inner = field(event, "event")
            if field(inner, "type") in _ENDS:
                self._add(field(field(inner, "response"), "usage"), "responses")

    def _add(self, usage: Any, beside: str | None = None) -> None:
        found = plain(as_object(usage))
        if found:
            known = self.total or {}
            self.total = _added(known, found) if beside is None else {**known, beside: _added(known.get(beside) or {}, found)}


def _added(known: Any, more: Any) -> Any:
    """Numbers are added, objects member by member; of anything else the first stays."""
    if isinstance(known, dict) and isinstance(more, dict):
        return {**known, **{name: _added(known[name], value) if name in known else value for name, value in more.items()}}
    if _is_number(known) and _is_number(more):
        return known + more
    return more if known is None else known


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
