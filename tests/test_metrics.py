"""What a worker counts."""

from __future__ import annotations

import json
from pathlib import Path

from fakes import FakeUpstream, RawClient, echo
from playhead.proxy.metrics import Counters
from proxied import GET, post, proxied
from websocket_fakes import WebSocketClient, echo_messages


def test_a_new_worker_has_counted_nothing() -> None:
    snapshot = Counters().snapshot()

    assert set(map(str, snapshot.values())) == {"{}", "0"}


def test_a_snapshot_is_json_and_stays_as_it_was() -> None:
    counters = Counters()
    counters.error("bad_target")
    snapshot = counters.snapshot()
    counters.outcome("complete")
    counters.error("bad_target")

    assert json.loads(json.dumps(snapshot)) == snapshot
    assert (snapshot["errors"], snapshot["outcomes"]) == ({"bad_target": 1}, {})


async def test_requests_answers_errors_and_bytes_are_counted(tmp_path: Path) -> None:
    async with FakeUpstream({"/v1/responses": echo, "/ws": echo_messages}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with RawClient.connect(proxy.port) as client:
            answers = [await client.request(post(b"12345")), await client.request(GET), await client.request(b"GET /@/ HTTP/1.1\r\nHost: x\r\n\r\n")]
            async with WebSocketClient.open(proxy.port, b"/ws") as socket:
                await socket.send(b"hello")
                await socket.receive()
        await proxy.idle()
        counted = proxy.service.counters.snapshot()

    assert counted["requests"] == {"http": 2, "ws": 1}
    assert counted["statuses"] == {"2xx": 1, "4xx": 1, "1xx": 1}
    assert counted["errors"] == {"bad_session_name": 1}
    assert counted["outcomes"] == {"complete": 2, "client_closed": 1}
    assert counted["request_bytes"] == 5 + len(b"hello") + 6
    assert counted["response_bytes"] > sum(len(one.raw_head + one.raw_body) for one in answers[:2])
    assert counted["open_connections"] == 0


async def test_uploads_are_counted_where_nothing_is_recorded(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream, proxied(tmp_path, upstream, mode="forward") as proxy, RawClient.connect(proxy.port) as client:
        await client.request(post(b"12345"))
        await proxy.idle()

        assert proxy.service.counters.request_bytes == 5
