"""To which session, mode and upstream target a request belongs (DESIGN 2.1): pure.

/v1/responses                     the session of the command line
/@NAME/v1/responses               session NAME
Playhead-Session: NAME            session NAME, and wins
Playhead-Fault: SPEC              a fault on top of what is replayed
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from playhead.config.faults import Fault, parse_faults

from .admission import Admission
from .answers import Refusal
from .http1 import Header

__all__ = ["NO_KEY", "Address", "Addressing", "Refusal"]

_NAME = re.compile(rb"[A-Za-z0-9._:-]{1,128}\Z")
_AUTHORITY = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::[0-9]{0,5})?\Z")
_ABSOLUTE = re.compile(rb"(?i)https?://([^/?#]*)(.*)\Z", re.DOTALL)


NO_KEY = Refusal(
    "bad_token", "This request is for upstream, which must not learn the replay token: send upstream's own key, and the token in the header Playhead-Token."
)


class Address(NamedTuple):
    """Where a request goes. `target`: path and query for upstream, byte for byte, the session prefix removed. `mode`: record, forward or replay.

    `on_miss`: what a replay does where nothing matches: fail, forward or record. `keyless`: the client has given the replay token in place of
    upstream's key. `faults`: what the request asks for.
    """

    session: str
    mode: str
    target: bytes
    on_miss: str = "fail"
    keyless: bool = False
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Addressing:
    """The server's own part of addressing: constant while it runs.

    `mode`, `on_miss`: what is done with a request that asks for nothing else. `modes`: what `Playhead-Mode` may ask for; `why`: why for nothing more.
    `admission`: whom it replays to; `guarded`: whether nobody else is served at all.
    """

    session: str
    mode: str
    modes: tuple[str, ...]
    upstream_path: bytes
    on_miss: str = "fail"
    why: str = ""
    admission: Admission | None = None
    guarded: bool = False

    def resolve(self, method: str, target: bytes, headers: Sequence[Header], own: frozenset[bytes]) -> Address | Refusal:
        """Decide for one request; headers as the client sent them. `own`: what this server is called, HOST:PORT in lower case."""
        hosts, session, asked = [], None, None
        specs: list[bytes] = []
        for name, value in headers:
            if len(name) == 4 and name.lower() == b"host":
                hosts.append(value)
            elif len(name) > 12 and name[:9].lower() == b"playhead-":
                if name.lower() == b"playhead-session":
                    session = value
                elif name.lower() == b"playhead-mode":
                    asked = value.decode("latin-1").strip().lower()
                elif name.lower() == b"playhead-fault":
                    specs.append(value)
        if len(hosts) != 1 or not _AUTHORITY.match(hosts[0]):
            return Refusal("bad_target", "A request needs one Host header that names a host.")
        if asked is not None and asked not in self.modes:
            return Refusal("mode_not_allowed", f"This server runs in mode {self._name} and takes Playhead-Mode: {', '.join(self.modes)}{self.why}.")
        mode, on_miss = (self.mode, self.on_miss) if asked is None else (asked, "fail") if asked != "auto" else ("replay", "record")
        path = _origin_form(method, target, own)
        if isinstance(path, Refusal):
            return path
        keyless = self._admit(hosts[0], headers, mode)
        if isinstance(keyless, Refusal):
            return keyless
        if path.startswith(b"/@"):
            prefixed, path = _split_prefix(path)
            session = prefixed if session is None else session
        if session is not None and not _NAME.match(session):
            return Refusal("bad_session_name", "A session's name is 1 to 128 of the characters A-Z a-z 0-9 . _ : -")
        faults = _faults(specs, mode) if specs else ()
        if isinstance(faults, Refusal):
            return faults
        return Address(self.session if session is None else session.decode(), mode, self._join(path), on_miss, keyless, faults)

    def _admit(self, host: bytes, headers: Sequence[Header], mode: str) -> Refusal | bool:
        """Whether the replay token stands where upstream's key would."""
        if self.admission is None or not (self.guarded or mode == "replay"):
            return False
        keyless = self.admission.judge(host, headers)
        if keyless is True and mode != "replay":
            return NO_KEY
        return keyless

    @property
    def _name(self) -> str:
        return "auto" if (self.mode, self.on_miss) == ("replay", "record") else self.mode

    def _join(self, path: bytes) -> bytes:
        base = self.upstream_path
        if not base or path == b"*":
            return path
        # "/v1" at the end of upstream's path and at the start of the request's count once.
        if base.endswith(b"/v1") and (path == b"/v1" or path.startswith((b"/v1/", b"/v1?"))):
            return base + path[3:]
        return base + path


def _origin_form(method: str, target: bytes, own: frozenset[bytes]) -> bytes | Refusal:
    """The target as path and query; a URL is taken if it names this server, so that playhead is no open proxy."""
    if target.startswith(b"/"):
        return target
    if target == b"*" and method == "OPTIONS":
        return target
    match = _ABSOLUTE.match(target)
    if match and match[1].lower() in own:
        return match[2] if match[2].startswith(b"/") else b"/" + match[2]
    return Refusal("bad_target", "playhead forwards to its upstream only: ask for a path, not for a URL of another host; CONNECT is not served.")


def _faults(specs: Sequence[bytes], mode: str) -> tuple[Fault, ...] | Refusal:
    """What `Playhead-Fault` asks for."""
    if mode != "replay":
        return Refusal("bad_fault", f"A fault stands on top of what is replayed, and this request is served in mode {mode}: leave Playhead-Fault out.")
    try:
        return parse_faults(b";".join(specs).decode("latin-1"))
    except ValueError as error:
        return Refusal("bad_fault", f"Playhead-Fault: {error}.")


def _split_prefix(path: bytes) -> tuple[bytes, bytes]:
    """`/@NAME/rest` to NAME and /rest."""
    end = min((i for i in (path.find(b"/", 1), path.find(b"?", 1)) if i > 0), default=len(path))
    rest = path[end:]
    return path[2:end], rest if rest.startswith(b"/") else b"/" + rest
