"""What a host does beside serving: the segment of the journal that is written is given up when somebody asks for that."""

from __future__ import annotations

import asyncio
import http.client
from pathlib import Path

from playhead.proxy import Playhead
from playhead.proxy.recorders.renewal import given_up


async def test_segments_are_given_up_when_that_is_asked_for(tmp_path: Path) -> None:
    def names() -> list[str]:
        return [path.name.rpartition("-")[2] for path in (tmp_path / "journal").glob("*.seg")]

    def ask(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/v1/models")
        connection.getresponse().read()
        connection.close()

    tmp_path.chmod(0o700)
    with Playhead(mode="record", data=tmp_path, upstream="http://127.0.0.1:9") as proxy:
        await asyncio.to_thread(ask, int(proxy.url.rpartition(":")[2]))
        assert names() == ["000001.seg"]
        assert await asyncio.to_thread(given_up, tmp_path / "journal")
        assert names() == ["000002.seg"]
