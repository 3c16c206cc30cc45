"""Labels of an exchange by request headers that settings name, by which its money can be grouped: `audit --by header:x-team`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from playhead.config.secrets import PLACEHOLDERS
from playhead.storage.records import Recorded

from ..heads import headers_of
from ..plain import text_of

START = "header:"
"""What a label of a header begins with."""

_PUT = tuple(one.decode() for one in PLACEHOLDERS)


def label(recorded: Recorded, head: bytes, names: Sequence[str]) -> None:
    """Put what these headers say into the labels of an exchange. `head`: of its request, secrets replaced; what stands for a secret is no label."""
    headers = headers_of(head)
    found = {}
    for name in names:
        value = text_of(headers.get(name.encode(), b"").decode("utf-8", "replace"))
        if value is not None and not any(put in value for put in _PUT):
            found[f"{START}{name}"] = value
    if found:
        billing = recorded.facts.billing or {}
        recorded.facts.billing = {**billing, "labels": {**billing.get("labels", {}), **found}}


def labelled(parts: Iterable[Recorded], head: bytes, names: Sequence[str]) -> Iterator[Recorded]:
    """All parts of an exchange with their labels."""
    for part in parts:
        label(part, head, names)
        yield part
