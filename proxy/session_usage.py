"""What a Realtime or Live connection uses, told bit by bit over its whole length. Pure."""

from __future__ import annotations

from typing import Any

from .facts import usage_of
from .folding import text_in
from .models.wire import Wire, field

_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
_SO_FAR = frozenset(("session.usage.updated", "session.closed"))
_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))
_MOST_NAMES = 64


class SessionUsage:
    """Takes the events of upstream. Responses and transcriptions add up; what a session says of itself is cumulative, so the last word counts."""

    def __init__(self) -> None:
        self._responses: dict[str, Any] = {}
        self._transcriptions: dict[str, Any] = {}
        self._session: dict[str, Any] = {}

    def hear(self, kind: str | None, event: Wire) -> None:
        """The next event."""
        if kind == "response.done":
            # xAI tells it beside the response.
            _add(self._responses, usage_of(field(field(event, "response"), "usage")) or usage_of(field(event, "usage")) or {})
        elif kind == "response.event" and text_in(field(event, "event"), "type") in _ENDS:
            _add(self._responses, usage_of(field(field(field(event, "event"), "response"), "usage")) or {})
        elif kind == _TRANSCRIBED:
            _add(self._transcriptions, usage_of(field(event, "usage")) or {})
        elif kind in _SO_FAR:
            self._session = usage_of(field(event, "usage")) or self._session

    def total(self) -> dict[str, Any] | None:
        """All of it; None if none was told. What another model transcribed is apart, since it has a price of its own."""
        apart = {"input_audio_transcription": self._transcriptions} if self._transcriptions else {}
        return {**self._responses, **self._session, **apart} or None

    def state(self) -> list[Any]:
        """What `restore` needs, as JSON."""
        return [self._responses, self._transcriptions, self._session]

    def restore(self, state: list[Any]) -> None:
        """Go on where the one stood that gave this state."""
        self._responses, self._transcriptions, self._session = state


def _add(total: dict[str, Any], more: dict[str, Any]) -> None:
    """Counts add up, at any depth; of anything else the last one stands."""
    for name, value in more.items():
        known = total.get(name)
        if isinstance(value, dict) and isinstance(known, dict):
            _add(known, value)
        elif _counts(value) and _counts(known):
            total[name] = known + value
        elif (name in total or len(total) < _MOST_NAMES) and (known is None or value is not None):
            total[name] = value


def _counts(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
