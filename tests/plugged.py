"""What tests of the pytest plugin share: an upstream on a thread, and small projects that are tested with the plugin in this process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest

# What the plugin imports when it is first used; a run inside this process forgets what it has imported, and half of it a second time is not the same.
import playhead.proxy.console.app
import playhead.proxy.in_process
import playhead.proxy.inserted
import playhead.proxy.testing.begun
import playhead.proxy.testing.collected
import playhead.proxy.testing.servers  # noqa: F401
from playhead.proxy.simulator import simulated_upstream

ASK = '''
import os
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener


def ask(text, base_url=None):
    """What comes back for a prompt; raises HTTPError."""
    url = (base_url or os.environ["OPENAI_BASE_URL"]) + "/responses"
    request = Request(url, b'{"model": "m", "input": "%s"}' % text.encode(), {"Content-Type": "application/json"})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=30) as answer:
            return answer.read().decode()
    except HTTPError as error:
        error.close()  # it is an answer, too, and holds its connection
        raise
'''
"""A module of a project under test."""


class Upstream:
    """Answers the requests in turn: `answer 1`, `answer 2`, ..."""

    def __init__(self, url: str, asked: list[bytes]) -> None:
        self.url = url
        self.asked = asked
        self.says = b""
        """What it answers instead."""


@contextmanager
def threaded_upstream() -> Iterator[Upstream]:
    """While the context lasts."""
    asked: list[bytes] = []
    numbers = count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["Content-Length"])))
            body = upstream.says or b'"answer %d"' % next(numbers)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not to the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    upstream = Upstream(f"http://127.0.0.1:{server.server_address[1]}", asked)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Project:
    """A project whose tests use playhead."""

    def __init__(self, pytester: pytest.Pytester, upstream: Upstream) -> None:
        self.pytester = pytester
        self.upstream = upstream
        pytester.makepyfile(asking=ASK)

    def tests(self, text: str, name: str = "test_weather") -> None:
        """A module of tests."""
        head = "import pytest, unittest\nfrom asking import ask\n"
        self.pytester.makepyfile(**{name: head + text})

    def run(self, *arguments: str) -> pytest.RunResult:
        """Test it, in this process."""
        return self.pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio", *arguments)

    def record(self, *arguments: str) -> pytest.RunResult:
        """Record what is missing; everything must pass."""
        result = self.run("--playhead-mode=once", *arguments)
        assert result.ret == 0, result.outlines
        return result

    def cassettes(self) -> list[str]:
        """All there are, by their paths."""
        root = self.pytester.path
        return sorted(str(path.relative_to(root)) for path in root.rglob("*.jsonl"))

    @property
    def path(self) -> Path:
        return self.pytester.path


def projects(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """One, for which no setting of whoever runs the tests counts."""
    for name in os.environ:
        if name.upper().startswith(("PLAYHEAD_", "OPENAI_", "ANTHROPIC_", "PYTEST_")) or name.upper().endswith("_PROXY") or name == "CI":
            monkeypatch.delenv(name)
    with threaded_upstream() as upstream:
        monkeypatch.setenv("PLAYHEAD_UPSTREAM", upstream.url)
        yield Project(pytester, upstream)


@contextmanager
def simulated() -> Iterator[str]:
    """A simulated upstream on a thread, while the context lasts; its URL."""
    ready: Future[str] = Future()
    ended = threading.Event()

    async def serve() -> None:
        async with simulated_upstream(pace=0) as url:
            ready.set_result(url)
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        yield ready.result()
    finally:
        ended.set()
        thread.join()
