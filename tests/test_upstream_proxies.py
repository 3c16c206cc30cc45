"""The proxy of the environment, between playhead and upstream: HTTPS_PROXY and NO_PROXY, read in a process of its own."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

import warm
from fakes import FakeUpstream, Received, Wire, answer, replying, tunnel
from playhead.config.errors import ConfigError
from playhead.proxy.upstream import Origin, proxy_for
from trusts import Trust

PROGRAM = """
import asyncio, sys
from playhead.config.errors import UpstreamError
from playhead.proxy.upstream import Origin, Upstream, tls_context
sys.path.insert(0, sys.argv[3])
from test_upstream import ask

async def main():
    {setup}
    url, ca = sys.argv[1:3]
    try:
        connection = await Upstream(Origin.parse(url), connect_timeout=10, tls=tls_context(ca) if url.startswith("https") else None).connect()
    except UpstreamError as error:
        print(error.code, error)
        return
    print((await ask(connection)).body.decode())
    connection.abort()

{run}
"""
LOOPS = {"asyncio": ("", "asyncio.run(main())"), "uvloop": ("import uvloop", "import uvloop; uvloop.run(main())")}


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust.made(tmp_path)


async def through(proxy: str, url: str, trust: Trust, *, loop: str = "uvloop", no_proxy: str = "") -> str:
    """What upstream says, or why it could not be asked, to a process that has a proxy in its environment."""
    setup, run = LOOPS[loop]
    known = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    program = PROGRAM.format(setup=setup or "pass", run=run)
    command = ["python", "-c", program, url, trust.file, str(Path(__file__).parent)]
    done = await asyncio.to_thread(warm.run, command, env=known | {"HTTPS_PROXY": proxy, "NO_PROXY": no_proxy})
    return done.stdout.decode().strip()


@pytest.mark.parametrize("loop", LOOPS)
async def test_https_goes_through_the_proxy_of_the_environment(loop: str, trust: Trust) -> None:
    async with FakeUpstream({"*": replying(answer(b"secure"))}, tls=trust.server) as server, FakeUpstream({"*": tunnel}) as middle:
        said = await through(f"http://user:p%40ss@127.0.0.1:{middle.port}", server.url, trust, loop=loop)

        assert said == "secure"
        assert middle.requests[0].raw_head.startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % server.port)
        assert middle.requests[0].get(b"proxy-authorization") == b"Basic dXNlcjpwQHNz"


async def test_http_goes_directly(trust: Trust) -> None:
    async with FakeUpstream({"*": replying(answer(b"plain"))}) as server, FakeUpstream({"*": tunnel}) as middle:
        assert await through(middle.url, server.url, trust) == "plain"
        assert middle.requests == []


async def test_no_proxy_is_heeded(trust: Trust) -> None:
    async with FakeUpstream({"*": replying(answer(b"secure"))}, tls=trust.server) as server, FakeUpstream({"*": tunnel}) as middle:
        assert await through(middle.url, server.url, trust, no_proxy="example.com,localhost") == "secure"
        assert middle.requests == []


async def test_a_proxy_that_refuses_is_named_without_its_password(trust: Trust) -> None:
    async with FakeUpstream({"*": replying(answer(status=b"407 Proxy Authentication Required"))}) as middle:
        said = await through(f"http://user:secret@127.0.0.1:{middle.port}", "https://localhost:1", trust)

        assert said.startswith("upstream_unreachable")
        assert f"the proxy 127.0.0.1:{middle.port} answered 407 to CONNECT" in said
        assert "secret" not in said


async def test_a_proxy_that_closes_says_so(trust: Trust) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.close()

    async with FakeUpstream({"*": handler}) as middle:
        said = await through(middle.url, "https://localhost:1", trust)

        assert (said.split()[0], "the proxy closed the connection" in said) == ("upstream_unreachable", True)


async def test_a_proxy_that_is_not_there_is_named(trust: Trust) -> None:
    said = await through("http://127.0.0.1:1", "https://localhost:1", trust)

    assert "the proxy 127.0.0.1 cannot be reached: " in said


@pytest.mark.parametrize("scheme", ["https", "socks5"])
def test_a_proxy_of_another_kind_is_refused(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"{scheme}://user:secret@localhost:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    with pytest.raises(ConfigError, match=f"^HTTPS_PROXY: the proxy is {scheme}://...; allowed is http://HOST:PORT$"):
        proxy_for(Origin.parse("https://example.com"))


@pytest.mark.parametrize("said", ["http://h:abc", "http://h:99999", "http://", "http://user:se#cret@h:1", "user:se/cret@h:1", "http://:1"])
def test_a_proxy_without_a_host_or_with_a_bad_port_is_refused_and_not_quoted(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", said)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    with pytest.raises(ConfigError, match="no host, or a bad port") as refused:
        proxy_for(Origin.parse("https://example.com"))
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize("status", [b"201 Created", b"204 No Content"])
async def test_any_success_of_a_proxy_opens_the_way(status: bytes, trust: Trust) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        await wire.close()

    async with FakeUpstream({"*": handler}) as middle:
        assert "to CONNECT" not in await through(middle.url, "https://localhost:1", trust)


async def test_what_a_proxy_says_that_is_no_http_is_not_quoted(trust: Trust) -> None:
    async def handler(request: Received, wire: Wire) -> None:
        await wire.write(request.get(b"proxy-authorization") or b"")
        await wire.write(b"\r\n\r\n")

    async with FakeUpstream({"*": handler}) as middle:
        said = await through(f"http://user:secret@127.0.0.1:{middle.port}", "https://localhost:1", trust)

        assert said.endswith("the proxy does not speak HTTP/1.1")
        assert "Basic" not in said


async def test_a_proxy_whose_answer_has_no_end_is_not_heard_out(trust: Trust) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20))

    async with FakeUpstream({"*": handler}) as middle:
        assert "the proxy does not speak HTTP/1.1" in await through(middle.url, "https://localhost:1", trust)


def test_a_plain_origin_has_no_proxy() -> None:
    assert proxy_for(Origin.parse("http://localhost:1")) is None
