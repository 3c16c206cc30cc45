"""How far the recorder has come, for commands that want to see everything: a small file beside the journal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

_NAME = "progress.json"


def write_progress(directory: Path, progress: Mapping[str, tuple[int, int]]) -> None:
    """Publish per writer the segment and the offset up to which everything has been read, and what ended before it stored."""
    path = directory / _NAME
    hidden = path.with_suffix(".tmp")
    try:
        hidden.write_text(json.dumps(progress))
        os.replace(hidden, path)
    except OSError:
        return  # a full disk: who waits for progress will say that there is none


def read_progress(directory: Path) -> dict[str, tuple[int, int]]:
    """What was published last; empty if nothing was."""
    try:
        loaded = json.loads((directory / _NAME).read_text())
    except (OSError, ValueError):
        return {}
    return {str(writer): (int(place[0]), int(place[1])) for writer, place in loaded.items()}
