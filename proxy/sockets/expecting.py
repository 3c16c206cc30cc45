"""Which recorded message of a client one is, where a WebSocket is said again as a transcript. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

_AUDIO = b"audio\n"


class Expecting:
    """What the client is to say, in order, each by what it means (`recorded_transcripts.sense`).

    Messages may come in another order than they were recorded in. Sound only has to be there: more of it than was recorded is let pass, and what is
    missing of it is not waited for once the client has gone on.
    """

    def __init__(self, senses: Sequence[bytes]) -> None:
        self._senses = senses
        self._first = 0  # all before have come
        self._came = bytearray(len(senses))
        self._sounds = frozenset(sense for sense in senses if sense.startswith(_AUDIO))
        self._places: dict[bytes, deque[int]] = {}
        for place, sense in enumerate(senses):
            self._places.setdefault(sense, deque()).append(place)

    @property
    def due(self) -> int | None:
        """The first that has not come."""
        return self._first if self._first < len(self._senses) else None

    def come(self, sense: bytes) -> list[int] | None:
        """A message has come: which ones have come with it; none if it is more sound than was recorded. None: nothing like it is expected any more."""
        places = self._places.get(sense)
        if sense.startswith(_AUDIO):
            end = self._next_words()
            while places and self._came[places[0]]:
                places.popleft()
            if not places or places[0] >= end:
                return [] if sense in self._sounds else None
            return self._take([places.popleft()])
        if not places:
            return None
        place = places.popleft()
        passed = [one for one in range(self._first, place) if not self._came[one] and self._senses[one].startswith(_AUDIO)]
        return self._take([*passed, place])

    def _take(self, places: list[int]) -> list[int]:
        for place in places:
            self._came[place] = 1
        while self._first < len(self._senses) and self._came[self._first]:
            self._first += 1
        return places

    def _next_words(self) -> int:
        """The first that has not come and is no sound."""
        words = (one for one in range(self._first, len(self._senses)) if not self._came[one] and not self._senses[one].startswith(_AUDIO))
        return next(words, len(self._senses))


def may_be_missing(senses: Sequence[bytes], place: int) -> bool:
    """Whether it is sound that follows other sound: there may be less of that."""
    return senses[place].startswith(_AUDIO) and place > 0 and senses[place - 1].startswith(_AUDIO)
