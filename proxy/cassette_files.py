"""Cassettes as files: read into a store, written out of one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playhead.config.errors import ConfigError, StoreError
from playhead.config.settings import Settings
from playhead.storage.cassettes import Cassette
from playhead.storage.store import Store

from .formats.cassette import is_cassette, read, write
from .formats.cassette_prints import with_fingerprints
from .formats.secret_scan import refusal, secrets_in

_VCR = b"interactions"
_UNNAMED = re.compile(r"[^A-Za-z0-9._:-]")


def read_file(path: Path) -> Cassette:
    """What a file holds: a cassette, ours or VCR.py's. Raises StoreError: it is not there, or no cassette, or damaged."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise StoreError(f"There is no cassette {path}.") from None
    except OSError as error:
        raise StoreError(f"The cassette {path} cannot be read: {error.strerror}.") from None
    if not is_cassette(data) and _VCR in data:
        from .formats import vcr

        return vcr.read(data, str(path), _UNNAMED.sub("-", path.stem)[:128] or "default")
    return read(data, str(path))


def load(store: Store, cassette: Cassette, session: str) -> int:
    """Add a cassette to a session of a store; how many exchanges it has. Raises StoreError: nothing of it is stored."""
    return store.import_cassette(with_fingerprints(cassette), session)


@contextmanager
def unpacked(settings: Settings) -> Iterator[Settings]:
    """Settings with which the cassette they name, if any, is replayed: from a store that nobody else sees, and that is gone afterwards.

    Raises StoreError: there is no such cassette, or it is damaged.
    """
    if settings.cassette is None:
        yield settings
        return
    cassette = read_file(settings.cassette)
    with TemporaryDirectory(prefix="playhead-", ignore_cleanup_errors=True) as directory:
        own = settings.model_copy(update={"data": Path(directory), "store": None, "key_file": None})
        with Store.open(own.store_url, create=True) as store:
            load(store, cassette, own.session)
        yield own


def text_of(
    store: Store, session: str, take: int | Literal["newest", "all"] = "newest", *, allow: Sequence[str] = (), name: str | None = None
) -> tuple[bytes, int]:
    """A session as a cassette, which calls it by that name, and how many exchanges were left out because they still go on.

    Raises StoreError: no such session or take, damaged, or it would hold what looks like a secret; `allow`: paths where that may stand (ConfigError if
    one is none).
    """
    cassette, going_on = store.export_cassette(session, take)
    cassette.session = name or session
    lines = [*write(cassette)]
    try:
        findings = [*secrets_in(lines, allow)]
    except ValueError as error:
        raise ConfigError(f"--allow: {error}") from None
    if findings:
        raise StoreError(refusal(findings))
    return b"".join(lines), going_on


def write_file(path: Path, data: bytes) -> bool:
    """Write a file whole or not at all; whether it was not there or has changed. Raises StoreError."""
    try:
        if path.is_file() and path.read_bytes() == data:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_bytes(data)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from None
    return True
