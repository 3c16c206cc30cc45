"""The form in which one exchange's bytes are kept: what differs from another exchange, compressed.

An agent resends its whole history with every request, and the reply before stands in the next request. So a body is kept as

    version byte, flags byte, varints (`_Header`),
    if there is a base: 4 bytes of the base's digest, to name the culprit where reading fails,
    one zstd frame without magic number: middle of the request, request head, response heads, response, trailers, columns,
    the columns' loose bytes, which nothing compresses.

The request is `prefix` bytes of the base's request, the middle, and the last `suffix` bytes of the base's request.
The zstd dictionary is raw content made of the base (`dictionary`). Without a base, prefix and suffix are 0 and there is no dictionary.
The columns hold chunk sizes and frames (columns.py).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

import xxhash
import zstandard

from playhead.config.errors import StoreError

from ..records import Raw
from .columns import DAMAGE, NO_FRAMES, Blocks, Bodies, Columns, Timeline, chunks_are_blocks, read_varints, restored, varints, words
from .splits import Split

VERSION = 1

_HAS_BASE = 1  # prefix, suffix and dictionary refer to a base
_WIDE = 2  # the dictionary holds the whole request of the base

_CHECK = 4  # bytes of the base's digest that a delta repeats
_TAIL = 10 * 1024  # of the base's request this much stands in the dictionary: the latest items and what follows the history
_REPLY = 64 * 1024  # of the base's response as much from its start and from its end: instructions and deltas, finished items
WIDE_FROM = 16 * 1024  # a middle as long as this is worth a dictionary with the whole request
_SHORT = 1 << 17  # payloads and dictionaries up to here make do with a small window
_COLUMNS_LIMIT = 1 << 26  # bytes: more columns than this are damage
_JOINED = 1 << 16  # bytes: up to here copying costs less than hashing part by part
_LENGTHS = struct.Struct("<7Q")
_READERS = 8  # of them kept; each has a dictionary
_FAILURES = (zstandard.ZstdError, *DAMAGE)


def _parameters(window: int, table: int) -> zstandard.ZstdCompressionParameters:
    # Double-fast search: on agent traffic 4 % smaller than level 1 for 20 % more time; lazy search is 7 % smaller for twice the time.
    return zstandard.ZstdCompressionParameters(
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        window_log=window,
        chain_log=table,
        hash_log=table,
        search_log=1,
        min_match=5,
        strategy=zstandard.STRATEGY_DFAST,
        write_content_size=False,
        write_checksum=False,
        write_dict_id=False,
    )


# The window must hold dictionary and payload together: behind it the dictionary is lost.
_TINY = _parameters(19, 13)  # smaller tables are copied sooner
_SMALL = _parameters(19, 15)
_LARGE = _parameters(22, 17)


def dictionary(base: Raw, *, wide: bool = False) -> bytes:
    """What is likely to come again in an exchange like `base`. `wide`: with the whole request."""
    request = base.request if wide else base.request[-_TAIL:]
    response = base.response
    if len(response) > 2 * _REPLY:
        response = response[:_REPLY] + response[-_REPLY:]
    return b"".join((base.request_head, base.response_heads, request, response))


def compressor(content: bytes, size: int, *, prepared: bool = False) -> zstandard.ZstdCompressor:
    """A compressor for payloads of about `size` bytes with `content` as dictionary.

    `prepared`: costs more once and much less at every use.
    """
    parameters = _TINY if prepared and len(content) <= 1 << 15 else _SMALL if len(content) + size <= 2 * _SHORT else _LARGE
    if not content:
        return zstandard.ZstdCompressor(compression_params=parameters)
    known = zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    if prepared:
        known.precompute_compress(compression_params=parameters)
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=known)


@dataclass(slots=True)
class Against:
    """What a body is encoded against: a base and its digest, the split of the two requests, and a compressor if one is prepared."""

    base: Raw
    digest: str
    split: Split
    prepared: zstandard.ZstdCompressor | None = None


@dataclass(slots=True)
class Encoded:
    """The bytes to keep, the digest of the raw that they hold, and how many bytes its heads, bodies and trailers are together."""

    data: bytes
    digest: str
    raw_bytes: int


class _Header(NamedTuple):
    """The varints at the start, in this order. Lengths and counts; `chunks` and `frames` count, the others are bytes."""

    compressed: int
    prefix: int
    suffix: int
    middle: int
    request_head: int
    response_heads: int
    response: int
    trailers: int
    columns: int
    chunks: int
    frames: int


_HEADER_FIELDS = len(_Header._fields)


def encode(raw: Raw, against: Against | None) -> Encoded:
    """What to keep of an exchange. The same raw against the same base gives the same bytes."""
    bodies, timeline, chunks = Bodies.of(raw), Timeline.of(raw), raw.chunks
    head, request, heads, response, trailers = bodies
    packed, loose, flags = Columns.of(raw, timeline)
    prefix, suffix, check, middle = 0, 0, b"", request
    if against is not None:
        prefix, suffix = against.split
        flags |= _HAS_BASE
        middle = request[prefix : len(request) - suffix]
        check = _check(against.digest)
        if len(middle) >= WIDE_FROM and len(against.base.request) > _TAIL:
            flags |= _WIDE
    payload = b"".join((middle, head, heads, response, trailers, packed))
    data = _compressor_for(against, flags, len(payload)).compress(payload)
    lengths = (*map(len, bodies),)
    header = varints((len(data), prefix, suffix, len(middle), lengths[0], *lengths[2:], len(packed), len(chunks), len(timeline.offsets)))
    written = b"".join((bytes((VERSION, flags)), header, check, data, loose))
    return Encoded(written, _digest(bodies, lengths, timeline, chunks), sum(lengths))


def _compressor_for(against: Against | None, flags: int, size: int) -> zstandard.ZstdCompressor:
    if against is None:
        return compressor(b"", size)
    if against.prepared is not None and not flags & _WIDE and size <= _SHORT:
        return against.prepared
    return compressor(dictionary(against.base, wide=bool(flags & _WIDE)), size)


class Decoded(NamedTuple):
    """What `read` gives: everything of an exchange, its frames by column."""

    bodies: Bodies
    timeline: Timeline
    chunks: tuple[int, ...]
    framed: bytes = b""

    @property
    def digest(self) -> str:
        """That of the raw."""
        return _digest(self.bodies, (*map(len, self.bodies),), self.timeline, self.chunks)

    def raw(self, *, times: bool = True) -> Raw:
        """`times` False: without frames."""
        return Raw(*self.bodies, self.timeline.frames if times else (), self.chunks, self.framed)


class Readers:
    """Decompressors with the dictionaries of the last bases: many exchanges may be written against one. Not safe for use by several threads."""

    def __init__(self, *, framed: bool = False) -> None:
        """`framed`: `Raw.framed` is wanted."""
        self.blocks = Blocks(framed=framed)
        self._known: list[tuple[Raw | None, bool, zstandard.ZstdDecompressor]] = []

    def get(self, base: Raw | None, *, wide: bool) -> zstandard.ZstdDecompressor:
        """The one for what was written against a base."""
        for known in self._known:
            if known[0] is base and known[1] == wide:
                return known[2]
        content = dictionary(base, wide=wide) if base is not None else b""
        with_it = zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if content else None
        made = zstandard.ZstdDecompressor(dict_data=with_it, format=zstandard.FORMAT_ZSTD1_MAGICLESS)
        self._known.append((base, wide, made))
        del self._known[:-_READERS]
        return made


def decode(data: bytes, base: Raw | None, raw_bytes: int, *, bodies_only: bool = False) -> Raw:
    """The raw that `encode` was given. The digest is the caller's to compare. `bodies_only`: chunks and frames are left empty. Otherwise as `read`."""
    return read(data, base, raw_bytes, bodies_only=bodies_only).raw()


def read(data: bytes, base: Raw | None, raw_bytes: int, *, bodies_only: bool = False, readers: Readers | None = None) -> Decoded:
    """What `encode` was given. The digest is the caller's to compare.

    `raw_bytes`: what the raw must come to (bounds the memory that damage can ask for). `bodies_only`: chunks and frames are left empty.
    `readers`: of one thread, to be used again and again. Raises StoreError if the data cannot be read.
    """
    try:
        return _read(data, base, raw_bytes, bodies_only, readers or Readers())
    except _FAILURES as error:
        raise StoreError(f"a stored body cannot be read: {error or type(error).__name__}") from None


def _read(data: bytes, base: Raw | None, raw_bytes: int, bodies_only: bool, readers: Readers) -> Decoded:
    if data[0] != VERSION:
        raise ValueError(f"it has version {data[0]} of the format, this playhead reads version {VERSION}")
    flags = data[1]
    if bool(flags & _HAS_BASE) != (base is not None):
        raise ValueError("it is a delta, and its base is missing" if base is None else "it was given a base but is no delta")
    fields, position = read_varints(data, 2, _HEADER_FIELDS)
    compressed, prefix, suffix, middle, head, heads, response, trailers, columns, chunks, frames = fields
    told = prefix + suffix + middle + head + heads + response + trailers
    if told != raw_bytes or columns > _COLUMNS_LIMIT:
        raise ValueError(f"it says that it holds {told} bytes, and should hold {raw_bytes}")
    if base is not None:
        if prefix + suffix > len(base.request):
            raise ValueError("it takes more from its base than that has")
        position += _CHECK
    size = raw_bytes - prefix - suffix + columns
    end = position + compressed
    payload = readers.get(base, wide=bool(flags & _WIDE)).decompress(data[position:end], max_output_size=size or 1, allow_extra_data=False)
    if len(payload) != size:
        raise ValueError(f"{size} bytes were compressed, {len(payload)} came out")
    bodies = _cut(payload, fields, base)
    if bodies_only:
        return Decoded(bodies, NO_FRAMES, ())
    timeline, sizes = restored(bodies, Columns(payload[size - columns :], data[end:], flags), chunks, frames, readers.blocks.sizes)
    return Decoded(bodies, timeline, sizes, readers.blocks.framed(bodies.response) if chunks and chunks_are_blocks(flags) else b"")


def _cut(payload: bytes, fields: list[int], base: Raw | None) -> Bodies:
    prefix, suffix, end, head, heads, response, trailers = fields[1:8]
    request = payload[:end]
    if base is not None:
        whole = base.request
        if prefix == len(whole) and not end:
            request = whole  # the same again
        else:
            view = memoryview(whole)  # one copy of a long request, not three
            request = b"".join((view[:prefix], request, view[len(view) - suffix :]))
    ends = (end, end := end + head, end := end + heads, end := end + response, end + trailers)
    return Bodies(payload[ends[0] : ends[1]], request, payload[ends[1] : ends[2]], payload[ends[2] : ends[3]], payload[ends[3] : ends[4]])


def digest(raw: Raw) -> str:
    """`xxh3:` and the hex XXH3-128 of the raw in a canonical form.

    The form: lengths of the five byte strings and counts of frames and chunks (u64, little endian), the byte strings, then of the frames all
    directions (u8), all offsets (u64) and all lengths (u64), then all chunk sizes (u64).
    """
    bodies = Bodies.of(raw)
    return _digest(bodies, (*map(len, bodies),), Timeline.of(raw), raw.chunks)


def _digest(bodies: Bodies, lengths: tuple[int, ...], timeline: Timeline, chunks: tuple[int, ...]) -> str:
    """`lengths`: of the bodies."""
    directions, offsets, sizes = timeline
    parts = (_LENGTHS.pack(*lengths, len(offsets), len(chunks)), *bodies, directions, words((*offsets, *sizes, *chunks)))
    if sum(lengths) <= _JOINED:
        return f"xxh3:{xxhash.xxh3_128_hexdigest(b''.join(parts))}"
    whole = xxhash.xxh3_128()
    for part in parts:
        whole.update(part)
    return f"xxh3:{whole.hexdigest()}"


def is_based_on(data: bytes, base_digest: str) -> bool:
    """Whether a delta was made against the base with this digest, as far as four bytes can tell. Never raises."""
    try:
        position = read_varints(data, 2, _HEADER_FIELDS)[1]
        return data[position : position + _CHECK] == _check(base_digest)
    except (ValueError, IndexError):
        return False


def _check(base_digest: str) -> bytes:
    return bytes.fromhex(base_digest[5 : 5 + 2 * _CHECK])  # behind "xxh3:"
