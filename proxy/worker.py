"""A worker process: one event loop that forwards, and writes the journal.

Its standard input carries its orders (`children.Orders`) and ends when the main process does; on standard output it reports, a JSON object a line.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import signal
import socket
import sys
import time

import uvloop

from playhead.config.errors import PlayheadError
from playhead.storage.datadir import DataDir
from playhead.storage.journal import JournalWriter

from .children import Orders, keep_memory, read_orders, report, start_logging
from .forwarder import Forwarder, Server
from .making import make_forwarder

log = logging.getLogger("playhead")

_BACKLOG = 4096
_REPORT_SECONDS = 1.0
_BROKEN = 50
_SWITCH_SECONDS = 0.0005


def main() -> None:
    """Run until the main process says stop, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all of us; the main process decides
    orders = read_orders()
    keep_memory()
    start_logging(orders.settings.log_level)
    # What exists now lives as long as the process; what exchanges leave behind has no cycles, unless they are broken off.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    uvloop.run(_serve(orders))


async def _serve(orders: Orders) -> None:
    try:
        worker = _made(orders)
    except (PlayheadError, OSError) as error:
        report({"problem": f"a worker cannot start: {error}"})
        raise SystemExit(3) from None
    await worker.run()


def _made(orders: Orders) -> Worker:
    """Raises PlayheadError, OSError."""
    settings = orders.settings
    journal = None
    key = b""
    if settings.records:
        data = DataDir(settings.data, settings.key_file)
        key = data.key()
        writer = f"{time.time_ns():x}-{os.getpid()}-{secrets.token_hex(3)}"
        strict = settings.durability == "strict"
        # A server that cannot record does not start; one that has been at work goes on.
        journal = JournalWriter(data.journal_dir, writer, limit=settings.journal_limit, durable=strict, needed=not orders.again)
    return Worker(orders, make_forwarder(settings, journal, run=orders.run, key=key))


class Worker:
    """The life of a worker: accept, report, stop."""

    def __init__(self, orders: Orders, forwarder: Forwarder) -> None:
        self._orders = orders
        self._forwarder = forwarder
        self._service = forwarder.service
        self._server = Server(forwarder.handle)
        self._stop = asyncio.Event()
        self._orphaned = False

    async def run(self) -> None:
        """Serve until told to stop, then let what is in flight end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_reader(sys.stdin.fileno(), self._orphan)
        if self._orders.settings.mode == "replay":
            await self._begin_replay()
        listener = socket.socket(fileno=self._orders.listen_fd)
        accepting = await loop.create_server(self._server, sock=listener, backlog=_BACKLOG)
        helpers = [asyncio.ensure_future(self._report()), asyncio.ensure_future(self._forwarder.watch_silence())]
        report({"ready": True})
        await self._stop.wait()
        accepting.close()
        await self._drain()
        for helper in helpers:
            helper.cancel()
        if self._service.upstream is not None:
            self._service.upstream.close()
        await self._forwarder.close()
        self._service.tape.shut()
        report(self._state())

    async def _begin_replay(self) -> None:
        """Without recordings a replay does not start; without its own session it does, since clients may name others."""
        settings = self._orders.settings
        sys.setswitchinterval(_SWITCH_SECONDS)  # threads read the store, and must not keep the event loop waiting
        try:
            player = (await self._forwarder.replays()).player
            missing = await player.missing(settings.session) if settings.on_miss != "record" else None
        except PlayheadError as error:
            report({"problem": str(error)})
            raise SystemExit(3) from None
        if missing:
            log.warning("%s", missing)
        if self._orders.again:
            log.warning("the worker had died and was started again: what it had served is forgotten, and every session is replayed from its beginning")

    def _orphan(self) -> None:
        """The main process is gone: nobody would watch over a drain."""
        if not os.read(sys.stdin.fileno(), 1):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self._orphaned = True
            self._stop.set()

    async def _drain(self) -> None:
        service = self._service
        service.stopping = True
        self._server.pre_shutdown()
        for exchange in [exchange for exchange in service.exchanges if exchange.waits]:
            exchange.break_off()  # its client waits for nothing
        end = time.monotonic() + self._orders.settings.drain_timeout
        while (service.exchanges or self._server.unsent) and not self._orphaned and time.monotonic() < end:
            await asyncio.sleep(0.02)
        for exchange in list(service.exchanges):
            exchange.break_off()
        await asyncio.sleep(0.05)  # what was said last goes out
        await self._server.shutdown(0.1)

    async def _report(self) -> None:
        """Tell the main process what has been counted, when it changed."""
        before: dict[str, object] = {}
        swept = 0
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            outcomes = self._service.counters.outcomes
            broken = outcomes.total() - outcomes["complete"]
            if broken - swept >= _BROKEN:
                gc.collect()  # a cancelled handler of aiohttp's holds itself, and what had been read for it
                swept = broken
            state = self._state()
            if state != before:
                report(state)
                before = state

    def _state(self) -> dict[str, object]:
        service = self._service
        journal = service.tape.journal
        return {
            "metrics": {
                **service.counters.snapshot(),
                "open_exchanges": len(service.exchanges),
                "dropped": service.tape.dropped,
                "journal_problem": journal.problem if journal else None,
                "journal_end": (journal.writer, *journal.end) if journal and journal.begun else None,
            }
        }


if __name__ == "__main__":
    main()
