"""Which recorded WebSocket handshake a handshake follows: the n-th with a fingerprint the n-th recorded one. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from playhead.config.policies import Exhausted
from playhead.storage.connecting.connected import Handshake


class Handshakes:
    """Those of one playback, and how many of each fingerprint have been followed."""

    def __init__(self) -> None:
        self._recorded: dict[bytes, list[Handshake]] = {}
        self._taken: Counter[bytes] = Counter()

    def known(self, handshakes: Iterable[Handshake]) -> None:
        """All that are recorded, in order, in place of those known so far."""
        self._recorded = {}
        for one in handshakes:
            self._recorded.setdefault(one.digest, []).append(one)

    def next(self, digests: Sequence[bytes]) -> Handshake | None:
        """The recorded one that is due for a handshake with one of these fingerprints, which is followed with this."""
        for digest in digests:
            recorded = self._recorded.get(digest, ())
            if (taken := self._taken[digest]) < len(recorded):
                self._taken[digest] += 1
                return recorded[taken]
        return None

    def again(self, digests: Sequence[bytes], exhausted: Exhausted) -> Handshake | None:
        """The one that is followed once more, with this. None in Responses mode: all that was said on that connection is over, and its turns are served again
        one by one."""
        last = self.last(digests)
        if exhausted == "fail" or last is None or last.exchange is None:
            return None
        if exhausted == "last":
            return last
        for digest in digests:
            self._taken[digest] = 0
        return self.next(digests)

    def take_back(self, handshake: Handshake) -> None:
        """It has not been followed to its end: the next one of its fingerprint follows it again."""
        self._taken[handshake.digest] = max(self._taken[handshake.digest] - 1, 0)

    def last(self, digests: Sequence[bytes]) -> Handshake | None:
        """The last one that was recorded of these fingerprints."""
        return next((self._recorded[digest][-1] for digest in digests if digest in self._recorded), None)
