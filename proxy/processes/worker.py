"""A worker process: one event loop that forwards, and writes the journal.

Its standard input carries its orders (`children.Orders`) and ends when the main process does; on standard output it reports, a JSON object a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import resource
import signal
import socket
import sys
from typing import Any

import uvloop

from playhead.config.errors import PlayheadError

from ..forwarder import Forwarder
from ..recordings.rewinding import RewindError
from .children import Orders, be_called, keep_memory, read_orders, report, start_logging
from .hosting import Host, forwarder_of

log = logging.getLogger("playhead")

NAME = "ph:worker"
_REPORT_SECONDS = 1.0
_BROKEN = 50
_SWITCH_SECONDS = 0.0005


def main() -> None:
    """Run until the main process says stop, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all of us; the main process decides
    be_called(NAME)
    orders = read_orders()
    keep_memory()
    _open_many()
    start_logging(orders.settings.log_level)
    # What exists now lives as long as the process; what exchanges leave behind has no cycles, unless they are broken off.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    uvloop.run(_serve(orders))


def _open_many() -> None:
    """Let as many files be open as the system allows: the usual 1,024 are 500 clients with their connections to upstream."""
    with contextlib.suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(orders: Orders) -> None:
    try:
        # A server that cannot record does not start; one that has been at work goes on.
        forwarder = forwarder_of(orders.settings, orders.run, needed=not orders.again)
    except (PlayheadError, OSError) as error:
        report({"problem": f"a worker cannot start: {error}"})
        raise SystemExit(3) from None
    await Worker(orders, forwarder).run()


class Worker:
    """The life of a worker: accept, report, stop."""

    def __init__(self, orders: Orders, forwarder: Forwarder) -> None:
        self._orders = orders
        self._forwarder = forwarder
        self._service = forwarder.service
        self._host = Host(forwarder)
        self._stop = asyncio.Event()
        self._orphaned = False
        self._asked = b""  # of a question, as far as it has come
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until told to stop, then let what is in flight end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_reader(sys.stdin.fileno(), self._hear)
        if self._orders.settings.mode == "replay":
            sys.setswitchinterval(_SWITCH_SECONDS)  # threads read the store, and must not keep the event loop waiting
        try:
            await self._host.open(socket.socket(fileno=self._orders.listen_fd))
        except PlayheadError as error:
            report({"problem": str(error)})
            raise SystemExit(3) from None
        if self._orders.again and self._orders.settings.mode == "replay":
            log.warning("the worker had died and was started again: what it had served is forgotten, and every session is replayed from its beginning")
        reporting = asyncio.ensure_future(self._report())
        report({"ready": True})
        await self._stop.wait()
        self._forwarder.accounts = self._orders.settings.mode == "replay"
        await self._host.close(lambda: self._orphaned)
        reporting.cancel()
        report(self._state())

    def _hear(self) -> None:
        """The main process asks something, a line each; or it is gone, and nobody would watch over a drain."""
        said = os.read(sys.stdin.fileno(), 1 << 16)
        if not said:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self._orphaned = True
            self._stop.set()
        *lines, self._asked = (self._asked + said).split(b"\n")
        for line in lines:
            task = asyncio.ensure_future(self._answer(json.loads(line)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, asked: dict[str, Any]) -> None:
        """All that is asked is that a session be rewound."""
        try:
            told = (await self._forwarder.rewind(asked["rewind"]))._asdict()
        except RewindError as error:
            told = error.told
        report({"answer": {"number": asked["number"], **told}})

    async def _report(self) -> None:
        """Tell the main process what has been counted, when it changed."""
        before: dict[str, object] = {}
        swept = 0
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            outcomes = self._service.counters.outcomes
            broken = outcomes.total() - outcomes["complete"]
            if broken - swept >= _BROKEN:
                gc.collect()  # a task that was cancelled holds itself, and what had been read for it
                swept = broken
            state = self._state()
            if state != before:
                report(state)
                before = state

    def _state(self) -> dict[str, object]:
        service = self._service
        journal = service.tape.journal
        if journal is not None:
            journal.look_again()
        return {
            "metrics": {
                **service.counters.snapshot(),
                **({"account": self._forwarder.account} if self._forwarder.account else {}),
                "open_exchanges": len(service.exchanges),
                "dropped": service.tape.dropped,
                "journal_problem": journal.problem if journal else None,
                "journal_end": (journal.writer, *journal.end) if journal and journal.begun else None,
            }
        }


if __name__ == "__main__":
    main()
