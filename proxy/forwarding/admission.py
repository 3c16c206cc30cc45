"""Whom a server lets read recordings by replaying them (DESIGN, invariant 10): pure.

A page of another site can make a browser ask this machine by a name of its own, so the name is checked; whoever reaches the port over a network needs
the token.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .answers import Refusal
from .http1 import Header

TOKEN = b"playhead-token"
CREDENTIALS = frozenset((b"authorization", b"x-api-key", b"api-key"))
"""Headers, by lower-case name, in which SDKs send their API key, and so the token in its place."""


@dataclass(frozen=True, slots=True)
class Admission:
    """`bound`: the host that the server listens on; `loopback`: whether only this machine reaches it."""

    bound: str
    loopback: bool
    token: bytes | None

    def judge(self, host: bytes, headers: Iterable[Header]) -> Refusal | bool:
        """Whether to go on; then True says that the token stands where upstream's key would. `headers`: by lower-case name."""
        if self.loopback and not _is_local(host, self.bound):
            given = host.decode("latin-1")
            return Refusal("bad_target", f"This server replays to its own machine alone, and {given} is no name of that: use localhost or 127.0.0.1.")
        if self.token is None:
            return False
        admitted = as_key = False
        for name, value in headers:
            if name == TOKEN:
                admitted = admitted or hmac.compare_digest(value, self.token)
            elif name in CREDENTIALS:
                scheme, space, key = value.partition(b" ")
                secret = key.strip() if space and scheme.lower() == b"bearer" else value
                as_key = as_key or hmac.compare_digest(secret, self.token)
        if as_key or admitted:
            return as_key
        return Refusal("bad_token", "This server replays recordings to those who know its token: send it as the API key, or in the header Playhead-Token.")


@lru_cache(maxsize=64)
def _is_local(host: bytes, bound: str) -> bool:
    """Whether a Host header names this machine: a loopback address, localhost, or what the server is bound to."""
    text = host.decode("latin-1").lower()
    name = text[1 : text.find("]")] if text.startswith("[") else text.partition(":")[0]
    if name == "localhost" or name.endswith(".localhost") or name == bound.lower():
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
