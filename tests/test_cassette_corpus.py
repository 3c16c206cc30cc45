"""Real exchanges of the shared corpus come through a cassette as they were: bytes, times, events, and all that is listed of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from journalled import fold
from playhead.storage.records import Recorded
from taped import again, batch, everything, taped
from test_recording_corpus import CORPUS, WAYS, exchanges, journalled

SAMPLE = 9  # one of so many, each in another way


def recordings(shared: Path, name: str) -> list[Recorded]:
    found = []
    for number, exchange in enumerate(exchanges(shared, name)[::SAMPLE]):
        one = fold(journalled(exchange, WAYS[number % len(WAYS)]))
        one.writer, one.number, one.session, one.run = "w1", number, "default", "run-1"
        found.append(one)
    return found


@pytest.mark.parametrize("name", CORPUS)
def test_export_import_and_export_again_is_the_same_file_and_what_is_listed_is_the_same(name: str, shared: Path, tmp_path: Path) -> None:
    data = taped(tmp_path, batch(*recordings(shared, name)))

    assert again(tmp_path, data) == data
    assert everything(tmp_path / "second.db") == everything(tmp_path / "first.db")
