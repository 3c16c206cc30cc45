"""Texts that were scanned before: an agent sends its whole history again with each turn, and what was found in it need not be found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .fields import FOREVER, Hit
from .needles import Needles

_SAMPLES = 8
_SAMPLE = 32
_SETTLED = 256  # by so many bytes it is decided whether a text is a form


@dataclass(frozen=True, slots=True)
class Remembered:
    """A text and the verdicts over it, in order; they hold for whatever begins with it."""

    needles: Needles
    text: bytes
    hits: tuple[Hit, ...]
    form: bool


class RedactionMemo:
    """The last few request texts with what was found in them; one for each worker. Bounded: `texts` times `most` bytes."""

    def __init__(self, texts: int = 8, least: int = 8 << 10, most: int = 1 << 20) -> None:
        self._texts, self._least, self.most = texts, least, most
        self._known: list[Remembered] = []

    def known(self, needles: Needles) -> list[Remembered]:
        """What was scanned for the same needles, the newest first."""
        return [known for known in self._known if known.needles is needles]

    def remember(self, new: Remembered, old: Remembered | None, common: int) -> None:
        """Keep `new`, which shares its first `common` bytes with `old`: instead of that, if most of it is in `new` anyway."""
        if len(new.text) < self._least or len(new.text) > self.most:
            return
        if old is not None and 2 * common > len(old.text):
            self._known = [known for known in self._known if known is not old]
        self._known = [new, *self._known[: self._texts - 1]]


class Trail:
    """One text on its way: followed along remembered ones as long as it is the same, and written down to be remembered."""

    def __init__(self, memo: RedactionMemo, needles: Needles) -> None:
        self._memo, self._needles = memo, needles
        self._candidates = memo.known(needles)
        self._old: Remembered | None = None
        self._common = 0
        self._released = 0
        self._parts: list[bytes] = []
        self._size = 0
        self._hits: list[Hit] = []
        self._valid = FOREVER
        self.following = bool(self._candidates)

    def write(self, data: bytes) -> None:
        """The next bytes of the text."""
        self._size += len(data)
        if self._size <= self._memo.most:
            self._parts.append(data)
        else:
            self._parts.clear()
            self._valid = 0

    def note(self, hit: Hit) -> None:
        """The next verdict, which the scanner reached itself."""
        if hit.seen >= FOREVER:
            self.spoil(hit.start)
        elif hit.start < self._valid:
            self._hits.append(hit)

    def spoil(self, start: int) -> None:
        """From there on the verdicts are not to be used again."""
        self._valid = min(self._valid, start)

    def follow(self, data: bytes) -> Iterator[bytes | Hit]:
        """Takes the next bytes; gives what may go on, as bytes, and each verdict as it is used.

        Where the text leaves the remembered ones, `following` ends: the rest is then to be scanned, from `rest` on.
        """
        at = self._common
        same = [old for old in self._candidates if old.text.startswith(data, at)]
        if same:
            self._candidates = same
            self._common = at + len(data)
        else:
            self._candidates = [max(self._candidates, key=lambda old: _likeness(old.text, data, at))]
            self._common = at + common_prefix(self._candidates[0].text, data, at)
            self.following = False
        self._old = self._candidates[0]
        yield from self._release(data, at)

    def rest(self, data: bytes) -> tuple[bytes, int, bool | None]:
        """What of the text has not gone on although it is known, with the part of `data` behind it; where that begins; whether the text is a form."""
        self.following = False
        if self._old is None:
            return data, 0, None
        form = self._old.form if self._common >= _SETTLED else None
        known = self._old.text[self._released : self._common]
        return known + data[len(data) - (self._size - self._common) :] if self._size > self._common else known, self._released, form

    def end(self, form: bool) -> None:
        """The text is whole."""
        if self._old is not None and self._common == self._size == len(self._old.text):
            self._memo.remember(self._old, self._old, self._common)
            return
        if min(self._size, self._valid) > 0 and self._parts:
            text = b"".join(self._parts)[: self._valid] if self._valid < self._size or len(self._parts) > 1 else self._parts[0]
            self._memo.remember(Remembered(self._needles, text, tuple(self._hits), form), self._old, self._common)

    def _release(self, data: bytes, at: int) -> Iterator[bytes | Hit]:
        old, common = self._old, self._common
        if old is None or common < _SETTLED:
            return
        for hit in old.hits[len(self._hits) :]:
            hold = self._hold(old.text, common)
            if hit.start >= hold or hit.seen > common:
                break
            yield hit
            for start, end, text in hit.edits:
                yield old.text[self._released : start]
                yield text
                self._released = end
            yield old.text[self._released : hit.resume]
            self._released = hit.resume
            self._hits.append(hit)
        hold = self._hold(old.text, common)
        if len(self._hits) < len(old.hits):
            hold = min(hold, old.hits[len(self._hits)].start)
        if hold > self._released:
            whole = self._released == at and hold == at + len(data)
            # Of a text that comes again in one piece the first one goes on: who remembers it as well need not compare them.
            again = whole and at == 0 and common == len(data) == len(old.text)
            yield old.text if again else data if whole else old.text[self._released : hold]
            self._released = hold

    def _hold(self, text: bytes, end: int) -> int:
        return hold(text, end, self._released, self._needles)


def hold(text: bytes, end: int, pos: int, needles: Needles) -> int:
    """Up to where the text before `end` may go on from `pos`: what behind that might be the start of a secret may not."""
    return max(pos, end - needles.reach) if text[end - 1] in needles.risky else end


def common_prefix(text: bytes, data: bytes, at: int) -> int:
    """How many bytes of `data` are those of `text` from `at` on."""
    length = min(len(text) - at, len(data))
    if text.startswith(data[:length], at):
        return length
    low, high = 0, length
    while high - low > 1:
        middle = (low + high) // 2
        if text.startswith(data[low:middle], at + low):
            low = middle
        else:
            high = middle
    return low


def _likeness(text: bytes, data: bytes, at: int) -> int:
    """How many samples of `data` are those of `text`, up to the first that is not."""
    length = min(len(text) - at, len(data))
    for number in range(_SAMPLES):
        place = (length - _SAMPLE) * number // (_SAMPLES - 1)
        if place < 0 or text[at + place : at + place + _SAMPLE] != data[place : place + _SAMPLE]:
            return number
    return _SAMPLES
