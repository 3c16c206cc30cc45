"""No secret stays: the whole program between a client with secrets everywhere and an upstream that repeats them all."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import brotli
import pytest
import zstandard

from canaries import SPELLINGS, Canaries, files, plain, sevens
from fakes import FakeUpstream, Header, RawClient, Received, Wire, answer, chunked, chunked_head
from playhead.proxy.cli import run
from playhead.storage.store import Store
from proxied import read_journal, until
from running import Running
from websocket_fakes import CLOSE, CONTINUATION, PING, TEXT, RawWebSocket, WebSocketClient, accept

JSON = (b"Content-Type", b"application/json")


def raw_deflate(data: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(data) + coder.flush()


def two_members(data: bytes) -> bytes:
    return gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :])


@dataclass(frozen=True, slots=True)
class Coding:
    """A Content-Encoding of requests: how to do and undo it."""

    name: bytes
    do: Callable[[bytes], bytes]
    undo: Callable[[bytes], bytes]


def zstd_undo(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


CODINGS = (
    Coding(b"gzip", gzip.compress, gzip.decompress),
    Coding(b"gzip", two_members, gzip.decompress),
    Coding(b"deflate", zlib.compress, zlib.decompress),
    Coding(b"deflate", raw_deflate, lambda data: zlib.decompress(data, -15)),
    Coding(b"br", brotli.compress, brotli.decompress),
    Coding(b"zstd", zstandard.compress, zstd_undo),
    Coding(b"gzip, zstd", lambda data: zstandard.compress(gzip.compress(data)), lambda data: gzip.decompress(zstd_undo(data))),
)


# Bodies that are not what they say: upstream cannot decode them either, and has nothing of them to repeat.
UNDECODABLE = (
    Coding(b"gzip", bytes, lambda data: b""),
    Coding(b"snappy", bytes, lambda data: b""),
    Coding(b"zstd", lambda data: zstandard.compress(data)[:-9], lambda data: b""),
)


def said(request: Received) -> bytes:
    """The head of a request, and each of its cookies alone."""
    return request.raw_head + b"".join(b"%b\r\n" % value for value in re.findall(rb"=([^;]*)", request.get(b"cookie") or b""))


@dataclass
class Echo:
    """An upstream that sets cookies, gives out client secrets, and repeats all that it was told: as `X-Answer` says."""

    canaries: Canaries
    undo: Callable[[bytes], bytes] = bytes

    async def __call__(self, request: Received, wire: Wire) -> None:
        if request.get(b"upgrade"):
            await self.converse(request, wire)
            return
        if request.get(b"x-answer") == b"early head":
            await wire.write(chunked_head(JSON))
        sent = await wire.body()
        if not await wire.body_is_complete():
            wire.last = True
            return
        sent = self.undo(sent)
        with contextlib.suppress(ValueError):
            sent = json.dumps(json.loads(sent)).encode()
        wire.last = True
        if request.get(b"x-answer") == b"early head":
            await wire.write(chunked(self.given() + said(request), sent))
            return
        await wire.write(b"HTTP/1.1 103 Early Hints\r\nSet-Cookie: early=%b\r\n\r\n" % self.new("103 Set-Cookie"))
        for piece in self.answered(request, self.given() + said(request) + sent, (request.get(b"x-answer") or b"").decode()):
            await wire.write(piece)
            await asyncio.sleep(0)

    def new(self, place: str) -> bytes:
        return self.canaries.new(f"answer: {place}").encode()

    def given(self) -> bytes:
        """The secrets that are upstream's own."""
        texts = (
            b'{"type": "session.created", "client_secret": {"expires_at": 12, "value": "ek_%b"}, "b": {"client_secret":"%b"}}\n\n',
            b'{"value": "ek_%b"}\n\n',
        )
        return texts[0] % (self.new("client_secret.value"), self.new("client_secret")) + texts[1] % self.new("value of POST client_secrets")

    def answered(self, request: Received, body: bytes, way: str) -> Iterable[bytes]:
        """The answer, in the pieces in which it is written."""
        key = request.get(b"authorization") or b""
        cookies = [(b"Set-Cookie", b"__cf_bm=%b; path=/; HttpOnly" % self.new("Set-Cookie")), (b"set-cookie", b"sid = %b" % self.new("Set-Cookie"))]
        headers = [JSON, *cookies, (b"X-Echo", key), (b"X-Echo-2", b"you are " + (request.get(b"api-key") or b""))]
        if request.path != "/v1/responses":  # one that gives out new secrets: they cannot be found if it is compressed
            headers, body = [*headers, (b"Content-Encoding", b"gzip")], gzip.compress(body)
        whole, begin, told = answer(body, *headers), chunked_head(*headers), b"X-Key: %b\r\n" % key
        ways = {
            "whole": [whole],
            "7 bytes at a time": [whole[: len(whole) - len(body)], *sevens(body)],
            "chunks of 7": [begin + chunked(*sevens(body))],
            "chunks of 7, one by one": [begin, *(chunked(piece, end=False) for piece in sevens(body)), chunked()],
            "chunked, 7 bytes at a time": [begin, *sevens(chunked(body[:999], body[999:]))],
            "trailers": [begin + chunked(body, trailers=told)],
            "trailers, 7 bytes at a time": [begin, *sevens(chunked(body, trailers=told))],
            "until close": [answer(body, *headers, length=False)],
            "cut": [answer(b"is it " + key[:40], *headers, (b"Content-Length", b"99999"), length=False)],
            "chunked, cut": [begin + chunked(b"is it ", key[7:30], key[30:40], end=False)],
        }
        return ways[way]

    async def converse(self, request: Received, wire: Wire) -> None:
        """Repeats messages: not where they are deflated, for into those the program cannot look."""
        key = request.get(b"authorization") or b""
        socket = await accept(
            request, wire, (b"Sec-WebSocket-Protocol", request.get(b"sec-websocket-protocol") or b""), (b"Set-Cookie", b"a=" + self.new("101")), deflate=True
        )
        way = (request.get(b"x-answer") or b"").decode()
        while True:
            message = await socket.receive()
            if message.opcode == CLOSE:
                await socket.frame(CLOSE, message.payload)
                await socket.close()
                return
            if message.opcode == PING or socket.deflated:
                await socket.send(b'{"type": "response.completed"}')
                continue
            text = self.given() + key + json.dumps(json.loads(message.payload)).encode()
            if way == "fragments with pings":
                await self.interrupted(socket, text, key[:125])
            else:
                await socket.send(text, fragments=-(-len(text) // 7) if way == "fragments" else 1)

    @staticmethod
    async def interrupted(socket: RawWebSocket, text: bytes, told: bytes) -> None:
        """One message in small frames, a ping that tells something behind each."""
        for number, piece in enumerate(pieces := list(sevens(text))):
            await socket.frame(CONTINUATION if number else TEXT, piece, fin=number == len(pieces) - 1)
            await socket.frame(PING, told[: number % 126])


ANSWERS = (
    *("whole", "7 bytes at a time", "chunks of 7", "chunks of 7, one by one", "chunked, 7 bytes at a time"),
    *("trailers", "trailers, 7 bytes at a time", "until close", "cut", "chunked, cut", "early head"),
)
DELIVERIES = ("whole", "7 bytes at a time", "chunks of 7")


def request(target: bytes, headers: Sequence[Header], body: bytes, delivery: str) -> bytes:
    """A whole request."""
    framing = (b"Transfer-Encoding", b"chunked") if delivery == "chunks of 7" else (b"Content-Length", b"%d" % len(body))
    lines = [b"POST " + target + b" HTTP/1.1", b"Host: here", *(name + b": " + value for name, value in (*headers, framing))]
    return b"\r\n".join([*lines, b"", chunked(*sevens(body)) if delivery == "chunks of 7" else body])


def begun(raw: bytes, part: float) -> bytes:
    """The head of a request and a part of its body."""
    head, empty, body = raw.partition(b"\r\n\r\n")
    return head + empty + body[: int(len(body) * part)]


class Client:
    """Sends requests that are full of canaries."""

    def __init__(self, port: int, canaries: Canaries, echo: Echo) -> None:
        self.port, self.canaries, self.echo = port, canaries, echo
        self._answers = itertools.cycle(ANSWERS)
        self.requests = 0

    async def post(
        self, body: Callable[[Any], bytes], coding: Coding | None, delivery: str, *, kind: bytes = JSON[1], keep: float = 1.0, path: bytes = b"/v1/responses"
    ) -> None:
        """One request on a connection of its own. `keep`: which part of its body is sent before the client leaves."""
        answered = next(self._answers)
        name = coding.name.decode() if coding else "no coding"
        way = f"[{getattr(body, '__name__', '')}, {name}, {delivery}, answer {answered}, {keep}]"
        head = self.canaries.head(way)
        text = body(self.canaries.document(way, head[0][1].decode().removeprefix("Bearer ")))
        self.echo.undo = coding.undo if coding else bytes
        headers = [*head, (b"Content-Type", kind), (b"X-Answer", answered.encode()), *([(b"Content-Encoding", coding.name)] if coding else [])]
        raw = request(path + b"?" + self.canaries.query(way), headers, coding.do(text) if coding else text, delivery)
        self.requests += 1
        async with RawClient.connect(self.port) as client:
            await self._send(client, begun(raw, keep), delivery)
            if keep < 1:
                await asyncio.sleep(0.05)
                await client.abort()
                return
            got = await client.answer("POST")
            assert got.status == 200
            assert got.complete == ("cut" not in answered)

    @staticmethod
    async def _send(client: RawClient | WebSocketClient, raw: bytes, delivery: str) -> None:
        for piece in sevens(raw) if delivery == "7 bytes at a time" else [raw]:
            await client.write(piece)
            await asyncio.sleep(0)

    async def talk(self, *, deflate: bool, fragments: bool, answered: str, bodies: Iterable[Callable[[Any], bytes]] = SPELLINGS) -> None:
        """One WebSocket: a message in each spelling; a ping and a close that tell the key."""
        way = f"[WebSocket, {'deflated' if deflate else 'plain'}, {'fragments' if fragments else 'whole'}, answer {answered}]"
        headers = [*self.canaries.head(way), (b"X-Answer", answered.encode())]
        key = headers[0][1].decode().removeprefix("Bearer ")
        self.requests += 1
        async with WebSocketClient.open(self.port, b"/v1/realtime?" + self.canaries.query(way), *headers, deflate=deflate) as socket:
            for body in bodies:
                text = body(self.canaries.document(f"{way} {body.__name__}", key))
                await socket.send(text, fragments=-(-len(text) // 7) if fragments else 1)
                await self._next(socket)
            await socket.frame(PING, key.encode())
            await self._next(socket)
            await socket.send_close(1000, key)
            await socket.receive_until_closed()

    @staticmethod
    async def _next(socket: WebSocketClient) -> None:
        while (await socket.receive()).opcode == PING:
            pass


def form(document: Any) -> bytes:
    """A form, as OAuth clients send it."""
    url, secret = document["tools"][0], document["client_secret"]["value"]
    return urlencode(
        {"grant_type": "x", "client_secret": secret, "refresh_token": url["authorization"], "password": document["session"]["client_secret"]}
    ).encode()


def multipart(document: Any) -> bytes:
    """A form with parts."""
    parts = (
        ("client_secret", document["client_secret"]["value"]),
        ("model", "m"),
        ("prompt", document["instructions"]),
        ("api_key", document["session"]["client_secret"]),
    )
    return b"".join(f'--X\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in parts) + b"--X--\r\n"


async def http_bodies(client: Client) -> None:
    for body, delivery in itertools.product(SPELLINGS, DELIVERIES):
        await client.post(body, None, delivery)
    for delivery in DELIVERIES:
        await client.post(form, None, delivery, kind=b"application/x-www-form-urlencoded")
        await client.post(multipart, None, delivery, kind=b"multipart/form-data; boundary=X")
    for _ in range(8):
        await client.post(plain, None, "whole", path=b"/v1/realtime/client_secrets")


async def http_codings(client: Client) -> None:
    for coding, delivery in itertools.product(CODINGS, DELIVERIES):
        await client.post(plain, coding, delivery)
    for body, coding in zip(SPELLINGS, CODINGS, strict=True):
        await client.post(body, coding, "chunks of 7")
    for undecodable in UNDECODABLE:
        await client.post(plain, undecodable, "whole")


async def http_broken(client: Client) -> None:
    for delivery, keep in itertools.product(DELIVERIES, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)):
        await client.post(plain, None, delivery, keep=keep)
    for coding in CODINGS:
        await client.post(plain, coding, "chunks of 7", keep=0.9)


async def sockets(client: Client) -> None:
    for deflate, fragments in itertools.product((False, True), (False, True)):
        for answered in ("whole", "fragments"):
            await client.talk(deflate=deflate, fragments=fragments, answered=answered)
    await client.talk(deflate=False, fragments=False, answered="fragments with pings", bodies=SPELLINGS[:1])


async def left_open(client: Client, stack: contextlib.AsyncExitStack, journal: Path) -> None:
    """Exchanges that are in the middle of a secret when all is killed. Each has begun in the journal, of which nobody reads, when this returns."""
    for body, keep in itertools.product((plain, SPELLINGS[4]), (0.5, 0.7, 0.9)):
        way = f"[left open, {body.__name__}, {keep}]"
        head = client.canaries.head(way)
        text = body(client.canaries.document(way, head[0][1].decode().removeprefix("Bearer ")))
        raw = request(b"/v1/responses?" + client.canaries.query(way), [*head, JSON], text, "whole")
        open_one = await stack.enter_async_context(RawClient.connect(client.port))
        await open_one.write(begun(raw, keep))
        client.requests += 1
    await until(lambda: len([one for one in read_journal(journal) if one.outcome is None]) == 6)
    await asyncio.sleep(0.2)  # and as much of their bodies as there is


TRAFFIC = {"bodies": http_bodies, "codings": http_codings, "broken off": http_broken, "sockets": sockets}


class Search:
    """Looks for canaries in everything that the program leaves behind and says."""

    def __init__(self, canaries: Canaries, proxy: Running, captured: pytest.CaptureFixture[bytes]) -> None:
        self._canaries, self._proxy, self._captured = canaries, proxy, captured

    def files(self) -> list[str]:
        """In the files of the data directory, and in the log."""
        found = [leak for path in files(self._proxy.data) for leak in self._canaries.search(path.read_bytes(), path.name)]
        return found + self._canaries.search(self._proxy.log.encode(), "log")

    def store(self) -> list[str]:
        """In what the store holds, undone of all compression."""
        found = []
        with Store.open(f"sqlite:///{self._proxy.data}/store.db") as store:
            for row in store.exchanges("default"):
                raw = store.raw(row.id)
                for part in fields(raw):
                    value = getattr(raw, part.name)
                    found += self._canaries.search(value if isinstance(value, bytes) else repr(value).encode(), f"{part.name} of {row.id}")
        return found

    def commands(self) -> list[str]:
        """In what commands print, which also drain the journal: nothing is looked at before."""
        listing = self.output("exchanges", "default", "--json")
        found = [*self._canaries.search(listing, "exchanges --json"), *self._canaries.search(self.output("exchanges", "default"), "exchanges")]
        for row in map(json.loads, listing.splitlines()):
            id_ = str(row["id"])
            for arguments in self.shown(id_, row["transport"]):
                found += self._canaries.search(self.output(*arguments), " ".join(arguments))
        return found

    @staticmethod
    def shown(id_: str, transport: str) -> Iterator[tuple[str, ...]]:
        yield "show", id_
        yield "show", id_, "--raw", "request"
        yield "show", id_, "--raw", "response"
        if transport == "ws":
            yield "events", id_
            yield "events", id_, "--json"

    def output(self, *arguments: str) -> bytes:
        self._captured.readouterr()
        status = run([*arguments, "--data", str(self._proxy.data)])
        out, err = self._captured.readouterr()
        assert status == 0, err
        return bytes(out + err)


def shortened(leaks: list[str]) -> str:
    return "\n".join([f"{len(leaks)} leaks", *leaks[:400]])


@pytest.mark.parametrize("traffic", TRAFFIC)
async def test_no_secret_is_left_anywhere(traffic: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    canaries = Canaries()
    echo = Echo(canaries)
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path / "data", upstream.url) as proxy:
            client, search = Client(proxy.port, canaries, echo), Search(canaries, proxy, capfdbinary)
            proxy.pause_recorder()
            await TRAFFIC[traffic](client)
            assert (leaks := search.files()) == [], shortened(leaks)  # the journal

            proxy.resume_recorder()
            assert len(search.output("exchanges", "default", "--json").splitlines()) == client.requests
            leaks = [*search.files(), *search.store(), *search.commands()]
            assert leaks == [], shortened(leaks)


async def test_no_secret_is_left_when_all_is_killed(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    canaries = Canaries()
    echo = Echo(canaries)
    async with FakeUpstream({"*": echo}) as upstream, contextlib.AsyncExitStack() as stack:
        with Running(tmp_path / "data", upstream.url) as proxy:
            client, search = Client(proxy.port, canaries, echo), Search(canaries, proxy, capfdbinary)
            for body in SPELLINGS:
                await client.post(body, CODINGS[0], "chunks of 7")
            proxy.pause_recorder()
            for body in SPELLINGS:
                await client.post(body, None, "whole")
            await client.talk(deflate=True, fragments=True, answered="whole")
            await left_open(client, stack, proxy.data / "journal")
            proxy.kill()
            assert (leaks := search.files()) == [], shortened(leaks)

            search.output("sessions")
            assert len(search.output("exchanges", "default", "--json").splitlines()) == client.requests
            leaks = [*search.files(), *search.store(), *search.commands()]
            assert leaks == [], shortened(leaks)
