"""To which session, mode and upstream target a request belongs (DESIGN 2.1): pure.

/v1/responses                     the session of the command line
/@NAME/v1/responses               session NAME
Playhead-Session: NAME            session NAME, and wins
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .http1 import Header

_NAME = re.compile(rb"[A-Za-z0-9._:-]{1,128}\Z")
_AUTHORITY = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::[0-9]{0,5})?\Z")
_ABSOLUTE = re.compile(rb"(?i)https?://([^/?#]*)(.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The proxy answers itself: `code` is one of answers.ERRORS, `message` tells the client what to do."""

    code: str
    message: str


class Address(NamedTuple):
    """Where a request goes. `target`: path and query for upstream, byte for byte, the session prefix removed. `mode`: record or forward."""

    session: str
    mode: str
    target: bytes


@dataclass(frozen=True, slots=True)
class Addressing:
    """The server's own part of addressing: constant while it runs."""

    session: str
    mode: str
    modes: tuple[str, ...]  # what `Playhead-Mode` may ask for
    upstream_path: bytes

    def resolve(self, method: str, target: bytes, headers: Iterable[Header], own: frozenset[bytes]) -> Address | Refusal:
        """Decide for one request; headers as the client sent them. `own`: what this server is called, HOST:PORT in lower case."""
        hosts, session, mode = [], None, self.mode
        for name, value in headers:
            if len(name) == 4 and name.lower() == b"host":
                hosts.append(value)
            elif len(name) > 12 and name[:9].lower() == b"playhead-":
                if name.lower() == b"playhead-session":
                    session = value
                elif name.lower() == b"playhead-mode":
                    mode = value.decode("latin-1").strip().lower()
        if len(hosts) != 1 or not _AUTHORITY.match(hosts[0]):
            return Refusal("bad_target", "A request needs one Host header that names a host.")
        if mode not in self.modes:
            return Refusal("mode_not_allowed", f"This server runs in mode {self.mode} and takes Playhead-Mode: {', '.join(self.modes)}.")
        path = _origin_form(method, target, own)
        if isinstance(path, Refusal):
            return path
        if path.startswith(b"/@"):
            prefixed, path = _split_prefix(path)
            session = prefixed if session is None else session
        if session is None:
            return Address(self.session, mode, self._join(path))
        if not _NAME.match(session):
            return Refusal("bad_session_name", "A session's name is 1 to 128 of the characters A-Z a-z 0-9 . _ : -")
        return Address(session.decode(), mode, self._join(path))

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


def _split_prefix(path: bytes) -> tuple[bytes, bytes]:
    """`/@NAME/rest` to NAME and /rest."""
    end = min((i for i in (path.find(b"/", 1), path.find(b"?", 1)) if i > 0), default=len(path))
    rest = path[end:]
    return path[2:end], rest if rest.startswith(b"/") else b"/" + rest
