"""The data directory: where the store, the journal and the key are; and the lock that makes one recorder the only one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from pathlib import Path
from types import TracebackType

from playhead.config.errors import StoreError

KEY_BYTES = 32
_POLL_SECONDS = 0.05
_OTHERS = 0o077


class DataDir:
    """A data directory by its path; nothing is made before `ensure`. `key_file`: the key is kept there instead."""

    def __init__(self, path: Path | str, key_file: Path | str | None = None) -> None:
        self.path = Path(path)
        self.key_path = Path(key_file) if key_file is not None else self.path / "key"
        self.journal_dir = self.path / "journal"
        self.lock_path = self.path / "recorder.lock"

    def ensure(self) -> str | None:
        """Make it and the directory for the journal, for this user alone. Idempotent.

        Returns a warning if others may read what is there already. Raises StoreError if it cannot be made.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for directory in (self.path, self.journal_dir):
                with contextlib.suppress(FileExistsError):
                    directory.mkdir(mode=0o700)
            open_to_others = [path for path in (self.path, self.key_path) if path.exists() and path.stat().st_mode & _OTHERS]
        except OSError as error:
            raise StoreError(f"The data directory {self.path} cannot be used: {error.strerror}.") from None
        for directory, called in ((self.path, "data directory"), (self.journal_dir, "journal")):
            if not directory.is_dir():
                raise StoreError(f"The {called} {directory} cannot be used: it is not a directory.")
            if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
                raise StoreError(f"The {called} {directory} cannot be used: Permission denied.")
        if open_to_others:
            named = " and ".join(map(str, open_to_others))
            return f"other users of this machine may read {named}: recordings belong to you alone (chmod go= {named})."
        return None

    def key(self) -> bytes:
        """The key of all key ids: 32 random bytes, made when it is first asked for, the same for every process. Raises StoreError."""
        try:
            if not self.key_path.exists():
                self._make_key()
            key = self.key_path.read_bytes()
        except OSError as error:
            raise StoreError(f"The key {self.key_path} cannot be used: {error.strerror}.") from None
        if len(key) != KEY_BYTES:
            raise StoreError(f"The key {self.key_path} is damaged: it must have {KEY_BYTES} bytes and has {len(key)}. Put the right file there.")
        return key

    def _make_key(self) -> None:
        """Whole when it appears; who comes second takes the first one's."""
        draft = self.key_path.with_name(f".{self.key_path.name}-{os.getpid()}-{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, self.key_path)
        finally:
            draft.unlink()


class RecorderLock:
    """Held by the one recorder of a data directory, as long as any process that inherited it lives. A context manager once acquired."""

    def __init__(self, data: DataDir) -> None:
        self._path = data.lock_path
        self._descriptor: int | None = None

    def acquire(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds; whether it is ours. Raises StoreError if there cannot be a lock."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"The lock {self._path} cannot be used: {error.strerror}.") from None
        deadline = time.monotonic() + timeout
        while not _locked(descriptor):
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return False
            time.sleep(_POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()}\n{_pids()}\n".encode(), 0)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give it up; a process that inherited it still holds it. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def fileno(self) -> int:
        """For a child to inherit."""
        assert self._descriptor is not None, "the lock is not held"
        return self._descriptor

    def holder(self) -> str:
        """Who took it last, as a text for people."""
        return self._told()[0] or "unknown"

    def orphaned(self) -> bool:
        """Whether who took it last is dead, so that children of it hold it still. False, too, where its pid may not be one of those that are seen here."""
        holder, pids = self._told()
        try:
            if not pids or pids != _pids():
                return False
            os.kill(int(holder.removeprefix("pid ")), 0)
        except ProcessLookupError:
            return True
        except (ValueError, OSError):
            return False
        return False

    def _told(self) -> tuple[str, str]:
        """Who took it last, and what its pid is one of: empty in files of before that was written."""
        with contextlib.suppress(OSError):
            holder, _, pids = self._path.read_text(encoding="utf-8", errors="replace").strip().partition("\n")
            return holder, pids
        return "", ""

    def __enter__(self) -> RecorderLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def recorder_lock(data: DataDir, seconds: float) -> RecorderLock:
    """The lock, held. Raises StoreError if another recorder has not given it up within that time."""
    lock = RecorderLock(data)
    if not lock.acquire(seconds):
        if lock.orphaned():
            raise StoreError(f"a playhead that died ({lock.holder()}) has left children that record into {data.path}: they end by themselves, try again soon")
        raise StoreError(f"another playhead records into {data.path} ({lock.holder()}): stop it, or use another data directory (--data)")
    return lock


def _pids() -> str:
    """What tells the pids that are seen here from those of another machine or container, which may share the directory. Empty: it cannot be known."""
    with contextlib.suppress(OSError):
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    return ""


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
