"""Bodies: everything raw of one exchange as one small value, written against the most similar recent exchange.

`BodyCodec` remembers recent exchanges and chooses the base; deltas.py has the form of what is kept. Two shapes of traffic matter:
a conversation, each request of which holds the one before and its reply, becomes a chain, each link against the one before;
requests that resemble one another and do not grow become a star around one of them, whose dictionary is prepared once.
Chains are bounded, so that any body is read in a few milliseconds: after `RUN` links the next one goes back to where its run began.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import xxhash
import zstandard

from playhead.config.errors import StoreError

from .packing import deltas
from .packing.splits import Split, compare
from .records import Raw

CODEC = "z1"
MEMORY = 64 << 20  # bytes of exchanges remembered
RUN = 56  # links of a chain before one goes back to the start of the run
MAX_DEPTH = 64  # bases to be read before a body can be
STAR = 256  # exchanges against one base that is not their predecessor: what has to be written anew when it is deleted
PREPARED = 16  # prepared dictionaries, of up to about a MiB each

_ALIKE = 128  # a middle up to here adds nothing that is worth remembering
_NEAR = 4  # exchanges kept for each start of a request, the latest first
_OVERHEAD = 256  # bytes that each key of a remembered exchange takes, roughly; four times as much the exchange itself
# What is made for every exchange, and read field by field, are dataclasses that are not frozen: a tuple with names takes twice as long for both.
# Requests are found by hashes of their first bytes, at lengths that grow by half.
_STARTS = (
    256,
    384,
    576,
    864,
    1296,
    1944,
    2916,
    4374,
    6561,
    9842,
    14763,
    22144,
    33216,
    49824,
    74736,
    112104,
    168156,
    252234,
    378351,
    567527,
    851290,
)


@dataclass(slots=True)
class BodyKey:
    """What an exchange is known by when a base is sought. All but the first two may be None or empty."""

    session: str
    exchange_id: int
    kind: str = "other"
    prompt_cache_key: str | None = None
    previous_response_id: str | None = None
    response_id: str | None = None
    model: str | None = None


class StoredBody(NamedTuple):
    """A row of the table of bodies.

    `base`: the exchange that must be read first. `digest`: of the raw (`deltas.digest`). `raw_bytes`: heads, bodies and trailers together.
    `depth`: how many bases must be read before this can be.
    """

    base: int | None
    data: bytes
    codec: str
    digest: str
    raw_bytes: int
    depth: int


_stored = partial(tuple.__new__, StoredBody)  # three times as quick as calling it


@dataclass(frozen=True, slots=True)
class Base:
    """An exchange to write another one against, with the depth of its own row."""

    exchange_id: int
    raw: Raw
    depth: int


_Index = tuple[str, str | int, str]  # session, what it is found by, kind of index


@dataclass(slots=True, eq=False)
class _Entry:
    """A remembered exchange.

    Others are named by id, never held: they may be forgotten at any time. `base`: what it was written against. `anchor`: where its run began,
    `run`: links since then. `uses`: exchanges written against it. `keys`: what it is found by.
    """

    exchange_id: int
    raw: Raw
    digest: str
    shape: bytes
    depth: int
    run: int
    base: int | None
    anchor: int
    keys: tuple[_Index, ...]
    uses: int = 0

    @property
    def size(self) -> int:
        return _raw_bytes(self.raw) + _OVERHEAD * (4 + len(self.keys))


@dataclass(slots=True, eq=False)
class _Choice:
    """A possible base and what it leaves to be written.

    `cost`: roughly how many bytes must be compressed without help. `extends`: the whole request of the base stands in the new one.
    """

    entry: _Entry
    split: Split
    middle: int
    cost: int
    extends: bool


class BodyCodec:
    """Writes and reads bodies; remembers what it wrote, up to `memory` bytes, to find bases in it.

    The same calls in the same order give the same bytes. Not safe for use by several threads.
    A base is an exchange of the same session. Whoever rolls back a transaction must `forget` the exchanges that were in it.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._held = 0
        self._entries: OrderedDict[int, _Entry] = OrderedDict()  # the next to be forgotten first
        self._index: dict[_Index, tuple[int, ...]] = {}  # the latest first
        self._prepared: OrderedDict[int, zstandard.ZstdCompressor] = OrderedDict()

    def encode(self, key: BodyKey, raw: Raw) -> StoredBody:
        """What to store of an exchange. An exchange that is encoded again replaces what was remembered of it."""
        if key.exchange_id in self._entries:
            self.forget(key.exchange_id)
        shape = _shape(raw)
        choice, new_run = self._choose(key, raw, shape), False
        if choice is not None and (choice.entry.run >= RUN or choice.entry.depth >= MAX_DEPTH):
            choice, new_run = self._begun_anew(choice.entry, raw, shape)
        if choice is None:
            encoded = deltas.encode(raw, None)
            depth, base = 0, None
        else:
            entry = choice.entry
            encoded = deltas.encode(raw, deltas.Against(entry.raw, entry.digest, choice.split, self._compressor(choice)))
            depth, base = entry.depth + 1, entry.exchange_id
            self._touch(choice)
        if choice is None or choice.middle > _ALIKE:
            run, anchor = (0, key.exchange_id) if choice is None or new_run else (choice.entry.run + 1, choice.entry.anchor)
            keys = (*_named_keys(key, shape, key.response_id), *_start_keys(key.session, raw.request))
            self._remember(_Entry(key.exchange_id, raw, encoded.digest, shape, depth, run, base, anchor, keys))
        return _stored((base, encoded.data, CODEC, encoded.digest, encoded.raw_bytes, depth))

    def decode(self, stored: StoredBody, load_base: Callable[[int], Raw]) -> Raw:
        """The raw of a row. `load_base` gives the raw of another exchange, by this same way. Raises StoreError if it is damaged."""
        return decode_against(stored, load_base(stored.base) if stored.base is not None else None)

    def forget(self, exchange_id: int) -> None:
        """No longer use an exchange as a base: it was deleted or never committed. Idempotent."""
        entry = self._entries.pop(exchange_id, None)
        if entry is None:
            return
        self._prepared.pop(exchange_id, None)
        self._held -= entry.size
        for key in entry.keys:
            # Later ones may have pushed it out of the index, and gone before it.
            left = tuple([other for other in self._index.get(key, ()) if other != exchange_id])
            if left:
                self._index[key] = left
            else:
                self._index.pop(key, None)

    def remembers(self, exchange_id: int, digest: str) -> bool:
        """Whether an exchange that has this digest in the store is what it was when it was remembered; True if it is not remembered any more."""
        entry = self._entries.get(exchange_id)
        return entry is None or entry.digest == digest

    @property
    def held(self) -> int:
        """Bytes of exchanges remembered, about."""
        return self._held

    def _choose(self, key: BodyKey, raw: Raw, shape: bytes) -> _Choice | None:
        """The remembered exchange that leaves least to be written."""
        best: _Choice | None = None
        for entry in self._candidates(key, raw, shape):
            choice = _measure(entry, raw, shape)
            if choice.extends and entry.shape == shape and (best is None or choice.cost <= best.cost + _ALIKE):
                return choice
            if best is None or choice.cost < best.cost:
                best = choice
        return self._shared(best, raw, shape) if best is not None else None

    def _shared(self, best: _Choice, raw: Raw, shape: bytes) -> _Choice:
        """The base of the best base where that does as well: siblings share one, their rows stay shallow and its dictionary is prepared.

        A long middle is another matter: what it holds is found in the latest request or nowhere.
        """
        parent = self._available(best.entry.base) if best.entry.base is not None else None
        if parent is None or best.middle >= deltas.WIDE_FROM:
            return best
        shared = _measure(parent, raw, shape)
        return shared if shared.cost <= best.cost + _ALIKE else best

    def _available(self, exchange_id: int) -> _Entry | None:
        entry = self._entries.get(exchange_id)
        return entry if entry is not None and entry.uses < STAR else None

    def _candidates(self, key: BodyKey, raw: Raw, shape: bytes) -> Iterator[_Entry]:
        """Likely bases, each once. Hashes the request only if the ones that are known by name are not taken."""
        seen = set()
        for name in _named_keys(key, shape, key.previous_response_id):
            found = self._index.get(name)
            if found and found[0] not in seen:
                seen.add(found[0])
                if entry := self._available(found[0]):
                    yield entry
        for start in reversed(_start_keys(key.session, raw.request)):
            if found := self._index.get(start):
                for exchange_id in found:
                    if exchange_id not in seen and (entry := self._available(exchange_id)):
                        yield entry
                return

    def _begun_anew(self, entry: _Entry, raw: Raw, shape: bytes) -> tuple[_Choice | None, bool]:
        """In place of an entry at the end of its chain a choice with which a new run begins."""
        anchor = self._available(entry.anchor)
        if anchor is None or anchor.depth >= MAX_DEPTH - RUN:
            return None, True
        again = _measure(anchor, raw, shape)
        return (again, True) if again.split.prefix + again.split.suffix >= len(anchor.raw.request) // 2 else (None, True)

    def _compressor(self, choice: _Choice) -> zstandard.ZstdCompressor | None:
        """A prepared compressor from the second use of a base on; links of a chain use theirs but once."""
        entry = choice.entry
        prepared = self._prepared.get(entry.exchange_id)
        if prepared is None and entry.uses and choice.middle < deltas.WIDE_FROM:
            content = deltas.dictionary(entry.raw)
            prepared = self._prepared[entry.exchange_id] = deltas.compressor(content, 0, prepared=True)
            if len(self._prepared) > PREPARED:
                self._prepared.popitem(last=False)
        elif prepared is not None:
            self._prepared.move_to_end(entry.exchange_id)
        return prepared

    def _touch(self, choice: _Choice) -> None:
        """Note a use: what was extended is needed less than any other, what is shared or begins a run is needed longer."""
        entry = choice.entry
        entry.uses += 1
        superseded = choice.extends and choice.middle > _ALIKE and entry.anchor != entry.exchange_id
        self._entries.move_to_end(entry.exchange_id, last=not superseded)
        if entry.anchor in self._entries:
            self._entries.move_to_end(entry.anchor)

    def _remember(self, entry: _Entry) -> None:
        self._entries[entry.exchange_id] = entry
        self._held += entry.size
        for key in entry.keys:
            self._index[key] = (entry.exchange_id, *self._index.get(key, ())[: _NEAR - 1])
        while self._held > self._memory and self._entries:
            self.forget(next(iter(self._entries)))


def decode_chain(chain: Sequence[StoredBody]) -> Raw:
    """The raw of the first row; each row's base is the next, and the last has none.

    The way to read a deep body quickly: about 40 us a link, and only the result is verified. Raises StoreError if it is damaged.
    """
    if not chain or chain[-1].base is not None:
        raise StoreError("a stored body cannot be read: the exchange that it is a delta of is not in the store")
    base: Raw | None = None
    for stored in reversed(chain[1:]):
        base = deltas.decode(stored.data, base, stored.raw_bytes, bodies_only=True)
    return decode_against(chain[0], base)


def decode_against(stored: StoredBody, base: Raw | None, *, readers: deltas.Readers | None = None, times: bool = True) -> Raw:
    """The raw of a row, with what it was written against. `times` False: without its frames. Raises StoreError if it is damaged."""
    found = deltas.read(stored.data, base, stored.raw_bytes, readers=readers)
    if found.digest == stored.digest:
        return found.raw(times=times)
    if base is not None and not deltas.is_based_on(stored.data, deltas.digest(base)):
        raise StoreError(f"a stored body cannot be read: exchange {stored.base}, which it is a delta of, is not what it was then")
    raise StoreError(f"a stored body is damaged: it reads as {found.digest}, and was {stored.digest}")


def encode_against(raw: Raw, base: Base | None) -> StoredBody:
    """What to store of an exchange against a given base, or alone: for rows whose base goes away."""
    if base is None:
        encoded = deltas.encode(raw, None)
        return StoredBody(None, encoded.data, CODEC, encoded.digest, encoded.raw_bytes, 0)
    split = compare(raw.request, base.raw.request)
    encoded = deltas.encode(raw, deltas.Against(base.raw, deltas.digest(base.raw), split))
    return StoredBody(base.exchange_id, encoded.data, CODEC, encoded.digest, encoded.raw_bytes, base.depth + 1)


def _measure(entry: _Entry, raw: Raw, shape: bytes) -> _Choice:
    request, base = raw.request, entry.raw.request
    prefix, suffix = split = compare(request, base)
    middle = len(request) - prefix - suffix
    # An error between two good answers is a poor dictionary for the next one, though the request before it is the same.
    foreign = 0 if shape == entry.shape else len(raw.response) // 4 + 1
    return _Choice(entry, split, middle, middle + foreign, prefix + suffix == len(base))


def _shape(raw: Raw) -> bytes:
    """Class of the status and first byte of the answer: tells errors, streams, JSON and binary apart."""
    return raw.response_heads[9:10] + raw.response[:1]


def _raw_bytes(raw: Raw) -> int:
    return len(raw.request_head) + len(raw.request) + len(raw.response_heads) + len(raw.response) + len(raw.trailers)


def _named_keys(key: BodyKey, shape: bytes, response_id: str | None) -> Iterator[_Index]:
    """By the response it goes on from, by cache key, by kind."""
    if response_id:
        yield key.session, response_id, "response"
    if key.prompt_cache_key:
        yield key.session, key.prompt_cache_key, "cache"
    yield key.session, f"{key.kind} {key.model} {shape!r}", "kind"


def _start_keys(session: str, request: bytes) -> list[_Index]:
    """By the first bytes of the request, the shortest start first."""
    view = memoryview(request)
    state = xxhash.xxh3_64()
    keys: list[_Index] = []
    done = 0
    for length in _STARTS:
        if length > len(request):
            break
        state.update(view[done:length])
        keys.append((session, state.intdigest(), "start"))
        done = length
    return keys
