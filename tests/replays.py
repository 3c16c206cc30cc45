"""Recordings made through a real proxy, and replays of them with upstream gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from fakes import Answer, FakeUpstream, Handler, Header, Received, Wire, answer, headers_of
from playhead.config.settings import Settings
from playhead.proxy.processes.settle import settle
from playhead.proxy.recorder import Recorder
from playhead.storage.datadir import DataDir
from playhead.storage.records import DivergenceRecord
from playhead.storage.store import Store
from proxied import Proxy, proxied

NOWHERE = "http://127.0.0.1:9"


def ask(body: bytes = b"", *headers: Header, method: bytes = b"POST", target: bytes = b"/v1/responses", host: bytes = b"localhost") -> bytes:
    """A request that a replay on this machine takes."""
    length = [b"Content-Length: %d" % len(body)] if body or method == b"POST" else []
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: " + host, *(name + b": " + value for name, value in headers), *length]
    return b"\r\n".join([*lines, b"", body])


@contextlib.asynccontextmanager
async def recording(tmp_path: Path, upstream: Mapping[str, Handler] | Handler | str, *, run: str = "run 1", **changes: Any) -> AsyncIterator[Proxy]:
    """A recording proxy in front of an upstream, of its own unless it is a URL; all that passed is in the store when this is left."""
    async with contextlib.AsyncExitStack() as stack:
        if not isinstance(upstream, str):
            routes = upstream if isinstance(upstream, Mapping) else {"*": upstream}
            upstream = (await stack.enter_async_context(FakeUpstream(routes))).url
        proxy = await stack.enter_async_context(proxied(tmp_path, upstream, run=run, **changes))
        yield proxy
        await proxy.idle()
    settle(Settings(data=tmp_path))


@contextlib.asynccontextmanager
async def replaying(tmp_path: Path, upstream: FakeUpstream | str = NOWHERE, *, run: str = "replay", **changes: Any) -> AsyncIterator[Proxy]:
    """A replay of what is recorded there."""
    async with proxied(tmp_path, upstream, run=run, **{"mode": "replay", **changes}) as proxy:
        yield proxy
        await proxy.idle()
    settle(Settings(data=tmp_path))


@contextlib.asynccontextmanager
async def recorder(tmp_path: Path) -> AsyncIterator[None]:
    """A recorder at work, as beside every server that records."""
    data = DataDir(tmp_path)
    data.ensure()
    begun, stop = threading.Event(), threading.Event()

    def work() -> None:
        with Store.open(f"sqlite:///{tmp_path / 'store.db'}", create=True) as store:
            begun.set()
            drain = Recorder(store, data.journal_dir)
            while not stop.wait(0.005):
                drain.step()
            drain.close()

    task = asyncio.ensure_future(asyncio.to_thread(work))
    await asyncio.to_thread(begun.wait)
    try:
        yield
    finally:
        stop.set()
        await task


def divergences(tmp_path: Path, session: str = "default") -> list[DivergenceRecord]:
    """Those in the store."""
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        return list(store.divergences(session))


def end_to_end(raw_head: bytes) -> list[Header]:
    """The header lines of an answer but for what is between the client and the proxy alone."""
    return [header for header in headers_of(raw_head) if header[0].lower() != b"connection"]


def numbered(count: int = 9) -> Handler:
    """Answers 0, 1, 2, ... in the order of the requests."""
    left = iter(range(count))

    async def handler(_: Received, wire: Wire) -> None:
        await wire.body()
        await wire.write(answer(b"%d" % next(left)))

    return handler


def code(got: Answer) -> str:
    """The code of an answer of playhead's own."""
    told = json.loads(got.body)["error"]
    assert (told["type"], got.get(b"playhead-error")) == ("playhead_error", told["code"].encode())
    return str(told["code"])
