"""Cassettes as files: read into a store, written out of one."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playhead.config.errors import ConfigError, StoreError
from playhead.config.settings import Settings
from playhead.storage.carrying.cassettes import Cassette
from playhead.storage.store import Store

from ..formats.cassette import is_cassette, read, write
from ..formats.cassette_prints import with_fingerprints
from ..formats.secret_scan import IN_CODE, TYPED, refusal, secrets_in

_VCR = b"interactions"
_LOOKED_AT = 1 << 16
_UNNAMED = re.compile(r"[^A-Za-z0-9._:-]")


def read_file(path: Path) -> Cassette:
    """What a file holds: a cassette, ours or VCR.py's. Raises StoreError: it is not there, or no cassette, or damaged."""
    return cassette_of(bytes_of(path), path)


def cassette_of(data: bytes, path: Path) -> Cassette:
    """The same of what stands in it. Raises StoreError: it is no cassette, or damaged."""
    if not is_cassette(data) and _VCR in data:
        from ..formats import vcr

        return vcr.read(data, str(path), _UNNAMED.sub("-", path.stem)[:128] or "default")
    return read(data, str(path))


def bytes_of(path: Path) -> bytes:
    """What stands in a file. Raises StoreError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise StoreError(f"There is no cassette {path}.") from None
    except OSError as error:
        raise StoreError(f"The cassette {path} cannot be read: {error.strerror}.") from None


def check_ours(path: Path) -> None:
    """Raises StoreError: what stands there is a cassette of VCR.py, which is read and never written."""
    try:
        data = path.read_bytes()
    except OSError:
        return
    if not is_cassette(data) and _VCR in data[:_LOOKED_AT]:
        raise StoreError(f"{path} is a cassette of VCR.py, which is only replayed: `playhead import` and `playhead export` make one of playhead's of it.")


def edit_file(path: Path, change: Callable[[Cassette], None]) -> bool:
    """Change what is decided about a cassette: its rules, its equivalences; whether that makes another file of it. Raises StoreError."""
    with locked(path):
        check_ours(path)
        cassette = read(bytes_of(path), str(path))
        change(cassette)
        return write_file(path, b"".join(write(cassette)))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """While the context lasts, nobody else who asks for this changes a cassette in that directory. Where there is none, or no lock, nothing keeps them."""
    try:
        directory = os.open(path.parent, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


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
    store: Store, session: str, take: int | Literal["newest", "all"] = "newest", *, allow: Sequence[str] = (), name: str | None = None, typed: bool = True
) -> tuple[bytes, int]:
    """A session as a cassette, which calls it by that name, and how many exchanges were left out because they still go on.

    Raises StoreError: no such session or take, damaged, or it would hold what looks like a secret; `allow`: paths where that may stand (ConfigError if
    one is none). `typed`: they stand on a command line.
    """
    cassette, going_on = store.export_cassette(session, take)
    cassette.session = name or session
    lines = [*write(cassette)]
    try:
        findings = [*secrets_in(lines, allow)]
    except ValueError as error:
        raise ConfigError(f"{'--allow' if typed else 'allow'}: {error}") from None
    if findings:
        raise StoreError(refusal(findings, TYPED if typed else IN_CODE))
    return b"".join(lines), going_on


def version_of(path: Path) -> str:
    """What stands in a file, as far as `keep_file` wants to know it; empty: there is none that can be read."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def keep_file(path: Path, data: bytes, version: str) -> bool:
    """Write a cassette that was read in that version; whether it was not there or has changed.

    Raises StoreError: it cannot be written, or somebody else has written another one meanwhile, whose recordings would be lost.
    """
    with locked(path):
        if version_of(path) not in (version, sha256(data).hexdigest()):
            raise StoreError(f"{path} was written by another test or process meanwhile: record what is missing again (mode new_episodes), one after the other.")
        return write_file(path, data)


def write_file(path: Path, data: bytes) -> bool:
    """Write a file whole or not at all; whether it was not there or has changed. Raises StoreError."""
    try:
        if path.is_file() and path.read_bytes() == data:
            return False
        if path.exists() and not path.is_file():  # a device or a pipe, such as /dev/stdout, is written to, and nothing is put in its place
            path.write_bytes(data)
            return True
        path.parent.mkdir(parents=True, exist_ok=True)
        path = path.resolve()  # of a link the file that it leads to
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_bytes(data)
            if path.exists():
                shutil.copymode(path, beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from None
    return True
