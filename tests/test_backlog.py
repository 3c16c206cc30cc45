"""What waits before a client is heard again."""

from __future__ import annotations

import asyncio

from playhead.proxy.sockets.backlog import Backlog


def test_a_client_is_heard_while_little_waits() -> None:
    backlog = Backlog(10)
    backlog.add(10)

    assert backlog.room() is None


async def test_where_more_waits_it_is_heard_again_once_there_is_room() -> None:
    backlog = Backlog(10)
    backlog.add(30)
    room = backlog.room()
    assert room is not None
    waiting = asyncio.ensure_future(room)

    backlog.remove(19)
    await asyncio.sleep(0)
    assert not waiting.done()
    backlog.remove(1)
    await waiting
