"""A proxy inside this process, on a free port: for tests, notebooks and programs that record themselves.

    with Playhead(mode="replay", session="weather") as p:
        client = OpenAI(base_url=p.base_url, api_key="unused")

Whatever takes long to import is imported when one is started.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from playhead.config.errors import ConfigError

if TYPE_CHECKING:
    from playhead.config.settings import Settings
    from playhead.storage.records import DivergenceRecord, FaultRecord

    from .cassettes.cassette_recording import CassetteRecording
    from .in_process import InProcess
    from .recordings.rewinding import Rewound

Mode = Literal["record", "replay", "auto", "forward", "none", "once", "new_episodes", "all", "off"]

_ACTS: Mapping[str, str] = {"none": "replay", "new_episodes": "auto", "all": "record", "off": "forward"}  # the pytest plugin's words

_FREE_PORT = "127.0.0.1:0"
_DRAIN_SECONDS = 5.0  # whoever leaves the block waits for nothing more
_ELSEWHERE: Mapping[str, str] = {
    "workers": "a proxy inside a process has one worker",
    "console": "a proxy inside a process has no console",
    "console_token": "a proxy inside a process has no console",
    "log_level": "a proxy inside a process logs by logging.getLogger('playhead')",
}


class Playhead:
    """A proxy as a context manager, `with` or `async with`: it serves when the block is entered; when it is left, everything is stored.

    Settings are those of the command line: keywords over `PLAYHEAD_*` of the environment over `playhead.toml`; but it always takes a free port,
    unless `listen` is given here. `mode`: replay, unless another one is given, so that nothing goes to the network by omission; auto is replay
    with `on_miss="record"`. `faults`: what a replay serves on top, such as "429 at turn 2".

    `cassette`: a file that is replayed (mode replay, or none), to which is added what it lacks (auto, new_episodes), or that is recorded: once, where
    there is none, or anew (record, all). It is written when the block has ended without an error, and only if it has changed. `allow`: paths in it where
    what looks like a secret may stand. Where CI is set, it is only replayed, unless `live="yes"`.

    Raises ConfigError: a setting is wrong.
    """

    def __init__(
        self,
        *,
        mode: Mode = "replay",
        session: str | None = None,
        cassette: str | os.PathLike[str] | None = None,
        data: str | os.PathLike[str] | None = None,
        store: str | None = None,
        upstream: str | None = None,
        take: int | Literal["newest", "all"] | None = None,
        pace: str | None = None,
        faults: Iterable[str] | None = None,
        allow: Iterable[str] = (),
        **settings: Any,
    ) -> None:
        spec = faults if faults is None or isinstance(faults, str) else tuple(faults)
        named: dict[str, Any] = {"session": session, "store": store, "upstream": upstream, "take": take, "pace": pace, "fault": spec}
        given = {**named, "data": None if data is None else Path(data), **settings}
        self._recording: CassetteRecording | None = None
        if cassette is None:
            self._settings = _settings(_act(mode, None), given)
        else:
            self._settings, self._recording = _of_cassette(mode, Path(cassette), given, tuple([allow] if isinstance(allow, str) else allow))
        self._proxy: InProcess | None = None
        self._closing = threading.Lock()
        self._closed = False
        self._at_exit: Callable[[], object] = lambda: None
        self._abandoned: weakref.finalize[..., Playhead] | None = None

    def start(self) -> None:
        """Serve; what `with` does on entry. Raises StoreError: there is nothing to replay, another one records there, the port is taken, ...; ConfigError."""
        from .in_process import InProcess

        if self._closed or self._proxy is not None:
            raise RuntimeError("a Playhead is started once: make another one")
        proxy = InProcess(self._settings, recording=self._recording)
        proxy.start()
        self._proxy = proxy
        self._at_exit = partial(_stop_at_exit, proxy)
        self._abandoned = weakref.finalize(self, _abandon, proxy, self._at_exit)
        self._abandoned.atexit = False
        atexit.register(self._at_exit)

    def close(self) -> None:
        """Let what is in flight end, store everything, write the cassette if one is recorded, and be gone; what `with` does on leaving. Idempotent.

        Raises StoreError: the store does not take what was recorded; it waits in the journal; or the cassette cannot be written.
        """
        self._close(well=True)

    def _close(self, *, well: bool) -> None:
        """`well`: a cassette is written."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            if self._proxy is None or self._abandoned is None:
                return
            self._abandoned.detach()
            atexit.unregister(self._at_exit)
            if self._recording is not None:
                self._recording.end(well=well, refused=len(self._proxy.divergences))
            self._proxy.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close(well=error is None)

    async def __aenter__(self) -> Self:
        import asyncio

        starting = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait((starting,))  # what has begun is ended properly
            await asyncio.to_thread(partial(self._close, well=False))
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        import asyncio

        await asyncio.to_thread(partial(self._close, well=error is None))

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its `base_url`; it ends with /v1."""
        return f"{self.url}/v1"

    @property
    def url(self) -> str:
        """The same without /v1, as clients of other APIs want it."""
        return f"http://{self._started.address}"

    def base_url_of(self, session: str) -> str:
        """The base URL of another session than that of the settings. Raises ConfigError: it cannot be called so."""
        from playhead.config.settings import SESSION_NAME, hint

        if not SESSION_NAME.fullmatch(session):
            raise ConfigError(f"{session!r} is no name of a session: {hint('session').allowed}")
        return f"{self.url}/@{session}/v1"

    @property
    def divergences(self) -> list[DivergenceRecord]:
        """The requests that a replay could not answer so far, the oldest first; `message` says why. Also after it was closed."""
        return list(self._started.divergences)

    def fault(self, spec: str, *, session: str | None = None) -> None:
        """From now on answers meet these faults, too: in that session, or in all. Raises ConfigError: it is no fault."""
        from playhead.config.faults import parse_faults

        try:
            faults = parse_faults(spec)
        except ValueError as error:
            raise ConfigError(f"{error}") from None
        self._started.faults.add(faults, session)

    def clear_faults(self, session: str | None = None) -> None:
        """No answer meets a fault any more: of those for that session, or of all."""
        self._started.faults.clear(session)

    @property
    def faults(self) -> list[FaultRecord]:
        """The faults that were met so far, of many the newest 10,000, the oldest first, each with what the client did then. Also after it was closed."""
        return self._started.faults.served

    @property
    def replayed(self) -> int:
        """How many requests were answered from recordings so far."""
        return self._started.counters.replayed

    @property
    def ruled(self) -> int:
        """How many of these were equal to the recorded request only by a match rule, or since that was accepted."""
        return self._started.counters.ruled

    @property
    def live(self) -> int:
        """How many requests a replay passed on to upstream so far."""
        return self._started.counters.live

    def rewind(self, session: str | None = None) -> Rewound:
        """Replay a session from its beginning again, with the recordings and the rules that it has now; None: that of the settings.

        Raises RewindError: there is nothing to replay.
        """
        return self._started.rewind(session or self._settings.session)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    def __repr__(self) -> str:
        state = "closed" if self._closed else "not started" if self._proxy is None else self.url
        return f"<Playhead {self._settings.mode} session {self._settings.session} {state}>"

    @property
    def _started(self) -> InProcess:
        if self._proxy is None:
            raise RuntimeError("this Playhead has not been started: use it as `with Playhead(...) as p:`")
        return self._proxy


def _act(mode: str, cassette: Path | None) -> str:
    """What a mode asks for, in the words of the command line. Raises ConfigError."""
    modes = get_args(Mode)
    if mode not in modes:
        raise ConfigError(f"mode = {mode!r}: allowed is {', '.join(modes[:-1])} or {modes[-1]}")
    if mode in ("all", "new_episodes", "once") and cassette is None:
        raise ConfigError(f"mode = {mode!r} records a cassette: name one, as in Playhead(mode={mode!r}, cassette='tests/weather.jsonl')")
    if mode == "once":
        return "replay" if cassette is not None and cassette.is_file() else "auto"
    return _ACTS.get(mode, mode)


def _of_cassette(mode: str, path: Path, given: dict[str, Any], allow: tuple[str, ...]) -> tuple[Settings, CassetteRecording | None]:
    """Settings for a cassette, and how it is recorded, if it is. Raises ConfigError."""
    act, asked = _act(mode, path), {**given, "cassette": path}
    if act == "replay":
        return _settings(act, asked), None
    found = _settings("auto", given)
    if not found.records:  # it has said why
        return _settings("replay", asked), None
    if act == "forward":
        return _settings(act, given), None
    from .cassettes.cassette_recording import CassetteRecording

    return found if act == "auto" else _settings(act, given), CassetteRecording(path, anew=act == "record", allow=allow)


def _settings(mode: str, given: dict[str, Any]) -> Settings:
    """Raises ConfigError."""
    from playhead.config.loading import load_settings

    for name in given.keys() & _ELSEWHERE.keys():
        raise ConfigError(f"{name} is not for Playhead(): {_ELSEWHERE[name]}")
    if mode == "auto":
        if given.get("on_miss") not in (None, "record"):
            raise ConfigError(f"on_miss = {given['on_miss']!r}: mode auto records what is missing; for something else there is mode replay")
        mode, given = "replay", {**given, "on_miss": "record"}
    asked = {"listen": _FREE_PORT, **given, "mode": mode, "workers": 1}
    loaded = load_settings(asked, environ=os.environ, cwd=Path.cwd(), place=_keyword, told=False)
    for note in loaded.notes:
        logging.getLogger("playhead").warning("%s", note)
    if loaded.sources["drain_timeout"] == "default":
        return loaded.settings.model_copy(update={"drain_timeout": _DRAIN_SECONDS})
    return loaded.settings


def _keyword(name: str) -> str:
    return f"argument {name}"


def _abandon(proxy: InProcess, at_exit: Callable[[], object]) -> None:
    """Nobody can close it any more. What collects garbage must not wait: a thread ends it."""
    atexit.unregister(at_exit)
    threading.Thread(target=proxy.stop, name="playhead end", daemon=True).start()
    warnings.warn(f"a Playhead at http://{proxy.address} was not closed: use it as `with Playhead(...) as p:`", ResourceWarning, stacklevel=2)


def _stop_at_exit(proxy: InProcess) -> None:
    warnings.warn(f"a Playhead at http://{proxy.address} was not closed before the program ended", ResourceWarning, stacklevel=2)
    proxy.stop()
