"""A child process that keeps to what `Child` and its processes say to each other, and starts in a tenth of the time that a recorder takes.

What it does is told by files in the directory that `LIGHT_CHILD` names: `problem`: it cannot start, for that reason; `stays`: it goes on as long as that
is there, though it is dismissed. When its work is done, there is a file `done`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def say(**state: object) -> None:
    print(json.dumps(state), flush=True)


def main() -> None:
    place = Path(os.environ["LIGHT_CHILD"])
    assert sys.stdin.buffer.readline().endswith(b"\n")  # its orders
    if (place / "problem").exists():
        say(problem=(place / "problem").read_text(encoding="utf-8"))
        raise SystemExit(3)
    say(ready=True)
    say(metrics={"exchanges": 1})
    sys.stdin.buffer.read()
    while (place / "stays").exists():
        time.sleep(0.01)
    (place / "done").touch()


if __name__ == "__main__":
    main()
