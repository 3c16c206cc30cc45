"""The upstream leg: a small HTTP/1.1 client that passes on what comes as it comes.

One `Connection` carries one exchange at a time and tells its `Receiver` what arrives, in the read callback itself: no coroutine runs for a piece.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast
from urllib.parse import unquote, urlsplit
from weakref import WeakSet

from playhead.config.errors import ConfigError, UpstreamError

from .forwarding.http1 import MAX_HEAD, Chunked, Framing, Head, ProtocolError, UntilClose, framing_of, parse_head, tokens

IDLE_SECONDS = 30.0  # an idle connection is given up before the servers we know give it up, so that a request seldom meets its end
_LINGER_SECONDS = 10.0
_LONGEST_GRANT = 1 << 16  # of a proxy's answer to CONNECT


@dataclass(frozen=True, slots=True)
class Origin:
    """Where upstream is. `path` is put in front of every request's path; `authority` is what it is called in `Host`."""

    scheme: str
    host: str
    port: int
    path: bytes
    authority: bytes

    @classmethod
    def parse(cls, url: str) -> Origin:
        """From a URL that settings have checked."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        default = 443 if parts.scheme == "https" else 80
        name = f"[{host}]" if ":" in host else host
        authority = name if parts.port in (None, default) else f"{name}:{parts.port}"
        return cls(parts.scheme, host, parts.port or default, parts.path.rstrip("/").encode(), authority.encode())

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority.decode()}{self.path.decode()}"


class Receiver(Protocol):
    """Who is told what upstream sends for one exchange. Each method is called from the event loop and must not raise."""

    def interim(self, head: Head) -> None:
        """A 1xx head other than 101."""

    def head(self, head: Head, framing: Framing) -> None:
        """The final head. After a 101 only `data` and `ended` or `failed` follow."""

    def data(self, data: bytes, payload: list[bytes] | None) -> None:
        """Bytes of the body as they came; `payload`: the chunk data among them if the body is chunked."""

    def ended(self) -> None:
        """The answer is complete; after a 101: upstream closed its side."""

    def failed(self, error: UpstreamError) -> None:
        """Upstream broke off or broke the protocol; nothing follows."""

    def settled(self) -> None:
        """All that one read brought has been told; it comes after `ended` and `failed`, too."""


class Leg(Protocol):
    """Where an answer comes from: a connection to upstream, or a recording that is played. It carries one exchange at a time."""

    answered: bool
    """Whether any byte of the current answer has come."""
    reusable: bool
    """Whether it may carry another exchange."""

    def begin(self, receiver: Receiver, method: str) -> None:
        """The next answer is the receiver's."""

    def write(self, data: bytes) -> None:
        """Send; never blocks. Follow large pieces by `await drain()`."""

    @property
    def stalled(self) -> bool:
        """Whether it takes less than it is sent."""

    async def drain(self) -> None:
        """Wait until it takes more."""

    def pause_reading(self) -> None:
        """Stop the answer: the client is slower."""

    def resume_reading(self) -> None:
        """Go on."""

    def release(self) -> None:
        """The exchange on it is over."""

    def abort(self) -> None:
        """Close at once; the receiver hears nothing more. Idempotent."""

    def close(self) -> None:
        """Close when all that was written has been sent."""


class Connection(asyncio.Protocol):
    """A connection to upstream. `release`: takes it back when an exchange on it is over. `linger`: seconds for what is unsent when it is to close."""

    def __init__(self, origin: Origin, release: Callable[[Connection], None] | None = None, *, linger: float = _LINGER_SECONDS) -> None:
        self._release = release
        self._linger = linger
        self.used = 0  # exchanges begun on it
        self.answered = False  # whether any byte of the current answer has come
        self.reusable = True
        self._origin = origin
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._method = ""
        self._buffer = b""
        self._framing: Framing | None = None
        self._upgraded = False
        self._writable: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        state = "closed" if self.closed else "upgraded" if self._upgraded else "busy" if self._receiver else "idle"
        return f"<Connection {self._origin} {state}, {self.used} exchanges>"

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport is None or self._transport.is_closing()

    def begin(self, receiver: Receiver, method: str) -> None:
        """The next answer is the receiver's."""
        self.used += 1
        self.answered = False
        self._receiver, self._method = receiver, method

    def write(self, data: bytes) -> None:
        """Send; never blocks. Follow large pieces by `await drain()`."""
        if self._transport is not None:
            self._transport.write(data)

    @property
    def stalled(self) -> bool:
        """Whether upstream takes less than it is sent."""
        return self._writable is not None

    async def drain(self) -> None:
        """Wait until upstream takes more."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def pause_reading(self) -> None:
        """Stop upstream: the client is slower."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def release(self) -> None:
        """The exchange on it is over: it may carry another one, if it can."""
        if self._release is not None:
            self._release(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once; the receiver hears nothing more. Idempotent."""
        self._receiver = None
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close when all that was written has been sent, or when upstream has not taken it for a while."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
            if self._transport.get_write_buffer_size():
                asyncio.get_running_loop().call_later(self._linger, self.abort)

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands, or its TLS does."""
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)  # what is written is sent now, not at the end of the turn

    def pause_writing(self) -> None:
        """Upstream is slower than the client."""
        if self._writable is None:
            self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Upstream takes more."""
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None

    def data_received(self, data: bytes) -> None:
        """Decide what the bytes are and tell the receiver."""
        receiver = self._receiver
        if receiver is None:  # bytes that nobody asked for
            self.reusable = False
            self.abort()
            return
        if self._upgraded:
            receiver.data(data, None)
        elif self._framing is not None:
            self._body(receiver, self._framing, data)
        else:
            self.answered = True
            self._head(receiver, self._buffer + data if self._buffer else data)
        receiver.settled()

    def connection_lost(self, exc: Exception | None) -> None:
        """Upstream closed, or a network did."""
        self._transport = None
        self.resume_writing()
        receiver, self._receiver = self._receiver, None
        if receiver is None:
            return
        if exc is None and (self._upgraded or isinstance(self._framing, UntilClose)):
            receiver.ended()
        elif self._framing is not None or self._upgraded:
            receiver.failed(UpstreamError("upstream_unreachable", f"{self._origin} broke off its answer"))
        elif self._buffer:
            receiver.failed(UpstreamError("upstream_protocol_error", f"{self._origin} broke off in the head of its answer"))
        else:
            receiver.failed(UpstreamError("upstream_unreachable", f"{self._origin} closed the connection without an answer"))
        receiver.settled()

    def _head(self, receiver: Receiver, data: bytes) -> None:
        while True:
            end = data.find(b"\r\n\r\n") + 4
            if end < 4:
                self._buffer = data
                if len(data) > MAX_HEAD or not b"HTTP/1.".startswith(data[:7]):
                    self._break(receiver, ProtocolError(f"it answered {data[:40]!r}"))
                return
            try:
                head = parse_head(data[:end])
                framing = framing_of(head, self._method)
            except ProtocolError as error:
                self._break(receiver, error)
                return
            data, self._buffer = data[end:], b""
            if head.status >= 200 or head.status == 101:
                break
            receiver.interim(head)
        if head.status == 101:
            self._upgraded, self.reusable = True, False
            receiver.head(head, framing)
            if data and self._receiver is receiver:
                receiver.data(data, None)
            return
        if b"connection" in head.first or not head.minor:
            said = tokens(head.headers, b"connection")
            self.reusable = self.reusable and (b"close" not in said if head.minor else b"keep-alive" in said)
        self.reusable = self.reusable and not isinstance(framing, UntilClose)
        self._framing = framing
        receiver.head(head, framing)
        self._body(receiver, framing, data)

    def _body(self, receiver: Receiver, framing: Framing, data: bytes) -> None:
        try:
            taken = framing.feed(data)
        except ProtocolError as error:
            self._before_fault(receiver, framing, data)
            self._break(receiver, error)
            return
        if taken < len(data):
            self.reusable = False  # what follows the end was not asked for
            data = data[:taken]
        if data:
            receiver.data(data, framing.payload if isinstance(framing, Chunked) else None)
        if framing.done and self._receiver is receiver:
            self._framing, self._receiver = None, None
            receiver.ended()

    @staticmethod
    def _before_fault(receiver: Receiver, framing: Framing, data: bytes) -> None:
        """What came whole before the peer broke the protocol still goes to the client."""
        sound = 0
        for piece in framing.payload if isinstance(framing, Chunked) else ():
            sound = data.find(piece, sound) + len(piece)
        if sound:
            receiver.data(data[:sound], framing.payload if isinstance(framing, Chunked) else None)

    def _break(self, receiver: Receiver, error: ProtocolError) -> None:
        self.abort()
        receiver.failed(UpstreamError("upstream_protocol_error", f"{self._origin} does not speak HTTP/1.1: {error}"))


class Upstream:
    """Connections to one origin, kept alive between exchanges."""

    def __init__(self, origin: Origin, *, connect_timeout: float, tls: ssl.SSLContext | None, linger: float = _LINGER_SECONDS) -> None:
        self.origin = origin
        self._linger = linger
        self._timeout = connect_timeout
        self._tls = tls
        self._proxy = proxy_for(origin)
        self._idle: list[tuple[float, Connection]] = []
        self._made: WeakSet[Connection] = WeakSet()

    def take(self) -> Connection | None:
        """An idle connection that still stands, the last used first."""
        oldest = time.monotonic() - IDLE_SECONDS
        while self._idle:
            since, connection = self._idle.pop()
            if not connection.closed and since >= oldest:
                return connection
            connection.abort()
        return None

    def release(self, connection: Connection) -> None:
        """The exchange on it is over: keep it, or close it if it cannot be used again."""
        if not connection.reusable or connection.closed:
            connection.abort()
            return
        now = time.monotonic()
        self._idle.append((now, connection))
        while now - self._idle[0][0] > IDLE_SECONDS:
            self._idle.pop(0)[1].abort()

    async def connect(self) -> Connection:
        """A new connection. Raises UpstreamError."""
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._connect()
            self._made.add(connection)
            return connection
        except TimeoutError:
            story = f"{self.origin} did not take a connection within {self._timeout:g} s"
            raise UpstreamError("upstream_timeout", story) from None
        except ssl.SSLCertVerificationError as error:
            story = f"the certificate of {self.origin} cannot be verified: {error.verify_message.rstrip('.')}; a CA of your own is named by --ca-file"
            raise UpstreamError("upstream_unreachable", story) from None
        except OSError as error:
            raise UpstreamError("upstream_unreachable", f"{self.origin} cannot be reached: {error.strerror or error}") from None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        origin = self.origin
        if self._proxy is not None:
            return await self._tunnel(self._proxy)
        _, connection = await loop.create_connection(lambda: Connection(origin, self.release, linger=self._linger), origin.host, origin.port, ssl=self._tls)
        return connection

    async def _tunnel(self, proxy: str) -> Connection:
        """Through an HTTP proxy by CONNECT, then TLS inside."""
        loop = asyncio.get_running_loop()
        origin, parts = self.origin, urlsplit(proxy)
        assert self._tls is not None  # plain HTTP goes through no proxy
        try:
            transport, tunnel = await loop.create_connection(_Tunnel, parts.hostname or "", parts.port or 3128)
        except OSError as error:
            raise OSError(f"the proxy {parts.hostname} cannot be reached: {error.strerror or error}") from None
        target = f"{origin.host}:{origin.port}" if ":" not in origin.host else f"[{origin.host}]:{origin.port}"
        request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            request += f"Proxy-Authorization: Basic {base64.b64encode(user.encode()).decode()}\r\n"
        transport.write(request.encode() + b"\r\n")
        try:
            status = await tunnel.status
            if status // 100 != 2:
                raise OSError(f"the proxy {parts.hostname}:{parts.port} answered {status} to CONNECT")
            connection = Connection(origin, self.release, linger=self._linger)
            secure = await loop.start_tls(transport, connection, self._tls, server_hostname=origin.host)
        except BaseException:
            transport.abort()
            raise
        if secure is None:
            raise OSError("the connection through the proxy was lost")
        connection.connection_made(secure)
        return connection

    def close(self) -> None:
        """Close all connections: nothing goes on over them any more, and the event loop would wait for what upstream does not take; idempotent."""
        for connection in self._made:
            connection.abort()
        self._idle.clear()


class _Tunnel(asyncio.Protocol):
    """Waits for a proxy's answer to CONNECT."""

    def __init__(self) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._data = b""

    def data_received(self, data: bytes) -> None:
        if self.status.done():
            return
        self._data += data
        end = self._data.find(b"\r\n\r\n") + 4
        try:
            if end >= 4:
                self.status.set_result(parse_head(self._data[:end]).status)
            elif len(self._data) > _LONGEST_GRANT:
                raise ProtocolError("its answer has no end")
        except ProtocolError:  # what it says is not quoted: it may repeat the credentials it was given
            self.status.set_exception(OSError("the proxy does not speak HTTP/1.1"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.status.done():
            self.status.set_exception(OSError("the proxy closed the connection"))


def proxy_for(origin: Origin) -> str | None:
    """The proxy that HTTPS_PROXY and NO_PROXY of the environment name for an https origin. Raises ConfigError for one that is not spoken to by HTTP."""
    proxies = urllib.request.getproxies_environment()
    proxy = proxies.get("https") if origin.scheme == "https" else None
    # Documented for Python's own opener, but not in its type stubs.
    bypass: Callable[[str, dict[str, str]], bool] = getattr(urllib.request, "proxy_bypass_environment")  # noqa: B009
    if not proxy or bypass(f"{origin.host}:{origin.port}", proxies):
        return None
    scheme, mark, _ = proxy.partition("://")
    if mark and scheme.lower() != "http":
        raise ConfigError(f"HTTPS_PROXY: the proxy is {scheme}://...; allowed is http://HOST:PORT")
    proxy = proxy if mark else f"http://{proxy}"
    try:
        sound = bool(urlsplit(proxy).hostname) and urlsplit(proxy).port != 0
    except ValueError:
        sound = False
    if not sound:  # not quoted: what is wrong with it may be its password
        raise ConfigError("HTTPS_PROXY: no host, or a bad port; allowed is http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT with % escapes in these two")
    return proxy


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """How certificates of upstream are verified: by the system's authorities, or by those in `ca_file` instead. Raises ConfigError."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(f"ca_file: {ca_file} holds no certificates that can be read: {error.strerror or error}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context
