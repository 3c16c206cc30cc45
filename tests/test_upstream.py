"""The upstream leg alone: who is called how, what is kept, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes import FakeUpstream, Received, Socket, Wire, answer, chunked, chunked_head, echo, replying
from playhead.config.errors import ConfigError, UpstreamError
from playhead.proxy.forwarding.http1 import Framing, Head
from playhead.proxy.upstream import Connection, Origin, Upstream, tls_context
from proxied import until
from trusts import Trust

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Ear:
    """A receiver that writes down what it is told."""

    told: list[str] = field(default_factory=list)
    body: bytes = b""
    error: UpstreamError | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def interim(self, head: Head) -> None:
        self.told.append(f"interim {head.status}")

    def head(self, head: Head, framing: Framing) -> None:
        self.told.append(f"head {head.status} {type(framing).__name__}")

    def data(self, data: bytes, payload: list[bytes] | None) -> None:
        self.body += data

    def ended(self) -> None:
        self.told.append("ended")
        self.over.set()

    def failed(self, error: UpstreamError) -> None:
        self.told.append("failed")
        self.error = error
        self.over.set()

    def settled(self) -> None:
        """One read may be any part of an answer."""


def leg(url: str, *, tls: ssl.SSLContext | None = None, timeout: float = 10.0) -> Upstream:
    return Upstream(Origin.parse(url), connect_timeout=timeout, tls=tls)


async def ask(connection: Connection, raw: bytes = GET) -> Ear:
    """One exchange."""
    ear = Ear()
    connection.begin(ear, raw.partition(b" ")[0].decode())
    connection.write(raw)
    await ear.over.wait()
    return ear


async def asked(raw: bytes, request: bytes = GET) -> Ear:
    """What a receiver is told of an upstream that answers with these bytes and closes."""

    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(raw)
        wire.last = True

    async with FakeUpstream({"*": handler}) as server:
        connection = await leg(server.url).connect()
        ear = await ask(connection, request)
        connection.abort()
    return ear


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://api.openai.com", "api.openai.com", 443, b"", b"api.openai.com"),
        ("https://api.openai.com:443/v1", "api.openai.com", 443, b"/v1", b"api.openai.com"),
        ("http://localhost:8080/a/b/", "localhost", 8080, b"/a/b", b"localhost:8080"),
        ("http://[::1]:81", "::1", 81, b"", b"[::1]:81"),
        ("http://[::1]", "::1", 80, b"", b"[::1]"),
    ],
)
def test_an_origin_is_called_as_its_url_says(url: str, host: str, port: int, path: bytes, authority: bytes) -> None:
    origin = Origin.parse(url)

    assert (origin.host, origin.port, origin.path, origin.authority) == (host, port, path, authority)


async def test_an_answer_is_told_in_its_parts() -> None:
    ear = await asked(b"HTTP/1.1 103 Early\r\n\r\n" + chunked_head() + chunked(b"one"))

    assert (ear.told, ear.body) == (["interim 103", "head 200 Chunked", "ended"], chunked(b"one"))


async def test_a_body_up_to_the_end_of_the_connection_ends_with_it() -> None:
    ear = await asked(b"HTTP/1.1 200 OK\r\n\r\nall")

    assert (ear.told, ear.body) == (["head 200 UntilClose", "ended"], b"all")


@pytest.mark.parametrize("cut", range(1, 80, 7))
async def test_an_answer_that_comes_in_pieces_is_the_same(cut: int) -> None:
    raw = chunked_head((b"X-Name", b"value")) + chunked(b"one", b"two")
    async with FakeUpstream({"*": replying(raw[:cut], raw[cut:], pause=0.01)}) as server:
        connection = await leg(server.url).connect()
        ear = await ask(connection)
        connection.abort()

    assert (ear.told, ear.body) == (["head 200 Chunked", "ended"], chunked(b"one", b"two"))


@pytest.mark.parametrize(
    ("raw", "code", "story"),
    [
        (b"", "upstream_unreachable", "closed the connection without an answer"),
        (b"HTTP/1.1 200", "upstream_protocol_error", "broke off in the head"),
        (answer(b"12")[:-1], "upstream_unreachable", "broke off its answer"),
        (b"ICY 200 OK\r\n\r\n", "upstream_protocol_error", "b'ICY 200 OK"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20), "upstream_protocol_error", "does not speak HTTP/1.1"),
    ],
)
async def test_what_went_wrong_is_told(raw: bytes, code: str, story: str) -> None:
    ear = await asked(raw)

    assert ear.error is not None
    assert (ear.error.code, story in str(ear.error)) == (code, True), ear.error


async def test_a_connection_is_kept_for_the_next_exchange() -> None:
    async with FakeUpstream({"*": echo}) as server:
        upstream = leg(server.url)
        first = await upstream.connect()
        await ask(first)
        upstream.release(first)
        assert upstream.take() is first
        await ask(first)
        upstream.release(first)
        upstream.close()

    assert (first.used, server.connections, first.closed) == (2, 1, True)


@pytest.mark.parametrize("raw", [answer(b"", (b"Connection", b"close")), b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", answer() + b"more"])
async def test_a_connection_that_cannot_be_used_again_is_not_kept(raw: bytes) -> None:
    async with FakeUpstream({"*": replying(raw)}) as server:
        upstream = leg(server.url)
        connection = await upstream.connect()
        await ask(connection)
        upstream.release(connection)

        assert (upstream.take(), connection.closed) == (None, True)


async def test_an_idle_connection_that_upstream_closed_is_given_up() -> None:
    async with FakeUpstream({"*": echo}) as server:
        upstream = leg(server.url)
        connection = await upstream.connect()
        await ask(connection)
        upstream.release(connection)
        await server.stop()
        await until(lambda: connection.closed)

        assert upstream.take() is None


async def test_an_idle_connection_that_speaks_unasked_is_given_up() -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(answer())
        await asyncio.sleep(0.02)
        await wire.write(answer(b"planted"))

    async with FakeUpstream({"*": handler}) as server:
        upstream = leg(server.url)
        connection = await upstream.connect()
        await ask(connection)
        upstream.release(connection)
        await until(lambda: connection.closed)

        assert upstream.take() is None


async def test_a_refused_connection_says_so() -> None:
    async with FakeUpstream() as server:
        url = server.url
    with pytest.raises(UpstreamError, match="cannot be reached") as caught:
        await leg(url).connect()

    assert (caught.value.code, url in str(caught.value)) == ("upstream_unreachable", True)


async def test_a_host_that_has_no_address_says_so() -> None:
    with pytest.raises(UpstreamError, match=r"http://no\.such\.host\.invalid cannot be reached") as caught:
        await leg("http://no.such.host.invalid").connect()

    assert caught.value.code == "upstream_unreachable"


@pytest.fixture
def full() -> Iterator[int]:
    """The port of a server whose queue is full: it takes no connection, and refuses none."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()


async def test_connecting_has_its_time(full: int) -> None:
    with pytest.raises(UpstreamError, match=r"did not take a connection within 0\.2 s") as caught:
        await leg(f"http://127.0.0.1:{full}", timeout=0.2).connect()

    assert caught.value.code == "upstream_timeout"


async def test_tls_that_never_answers_has_its_time() -> None:
    async with FakeUpstream() as silent:
        with pytest.raises(UpstreamError, match="did not take a connection") as caught:
            await leg(f"https://localhost:{silent.port}", tls=tls_context(None), timeout=0.2).connect()

    assert caught.value.code == "upstream_timeout"


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust.made(tmp_path)


async def test_tls_with_an_authority_of_ones_own(trust: Trust) -> None:
    async with FakeUpstream({"*": replying(answer(b"secure"))}, tls=trust.server) as server:
        connection = await leg(server.url, tls=tls_context(trust.file)).connect()
        ear = await ask(connection)
        connection.abort()

    assert ear.body == b"secure"


async def test_an_unknown_authority_is_named_with_what_to_do(trust: Trust) -> None:
    async with FakeUpstream(tls=trust.server) as server:
        with pytest.raises(UpstreamError, match=r"certificate of https://localhost:\d+ cannot be verified.*--ca-file") as caught:
            await leg(server.url, tls=tls_context(None)).connect()

    assert caught.value.code == "upstream_unreachable"


async def test_a_certificate_for_another_name_is_not_taken(trust: Trust) -> None:
    async with FakeUpstream(tls=trust.server) as server:
        with pytest.raises(UpstreamError, match="cannot be verified"):
            await leg(server.url.replace("localhost", "127.0.0.1"), tls=tls_context(trust.file)).connect()


async def test_an_upstream_without_tls_where_it_was_expected_says_so() -> None:
    left = asyncio.Event()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer(status=b"400 Bad Request"))
        await Socket(reader, writer).close()
        left.set()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UpstreamError, match="cannot be reached") as caught:
            await leg(f"https://localhost:{port}", tls=tls_context(None)).connect()
        await left.wait()

    assert caught.value.code == "upstream_unreachable"


def test_a_ca_file_that_cannot_be_read_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("absent.pem", "empty.pem"):
        with pytest.raises(ConfigError, match=f"ca_file: .*{name}"):
            tls_context(str(tmp_path / name))


@pytest.mark.parametrize("how", ["after a while", "when the worker ends"])
async def test_what_upstream_does_not_take_is_given_up(how: str) -> None:
    go, taken = asyncio.Event(), 0

    async def handler(_: Received, wire: Wire) -> None:
        nonlocal taken
        await go.wait()
        while piece := await wire.reader.read(1 << 16):
            taken += len(piece)

    async with FakeUpstream({"*": handler}, ahead=1 << 16) as server:
        upstream = Upstream(Origin.parse(server.url), connect_timeout=10, tls=None, linger=0.05 if how == "after a while" else 3600)
        connection = await upstream.connect()
        connection.write(GET + b"x" * (1 << 24))
        connection.close()
        if how == "when the worker ends":
            upstream.close()
        await asyncio.sleep(0.1)
        go.set()
        await until(lambda: server.open_connections == 0)

    assert 0 < taken < 1 << 24
