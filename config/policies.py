"""What a replay does where its recordings have no answer: the names of the policies."""

from __future__ import annotations

from typing import Literal

Exhausted = Literal["fail", "last", "cycle"]
