"""What commands say on standard error."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Lines on standard error, each marked as ours."""
    for line in text.split("\n"):
        print(f"playhead: {line}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """About something that does not stop the command."""
    say(f"warning: {text}")
