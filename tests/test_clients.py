"""Connections of clients: requests one after the other, whatever comes together, whoever leaves."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from fakes import RawClient
from playhead.proxy.forwarding.clients import ClientRequest, Done, Leave, Server, in_task
from proxied import until

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def say(request: ClientRequest, text: bytes) -> None:
    if request.transport is not None:
        request.transport.write(OK % (len(text), text))


@dataclass
class Service:
    """Serves as it is told, and writes down what happened."""

    serve: Callable[[Service, ClientRequest, Done], Leave | None]
    requests: list[ClientRequest] = field(default_factory=list)
    open: list[Done] = field(default_factory=list)
    left: list[int] = field(default_factory=list)

    def begin(self, request: ClientRequest, done: Done) -> Leave:
        number = len(self.requests)
        self.requests.append(request)
        return self.serve(self, request, done) or (lambda: self.left.append(number))


def at_once(service: Service, request: ClientRequest, done: Done) -> None:
    say(request, request.target)
    done(request.keep_alive)


def later(service: Service, request: ClientRequest, done: Done) -> None:
    service.open.append(done)


def whole_body(service: Service, request: ClientRequest, done: Done) -> Leave:
    async def serve() -> bool:
        try:
            say(request, await request.content.read())
        except web.RequestPayloadError:
            say(request, b"bad body")
        return True

    return in_task(serve(), done)


@contextlib.asynccontextmanager
async def serving(serve: Callable[[Service, ClientRequest, Done], Leave | None], *, linger: float = 10.0) -> AsyncIterator[tuple[Service, Server, RawClient]]:
    service = Service(serve)
    server = Server(service.begin, linger=linger)
    async with await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0) as accepting:
        async with RawClient.connect(accepting.sockets[0].getsockname()[1]) as client:
            yield service, server, client
        await server.shutdown()
        await until(lambda: not server.connections)


async def test_requests_are_served_one_after_the_other() -> None:
    async with serving(at_once) as (_, _, client):
        assert [(await client.request(GET % number)).body for number in range(3)] == [b"/0", b"/1", b"/2"]


@pytest.mark.parametrize("count", [2, 31, 32, 33, 200])
async def test_requests_that_come_together_are_answered_in_their_order(count: int) -> None:
    async with serving(at_once) as (_, _, client):
        await client.write(b"".join(GET % number for number in range(count)))

        assert [(await client.answer()).body for _ in range(count)] == [b"/%d" % number for number in range(count)]


async def test_a_request_waits_until_the_one_before_it_is_served() -> None:
    async with serving(later) as (service, _, client):
        await client.write(b"".join(GET % number for number in range(100)))
        for number in range(100):
            await until(lambda: len(service.open) > number)  # noqa: B023  # it is awaited here
            assert len(service.requests) == number + 1
            say(service.requests[number], b"%d" % number)
            service.open[number](True)

            assert (await client.answer()).body == b"%d" % number


async def test_a_connection_ends_when_a_request_says_so() -> None:
    async with serving(at_once) as (_, _, client):
        got = await client.request(b"GET /0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

        assert got.body == b"/0"
        assert await client.at_end()


async def test_what_is_no_http_is_answered_behind_the_requests_before_it() -> None:
    async with serving(later) as (service, _, client):
        await client.write(GET % 0)
        await until(lambda: len(service.open) == 1)
        await client.write(b"garbage\r\n\r\n")
        say(service.requests[0], b"first")
        service.open[0](True)
        first, second = await client.answer(), await client.answer()

        assert (first.body, second.status, second.get(b"playhead-error")) == (b"first", 400, b"bad_request")
        assert await client.at_end()


async def test_a_client_gets_that_answer_however_much_it_sends() -> None:
    async with serving(at_once) as (_, _, client):
        for _ in range(40):
            await client.write(b"garbage " * 100_000)

        got = await client.answer()
        assert (got.status, len(got.body) < 500) == (400, True)
        assert await client.at_end()


async def test_a_client_that_stays_behind_that_answer_is_left() -> None:
    async with serving(at_once, linger=0.05) as (_, server, client):
        await client.write(b"garbage\r\n\r\n")
        await client.answer()
        await until(lambda: not server.connections)


async def test_what_follows_that_is_not_kept() -> None:
    async with serving(later) as (service, _, client):
        await client.write(GET % 0)
        await until(lambda: len(service.open) == 1)
        for _ in range(100):
            await client.write(b"garbage\r\n\r\n")
            await asyncio.sleep(0.001)
        kept = sum(issubclass(type(one), HttpProcessingError) for one in gc.get_objects())
        say(service.requests[0], b"first")
        service.open[0](True)
        await client.answer()

        assert kept == 1
        assert (await client.answer()).status == 400
        assert await client.at_end()


async def test_a_body_that_is_no_http_is_told_to_who_reads_it() -> None:
    async with serving(whole_body) as (service, _, client):
        await client.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await until(lambda: len(service.requests) == 1)
        await client.write(b"zz\r\n")

        assert (await client.answer()).body == b"bad body"


async def test_a_body_comes_as_it_is_sent() -> None:
    async with serving(whole_body) as (_, _, client):
        await client.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nab")
        await client.write(b"cdef")

        assert (await client.answer("POST")).body == b"abcdef"


async def test_the_rest_of_a_body_that_nobody_read_is_not_taken_for_a_request() -> None:
    async with serving(at_once) as (_, _, client):
        await client.write(b"POST /0 HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\nGET /never HTTP/1.1")
        first = await client.answer()
        await client.write(b"\r\nHost: nowhere\r\n\r\n..")
        second = await client.request(GET % 1)

        assert (first.body, second.body) == (b"/0", b"/1")


async def test_the_rest_of_a_body_that_nobody_reads_is_not_waited_for_for_ever() -> None:
    async with serving(at_once, linger=0.01) as (_, server, client):
        await client.write(b"POST /0 HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\nhalf of it")

        assert (await client.answer()).body == b"/0"
        assert await client.at_end()
        await until(lambda: not server.connections)


async def test_whoever_serves_is_told_that_the_client_left() -> None:
    async with serving(later) as (service, server, client):
        await client.write(GET % 0)
        await until(lambda: len(service.open) == 1)
        await client.close()
        await until(lambda: bool(service.left))

        assert service.left == [0]
        service.open[0](True)  # too late, and no harm
        assert not server.connections


async def test_a_body_whose_client_left_ends_in_an_error() -> None:
    async with serving(later) as (service, _, client):
        await client.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nab")
        await until(lambda: len(service.open) == 1)
        await client.close()
        await until(lambda: bool(service.left))

        assert service.requests[0].content.exception() is not None


async def test_a_fault_of_ours_breaks_the_connection_off(caplog: pytest.LogCaptureFixture) -> None:
    def fail(service: Service, request: ClientRequest, done: Done) -> None:
        raise RuntimeError("a fault")

    async with serving(fail) as (_, _, client):
        await client.write(GET % 0)

        assert await client.at_end()
        assert "a fault of playhead's own" in caplog.text


async def test_a_fault_in_a_task_breaks_the_connection_off(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> bool:
        raise RuntimeError("a fault")

    async with serving(lambda service, request, done: in_task(fail(), done)) as (_, _, client):
        await client.write(GET % 0)

        assert await client.at_end()
        assert "a fault of playhead's own" in caplog.text


async def test_bytes_behind_an_upgrade_go_to_who_took_over() -> None:
    got: list[bytes] = []

    class After:
        def feed_data(self, data: bytes) -> None:
            got.append(data)

        def feed_eof(self) -> None:
            got.append(b"end")

    def upgrade(service: Service, request: ClientRequest, done: Done) -> None:
        request.connection.take_over(After())

    async with serving(upgrade) as (_, _, client):
        await client.write(UPGRADE + b"together")
        await until(lambda: b"together" in got)
        await client.write(b"later")
        await until(lambda: b"later" in got)
        await client.close()
        await until(lambda: b"end" in got)

    assert got == [b"together", b"later", b"end"]


async def test_what_follows_an_upgrade_that_was_declined_is_a_request() -> None:
    async with serving(at_once) as (_, _, client):
        await client.write(UPGRADE + GET % 1)

        assert [(await client.answer()).body for _ in range(2)] == [b"/ws", b"/1"]


async def test_much_that_follows_an_upgrade_waits_outside() -> None:
    async with serving(later) as (service, _, client):
        await client.write(UPGRADE)
        await until(lambda: len(service.open) == 1)
        much = GET.replace(b"\r\n\r\n", b"\r\nPadding: " + b"x" * 4000 + b"\r\n\r\n")
        sending = asyncio.ensure_future(client.write(b"".join(much % number for number in range(4_000))))
        await asyncio.sleep(0.05)
        assert not sending.done()
        service.serve = at_once
        say(service.requests[0], b"declined")
        service.open[0](True)

        assert (await client.answer()).body == b"declined"
        assert [(await client.answer()).body for _ in range(4_000)][-1] == b"/3999"
        await sending


async def test_a_server_that_stops_lets_idle_clients_go() -> None:
    async with serving(at_once) as (_, server, client):
        await client.request(GET % 0)
        server.pre_shutdown()

        assert await client.at_end()


async def test_a_server_that_is_shut_down_tells_who_serves() -> None:
    async with serving(later) as (service, server, client):
        await client.write(GET % 0)
        await until(lambda: len(service.open) == 1)
        server.pre_shutdown()
        assert service.left == []
        await server.shutdown()

        assert service.left == [0]
        assert await client.at_end()
