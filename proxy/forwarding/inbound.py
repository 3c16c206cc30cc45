"""A request's head, read once: where it goes, what upstream gets, what the record holds. Pure.

Clients send the same headers again and again: each header line is judged once and its verdict kept, and so is a head that differs from the one before
in its Content-Length only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from playhead.config.secrets import NEEDLE, placeholder
from playhead.storage.keys import key_id

from ..masking.needles import usable
from ..notes import opening_meta
from ..redaction import redact_head
from .addressing import Address, Addressing, Refusal
from .admission import CREDENTIALS, TOKEN
from .http1 import FRAMING, HOP_BY_HOP, Header

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_AGAIN = placeholder(NEEDLE)
_KEPT = 4000
_KEPT_HEADS = 500
KEPT_HEAD = 8192
"""Bytes of a head, as the client sent it, up to which it is remembered."""

_SOME = b"\0length\0"  # no header has such a value


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What one header line means. `forwarded`, `recorded`: the line for upstream and for the record; None: not there."""

    name: bytes  # lower-case
    forwarded: bytes | None
    recorded: bytes | None
    secrets: tuple[bytes, ...]
    credential: bytes | None
    redacted: bool
    special: bool  # its value counts for more than passing it on


_SPECIAL = frozenset((b"host", b"connection", b"upgrade", b"transfer-encoding", b"content-encoding", b"playhead-session", b"playhead-mode", b"playhead-fault"))
_Meta = tuple[str, str, str, bytes | None, bool, bool]  # session, run, mode, credential, redacted, websocket


@dataclass(slots=True)
class Inbound:
    """A request as it is forwarded and as it is recorded, or compared with what was recorded."""

    method: str
    address: Address
    head: bytes = b""  # for upstream
    recorded_head: bytes = b""  # as the client sent it, secrets replaced
    plain_target: bytes = b""  # the target that stands in it, before the request's own key was looked for in it, too
    credential: bytes | None = None  # what identifies the key
    meta: bytes = b""
    secrets: list[bytes] = field(default_factory=list)
    redacted: bool = False
    chunked: bool = False
    coding: bytes | None = None
    websocket: bool = False

    def like(self, head: bytes, recorded_head: bytes) -> Inbound:
        """The same but for these. (`dataclasses.replace` takes ten times as long.)"""
        seldom = (self.plain_target, self.credential, self.meta, self.secrets, self.redacted, self.chunked, self.coding, self.websocket)
        return Inbound(self.method, self.address, head, recorded_head, *seldom)

    @property
    def recorded(self) -> bool:
        """Whether it is to be recorded."""
        return self.address.mode == "record"

    @property
    def safe(self) -> bool:
        """Whether sending it twice does no more than sending it once, whatever upstream made of the first."""
        return self.method in _SAFE


@dataclass(frozen=True, slots=True)
class _Known:
    """A head that came before, and what stands before and behind the value of its Content-Length, in which the next one differs."""

    inbound: Inbound
    head: list[bytes]
    recorded_head: list[bytes]


class Reception:
    """Reads the heads of requests for one server. `key` makes key_ids; `run` names this start of the server."""

    def __init__(self, addressing: Addressing, *, authority: bytes, upstream: str, run: str, key: bytes) -> None:
        self._addressing = addressing
        self._authority = authority
        self._upstream = upstream
        self._run = run
        self._key = key
        self._verdicts: dict[Header, _Verdict] = {}
        self._metas: dict[_Meta, bytes] = {}
        admission = addressing.admission
        self._special = _SPECIAL | CREDENTIALS | {TOKEN} if admission is not None and admission.token is not None else _SPECIAL
        self._heads: dict[tuple[object, ...], _Known] = {}
        self._unnamed = _Verdict(b"host", b"Host: " + authority, None, (), None, redacted=False, special=True)

    def read(self, method: str, target: bytes, headers: Sequence[Header], own: frozenset[bytes] = frozenset()) -> Inbound | Refusal:
        """One request's head. `headers`: as the client sent them; `own`: what this server is called, if the target is not just a path."""
        place = _place_of_length(headers)
        if own or place is None:
            return self._read(method, target, headers, own)
        name, length = headers[place]
        others = (*headers[:place], (name, _SOME), *headers[place + 1 :])
        known = self._heads.get((method, target, others))
        if known is None:
            inbound = self._read(method, target, others, own)
            if isinstance(inbound, Refusal):
                return inbound
            known = _Known(inbound, inbound.head.split(_SOME, 1), inbound.recorded_head.split(_SOME, 1))
            if head_size(target, others) <= KEPT_HEAD:
                self._remember((method, target, others), known)
        return known.inbound.like(length.join(known.head), length.join(known.recorded_head))

    def read_unnamed(self, method: str, target: bytes, headers: Sequence[Header], own: frozenset[bytes] = frozenset()) -> Inbound | Refusal:
        """One that names no host, as clients of HTTP/1.0 need not: upstream is told its own all the same, and the record does not say what nobody sent."""
        return self._read(method, target, headers, own, unnamed=True)

    def _remember(self, head: tuple[object, ...], known: _Known) -> None:
        if len(self._heads) >= _KEPT_HEADS:
            self._heads.clear()
        self._heads[head] = known

    def _read(self, method: str, target: bytes, headers: Sequence[Header], own: frozenset[bytes], *, unnamed: bool = False) -> Inbound | Refusal:
        verdicts = self._verdicts
        found = [verdicts.get(header) or self._judge(header) for header in headers]
        special = [(verdict, header[1]) for verdict, header in zip(found, headers, strict=True) if verdict.special]
        if unnamed:
            found.append(self._unnamed)
            special.append((self._unnamed, b"localhost"))
        address = self._addressing.resolve(method, target, [(verdict.name, value) for verdict, value in special], own)
        if isinstance(address, Refusal):
            return address
        inbound = Inbound(method, address)
        listed = self._specials(inbound, special)
        if inbound.chunked and any(verdict.name == b"transfer-encoding" and value.strip().lower() != b"chunked" for verdict, value in special):
            return Refusal("bad_request", "The only Transfer-Encoding that playhead takes is chunked.")
        first = method.encode() + b" "
        if address.mode != "replay" or address.on_miss != "fail":
            forwarded = self._forwarded(found, listed, websocket=inbound.websocket)
            inbound.head = first + b"\r\n".join([address.target + b" HTTP/1.1", *forwarded, b"\r\n"])
        if address.mode != "forward":
            self._record(inbound, first, found)
        if inbound.recorded:
            inbound.meta = self._meta(inbound, self._run, "record")
        return inbound

    def live(self, inbound: Inbound, run: str | None) -> Inbound:
        """A request that found no recording, as its `on_miss` says: to be forwarded, or also recorded into the take of that run (None: this server's)."""
        went = replace(inbound, address=inbound.address._replace(mode=inbound.address.on_miss))
        if went.recorded:
            went.meta = self._meta(went, run or self._run, "auto")
        return went

    def _judge(self, header: Header) -> _Verdict:
        if len(self._verdicts) >= _KEPT:
            self._verdicts.clear()
        name, value = header
        lower = name.lower()
        ours = lower.startswith(b"playhead-")
        clean = redact_head(b"GET", b"/", [header])
        passed = self._authority if lower == b"host" else value
        verdict = _Verdict(
            lower,
            None if ours or lower in HOP_BY_HOP else name + b": " + passed,
            None if ours else b": ".join(clean.headers[0]),
            tuple(clean.secrets),
            clean.credential,
            clean.redacted,
            lower in self._special,
        )
        if len(name) + len(value) <= KEPT_HEAD:
            self._verdicts[header] = verdict
        return verdict

    def _specials(self, inbound: Inbound, special: list[tuple[_Verdict, bytes]]) -> set[bytes]:
        """What framing, coding and upgrade headers say; gives the names that `Connection` lists."""
        listed: set[bytes] = set()
        upgrades: set[bytes] = set()
        for verdict, value in special:
            name = verdict.name
            if name == b"connection":
                listed.update(member.strip().lower() for member in value.split(b","))
            elif name == b"upgrade":
                upgrades.update(member.strip().lower() for member in value.split(b","))
            elif name == b"transfer-encoding":
                inbound.chunked = True
            elif name == b"content-encoding" and value.lower() != b"identity":
                inbound.coding = value if inbound.coding is None else inbound.coding + b", " + value
        inbound.websocket = b"websocket" in upgrades and b"upgrade" in listed
        return listed

    @staticmethod
    def _forwarded(found: list[_Verdict], listed: set[bytes], *, websocket: bool) -> list[bytes]:
        if not listed:
            return [verdict.forwarded for verdict in found if verdict.forwarded is not None]
        unwanted = listed - FRAMING
        lines = [verdict.forwarded for verdict in found if verdict.forwarded is not None and verdict.name not in unwanted]
        if websocket:
            upgrade = next(verdict.recorded for verdict in found if verdict.name == b"upgrade" and verdict.recorded)
            lines += [b"Connection: Upgrade", upgrade]
        return lines

    def _record(self, inbound: Inbound, first: bytes, found: list[_Verdict]) -> None:
        target, credential = inbound.address.target, None
        if b"?" in target:
            clean = redact_head(b"GET", target, [])
            target, credential, inbound.redacted = clean.target, clean.credential, clean.redacted
            inbound.secrets += clean.secrets
        for verdict in found:
            if verdict.redacted:
                inbound.redacted = True
                inbound.secrets += verdict.secrets
                credential = credential or verdict.credential
        inbound.credential, inbound.plain_target = credential, target
        path, mark, query = target.partition(b"?")
        lines = b"\r\n".join([b" HTTP/1.1", *[verdict.recorded for verdict in found if verdict.recorded is not None], b"\r\n"])
        for secret in inbound.secrets:
            # The same key in a header or a parameter that nobody would take for one. The path is left: a dummy key may well be a word of it.
            if (secret in lines or secret in query) and usable(secret):
                lines, query = lines.replace(secret, _AGAIN), query.replace(secret, _AGAIN)
        inbound.recorded_head = first + path + mark + query + lines

    def _meta(self, inbound: Inbound, run: str, mode: str) -> bytes:
        """The part of the opening note that is the same for many requests."""
        key = (inbound.address.session, run, mode, inbound.credential, inbound.redacted, inbound.websocket)
        if (known := self._metas.get(key)) is not None:
            return known
        if len(self._metas) >= _KEPT:
            self._metas.clear()
        meta = self._metas[key] = opening_meta(
            {
                "session": inbound.address.session,
                "run": run,
                "mode": mode,
                "key_id": None if inbound.credential is None else key_id(self._key, inbound.credential),
                "upstream": self._upstream,
                "transport": "ws" if inbound.websocket else "http",
                "redacted": inbound.redacted,
            }
        )
        return meta


def _place_of_length(headers: Sequence[Header]) -> int | None:
    for place, (name, _) in enumerate(headers):
        if len(name) == 14 and name.lower() == b"content-length":
            return place
    return None


def head_size(target: bytes, headers: Sequence[Header]) -> int:
    """Bytes, roughly. Counted of what came: headers for playhead and for this hop alone stand in no other form of it."""
    return len(target) + sum([len(name) + len(value) for name, value in headers])
