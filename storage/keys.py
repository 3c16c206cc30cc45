"""What stands for an API key in recordings. Pure."""

from __future__ import annotations

import hmac


def key_id(key: bytes, credential: bytes) -> str:
    """`k_` and 16 hex digits of an HMAC: the same for the same credential under the same key, and no way back."""
    return "k_" + hmac.digest(key, credential, "sha256").hex()[:16]
