"""What is left of a WebSocket that is closed."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

from fakes import FakeUpstream
from playhead.proxy.websocket import ClientTape
from proxied import proxied
from websocket_fakes import WebSocketClient, echo_messages


async def test_a_socket_that_is_closed_leaves_nothing_to_decode_with(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo_messages}) as upstream, proxied(tmp_path, upstream) as proxy:
        gc.disable()
        try:
            async with WebSocketClient.open(proxy.port, b"/v1/realtime", deflate=True) as socket:
                await socket.send(b"hello")
                await socket.receive()
                await socket.send_close(1000)
                await socket.receive_until_closed()
            await proxy.idle()
            await asyncio.sleep(0.05)
            assert not [one for one in gc.get_objects() if type(one) is ClientTape]
        finally:
            gc.enable()
