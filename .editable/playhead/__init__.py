"""For editable installs only: put the checkout's folders under the name ``playhead``."""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[2])]
