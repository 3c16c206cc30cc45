"""Heads of chains as they are written down elsewhere, so that what was removed or made anew with its chain is found, too. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..records import Record


class ChainHead(Record):
    """How long a chain is, and its head then. `head`: SHA-256 in hexadecimal."""

    chain: str
    entries: int
    head: str


def heads_text(heads: Iterable[ChainHead]) -> str:
    """JSON lines."""
    return "".join(f"{head.model_dump_json()}\n" for head in heads)


def parse_heads(text: str) -> list[ChainHead]:
    """What `heads_text` was given. Raises ValueError, which says what is wrong."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found.append(ChainHead(**json.loads(line)))
                bytes.fromhex(found[-1].head)
            except (ValueError, TypeError):
                raise ValueError(f"line {number} is not the head of a chain") from None
    return found
