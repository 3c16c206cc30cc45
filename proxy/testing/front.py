"""One address for the whole run: behind it is the server that serves the running test, whichever that is. Bytes are passed on as they come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine

from ..client_side import reset

_AT_ONCE = 1 << 16  # bytes


class Front:
    """On a thread of its own; close it. `port`: of the server, on the loopback address, that it begins with."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._passing: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="playhead front", daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._pass, "127.0.0.1", 0), self._loop).result()

    @property
    def address(self) -> str:
        """HOST:PORT, where clients reach it."""
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def turn(self, port: int) -> None:
        """Pass on to another server: connections that clients keep open would lead to the one before, so they end."""
        if port != self._behind:
            self._behind = port
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; the end of one side is the end of the other."""
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        sides = [writer]
        try:
            theirs, to_them = await asyncio.open_connection("127.0.0.1", self._behind)
            sides.append(to_them)
            await _first_of(_copy(reader, to_them), _copy(theirs, writer))
            writer.close()
            await writer.wait_closed()  # a client may read its answer as slowly as it likes
        except OSError:  # a reset, such as a fault that a test has asked for
            reset(writer.transport)
        except asyncio.CancelledError:  # another server's turn has come, or the end of the run: nobody waits for who does not read
            for side in sides:
                side.transport.abort()
        finally:
            self._passing.discard(task)
            for side in sides:
                side.close()

    async def _end(self) -> None:
        ending = [*self._passing]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _close(self) -> None:
        self._server.close()
        await self._end()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the end of the one side. Raises OSError."""
    while data := await reader.read(_AT_ONCE):
        writer.write(data)
        await writer.drain()


async def _first_of(*ways: Coroutine[None, None, None]) -> None:
    """Raises what the one that ends first raises."""
    going = [asyncio.ensure_future(way) for way in ways]
    try:
        ended, _ = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
        for one in ended:
            one.result()
    finally:
        for one in going:
            one.cancel()
        await asyncio.gather(*going, return_exceptions=True)
