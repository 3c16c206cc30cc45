"""The file beside a store that says how long its chains were when somebody looked last: what goes away together with its entries is found by it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from playhead.config.errors import StoreError

from .chain_heads import ChainHead, heads_text, parse_heads


def beside(store: Path) -> Path:
    """Where it is."""
    return store.with_name(f"{store.name}-heads")


def read_heads(path: Path) -> list[ChainHead]:
    """Raises StoreError: it is not there, or not such a file."""
    try:
        return parse_heads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} does not hold the heads of chains: {error}.") from None
    except OSError as error:
        raise StoreError(f"The heads {path} cannot be read: {error.strerror}.") from None


def write_heads(path: Path, heads: Iterable[ChainHead]) -> None:
    """All of them or nothing; into a pipe or a device as they come. Raises StoreError."""
    draft = path.with_name(f"{path.name}.new-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        if path.exists() and not path.is_file():
            path.write_text(heads_text(heads), encoding="utf-8")
            return
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(heads_text(heads))
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise StoreError(f"The heads of the chains cannot be written to {path}: {error.strerror}.") from None
