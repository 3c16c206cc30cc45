"""Fingerprints: what identifies a request for matching (DESIGN 5). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from playhead.storage.records import DEFAULT_RULES, Fingerprint


@dataclass(frozen=True, slots=True)
class Rules:
    """How requests are made comparable. `name` is kept with every fingerprint: rules that differ have different names."""

    name: str


F1 = Rules(DEFAULT_RULES)


class Asked(NamedTuple):
    """What a request's head says. `target`: as forwarded and recorded. `headers`: by lower-case name. `base`: the path of upstream's URL."""

    method: str
    target: str
    headers: Mapping[bytes, bytes]
    base: str = ""

    @classmethod
    def of(cls, head: bytes, upstream: str) -> Asked:
        """From a recorded request head, secrets replaced, and the base URL of the upstream it was for."""
        raise NotImplementedError


def fingerprint(asked: Asked, body: bytes, rules: Rules = F1) -> Fingerprint:
    """Of a whole request. `body`: decoded, secrets replaced. Never raises."""
    raise NotImplementedError


class Fingerprinter:
    """As `fingerprint`, of a body that comes piece by piece; the same result for the same bytes. Holds at most `HELD` bytes of it."""

    def __init__(self, asked: Asked, rules: Rules = F1) -> None:
        raise NotImplementedError

    def feed(self, data: bytes) -> None:
        """The next bytes of the body."""

    def finish(self) -> Fingerprint:
        """The body is whole."""
        raise NotImplementedError


def stored_fingerprint(head: bytes, upstream: str, body: Iterable[bytes]) -> Fingerprint:
    """Of a recorded request, for `Store.replay_index` and `Store.verify`."""
    raise NotImplementedError
