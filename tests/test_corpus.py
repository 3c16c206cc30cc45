"""The whole program with real traffic: every exchange of the shared corpus through `playhead record`, and what the store and the listings then say."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import random
import socket
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from fakes import first, headers_of
from playhead.proxy.cli import run
from playhead.storage.store import Store
from running import Running
from test_recording_corpus import CORPUS, exchanges, naive, types_of
from warm import Program

WAYS: dict[str, tuple[str, ...]] = {"as it was": (), "gzip, split": ("--gzip", "--split-seed", "7")}
SAMPLE = 3  # one of so many exchanges goes the second way, too
DROPPED = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"),
    *("content-length", "host", "accept-encoding", "proxy-connection", "expect", "content-encoding"),
}
SHOWN = 10  # exchanges of each run that commands are asked to show; and so many streams at most


@dataclass(frozen=True, slots=True)
class Got:
    """What the client got: `wire` as it came, content-encoding and all."""

    status: int
    wire: bytes
    coding: str

    @property
    def body(self) -> bytes:
        return zlib.decompress(self.wire, 47) if self.coding == "gzip" and self.wire else self.wire


@contextlib.contextmanager
def playing(shared: Path, name: str, flags: tuple[str, ...], log: Path) -> Iterator[str]:
    """The corpus as an upstream in a process of its own; its base URL."""
    corpus = shared / "corpus"
    ours = socket.socket()  # bound for as long as the process lives: until that listens, nobody else must get the port, be it to connect from
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ours.bind(("127.0.0.1", 0))
    port = ours.getsockname()[1]
    command = ["python", str(corpus / "upstream.py"), "--corpus", str(corpus / f"exchanges.{name}.jsonl.gz"), "--port", str(port), *flags]
    with ours, log.open("wb") as errors, Program(command, stderr=errors) as process:
        try:
            assert process.stdout.readline().startswith(b"upstream:")
            wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_for(port: int, process: Program) -> None:
    """Return when something listens on that port."""
    while process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.01)
    pytest.fail("corpus/upstream.py ended")


def sent_headers(exchange: dict[str, Any]) -> list[tuple[str, str]]:
    kept = [(name, value.strip()) for name, value in exchange["request_headers"] if name.lower() not in DROPPED]
    return [*kept, ("Authorization", "Bearer sk-corpus-0123456789"), ("Accept-Encoding", "gzip, deflate"), ("x-corpus-id", exchange["id"])]


async def drive(base: str, corpus: list[dict[str, Any]]) -> dict[str, Got]:
    """Send every exchange, one after the other; what came back, by id."""
    got = {}
    own = ("User-Agent", "Content-Type", "Accept", "Accept-Encoding")
    session = aiohttp.ClientSession(
        auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=own, max_line_size=1 << 17, max_field_size=1 << 17
    )
    async with session:
        for exchange in corpus:
            body = base64.b64decode(exchange["request_body_b64"])
            url = URL(base + exchange["url_path"], encoded=True)
            async with session.request(
                exchange["method"], url, data=io.BytesIO(body) if body else None, headers=sent_headers(exchange), allow_redirects=False
            ) as answer:
                got[exchange["id"]] = Got(answer.status, await answer.read(), answer.headers.get("content-encoding", ""))
    return got


def different(corpus: list[dict[str, Any]], got: dict[str, Got]) -> list[str]:
    """The exchanges whose answer did not come as the corpus has it."""
    wanted = {exchange["id"]: (exchange["status"], base64.b64decode(exchange["response_body_b64"])) for exchange in corpus}
    return [id_ for id_, want in wanted.items() if (got[id_].status, got[id_].body) != want]


def stored(store: Store) -> dict[str, int]:
    """The id in the store of each exchange, by the header that names it in the corpus."""
    found: dict[str, int] = {}
    for row in store.exchanges("default"):
        name = first(headers_of(store.heads(row.id).request_head), b"x-corpus-id")
        assert name is not None
        assert found.setdefault(name.decode(), row.id) == row.id
    return found


def without_secrets(body: bytes) -> Any:
    """The JSON of a request, with what opens MCP servers replaced: the only secrets in bodies of the corpus."""
    asked = json.loads(body)
    for tool in asked.get("tools", []):
        if tool["type"] == "mcp" and tool.get("authorization"):
            tool["authorization"] = "<redacted:authorization>"
        if tool["type"] == "mcp" and tool.get("headers"):
            tool["headers"] = dict.fromkeys(tool["headers"], "<redacted:header>")
    return asked


def unlike(store: Store, ids: dict[str, int], corpus: list[dict[str, Any]], got: dict[str, Got]) -> list[tuple[str, str]]:
    """Whose stored bodies are not those that the client sent and got."""
    wrong = []
    for exchange in corpus:
        name, id_ = exchange["id"], ids[exchange["id"]]
        if b"".join(store.response_chunks(id_)) != got[name].wire:
            wrong.append((name, "response"))
        sent, kept = base64.b64decode(exchange["request_body_b64"]), b"".join(store.request_chunks(id_))
        if kept != sent and json.loads(kept) != without_secrets(sent):
            wrong.append((name, "request"))
    return wrong


def is_stream(exchange: dict[str, Any]) -> bool:
    """Whether its answer says that it is a stream of events."""
    return any(name.lower() == "content-type" and value.strip().startswith("text/event-stream") for name, value in exchange["response_headers"])


def expected(exchange: dict[str, Any], got: Got) -> dict[str, Any]:
    """What the listing should say of it, by an independent reading of the corpus."""
    headers = [(name.lower(), value.strip()) for name, value in exchange["response_headers"]]
    sent = {name.lower(): value for name, value in exchange["request_headers"]}
    known = [value for wanted in ("x-request-id", "request-id") for name, value in headers if name == wanted]
    retried = sent.get("x-stainless-retry-count")
    streamed = is_stream(exchange)
    return {
        **naive(exchange),
        "session": "default",
        "method": exchange["method"],
        "path": exchange["url_path"],
        "status": exchange["status"],
        "outcome": "complete",
        "transport": "sse" if streamed else "http",
        "request_id": known[0] if known else None,
        "attempt": None if retried is None else int(retried) + 1,
        "request_bytes": len(base64.b64decode(exchange["request_body_b64"])),
        "response_bytes": len(got.wire),
        "events": len(types_of(exchange)) if streamed else 0,
    }


def disagreements(rows: list[dict[str, Any]], ids: dict[str, int], corpus: list[dict[str, Any]], got: dict[str, Got]) -> list[Any]:
    """Where the listing says something else than the corpus: id, column, what it says, what it should say."""
    by_id = {row["id"]: row for row in rows}
    wrong = []
    for exchange in corpus:
        row = by_id[ids[exchange["id"]]]
        wrong += [(exchange["id"], name, row[name], value) for name, value in expected(exchange, got[exchange["id"]]).items() if row[name] != value]
    return wrong


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CORPUS)
def test_real_traffic_passes_untouched_and_is_kept_to_the_byte(
    shared: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], name: str, way: str
) -> None:
    corpus, flags, data = exchanges(shared, name)[:: SAMPLE if WAYS[way] else 1], WAYS[way], tmp_path / "data"
    with playing(shared, name, flags, tmp_path / "upstream.log") as upstream, Running(data, upstream) as proxy:
        got = asyncio.run(drive(proxy.url, corpus))
        assert different(corpus, got) == []

        listing = proxy.command("exchanges", "default", "--json").rows
        metrics = proxy.metrics()
        assert len(listing) == len(corpus)
        assert sum(value for sample, value in metrics.items() if sample.startswith("playhead_recording_failures_total")) == 0
        assert metrics["playhead_journal_dropped_exchanges_total"] == 0
        assert proxy.stop() == 0
        assert "Error" not in proxy.log
    with Store.open(f"sqlite:///{data}/store.db") as store:
        ids = stored(store)
        assert unlike(store, ids, corpus, got) == []
    assert disagreements(listing, ids, corpus, got) == []

    command = Commands(data, capfdbinary)
    assert b"no problems found" in command("verify")
    command.show_the_same(corpus, ids, got)


class Commands:
    """Commands on a data directory, run in this process: a process for each would take most of the test's time."""

    def __init__(self, data: Path, captured: pytest.CaptureFixture[bytes]) -> None:
        self._data, self._captured = data, captured

    def __call__(self, *arguments: str) -> bytes:
        self._captured.readouterr()
        status = run([*arguments, "--data", str(self._data)])
        out, err = self._captured.readouterr()
        assert (status, err) == (0, b"")
        return out

    def show_the_same(self, corpus: list[dict[str, Any]], ids: dict[str, int], got: dict[str, Got]) -> None:
        """What commands show of one exchange is what the client got: for a sample, and for a sample of the streams."""
        chance = random.Random(corpus[0]["id"])
        streams = [exchange for exchange in corpus if is_stream(exchange)]
        for exchange in chance.sample(corpus, SHOWN):
            assert self("show", str(ids[exchange["id"]]), "--raw", "response") == got[exchange["id"]].wire
        for exchange in chance.sample(streams, min(SHOWN, len(streams))):
            id_ = str(ids[exchange["id"]])
            assert self("show", id_, "--raw", "response", "--decoded") == base64.b64decode(exchange["response_body_b64"])
            rows = [json.loads(row) for row in self("events", id_, "--json").splitlines()]
            assert [(row["type"], row["sequence_number"]) for row in rows] == types_of(exchange)
