"""Objects of APIs that have no models."""

from __future__ import annotations

from .wire import Wire


class OtherObject(Wire):
    """Kept as it came."""
