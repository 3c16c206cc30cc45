"""What a host does beside serving: the segment of the journal that is written is given up when somebody asks for that."""

from __future__ import annotations

import asyncio
import http.client
import shutil
from pathlib import Path

import pytest

from playhead.proxy import Playhead
from playhead.proxy.recorders.renewal import given_up
from proxied import until


def names(data: Path) -> list[str]:
    return [path.name.rpartition("-")[2] for path in (data / "journal").glob("*.seg")]


def ask(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/v1/models")
    connection.getresponse().read()
    connection.close()


async def test_segments_are_given_up_when_that_is_asked_for(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with Playhead(mode="record", data=tmp_path, upstream="http://127.0.0.1:9") as proxy:
        await asyncio.to_thread(ask, int(proxy.url.rpartition(":")[2]))
        assert names(tmp_path) == ["000001.seg"]
        assert await asyncio.to_thread(given_up, tmp_path / "journal")
        assert names(tmp_path) == ["000002.seg"]


async def test_a_journal_that_was_removed_goes_on_in_a_new_segment(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with Playhead(mode="record", data=tmp_path, upstream="http://127.0.0.1:9") as proxy:
        await asyncio.to_thread(ask, int(proxy.url.rpartition(":")[2]))
        await until((tmp_path / "journal" / "progress").exists)
        shutil.rmtree(tmp_path / "journal")

        await until(lambda: names(tmp_path) == ["000002.seg"])


async def test_a_journal_that_cannot_be_made_again_is_when_it_can(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tmp_path.chmod(0o700)
    journal = tmp_path / "journal"
    with Playhead(mode="record", data=tmp_path, upstream="http://127.0.0.1:9") as proxy:
        await asyncio.to_thread(ask, int(proxy.url.rpartition(":")[2]))
        await until((journal / "progress").exists)
        journal.rename(tmp_path / "before")
        journal.touch()
        shutil.rmtree(tmp_path / "before")
        await asyncio.sleep(2.5)  # it looks each second
        journal.unlink()

        await until(lambda: names(tmp_path) == ["000002.seg"])
    assert caplog.text.count("was removed and cannot be made again (File exists)") == 1


async def test_a_journal_whose_data_directory_is_another_one_now_is_let_be(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    data = tmp_path / "data"
    with Playhead(mode="record", data=data, upstream="http://127.0.0.1:9") as proxy:
        await asyncio.to_thread(ask, int(proxy.url.rpartition(":")[2]))
        await until((data / "journal" / "progress").exists)
        data.rename(tmp_path / "before")
        (data / "journal").mkdir(parents=True)
        shutil.rmtree(tmp_path / "before" / "journal")
        await asyncio.sleep(2.5)  # it looks each second

        assert names(data) == []
        shutil.rmtree(data)
        (tmp_path / "before").rename(data)
