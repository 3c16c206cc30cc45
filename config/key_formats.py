"""How keys of known services look, for the search before a session leaves the machine. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

# The beginning of each is fixed and rare, and its length too great for chance.
KEY_FORMATS: Mapping[str, str] = {
    "OpenAI or compatible API key": r"sk-(?:proj-|svcacct-|admin-|or-v1-|ant-[a-z]+\d*-|lf-)?[A-Za-z0-9_-]{20,}",
    "OpenAI ephemeral key": r"ek_[A-Za-z0-9]{20,}",
    "AWS access key": r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    "Google API key": r"AIza[A-Za-z0-9_-]{35}",
    "Google OAuth token": r"ya29\.[A-Za-z0-9_-]{20,}",
    "GitHub token": r"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})",
    "GitLab token": r"glpat-[A-Za-z0-9_-]{20,}",
    "Hugging Face token": r"hf_[A-Za-z0-9]{30,}",
    "Slack token": r"xox[abeoprs]-[A-Za-z0-9-]{20,}",
    "Stripe key": r"[rs]k_live_[A-Za-z0-9]{16,}",
    "Groq API key": r"gsk_[A-Za-z0-9]{40,}",
    "xAI API key": r"xai-[A-Za-z0-9]{40,}",
    "Perplexity API key": r"pplx-[A-Za-z0-9]{40,}",
    "Replicate token": r"r8_[A-Za-z0-9]{30,}",
    "npm token": r"npm_[A-Za-z0-9]{36}",
    "PyPI token": r"pypi-AgEI[A-Za-z0-9_-]{50,}",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
}

# What may not stand on either side of a key: of a longer token it would be a part by chance.
BEFORE = r"(?<![A-Za-z0-9_-])"
AFTER = r"(?![A-Za-z0-9])"

# A value of these members is bytes in base64, or otherwise opaque.
OPAQUE = frozenset(
    ("encrypted_content", "b64_json", "partial_image_b64", "file_data", "image_url", "signature", "data", "audio", "base64", "thought_signature")
)
FILES = frozenset(("file_data", "image_url", "data", "base64", "file"))
"""Of these members that are what somebody has sent: a file of any kind, in which a key may stand."""
OPAQUE_LINES = frozenset(("request_base64", "response_base64", "rest_base64", "event_base64", "sent_base64", "message_base64", "coded_base64"))

KEY = re.compile("|".join(f"(?P<k{number}>{BEFORE}{pattern}{AFTER})" for number, pattern in enumerate(KEY_FORMATS.values())))
"""A key at the borders of a token; the group tells the format."""

STARTS = (
    *(b"sk-", b"ek_", b"AKIA", b"ASIA", b"AIza", b"ya29.", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"glpat-", b"hf_"),
    *(b"xox", b"k_live_", b"gsk_", b"xai-", b"pplx-", b"r8_", b"npm_", b"pypi-", b"-----BEGIN"),
)
"""One of these stands in each key: found a hundred times as quickly as a pattern."""
