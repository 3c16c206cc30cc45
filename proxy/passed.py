"""What aiohttp is told where an answer has been written already."""

from __future__ import annotations

from aiohttp import web


class Passed:
    """In place of a response; nothing is left to be written."""

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing: the head has been written."""

    async def write_eof(self) -> None:
        """Nothing: the body has been written."""


KEEP = Passed(keep_alive=True)
CLOSE = Passed(keep_alive=False)
